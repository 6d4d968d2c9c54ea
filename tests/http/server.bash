# server.bash - what every .bats file here shares: a server of one's own, and requests to it.
# TIDEPOOL_BIN says which binary (default: build/tidepool).

TIDEPOOL_BIN=${TIDEPOOL_BIN:-build/tidepool}

# start_server [flags]: starts on a free port; sets URL and SERVER_PID for this file's tests.
start_server() {
  SERVER_LOG=$(mktemp "$BATS_FILE_TMPDIR/server.XXXXXX")
  "$TIDEPOOL_BIN" serve --port 0 "$@" 2>"$SERVER_LOG" 3>&- &
  SERVER_PID=$!
  local found="" i
  for ((i = 0; i < 200; i++)); do
    found=$(sed -n 's/.*on \(https*\):\/\/[^ ]*:\([0-9]*\) .*/\1 \2/p' "$SERVER_LOG")
    [ -n "$found" ] && break
    kill -0 "$SERVER_PID" 2>/dev/null || break
    sleep 0.05
  done
  if [ -z "$found" ]; then
    cat "$SERVER_LOG" >&2
    return 1
  fi
  URL=${found% *}://127.0.0.1:${found#* }
  export URL SERVER_PID SERVER_LOG
}

# stop_server: SIGTERM; fails unless it exits with 0 (a sanitizer's report makes that non-zero).
stop_server() {
  kill -TERM "$SERVER_PID"
  local status=0
  wait "$SERVER_PID" || status=$?
  if [ "$status" -ne 0 ]; then
    cat "$SERVER_LOG" >&2
    return 1
  fi
}

# wait_for_line PATTERN: in the log.
wait_for_line() {
  local i
  for ((i = 0; i < 200; i++)); do
    if grep -qE "$1" "$SERVER_LOG"; then return 0; fi
    sleep 0.05
  done
  cat "$SERVER_LOG"
  return 1
}

# reload TEXT [SECONDS]: asks for it and waits, 10 s at most, until the log has one more line that holds TEXT.
reload() {
  local before i
  before=$(grep -c "$1" "$SERVER_LOG" || true)
  kill -HUP "$SERVER_PID"
  for ((i = 0; i < 20 * ${2:-10}; i++)); do
    if [ "$(grep -c "$1" "$SERVER_LOG" || true)" -gt "$before" ]; then return; fi
    sleep 0.05
  done
  cat "$SERVER_LOG"
  return 1
}

# gauge NAME: its value at this moment.
gauge() { curl -sS "$URL/metrics" | sed -n "s/^$1 //p"; }

setup_file() { start_server; }
teardown_file() { stop_server; }

# post PATH [curl arguments]: sets $status_code and $body.
post() {
  local path=$1
  shift
  request "$URL$path" "$@"
}

request() {
  body=$(curl -sS -o - -w '\n%{http_code}' --max-time 30 "$@")
  status_code=${body##*$'\n'}
  body=${body%$'\n'*}
}

json() { jq -c "$1" <<<"$body"; }

# expect_status CODE: shows the body when it differs.
expect_status() {
  if [ "$status_code" != "$1" ]; then
    printf 'status %s, expected %s: %s\n' "$status_code" "$1" "$body"
    return 1
  fi
}

# expect FILTER VALUE: jq's answer, compact.
expect() {
  local got
  got=$(json "$1")
  if [ "$got" != "$2" ]; then
    printf '%s is %s, expected %s\n' "$1" "$got" "$2"
    return 1
  fi
}

# expect_error STATUS CODE TEXT: the error form of the contract, its message holding TEXT; and the next
# request works.
expect_error() {
  expect_status "$1"
  expect .code "\"$2\""
  expect '.request_id | type' '"string"'
  if [[ "$(json .error)" != *"$3"* ]]; then
    printf 'message %s lacks %s\n' "$(json .error)" "$3"
    return 1
  fi
  local live
  live=$(curl -sS --max-time 10 "$URL/v2/health/live")
  [ "$live" = '{"live":true}' ]
}

LINE='[[0,0,0,1,1,0,0,0],[0,0,0,1,1,0,0,0],[0,0,0,1,1,0,0,0],[0,0,0,1,1,0,0,0],[0,0,0,1,1,0,0,0],[0,0,0,1,1,0,0,0],[0,0,0,1,1,0,0,0],[0,0,0,1,1,0,0,0]]'
CONV='{"type":"Conv2D","name":"conv","filters":1,"kernel_size":[3,3],"activation":"relu","kernel":[[[[0]],[[1]],[[0]]],[[[0]],[[1]],[[0]]],[[[0]],[[1]],[[0]]]],"bias":[0]}'
