#!/usr/bin/env bats
# keys.bats - who is let in: keys, their reload, and what is not listened to without one.

bats_require_minimum_version 1.5.0

load server

A=aaaaaaaaaaaaaaaaaaaa
B=bbbbbbbbbbbbbbbbbbbb
C=cccccccccccccccccccc

setup_file() {
  KEYS=$BATS_FILE_TMPDIR/keys
  export KEYS
  printf '# ours\nweb:%s\n%s\n' "$A" "$B" >"$KEYS"
  start_server --api-key-file "$KEYS"
}

ask() { request "$URL/v1/models" "$@"; }
with() { ask -H "Authorization: Bearer $1"; }

@test "each key of the file lets in, whatever the case of the scheme" {
  with "$A" && expect_status 200
  with "$B" && expect_status 200
  ask -H "authorization: bearer $A" && expect_status 200
}

@test "no key, a wrong one, another scheme and two headers are 401 and say what is expected" {
  ask && expect_error 401 unauthorized 'Authorization: Bearer KEY'
  with "$C" && expect_error 401 unauthorized 'no valid key'
  ask -u "web:$A" && expect_error 401 unauthorized 'no valid key'
  ask -H "Authorization: Bearer $A" -H "Authorization: Bearer $A" && expect_error 401 unauthorized 'expected one'
  run -0 curl -sSi "$URL/v1/models"
  [[ "$output" == *'WWW-Authenticate: Bearer realm="tidepool"'$'\r'* ]]
  run -0 curl -sSi -H "Authorization: Bearer $C" "$URL/v1/models"
  [[ "$output" == *'WWW-Authenticate: Bearer realm="tidepool", error="invalid_token"'* ]]
  [[ "$output" != *"$C"* ]]
}

@test "a stranger learns of no path or method, in the dialect of where he asked" {
  request "$URL/nowhere" && expect_error 401 unauthorized key
  run -0 curl -sSi -X DELETE "$URL/v1/models"
  [[ "$output" == *' 401 '* && "$output" != *Allow:* ]]
  request "$URL/v2/models" && expect_status 401
  expect 'keys' '["error"]'
}

@test "a body without a key is refused before it is sent" {
  head -c 8000000 /dev/zero >"$BATS_TEST_TMPDIR/body"
  run -0 curl -sS -o /dev/null -w '%{http_code} %{size_upload}' -H 'Expect: 100-continue' \
    --expect100-timeout 20 --data-binary "@$BATS_TEST_TMPDIR/body" "$URL/v1/models/gist/features"
  [ "$output" = "401 0" ]
}

@test "the health probes need none" {
  request "$URL/v2/health/live" && expect_status 200
  request "$URL/v2/health/ready" && expect_status 200
  run -0 "$TIDEPOOL_BIN" health --url "$URL"
}

@test "SIGHUP reads the file again; a bad one leaves the keys as they were, and no key is logged" {
  printf 'short:%s\n' abcdefg >"$KEYS"
  reload 'keys stay as they were'
  grep -q "$KEYS:1: a key is" "$SERVER_LOG"
  with "$A" && expect_status 200
  printf 'new:%s\n' "$C" >"$KEYS"
  reload 'keys were read again'
  with "$A" && expect_status 401
  with "$C" && expect_status 200
  run -1 grep -e "$A" -e "$C" -e abcdefg "$SERVER_LOG"
}

@test "beyond loopback it listens with a key or --insecure, and names the ways out" {
  local host
  for host in 0.0.0.0 ::; do
    run -2 timeout 10 "$TIDEPOOL_BIN" serve --port 0 --host "$host"
    [[ "$output" == *"--host $host"*--api-key-file*127.0.0.1*--insecure* ]]
  done
  start_server --host 0.0.0.0 --insecure
  ask && expect_status 200
  stop_server
  TIDEPOOL_API_KEY=$A start_server --host 0.0.0.0
  ask && expect_status 401
  with "$A" && expect_status 200
  stop_server
}

@test "a file of keys that cannot be used is told at start, by line" {
  printf 'web:%s\n\nagain:%s\n' "$A" "$A" >"$BATS_TEST_TMPDIR/bad"
  run -2 timeout 10 "$TIDEPOOL_BIN" serve --port 0 --api-key-file "$BATS_TEST_TMPDIR/bad"
  [[ "$output" == *"bad:3: the key of 'web' once more"* && "$output" != *"$A"* ]]
}
