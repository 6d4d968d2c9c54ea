#!/usr/bin/env bats
# sandbox.bats - the service behind seccomp and Landlock: what it says, and that nothing is missing.

load server

setup_file() { :; }
teardown_file() { :; }

setup() {
  MODELS=$(mktemp -d "$BATS_FILE_TMPDIR/models.XXXXXX")
  STORE=$(mktemp -d "$BATS_FILE_TMPDIR/store.XXXXXX")
  SERVER_PID=
}

teardown() {                         # of a test that failed
  if jobs -pr | grep -qx "$SERVER_PID"; then kill "$SERVER_PID"; fi
}

# start [flags]: skips where the build or the kernel has no sandbox.
start() {
  cp tests/data/onnx/residual.onnx "$MODELS/a.onnx"
  start_server --models "$MODELS" "$@"
  if ! grep -q 'sandbox: seccomp with' "$SERVER_LOG"; then
    stop_server
    skip "$(grep -o 'sandbox: .*' "$SERVER_LOG")"
  fi
}

# features NAME: status 200 of a small map.
features() {
  post "/v1/models/$1/features" -d "$(jq -nc '{tensor: {shape: [1, 3, 9, 8], data: [range(216) | . % 7]}}')"
  expect_status 200
}

photo() {
  post /v1/models/gist/features --data-binary "@tests/data/images/$1"
  expect_status 200
}

# of_process FIELD: from the kernel's status of the service, the same for all its threads.
of_process() { sed -n "s/^$1:\s*//p" "/proc/$SERVER_PID"/task/*/status | sort -u; }

@test "one line says what is in force, and the kernel says the same of every thread" {
  start
  [ "$(grep -c 'sandbox: ' "$SERVER_LOG")" = 1 ]
  n=$(sed -n 's/.*sandbox: seccomp with \([0-9]*\) system calls, .*, no new privileges$/\1/p' "$SERVER_LOG")
  [ "$n" -le 40 ]
  [ "$(of_process Seccomp)" = 2 ]
  [ "$(of_process NoNewPrivs)" = 1 ]
  stop_server
}

@test "photos, batches and every form of answer" {
  start
  photo rgb.jpg
  photo photo.png
  photo lossy.webp
  features a
  for form in npy safetensors png; do
    curl -sSf "$URL/v1/models/edges/features?pool=max&format=$form" --data-binary @tests/data/images/photo.png |
      grep -qaE 'NUMPY|F32|PNG'
  done
  jq -nc '{tensor: {shape: [1, 400, 400, 1], data: [range(160000) | . % 7]}}' >"$BATS_TEST_TMPDIR/large"
  for _ in 1 2 3 4; do
    post /v1/models/edges/features --data-binary "@$BATS_TEST_TMPDIR/large" --compressed
    expect_status 200
  done
  stop_server
}

@test "models come, go and change at SIGHUP, in threads that start and end" {
  start
  for _ in 1 2 3 4 5; do
    cp tests/data/onnx/next.onnx "$MODELS/.new"
    mv "$MODELS/.new" "$MODELS/a.onnx"
    for name in b c d; do cp tests/data/onnx/residual.onnx "$MODELS/$name.onnx"; done
    mkdir -p "$MODELS/deep"
    cp tests/data/onnx/residual.onnx "$MODELS/deep/model.onnx"
    reload 'read again' 30
    features a
    features deep
    rm -r "$MODELS"/{b,c,d}.onnx "$MODELS/deep"
    reload 'read again' 30
  done
  request "$URL/v1/models"
  expect '[.models[] | select(.source == "file") | .name]' '["a"]'
  stop_server
}

@test "links of the models' folder are followed where they led at the start, others are not" {
  cp tests/data/onnx/residual.onnx "$STORE/blob1"
  cp tests/data/onnx/residual.onnx "$STORE/blob2"
  ln -s "$STORE/blob1" "$MODELS/early.onnx"
  start
  features early
  grep -q 'Landlock ABI' "$SERVER_LOG" || skip 'no Landlock'
  ln -s "$STORE/blob2" "$MODELS/late.onnx"
  reload 'read again' 30
  grep -q 'model late is not served: .*late.onnx: Permission denied' "$SERVER_LOG"
  features early
  stop_server
}

@test "model control" {
  start --model-control
  cp tests/data/onnx/residual.onnx "$MODELS/b.onnx"
  post /v2/repository/models/b/load -d ''
  expect_status 200
  features b
  post /v2/repository/models/b/unload -d ''
  expect_status 200
  stop_server
}

@test "--no-sandbox leaves it out, and says so" {
  start_server --no-sandbox
  grep -q 'sandbox: off' "$SERVER_LOG"
  [ "$(of_process Seccomp_filters)" = "$(sed -n 's/^Seccomp_filters:\s*//p' /proc/self/status)" ]
  stop_server
}
