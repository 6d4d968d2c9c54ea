#!/usr/bin/env bats
# cors.bats - which web pages may read what is answered.

load server

PAGE=https://app.example

setup_file() {
  KEYS=$BATS_FILE_TMPDIR/keys
  echo "page:0123456789abcdef0123" >"$KEYS"
  start_server --cors-origin "https://app.example,http://localhost:3000" --api-key-file "$KEYS"
}

# ask METHOD PATH [curl's options]: the answer's status into $status_code, its headers into $head.
ask() {
  local method=$1 path=$2
  shift 2
  head=$(curl -sS -D - -o "$BATS_TEST_TMPDIR/body" -X "$method" --max-time 20 "$@" "$URL$path" | tr -d '\r')
  status_code=$(sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p' <<<"$head")
  body=$(cat "$BATS_TEST_TMPDIR/body")
}

has() { grep -qix -- "$1" <<<"$head" || { printf 'no "%s" in:\n%s\n' "$1" "$head"; return 1; }; }
has_no() { if grep -qi -- "^$1:" <<<"$head"; then printf '%s\n' "$head"; return 1; fi; }

@test "a preflight of a listed page: its origin, the path's methods, the headers, no key" {
  ask OPTIONS /v1/models/gist/features -H "Origin: $PAGE" -H 'Access-Control-Request-Method: POST' \
    -H 'Access-Control-Request-Headers: authorization,content-type'
  expect_status 204
  has "Access-Control-Allow-Origin: $PAGE"
  has 'Access-Control-Allow-Methods: POST'
  has 'Access-Control-Allow-Headers: .*Authorization, Content-Type,.*'
  has 'Access-Control-Max-Age: [0-9]*'
  has 'Vary: Origin'
  has_no Content-Type
  ask OPTIONS /v1/models -H "Origin: http://localhost:3000" -H 'Access-Control-Request-Method: GET'
  has 'Access-Control-Allow-Origin: http://localhost:3000'
  has 'Access-Control-Allow-Methods: GET, HEAD'
}

@test "answers and errors can be read by a listed page, and their headers" {
  ask POST /v1/models/line-detector/features -H "Origin: $PAGE" -H 'Authorization: Bearer 0123456789abcdef0123' -d x
  expect_status 415
  has "Access-Control-Allow-Origin: $PAGE"
  has 'Access-Control-Expose-Headers: X-Request-Id,.*'
  ask GET /v1/models -H "Origin: $PAGE"
  expect_status 401
  has "Access-Control-Allow-Origin: $PAGE"
  ask GET /v2/health/live -H "Origin: $PAGE"
  expect_status 200
  has "Access-Control-Allow-Origin: $PAGE"
}

@test "other pages, and paths that are none" {
  local origin
  for origin in https://evil.example https://app.example.evil.example https://app.exampl http://app.example null; do
    ask OPTIONS /v1/models -H "Origin: $origin" -H 'Access-Control-Request-Method: GET'
    expect_status 403
    [[ "$body" == *"pages of '$origin' may not ask"*--cors-origin* ]]
    has_no Access-Control-Allow-Origin
    ask GET /v2/health/live -H "Origin: $origin"
    expect_status 200
    has_no Access-Control-Allow-Origin
    has 'Vary: Origin'
  done
  ask OPTIONS /nothing -H "Origin: $PAGE" -H 'Access-Control-Request-Method: GET'
  expect_status 404
  ask OPTIONS /v1/models
  expect_status 204
  has 'Allow: GET, HEAD'
  has_no Access-Control-Allow-Origin
}

@test "a star is any page; without the flag there is none" {
  start_server --cors-origin '*'
  ask GET /v2/health/live -H 'Origin: https://any.example'
  has 'Access-Control-Allow-Origin: \*'
  has_no Vary
  stop_server
  start_server
  ask GET /v2/health/live -H 'Origin: https://any.example'
  has_no Access-Control-Allow-Origin
  ask OPTIONS /v1/models -H 'Origin: https://any.example' -H 'Access-Control-Request-Method: GET'
  expect_status 405
  stop_server
}

@test "what is no origin is named" {
  local bad
  for bad in app.example https:// https://app.example/ https://App.example ftp://a.example 'https://a.example,' '*,https://a.example' ''; do
    run timeout 10 "$TIDEPOOL_BIN" serve --port 0 --cors-origin "x$bad"
    [ "$status" -eq 2 ]
    run timeout 10 "$TIDEPOOL_BIN" serve --port 0 --cors-origin "https://a.example,$bad"
    [ "$status" -eq 2 ]
    [[ "$output" == *--cors-origin*"is no origin such as https://app.example"* ]]
  done
}
