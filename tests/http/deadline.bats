#!/usr/bin/env bats
# deadline.bats - work that nobody waits for ends: deadlines, clients that have gone, the end of the drain.

load server

# A pipeline of 80 layers, each of some ten milliseconds on one thread.
setup_file() {
  SLOW=$BATS_FILE_TMPDIR/slow
  export SLOW
  jq -cn '{pipeline: {input: {shape: [300, 300, 4]}, layers: [range(80) | {type: "LpPooling2D", name: "l\(.)",
      pool_size: [31, 31], strides: [1, 1], padding: "same"}]}, outputs: [{name: "l79", pool: "avg"}],
    tensor: {shape: [1, 300, 300, 4], data: [range(360000) | . % 7]}}' >"$SLOW"
  start_server --threads 1
}

# slowly [curl's options]: posts it.
slowly() { post /v1/run --data-binary "@$SLOW" "$@"; }

@test "a deadline that passes in a layer is 504, which names the layer" {
  slowly -H 'X-Request-Timeout-Ms: 60'
  expect_status 504
  expect .code '"deadline"'
  [[ "$body" == *"deadline of 60 ms"*"passed "* ]]
}

# 503 where it was clear beforehand.
@test "a deadline that passes in the queue is 504 at the latest, and costs the others nothing" {
  curl -sS -o "$BATS_TEST_TMPDIR/first" --data-binary "@$SLOW" "$URL/v1/run" 3>&- &
  local first=$!
  sleep 0.2
  post /v1/models/gist/features -H 'X-Request-Timeout-Ms: 1' --data-binary @tests/data/images/rgb.jpg
  [ "$status_code" = 503 ] || expect_status 504
  [[ "$body" == *"deadline of 1 ms"* ]]
  wait "$first"
  grep -q '"outputs"' "$BATS_TEST_TMPDIR/first"
}

@test "a photo does not wait for a long job that has all the threads" {
  post /v1/models/gist/features --data-binary @tests/data/images/rgb.jpg       # now it is known to be short
  expect_status 200
  curl -sS -o "$BATS_TEST_TMPDIR/long" --data-binary "@$SLOW" "$URL/v1/run" 3>&- &
  local long=$!
  sleep 0.5
  post /v1/models/gist/features --data-binary @tests/data/images/rgb.jpg
  expect_status 200
  [ ! -s "$BATS_TEST_TMPDIR/long" ]
  kill -0 $long
  wait $long
  grep -q '"outputs"' "$BATS_TEST_TMPDIR/long"
}

@test "deadlines that are none are refused" {
  local bad
  for bad in 0 -1 1.5 1s 99999999; do
    post /v1/run -d '{}' -H "X-Request-Timeout-Ms: $bad"
    expect_status 400
    [[ "$body" == *"X-Request-Timeout-Ms: '$bad'"*"1 to 9999999"* ]]
  done
}

@test "--request-timeout is everybody's; the header cannot extend it" {
  start_server --threads 1 --request-timeout 1
  jq -c '.pipeline.layers |= [range(400) as $i | .[0] | .name = "l\($i)"] | .outputs[0].name = "l399"' "$SLOW" \
    >"$BATS_TEST_TMPDIR/longer"
  post /v1/run --data-binary "@$BATS_TEST_TMPDIR/longer" -H 'X-Request-Timeout-Ms: 60000'
  expect_status 504
  [[ "$body" == *"deadline of 1000 ms"* ]]
  stop_server
}

@test "a client that has gone: its work ends and the log says so" {
  timeout 0.4 curl -s -o /dev/null -H 'X-Request-Id: gone-1' --data-binary "@$SLOW" "$URL/v1/run" || true
  wait_for_line 'id=gone-1 .*status=499 .*rejected=client_gone'
}

@test "a client that only ends its side gets its answer" {
  /usr/bin/python3 - "${URL##*:}" "$SLOW" <<'PY'
import socket, sys
body = open(sys.argv[2], "rb").read()
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"POST /v1/run HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
s.shutdown(socket.SHUT_WR)
got = b""
while part := s.recv(65536):
    got += part
assert got.startswith(b"HTTP/1.1 102 ") and b"\r\n\r\nHTTP/1.1 200 OK\r\n" in got, got[:300]
PY
}

@test "while draining who comes is told 503, and what was accepted is answered" {
  start_server --threads 1
  curl -sS -o "$BATS_TEST_TMPDIR/accepted" --data-binary "@$SLOW" "$URL/v1/run" 3>&- &
  local client=$! status=0
  sleep 0.3
  kill -TERM "$SERVER_PID"
  wait_for_line 'draining for at most'
  request "$URL/v2/health/ready"
  expect_status 503
  post /v1/models/line-detector/features -d '{"tensor": [[1]]}' -D "$BATS_TEST_TMPDIR/head"
  expect_status 503
  grep -qi '^Connection: close' "$BATS_TEST_TMPDIR/head"
  grep -qi '^Retry-After: ' "$BATS_TEST_TMPDIR/head"
  wait "$client"
  grep -q '"outputs"' "$BATS_TEST_TMPDIR/accepted"
  wait "$SERVER_PID" || status=$?
  [ "$status" -eq 0 ]
}

@test "when --drain-seconds have passed, what is still at work is told 503, and it exits with 0" {
  start_server --threads 1 --drain-seconds 0
  curl -sS -o "$BATS_TEST_TMPDIR/answer" -w '%{http_code}' --data-binary "@$SLOW" "$URL/v1/run" \
    >"$BATS_TEST_TMPDIR/code" 3>&- &
  local client=$! status=0
  sleep 0.3
  kill -TERM "$SERVER_PID"
  wait "$SERVER_PID" || status=$?
  [ "$status" -eq 0 ]
  wait "$client"
  [ "$(cat "$BATS_TEST_TMPDIR/code")" = 503 ]
  grep -q 'drain-seconds' "$BATS_TEST_TMPDIR/answer"
}

@test "a second signal ends it at once" {
  start_server --threads 1
  curl -s -o /dev/null --data-binary "@$SLOW" "$URL/v1/run" 3>&- &
  local status=0
  sleep 0.3
  kill -TERM "$SERVER_PID"
  wait_for_line 'draining for at most'
  kill -TERM "$SERVER_PID"
  wait "$SERVER_PID" || status=$?
  [ "$status" -eq 1 ]
  grep -q 'a second signal' "$SERVER_LOG"
}
