#!/usr/bin/env bash
# soak.sh - good, bad and aborted requests, many of them: does anything grow? Row 14.
#
# usage: soak.sh [BINARY] [REQUESTS]        default: build/tidepool 200000; full form: 2000000
# Needs wrk and python3. Prints resident memory, descriptors and threads as they were after the first
# tenth and at the end; exits 1 beyond the goal: 1 KiB more per 100,000 requests (besides 256 KiB for
# pages that are first touched late), no descriptor and no thread more, the next request answered.
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

figures() {   # resident KiB, descriptors, threads; idle connections have ended by then
  local fds=(/proc/"$server"/fd/*)
  awk -v fds=${#fds[@]} '/^VmRSS|^Threads/ { print $2 } END { print fds }' "/proc/$server/status" | xargs
}
load() {   # REQUESTS: at least so many
  local done_=0
  while ((done_ < $1)); do
    n=$(wrk -t1 -c32 -d2s -s "$work/mix.lua" "$url" | awk '/requests in/ { print $1 }')
    done_=$((done_ + n))
  done
  total=$((total + done_))
}

total=0
python3 "$work/abort.py" "${url##*:}" 2>/dev/null &
aborter=$!
load $((wanted / 10))
sleep 1
read -r rss threads fds < <(figures)
load $((wanted - total))
kill $aborter
sleep 1
read -r rss_end threads_end fds_end < <(figures)
answer=$(curl -s -o /dev/null -w '%{http_code}' --data-binary @tests/data/images/rgb.jpg "$url/v1/models/gist/features")
printf '%d requests and as many aborted connections as went beside them\n' "$total"
printf 'resident KiB %d -> %d, descriptors %d -> %d, threads %d -> %d, next request %s\n' \
  "$rss" "$rss_end" "$fds" "$fds_end" "$threads" "$threads_end" "$answer"
((rss_end - rss <= 256 + total / 100000 && fds_end <= fds + 2 && threads_end == threads && answer == 200)) ||
  { echo "beyond the goal" && exit 1; }
