#!/usr/bin/env bats
# slow.bats - clients that take their time: cut when they must be, and not when they need not.

load server

setup_file() {
  start_server --header-timeout 1 --body-timeout 2 --idle-seconds 5 --min-rate 20000 --max-body 8M \
    --max-connections 16 --admin-port "$(free_port)"
  ADMIN=$(sed -n 's/.*health and metrics alone on http:\/\/\([^ ]*\).*/\1/p' "$SERVER_LOG")
  export ADMIN
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

client() { timeout 30 python3 tests/stress/client.py "${URL##*:}" "$@"; }

# was_cut ANSWER: the client's last line says after how many seconds; within the bound given.
cut_within() {
  local seconds
  seconds=$(sed -n 's/^cut after \([0-9.]*\) s$/\1/p' <<<"$output")
  [ -n "$seconds" ] || { printf 'not cut: %s\n' "$output"; return 1; }
  jq -ne "$seconds < $1" >/dev/null || { printf 'cut after %s s, bound %s\n' "$seconds" "$1"; return 1; }
}

@test "headers that drip are answered 408, in our JSON" {
  run client head
  cut_within 8
  grep -q '^HTTP/1.1 408 ' <<<"$output"
  grep -q '"code":"timeout","request_id":""' <<<"$output"
  [[ "$output" == *--header-timeout* ]]
}

@test "a body that drips is answered 408, with the request's id" {
  run client body
  cut_within 10
  grep -q '^HTTP/1.1 408 ' <<<"$output"
  grep -q '^X-Request-Id: slow-body' <<<"$output"
  grep -q '"code":"timeout","request_id":"slow-body"' <<<"$output"
}

@test "chunks without end, at any rate, do not grow the server" {
  run client chunks
  cut_within 20
}

@test "a reader that takes nothing is cut" {
  run client reader
  cut_within 20
}

@test "of answers that nobody reads, little lies in the system's buffers" {
  local n_bytes
  [ -r /proc/net/tcp ] || skip "there is no /proc/net/tcp"
  run client unread
  n_bytes=$(sed -n 's/^waiting //p' <<<"$output")
  echo "$output"
  [ "$n_bytes" -gt 0 ] && [ "$n_bytes" -le $((256 << 10)) ]
}

@test "a connection without requests is closed, without a word" {
  run client idle
  cut_within 20
  ! grep -q 408 <<<"$output"
}

@test "a large upload at a fair rate is not cut, though it takes longer than --body-timeout" {
  run client upload
  grep -q '^HTTP/1.1 415 ' <<<"$output"
}

@test "100-continue, over and under the limit" {
  head -c 9000000 /dev/zero >"$BATS_TEST_TMPDIR/zeros"
  post /v1/models/gist/features -H 'Expect: 100-continue' --data-binary "@$BATS_TEST_TMPDIR/zeros"
  expect_error 413 too_large --max-body
  post /v1/models/line-detector/features -H 'Expect: 100-continue' -d "{\"tensor\":$LINE}"
  expect_status 200
}

@test "a length that cannot be" {
  post /v1/run -H 'Content-Length: 18446744073709551615' -d x
  expect_error 400 invalid_argument Content-Length
}

@test "the admin port answers what is always answered, and nothing else" {
  request "http://$ADMIN/v2/health/ready"
  expect_status 200
  request "http://$ADMIN/v1/models"
  expect_status 200
  request "http://$ADMIN/v1/models/line-detector/features" -d "{\"tensor\":$LINE}"
  expect_status 404
  [[ "$(json .error)" == *"main port"* ]]
}

@test "health answers on the admin port while the main port is full, and the main port comes back" {
  timeout 30 python3 tests/stress/client.py "${URL##*:}" hold 17 >"$BATS_TEST_TMPDIR/hold" 3>&- &
  local i held=
  for ((i = 0; i < 100; i++)); do
    grep -q held "$BATS_TEST_TMPDIR/hold" && held=1 && break
    sleep 0.05
  done
  [ -n "$held" ]
  request "http://$ADMIN/v2/health/live"
  expect_status 200
  request "$URL/v2/health/live"
  expect_status 200
  wait "$!"
}

@test "requests that could be read in two ways are refused" {
  run timeout 100 python3 tests/stress/framing.py "${URL##*:}"
  [ "$status" -eq 0 ] || { echo "$output"; return 1; }
}

@test "repeated lines of Accept are one list" {
  run curl -sS -o /dev/null -w '%{content_type}' -H 'Accept: text/html;q=0.1' -H 'Accept: application/x-npy' \
    -d "{\"tensor\":$LINE}" "$URL/v1/models/line-detector/features"
  [ "$output" = application/x-npy ]
}
