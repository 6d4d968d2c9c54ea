#!/usr/bin/env bats
# models.bats - what is served, from a folder too, and how it is told.

load server

setup_file() {
  MODELS=$(mktemp -d "$BATS_FILE_TMPDIR/models.XXXXXX")
  export MODELS
  printf '{"name":"flat","input":{"shape":[4,4,1]},"layers":[%s]}' "$CONV" >"$MODELS/flat.json"
  printf '{"resize":{"mode":"exact","size":[4,4]},"scale":1}' >"$MODELS/flat.preprocess.json"
  mkdir "$MODELS/deep"
  printf '{"input":{"shape":[2,2,1]},"layers":[{"type":"Flatten"},{"type":"Dense","name":"fc","units":2,"kernel":{"file":"w.safetensors","tensor":"fc.kernel"},"bias":{"file":"w.safetensors","tensor":"fc.bias"}}]}' >"$MODELS/deep/pipeline.json"
  # fc.kernel [4,2]: rows 1 0, 0 1, 1 0, 0 1; fc.bias [2]: 0 0.5
  local header='{"fc.kernel":{"dtype":"F32","shape":[4,2],"data_offsets":[0,32]},"fc.bias":{"dtype":"F32","shape":[2],"data_offsets":[32,40]}}'
  { printf "\\x$(printf %02x ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header"
    for _ in 1 2; do printf '\0\0\x80\x3f\0\0\0\0\0\0\0\0\0\0\x80\x3f'; done
    printf '\0\0\0\0\0\0\0\x3f'; } >"$MODELS/deep/w.safetensors"
  printf '{"input":{"shape":[4,4,1]},"layers":[{"type":"Nothing"}]}' >"$MODELS/broken.json"
  printf 'not a model' >"$MODELS/later.onnx"
  start_server --models "$MODELS"
}

@test "the list has the built-ins and the folder's models" {
  request "$URL/v1/models"
  expect_status 200
  expect '[.models[].name]' '["deep","edges","flat","gist","line-detector"]'
  expect '[.models[] | select(.source == "file") | .name]' '["deep","flat"]'
  expect '.models[] | select(.name == "line-detector")' '{"name":"line-detector","input":[null,8,8,1],"layers":2,"parameters":10,"source":"builtin"}'
}

@test "a file that cannot be loaded leaves the others serving, and the log says why" {
  grep -q 'model broken is not served: .*Nothing' "$SERVER_LOG"
  grep -q 'model later is not served: later.onnx' "$SERVER_LOG"
  request "$URL/v1/models/broken"
  expect_error 404 not_found 'there are: deep, edges'
}

@test "one model's layers, input, totals and preprocessing" {
  request "$URL/v1/models/line-detector"
  expect_status 200
  expect '.inputs' '[{"name":"input","datatype":"FP32","shape":[null,8,8,1]}]'
  expect '.outputs' '["pool"]'
  expect '.layers[0]' '{"name":"conv","type":"Conv2D","shape":[null,6,6,1],"parameters":10,"macs":324}'
  expect '.layers[1]' '{"name":"pool","type":"MaxPooling2D","shape":[null,3,3,1],"parameters":0,"macs":0}'
  expect '[.parameters,.macs]' '[10,324]'
  expect '.preprocess.color' '"gray"'
  request "$URL/v1/models/edges"
  expect '.layers[0].shape' '[null,null,null,6]'
  expect '.macs' null
}

@test "weights from a safetensors file beside the pipeline" {
  post /v1/models/deep/features -d '{"tensor":[[1,2],[3,4]]}'
  expect_status 200
  expect '.outputs[0].data' '[[4,6.5]]'
}

@test "preprocess.json beside a model" {
  request "$URL/v1/models/flat"
  expect '.preprocess.scale' 1
  expect '.preprocess.resize.size' '[4,4]'
}

@test "the description of the API is JSON and names the paths that answer" {
  request "$URL/openapi.json"
  expect_status 200
  expect '.openapi' '"3.1.0"'
  local path
  # without the paths that are there with --model-control only
  for path in $(jq -r '.paths | keys[] | select(startswith("/v2/repository") | not)' <<<"$body"); do
    path=${path//'{model}'/line-detector}
    request "$URL${path//'{version}'/1}" -X OPTIONS
    [ "$status_code" != 404 ]
  done
}

@test "live and ready" {
  request "$URL/v2/health/live"
  expect . '{"live":true}'
  request "$URL/v2/health/ready"
  expect . '{"ready":true}'
  run curl -sS -I "$URL/v2/health/live"
  [[ "$output" == 'HTTP/1.1 200'* ]]
}
