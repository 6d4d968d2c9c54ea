#!/usr/bin/env bats
# drain.bats - SIGTERM and SIGINT: what was accepted is answered, then exit 0.

load server

setup_file() { :; }
teardown_file() { :; }

# Sends 16 requests that take a while, stops the server with signal $1 in their midst, and expects that
# each client either got its whole answer or was never let in.
drain_under_load() {
  local i answered=0
  start_server --max-body 8M
  jq -c '{tensor: {shape: [1, 400, 400, 1], data: [range(160000) | . % 7]}}' <<<null >"$BATS_TEST_TMPDIR/body"
  for ((i = 0; i < 16; i++)); do
    curl -sS -o "$BATS_TEST_TMPDIR/out.$i" -w '%{http_code}' --max-time 60 --data-binary "@$BATS_TEST_TMPDIR/body" \
      "$URL/v1/models/edges/features?pool=avg" >"$BATS_TEST_TMPDIR/code.$i" 2>/dev/null 3>&- &
  done
  sleep 0.1
  kill "-$1" "$SERVER_PID"
  local status=0
  wait "$SERVER_PID" || status=$?
  wait
  [ "$status" -eq 0 ] || { cat "$SERVER_LOG"; return 1; }
  for ((i = 0; i < 16; i++)); do
    case $(cat "$BATS_TEST_TMPDIR/code.$i") in
      200) jq -e '.outputs[0].data[0] | length == 6' "$BATS_TEST_TMPDIR/out.$i" >/dev/null
           answered=$((answered + 1)) ;;
      503) jq -e '.code == "unavailable"' "$BATS_TEST_TMPDIR/out.$i" >/dev/null ;;
      000) ;; # it came after the door was closed
      *) cat "$BATS_TEST_TMPDIR/code.$i" "$BATS_TEST_TMPDIR/out.$i"; return 1 ;;
    esac
  done
  [ "$answered" -ge 1 ]
}

@test "SIGTERM under load" { drain_under_load TERM; }

@test "SIGINT under load" { drain_under_load INT; }

@test "a full queue answers 503 with Retry-After, and works again afterwards" {
  start_server --queue-depth 1 --threads 1
  jq -c '{tensor: {shape: [1, 400, 400, 1], data: [range(160000) | . % 7]}}' <<<null >"$BATS_TEST_TMPDIR/body"
  local i full=0
  for ((i = 0; i < 12; i++)); do
    curl -sS -D "$BATS_TEST_TMPDIR/head.$i" -o /dev/null --max-time 60 --data-binary "@$BATS_TEST_TMPDIR/body" \
      "$URL/v1/models/edges/features?pool=avg" 3>&- &
  done
  local pids=()
  for i in $(jobs -p); do [ "$i" = "$SERVER_PID" ] || pids+=("$i"); done
  wait "${pids[@]}"
  for ((i = 0; i < 12; i++)); do
    if grep -q '^HTTP/1.1 503' "$BATS_TEST_TMPDIR/head.$i"; then
      grep -qi '^Retry-After: [1-9]' "$BATS_TEST_TMPDIR/head.$i"
      full=$((full + 1))
    else
      grep -q '^HTTP/1.1 200' "$BATS_TEST_TMPDIR/head.$i"
    fi
  done
  [ "$full" -ge 1 ]
  post /v1/models/edges/features?pool=avg --data-binary "@$BATS_TEST_TMPDIR/body"
  expect_status 200
  stop_server
}
