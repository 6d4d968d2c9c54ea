#!/usr/bin/env bats
# features.bats - every kind of input, what is asked of it, and the form of the answer.
# Run with each kind of kernels that this processor has.

load server

IMAGES=tests/data/images
EDGES=/v1/models/edges/features
LINE_DETECTOR=/v1/models/line-detector/features

# npy FILE DTYPE SHAPE: a .npy file, version 1.0; its data comes from standard input.
npy() {
  local header="{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"
  local pad=$(((64 - (10 + ${#header} + 1) % 64) % 64)) length
  header="$header$(printf '%*s' "$pad" '')"
  length=$((${#header} + 1))
  { printf '\x93NUMPY\x01\x00'
    printf "\\x$(printf %02x $((length % 256)))\\x$(printf %02x $((length / 256)))"
    printf '%s\n' "$header"
    cat; } >"$1"
}

@test "JPEG, PNG and WebP files, whatever the Content-Type says of them" {
  local f
  for f in rgb.jpg photo.png lossy.webp; do
    post "$EDGES" --data-binary "@$IMAGES/$f"
    expect_status 200
    expect '.model' '"edges"'
    expect '.outputs[0].name' '"pool"'
    expect '.outputs[0].shape[3]' 6
    expect '(.inputs[0].width + 1) / 2 | floor' "$(json '.outputs[0].shape[2]')"
    expect '(.inputs[0].height + 1) / 2 | floor' "$(json '.outputs[0].shape[1]')"
    post "$EDGES" -H 'Content-Type: image/png' --data-binary "@$IMAGES/$f"
    expect_status 200
  done
}

@test "a window over an image's maps" {
  post "$EDGES?layers=relu&pool=max&window=2" --data-binary "@$IMAGES/photo.png"
  expect_status 200
  local width height
  width=$(json '.inputs[0].width') height=$(json '.inputs[0].height')
  expect '.outputs[0].shape' "[1,$((height / 2)),$((width / 2)),6]"
}

@test "gist answers 512 numbers for an image of any size" {
  local f
  for f in one.png rgb.jpg; do
    post /v1/models/gist/features --data-binary "@$IMAGES/$f"
    expect_status 200
    expect '.outputs[0].shape' '[1,512]'
    expect '.outputs[0].data[0] | length' 512
    expect '[.outputs[0].data[0][] | numbers | select(. >= 0)] | length' 512
  done
}

@test "several files are a batch, in order, and equal the files one by one" {
  post /v1/models/gist/features -F "a=@$IMAGES/rgb.jpg" -F "b=@$IMAGES/photo.png"
  expect_status 200
  expect '.outputs[0].shape' '[2,512]'
  expect '.inputs | length' 2
  local both
  both=$(json '.outputs[0].data')
  post /v1/models/gist/features --data-binary "@$IMAGES/rgb.jpg"
  [ "$(jq -c '.[0]' <<<"$both")" = "$(json '.outputs[0].data[0]')" ]
  post /v1/models/gist/features --data-binary "@$IMAGES/photo.png"
  [ "$(jq -c '.[1]' <<<"$both")" = "$(json '.outputs[0].data[0]')" ]
}

@test "one bad image of a batch is named by its index" {
  head -c 200 "$IMAGES/rgb.jpg" >"$BATS_TEST_TMPDIR/cut.jpg"
  post /v1/models/gist/features -F "a=@$IMAGES/rgb.jpg" -F "b=@$BATS_TEST_TMPDIR/cut.jpg"
  expect_error 400 invalid_image 'input 1'
}

@test "images of different size cannot be one batch where nothing resizes them" {
  post "$EDGES" -F "a=@$IMAGES/rgb.jpg" -F "b=@$IMAGES/one.png"
  expect_error 400 invalid_shape 'one size'
}

@test "base64, with and without a data: URI, equals the file" {
  post "$EDGES?pool=sum" --data-binary "@$IMAGES/photo.png"
  local want text
  want=$(json .outputs)
  text=$(base64 -w0 "$IMAGES/photo.png")
  printf '{"image":"%s"}' "$text" >"$BATS_TEST_TMPDIR/b64"
  post "$EDGES?pool=sum" --data-binary "@$BATS_TEST_TMPDIR/b64"
  [ "$(json .outputs)" = "$want" ]
  printf '{"images":["data:image/png;base64,%s"]}' "$text" >"$BATS_TEST_TMPDIR/b64"
  post "$EDGES?pool=sum" --data-binary "@$BATS_TEST_TMPDIR/b64"
  [ "$(json .outputs)" = "$want" ]
}

@test "tensors: nested, flat, with shape and data, with and without batch and channel axes" {
  local want form
  post "$LINE_DETECTOR" -d "{\"tensor\":$LINE}"
  want=$(json .outputs)
  local flat
  flat=$(jq -c flatten <<<"$LINE")
  for form in "{\"shape\":[1,8,8,1],\"data\":$flat}" "{\"shape\":[8,8],\"data\":$LINE}" "[$LINE]" \
    "$(jq -c '[map(map([.]))]' <<<"$LINE")"; do
    post "$LINE_DETECTOR" -d "{\"tensor\":$form}"
    expect_status 200
    [ "$(json .outputs)" = "$want" ]
  done
  expect '.inputs' '[{"width":8,"height":8,"channels":1}]'
}

@test "a tensor's batch" {
  post "$LINE_DETECTOR?layers=conv&pool=avg" -d "{\"tensor\":[$LINE,$(jq -c 'map(map(. * 2))' <<<"$LINE")]}"
  expect_status 200
  expect '.outputs[0].data' '[[1],[2]]'
}

@test ".npy: float32 is taken as it is, uint8 is an image" {
  for _ in 1 2 3 4 5 6 7 8; do printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\x80\x3f\0\0\0\0\0\0\0\0\0\0\0\0'; done |
    npy "$BATS_TEST_TMPDIR/line.npy" '<f4' '8, 8, 1'
  post "$LINE_DETECTOR" --data-binary "@$BATS_TEST_TMPDIR/line.npy"
  expect_status 200
  expect '.outputs[0].data' '[[[[0],[3],[0]],[[0],[3],[0]],[[0],[3],[0]]]]'
  for _ in 1 2 3 4 5 6 7 8; do printf '\0\0\0\xff\xff\0\0\0'; done |
    npy "$BATS_TEST_TMPDIR/line8.npy" '|u1' '8, 8'
  post "$LINE_DETECTOR" --data-binary "@$BATS_TEST_TMPDIR/line8.npy"
  expect_status 200
  expect '.outputs[0].data' '[[[[0],[3],[0]],[[0],[3],[0]],[[0],[3],[0]]]]'
  : | npy "$BATS_TEST_TMPDIR/short.npy" '<f4' '8, 8, 1'
  post "$LINE_DETECTOR" --data-binary "@$BATS_TEST_TMPDIR/short.npy"
  expect_error 400 invalid_shape '256'
}

@test "several layers from one pass, each by its name" {
  post "$LINE_DETECTOR?layers=pool,conv,pool" -d "{\"tensor\":$LINE}"
  expect_status 200
  expect '[.outputs[].name]' '["pool","conv","pool"]'
  expect '[.outputs[].shape]' '[[1,3,3,1],[1,6,6,1],[1,3,3,1]]'
  expect '.outputs[0].data == .outputs[2].data' true
}

@test "outputs in the body, each with its own pooling" {
  post "$LINE_DETECTOR" -d "{\"tensor\":$LINE,\"outputs\":[{\"name\":\"conv\",\"pool\":\"max\"},{\"name\":\"conv\",\"pool\":\"avg\",\"window\":[2,3],\"stride\":3},{\"name\":\"pool\"}]}"
  expect_status 200
  expect '[.outputs[].shape]' '[[1,1],[1,2,2,1],[1,3,3,1]]'
  expect '.outputs[0].data' '[[3]]'
  expect '.outputs[1].data' '[[[[1],[1]],[[1],[1]]]]'
  post "$LINE_DETECTOR?layers=conv" -d "{\"tensor\":$LINE,\"outputs\":[{\"name\":\"conv\"}]}"
  expect_error 400 invalid_argument 'twice'
  post "$LINE_DETECTOR" -d "{\"tensor\":$LINE,\"outputs\":[{\"name\":\"conv\",\"pool\":\"max\",\"p\":3}]}"
  expect_error 400 invalid_argument 'outputs[0]: p: is the exponent'
}

@test "every kind of pooling, by window and globally" {
  local ramp='[[1,2,3,4],[5,6,7,8],[9,10,11,12],[13,14,15,16]]' kind value
  local layer='{"type":"Activation","activation":"linear","name":"same"}'
  while read -r kind value; do
    post "/v1/run?pool=$kind&window=2" -d "{\"pipeline\":{\"input\":{\"shape\":[4,4,1]},\"layers\":[$layer]},\"tensor\":$ramp}"
    expect_status 200
    expect '.outputs[0].data | flatten' "$value"
  done <<'LIST'
max [6,8,14,16]
min [1,3,9,11]
avg [3.5,5.5,11.5,13.5]
sum [14,22,46,54]
LIST
  for kind in max:16 min:1 avg:8.5 sum:136; do
    post "/v1/run?pool=${kind%:*}" -d "{\"pipeline\":{\"input\":{\"shape\":[4,4,1]},\"layers\":[$layer]},\"tensor\":$ramp}"
    expect '.outputs[0].data' "[[${kind#*:}]]"
  done
  post '/v1/run?pool=avg&window=3&stride=2&padding=same' -d "{\"pipeline\":{\"input\":{\"shape\":[4,4,1]},\"layers\":[$layer]},\"tensor\":$ramp}"
  expect '.outputs[0].data | flatten' '[6,7.5,12,13.5]'
  post '/v1/run?pool=max&window=3&stride=2&ceil=true' -d "{\"pipeline\":{\"input\":{\"shape\":[4,4,1]},\"layers\":[$layer]},\"tensor\":$ramp}"
  expect '.outputs[0].data | flatten' '[11,12,15,16]'
}

@test "layout, nested and digits" {
  post "$EDGES?layout=nchw" --data-binary "@$IMAGES/photo.png"
  expect '.outputs[0].layout' '"NCHW"'
  expect '.outputs[0].shape[1]' 6
  local nchw
  nchw=$(json '.outputs[0].data[0][2][1][3]')
  post "$EDGES?layout=nhwc" --data-binary "@$IMAGES/photo.png"
  expect '.outputs[0].layout' '"NHWC"'
  [ "$nchw" = "$(json '.outputs[0].data[0][1][3][2]')" ]
  post "$LINE_DETECTOR?nested=false" -d "{\"tensor\":$LINE}"
  expect '.outputs[0].data' '[0,3,0,0,3,0,0,3,0]'
  post '/v1/run?digits=3' -d '{"pipeline":{"input":{"shape":[1]},"layers":[{"type":"ReLU"}]},"tensor":[1.23456789]}'
  expect '.outputs[0].data' '[[1.23]]'
}

@test "what overflows float32 is null" {
  post /v1/run -d '{"pipeline":{"input":{"shape":[2]},"layers":[{"type":"Activation","activation":"square"}]},"tensor":[1e30,2]}'
  expect_status 200
  expect '.outputs[0].data' '[[null,4]]'
}

@test "preprocess answers what the model is fed" {
  post /v1/models/line-detector/preprocess --data-binary "@$IMAGES/photo.png"
  expect_status 200
  expect '.outputs[0].name' '"input"'
  expect '.outputs[0].shape' '[1,8,8,1]'
  expect '[.outputs[0].data | flatten[] | select(. < 0 or . > 1)]' '[]'
  post "/v1/models/line-detector/preprocess?layers=conv" --data-binary "@$IMAGES/photo.png"
  expect_error 400 invalid_argument features
}

@test "a pipeline as a part of multipart, with files" {
  printf '{"input":{"shape":[null,null,3]},"layers":[{"type":"GlobalMaxPooling2D","name":"brightest"}]}' >"$BATS_TEST_TMPDIR/p.json"
  post /v1/run -F "pipeline=<$BATS_TEST_TMPDIR/p.json" -F "x=@$IMAGES/photo.png"
  expect_status 200
  expect '.outputs[0].name' '"brightest"'
  expect '.outputs[0].shape' '[1,3]'
  post /v1/run -F "x=@$IMAGES/photo.png"
  expect_error 400 invalid_argument pipeline
}

@test "X-Request-Id, Server-Timing and nosniff" {
  local headers
  headers=$(curl -sS -D - -o /dev/null -H 'X-Request-Id: abc-1' -d "{\"tensor\":$LINE}" "$URL$LINE_DETECTOR" | tr -d '\r')
  grep -qx 'X-Request-Id: abc-1' <<<"$headers"
  grep -qE '^Server-Timing: queue;dur=[0-9.]+, decode;dur=[0-9.]+, infer;dur=[0-9.]+, encode;dur=[0-9.]+$' <<<"$headers"
  grep -qx 'X-Content-Type-Options: nosniff' <<<"$headers"
  grep -qx 'Content-Type: application/json' <<<"$headers"
  local path
  for path in /v1/models /v2/health/live /nothing; do
    curl -sS -D - -o /dev/null "$URL$path" | grep -q '^Server-Timing: queue;dur=0'
  done
  local one two
  one=$(curl -sS -D - -o /dev/null "$URL/v1/models" | sed -n 's/^X-Request-Id: //p')
  two=$(curl -sS -D - -o /dev/null "$URL/v1/models" | sed -n 's/^X-Request-Id: //p')
  [ -n "$one" ] && [ "$one" != "$two" ]
  post "$LINE_DETECTOR" -H 'X-Request-Id: abc-2' -d nothing
  expect '.request_id' '"abc-2"'
}

@test "one connection carries many requests, refusals among them" {
  local out
  out=$(curl -sS -w '%{http_code} %{num_connects}\n' -o /dev/null "$URL/v1/models" --next \
    -sS -w '%{http_code} %{num_connects}\n' -o /dev/null "$URL/nothing" --next \
    -sS -w '%{http_code} %{num_connects}\n' -o /dev/null -d "{\"tensor\":$LINE}" "$URL$LINE_DETECTOR" --next \
    -sS -w '%{http_code} %{num_connects}\n' -o /dev/null --data-binary "@$IMAGES/photo.png" "$URL$EDGES")
  [ "$out" = $'200 1\n404 0\n200 0\n200 0' ]
}
