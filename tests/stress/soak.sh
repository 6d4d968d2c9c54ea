#!/usr/bin/env bash
# soak.sh - good, bad and aborted requests, many of them: does anything grow? Row 14.
#
# usage: soak.sh [BINARY] [REQUESTS]        default: build/tidepool 200000; full form: 2000000
# Needs wrk and python3. At rest, after each quarter, prints what is allocated (tidepool_heap_bytes),
# resident memory, descriptors and threads; exits 1 beyond the goal, from the second of these to the last:
# 1 KiB more allocated per 100,000 requests and 4 KiB for chance (of the small blocks that each thread keeps
# for itself, which count as allocated), resident no more than a peak's remains (8 MiB are not given back),
# no descriptor and no thread more, the next request answered.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${1:-build/tidepool} wanted=${2:-200000}
work=$(mktemp -d)
aborter=
trap 'kill "$server" $aborter 2>/dev/null || true; rm -rf "$work"' EXIT

"$bin" serve --port 0 --log-requests off --max-body 1M 2>"$work/log" &
server=$!
for _ in {1..100}; do
  url=$(sed -n 's/.*serves.* on \(http:[^ ]*\) .*/\1/p' "$work/log")
  [[ -z $url ]] || break
  sleep 0.1
done

cat >"$work/mix.lua" <<'LUA'
local row, rows = "[0,0,0,1,1,0,0,0]", {}
for i = 1, 8 do rows[i] = row end
local tensor = '{"tensor":[' .. table.concat(rows, ",") .. "]}"
local image = io.open("tests/data/images/rgb.jpg", "rb"):read("*a")
local line, gist = "/v1/models/line-detector/features", "/v1/models/gist/features?pool=avg"
local mix = {
  { "POST", line, tensor }, { "POST", line .. "?pool=max", tensor }, { "POST", line, tensor },
  { "POST", line, '{"tensor":[[1,2],[3]]}' }, { "POST", line, "no image" }, { "POST", line, "" },
  { "POST", "/v1/models/none/features", tensor }, { "GET", line, nil }, { "GET", "/metrics", nil },
  { "GET", "/v1/models", nil }, { "POST", line .. "?pool=other", tensor },
  { "POST", "/v1/run", '{"pipeline":{"layers":[{"type":"Conv2D"}]},"tensor":[[1]]}' },
  { "POST", "/v2/models/line-detector/infer", '{"inputs":[{"name":"x","shape":[1,1],"data":[1]}]}' },
  { "POST", line, tensor }, { "POST", line, tensor }, { "GET", "/v2/health/ready", nil },
}
local n = 0
request = function()
  n = n + 1
  if n % 97 == 0 then return wrk.format("POST", gist, {}, image) end
  local r = mix[n % #mix + 1]
  return wrk.format(r[1], r[2], {}, r[3])
end
LUA

cat >"$work/abort.py" <<'PY'
import random, socket, sys, time
port, n = int(sys.argv[1]), 0
head = b"POST /v1/models/gist/features HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n"
while True:
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall((head + b"x" * 500)[: random.randrange(1, len(head) + 500)])
    s.close()
    n += 1
    time.sleep(0.002)
PY

figures() {   # sets heap and rss (KiB), threads, fds, at rest: who sent half a request is gone by then
  sleep 4
  local open=(/proc/"$server"/fd/*)
  fds=${#open[@]}
  read -r rss threads < <(awk '/^VmRSS|^Threads/ { print $2 }' "/proc/$server/status" | xargs)
  heap=$(curl -s "$url/metrics" | awk '/^tidepool_heap_bytes/ { printf "%d", $2 / 1024 }')
  printf '%8d requests: allocated %d KiB, resident %d KiB, %d descriptors, %d threads\n' "$total" "$heap" "$rss" "$fds" "$threads"
}
load() {   # REQUESTS: at least so many
  local done_=0
  while ((done_ < $1)); do
    n=$(wrk -t1 -c32 -d2s -s "$work/mix.lua" "$url" | awk '/requests in/ { print $1 }')
    done_=$((done_ + n))
  done
  total=$((total + done_))
}

quarter() {
  python3 "$work/abort.py" "${url##*:}" 2>/dev/null &
  aborter=$!
  load $((wanted / 4))
  kill $aborter
  wait $aborter 2>/dev/null || true
  aborter=
  figures
}

total=0
quarter
quarter
first=("$heap" "$rss" "$fds" "$threads") begun=$total
for _ in 3 4; do quarter; done
answer=$(curl -s -o /dev/null -w '%{http_code}' --data-binary @tests/data/images/rgb.jpg "$url/v1/models/gist/features")
printf 'and as many aborted connections as went beside them; next request %s\n' "$answer"
((heap - first[0] <= 4 + (total - begun) / 100000 && rss - first[1] <= 8192 && fds <= first[2] && threads == first[3] && answer == 200)) ||
  { echo "beyond the goal" && exit 1; }
