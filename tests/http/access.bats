# access.bats - one line per request in the log: whole, true, and never in the way.
load server

setup_file() { :; }
teardown_file() { :; }
setup() { BATS_FILE_TMPDIR=$BATS_TEST_TMPDIR; }
teardown() { if [ -n "${SERVER_PID-}" ]; then kill -KILL "$SERVER_PID" 2>/dev/null || true; fi; }

# lines: the requests' lines so far; line PART: the one that holds PART, waited for.
lines() { grep -E ' request id=|"message":"request"' "$SERVER_LOG"; }
line() {
  local i
  for ((i = 0; i < 100; i++)); do
    lines | grep -F -- "$1" && return 0
    sleep 0.05
  done
  cat "$SERVER_LOG"
  return 1
}

@test "a text line tells of the request" {
  start_server
  post "/v1/models/line-detector/features?layers=pool" -d "{\"tensor\":$LINE}" -H 'X-Request-Id: mine-1' \
    -H 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  expect_status 200
  line 'id=mine-1 ' | grep -E ' info  request id=mine-1 client=127\.0\.0\.1:[0-9]+ method=POST path=/v1/models/line-detector/features route=/v1/models/\{m\}/features model=line-detector status=200 in=[0-9]+ out=[0-9]+ ms=[0-9.]+ queue=[0-9.]+ decode=[0-9.]+ infer=[0-9.]+ encode=[0-9.]+ trace=4bf92f3577b34da6a3ce929d0e0e4736$'
  stop_server
}

@test "JSON lines are JSON whatever a client sends" {
  start_server --log-format json
  local bytes
  for bytes in '/a"b\c' $'/\xff\xfe' $'/\xc2\x9b31m' '/%0a%22forged' $'/\x01\x7f'; do
    printf 'GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' "$bytes" |
      timeout 5 curl -s --max-time 3 "telnet://${URL#http://}" >/dev/null || true
  done
  post /v1/models/line-detector/features -d '{}' -H 'traceparent: 00-zz' -H 'X-Request-Id: last'
  line '"id":"last"'
  stop_server
  jq -e -s 'length > 4' "$SERVER_LOG"
  [ "$(jq -r 'select(.id == "last") | [.status, .model, .trace] | @csv' "$SERVER_LOG")" = '400,"line-detector",' ]
}

@test "a client cannot forge a line" {
  start_server
  request --path-as-is "$URL/%0d%0a2026-01-01T00:00:00.000Z%20error%20fire"
  request "$URL/x" -H $'X-Request-Id: a b="c"'
  line '%0d%0a2026'
  ! grep -E '^2026-01-01' "$SERVER_LOG"
  ! grep -F 'a b=' "$SERVER_LOG"
  stop_server
}

@test "probes and --log-requests off leave no line; all are written at the end" {
  start_server --log-requests off
  post /v1/models/line-detector/features -d "{\"tensor\":$LINE}"
  stop_server
  ! lines
  start_server
  request "$URL/v2/health/live"
  request "$URL/metrics"
  post /v1/models/line-detector/features -d "{\"tensor\":$LINE}" -H 'X-Request-Id: last'
  stop_server
  [ "$(lines | wc -l)" -eq 1 ]
}

@test "who does not read the log stops nothing; what was dropped is counted" {
  mkfifo "$BATS_TEST_TMPDIR/pipe"
  exec 7<>"$BATS_TEST_TMPDIR/pipe"
  local port=$((20000 + RANDOM % 20000)) i dropped=0
  "$TIDEPOOL_BIN" serve --port "$port" 2>&7 3>&- &
  SERVER_PID=$!
  URL=http://127.0.0.1:$port
  for ((i = 0; i < 100; i++)); do curl -s "$URL/v2/health/ready" && break; sleep 0.05; done
  local long
  long=$(printf 'x%.0s' {1..240})
  for ((i = 0; i < 20 && dropped == 0; i++)); do
    curl -s --max-time 30 "$URL/$long/[1-1000]" >/dev/null
    dropped=$(curl -s --max-time 5 "$URL/metrics" | awk '/^tidepool_log_dropped_total/ { print $2 }')
  done
  [ "$dropped" -gt 0 ]
  post /v1/models/line-detector/features -d "{\"tensor\":$LINE}"
  expect_status 200
  kill -TERM "$SERVER_PID"
  for ((i = 0; i < 200; i++)); do kill -0 "$SERVER_PID" 2>/dev/null || break; sleep 0.05; done
  ! kill -0 "$SERVER_PID" 2>/dev/null
  wait "$SERVER_PID"
  exec 7>&-
}
