#!/usr/bin/env bats
# tfs.bats - TensorFlow Serving's REST form: predict by row and by column, images as b64, status and metadata.

load server

IMAGES=tests/data/images
V1=/v1/models/line-detector
POOLED='[[[0],[3],[0]],[[0],[3],[0]],[[0],[3],[0]]]'

predict() { post "${2-$V1}:predict" -H 'Content-Type: application/json' -d "$1"; }

# refused STATUS TEXT: exactly {"error": "..."}, its message holding TEXT; and the next request works.
refused() {
  expect_status "$1"
  expect 'keys' '["error"]'
  if [[ "$(json .error)" != *"$2"* ]]; then
    printf 'message %s lacks %s\n' "$(json .error)" "$2"
    return 1
  fi
  [ "$(curl -sS --max-time 10 "$URL/v2/health/live")" = '{"live":true}' ]
}

b64() { printf '{"b64":"%s"}' "$(base64 -w0 "$IMAGES/$1")"; }

@test "rows: one element per example, answered as predictions" {
  predict "{\"instances\":[$LINE]}"
  expect_status 200
  expect . "{\"predictions\":[$POOLED]}"
  predict "{\"signature_name\":\"serving_default\",\"instances\":[$LINE,$LINE,$LINE]}"
  expect . "{\"predictions\":[$POOLED,$POOLED,$POOLED]}"
  predict "{\"instances\":[{\"input\":$LINE},{\"input\":$LINE}]}"
  expect . "{\"predictions\":[$POOLED,$POOLED]}"
  predict "{\"instances\":[$LINE]}" "$V1/versions/1"
  expect_status 200
  expect . "{\"predictions\":[$POOLED]}"
}

@test "columns: the whole batch, answered as outputs" {
  predict "{\"inputs\":[$LINE,$LINE]}"
  expect_status 200
  expect . "{\"outputs\":[$POOLED,$POOLED]}"
  predict "{\"inputs\":{\"input\":[$LINE]}}"
  expect . "{\"outputs\":[$POOLED]}"
}

@test "layers and pooling in the query; several outputs are named" {
  post "$V1:predict?layers=conv,pool&pool=max" -d "{\"instances\":[$LINE,$LINE]}"
  expect_status 200
  expect . '{"predictions":[{"conv":[3],"pool":[3]},{"conv":[3],"pool":[3]}]}'
  post "$V1:predict?layers=conv,pool&pool=max" -d "{\"inputs\":[$LINE,$LINE]}"
  expect . '{"outputs":{"conv":[[3],[3]],"pool":[[3],[3]]}}'
  post "$V1:predict?layers=conv&pool=max&argmax=true" -d "{\"instances\":[$LINE]}"
  expect . '{"predictions":[{"conv":[3],"conv/argmax":[2]}]}'
  post "$V1:predict?format=npy" -d "{\"instances\":[$LINE]}"
  refused 400 'format: the protocol of this path'
  post "$V1:predict?top=1" -d "{\"instances\":[$LINE]}"
  refused 400 'top: the protocol of this path'
}

@test "images as b64, by row and by column, of different size" {
  local want
  post '/v1/models/gist/features' -F "a=@$IMAGES/rgb.jpg" -F "b=@$IMAGES/photo.png"
  want=$(json '.outputs[0].data')
  local form
  for form in "{\"instances\":[$(b64 rgb.jpg),$(b64 photo.png)]}" \
    "{\"instances\":[{\"image_bytes\":$(b64 rgb.jpg)},{\"image_bytes\":$(b64 photo.png)}]}" \
    "{\"inputs\":[$(b64 rgb.jpg),$(b64 photo.png)]}" "{\"inputs\":{\"image_bytes\":[$(b64 rgb.jpg),$(b64 photo.png)]}}"; do
    predict "$form" /v1/models/gist
    expect_status 200
    expect '.predictions // .outputs' "$want"
  done
}

@test "NaN and infinities are null" {
  local models pid=$SERVER_PID url=$URL log=$SERVER_LOG
  models=$(mktemp -d "$BATS_TEST_TMPDIR/models.XXXXXX")
  printf '{"input":{"shape":[2]},"layers":[{"type":"Activation","activation":"sqrt","name":"root"}]}' >"$models/root.json"
  start_server --models "$models"
  predict '{"instances":[[-1,4]]}' /v1/models/root
  stop_server
  SERVER_PID=$pid URL=$url SERVER_LOG=$log
  expect . '{"predictions":[[null,2]]}'
}

@test "status and metadata, with and without version" {
  local v
  for v in '' /versions/1; do
    post "$V1$v"
    expect_status 200
    expect '.model_version_status' '[{"version":"1","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}}]'
    post "$V1$v/metadata"
    expect_status 200
    expect .model_spec '{"name":"line-detector","signature_name":"","version":"1"}'
    expect '.metadata.signature_def.signature_def.serving_default | [.method_name, .inputs.input.dtype, (.inputs.input.tensor_shape.dim | map(.size)), (.outputs.pool.tensor_shape.dim | map(.size))]' \
      '["tensorflow/serving/predict","DT_FLOAT",["-1","8","8","1"],["-1","3","3","1"]]'
  done
}

@test "unknown models, versions and methods, as {\"error\"}" {
  predict '{"instances":[1]}' /v1/models/nope
  refused 404 "no model 'nope'"
  post /v1/models/nope/metadata
  refused 404 "no model 'nope'"
  predict '{"instances":[1]}' "$V1/versions/7"
  refused 404 'has version 1 and no 7'
  post "$V1/versions/7"
  refused 404 'has version 1 and no 7'
  post "$V1:predict"
  refused 405 'use POST'
  post "$V1/metadata" -d '{}'
  refused 405 'use GET'
  post "$V1:classify" -d '{}'
  expect_status 405
}

@test "what cannot be meant is 400 and says what would be right" {
  predict '{}'
  refused 400 "Missing 'inputs' or 'instances' key"
  predict "{\"instances\":[$LINE],\"inputs\":[$LINE]}"
  refused 400 'expected one of them'
  predict '{"instances":[]}'
  refused 400 'expected an array of examples'
  predict "{\"instances\":$LINE}"
  refused 400 "the first axis is the examples'"
  predict '{"instances":[[[1,2],[3]]]}'
  refused 400 ragged
  predict "{\"instances\":[{\"a\":$LINE}]}"
  refused 400 "'a' is no input of the model; it has 'input'"
  predict "{\"instances\":[{\"input\":$LINE,\"b\":1}]}"
  refused 400 'an object of 2 keys'
  predict '{"instances":[{"b64":"x!"}]}'
  refused 400 'does not belong into base64'
  predict '{"signature_name":"other","instances":[1]}'
  refused 400 serving_default
  predict '{"instances":'
  refused 400 'byte 13'
  predict ''
  refused 400 'the body is empty'
}

@test "gzip bodies" {
  printf '{"instances":[%s]}' "$LINE" | gzip >"$BATS_TEST_TMPDIR/packed"
  post "$V1:predict" -H 'Content-Encoding: gzip' --data-binary "@$BATS_TEST_TMPDIR/packed"
  expect_status 200
  expect . "{\"predictions\":[$POOLED]}"
}
