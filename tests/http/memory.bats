#!/usr/bin/env bats
# memory.bats - what is done when memory is short: refusals that tell why, and nothing kept afterwards.

load server

setup_file() {
  BIG=$BATS_FILE_TMPDIR/big
  export BIG
  { printf '{"tensor":{"shape":[1,1500,1500,1],"data":[0'; yes ,1 | head -n 2249999 | tr -d '\n'; printf ']}}'; } >"$BIG"
  start_server --memory-budget 64M --body-timeout 60
}

# wait_for_rest BYTES: until no more than that is reserved.
wait_for_rest() {
  local i
  for ((i = 0; i < 200; i++)); do
    if [ "$(gauge tidepool_memory_reserved_bytes)" -le "$1" ]; then return 0; fi
    sleep 0.05
  done
  gauge tidepool_memory_reserved_bytes
  return 1
}

@test "a request that could never have its memory is 413, which says how much there is" {
  post "/v1/models/edges/features?layers=pool" --data-binary "@$BIG"
  expect_status 413
  expect .code '"too_large"'
  [[ "$body" == *"needs at least "*" MiB of memory"*"--memory-budget"* ]]
}

@test "a body that is announced larger than half of the memory is refused before it is read" {
  request -H 'Expect:' -X POST -H 'Content-Length: 60000000' --data-binary @tests/data/images/rgb.jpg \
    "$URL/v1/models/gist/features"
  expect_status 413
  [[ "$body" == *"more than half of the "*"MiB"* ]]
}

@test "what others have is 503 with Retry-After, and is given back when they leave" {
  local before i
  before=$(gauge tidepool_memory_reserved_bytes)
  local fds=() fd
  for i in {1..20}; do     # bodies that are not finished hold memory as long as they come; the last are refused
    exec {fd}<>"/dev/tcp/127.0.0.1/${URL##*:}"
    fds+=("$fd")
    printf 'POST /v1/models/gist/features HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n' >&"$fd"
    head -c 3900000 /dev/zero >&"$fd" 2>/dev/null || true
  done
  request -i -H 'Expect:' --data-binary "@$BIG" "$URL/v1/models/edges/features?layers=pool&pool=avg"
  expect_status 503
  [[ "$body" == *"Retry-After: "* ]] || { echo "$body"; false; }
  [[ "$body" == *"try again later"* ]]
  [ "$(curl -sS "$URL/metrics" | sed -n 's/^tidepool_rejected_total{reason="memory"} //p')" -ge 1 ]
  for fd in "${fds[@]}"; do exec {fd}>&-; done
  wait_for_rest $((before + 4000000))          # a worker may keep its workspace
  post /v1/models/gist/features --data-binary @tests/data/images/rgb.jpg
  expect_status 200
}

@test "a budget that leaves nothing for requests is refused at the start" {
  run "$TIDEPOOL_BIN" serve --port 0 --memory-budget 10M
  [ "$status" -eq 1 ]
  [[ "$output" == *"--memory-budget: 10 MiB are too little"*"give at least "* ]]
}

@test "a model that does not fit is not served, and says why" {
  mkdir "$BATS_TEST_TMPDIR/models"
  head -c 70000000 /dev/zero >"$BATS_TEST_TMPDIR/models/huge.onnx"
  (
    start_server --memory-budget 64M --models "$BATS_TEST_TMPDIR/models"
    wait_for_line 'model huge is not served: .*huge.onnx: the model takes 67 MiB of memory, and .* are left of the budget'
    stop_server
  )
}
