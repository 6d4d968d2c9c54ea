#!/usr/bin/env bash
# bench-http.sh - requests per second of the service beside a bare libmicrohttpd handler, in turn.
#
# Needs wrk and a build. Both read the same body; the bare one answers a fixed text of the same length.
# usage: scripts/bench-http.sh [SECONDS] [IMAGE.jpg]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-5}
image=${2:-tests/data/images/rgb.jpg}
build=${BUILD:-build}
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$work"' EXIT

cc -O2 -o "$work/bare" tests/bench/bare.c -lmicrohttpd
"$build/tidepool" serve --port 0 2>"$work/log" &
pids+=($!)
server=$!
sleep 1
url=$(sed -n 's/.* on \(http:[^ ]*\) .*/\1/p' "$work/log")

row=$(printf '0,0,0,1,1,0,0,0')
printf '{"tensor":[[%s],[%s],[%s],[%s],[%s],[%s],[%s],[%s]]}' "$row" "$row" "$row" "$row" "$row" "$row" "$row" "$row" >"$work/line.json"
cat >"$work/post.lua" <<'LUA'
local f = io.open(os.getenv("BODY"), "rb")
wrk.method, wrk.body = "POST", f:read("*a")
f:close()
LUA

load() {   # BODY URL
  BODY=$1 wrk -t1 -c64 -d"${seconds}s" -s "$work/post.lua" "$2" |
    awk '/Requests\/sec/ { rate = $2 } /Socket errors|Non-2xx/ { bad = bad " " $0 } END { printf "%.0f requests/s%s\n", rate, bad }'
}
memory() { awk '/VmRSS/ { print $2 " KiB resident" }' "/proc/$server/status"; }

length=$(curl -s -o /dev/null -w '%{size_download}' --data-binary "@$work/line.json" "$url/v1/models/line-detector/features")
port=$((20000 + RANDOM % 20000))
"$work/bare" "$port" "$length" &
pids+=($!)
sleep 0.3
for round in 1 2 3; do
  printf 'round %d  bare           %s\n' "$round" "$(load "$work/line.json" "http://127.0.0.1:$port/")"
  printf 'round %d  line-detector  %s\n' "$round" "$(load "$work/line.json" "$url/v1/models/line-detector/features")"
done
memory
for round in 1 2 3; do
  printf 'round %d  gist, %s  %s\n' "$round" "$(basename "$image")" "$(load "$image" "$url/v1/models/gist/features")"
  memory
done
