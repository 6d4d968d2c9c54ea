#!/usr/bin/env bats
# oip.bats - Open Inference Protocol v2: requests written by hand from its pages, with the binary tensor extension.

load server

setup_file() {
  MODELS=$(mktemp -d "$BATS_FILE_TMPDIR/models.XXXXXX")
  cp tests/data/onnx/readme/resnet50.onnx tests/data/onnx/small/classifier.onnx "$MODELS"
  printf 'red\nall\nedge\ngreen\nsum\n' >"$MODELS/classifier.labels.txt"
  start_server --models "$MODELS" --max-body 1M
}

IMAGES=tests/data/images
V2=/v2/models/line-detector
PLAIN="{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,8,8,1],\"data\":$LINE}]}"
POOLED='[0,3,0,0,3,0,0,3,0]'
TEMP=$BATS_TEST_TMPDIR

infer() { post "${2-$V2}/infer" -H 'Content-Type: application/json' -d "$1"; }

# ask REST DATA: the line's picture in JSON, with REST beside the inputs.
ask() { infer "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,8,8,1],\"data\":$LINE}],$1}"; }

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

# floats NUMBERS...: little-endian float32 of whole numbers below 8.
floats() {
  local x
  for x in "$@"; do
    case $x in
    0) printf '\0\0\0\0' ;;
    1) printf '\0\0\x80\x3f' ;;
    *) return 1 ;;
    esac
  done
}

line_floats() {
  local i
  for i in 1 2 3 4 5 6 7 8; do floats 0 0 0 1 1 0 0 0; done
}

# length N: in 4 bytes, little-endian.
length() {
  printf "\\x$(printf %02x $(($1 % 256)))\\x$(printf %02x $(($1 / 256 % 256)))\\0\\0"
}

prefixed() { length "$(stat -c %s "$1")" && cat "$1"; }

# binary JSON FILE [curl arguments]: JSON and the file behind it; the answer's parts are $body and $TEMP/tail.
binary() {
  local text=$1 file=$2
  shift 2
  { printf %s "$text"; cat "$file"; } >"$TEMP/request"
  send "${#text}" "$TEMP/request" "$@"
}

# send LENGTH FILE [curl arguments]
send() {
  local n=$1 file=$2
  shift 2
  rm -f "$TEMP/whole" "$TEMP/tail"
  status_code=$(curl -sS -o "$TEMP/whole" -D "$TEMP/head" -w '%{http_code}' --max-time 30 -H "Inference-Header-Content-Length: $n" \
    -H 'Content-Type: application/octet-stream' --data-binary "@$file" "$@" "$URL${TO-$V2}/infer")
  local json_bytes
  json_bytes=$(header Inference-Header-Content-Length)
  body=$(head -c "${json_bytes:-$(stat -c %s "$TEMP/whole")}" "$TEMP/whole")
  if [ -n "$json_bytes" ]; then tail -c "+$((json_bytes + 1))" "$TEMP/whole" >"$TEMP/tail"; fi
}

header() { tr -d '\r' <"$TEMP/head" | sed -n "s/^$1: //Ip"; }

# tail_is FILE FROM BYTES: that stretch of what followed the JSON holds the file's bytes.
tail_is() { tail -c "+$(($2 + 1))" "$TEMP/tail" | head -c "$3" | cmp - "$1"; }

# ---- what the server tells

@test "live, ready, and the server's metadata with what it can do" {
  post /v2/health/live
  expect_status 200
  expect . '{"live":true}'
  post /v2/health/ready
  expect_status 200
  expect . '{"ready":true}'
  local path
  for path in /v2 /v2/; do
    post "$path"
    expect_status 200
    expect '.name' '"tidepool"'
    expect '.version | type' '"string"'
    expect '.extensions | contains(["binary_tensor_data", "classification", "parameters", "statistics", "model_configuration"])' true
    expect '.extensions | index("model_repository")' null
  done
}

@test "models: the list, metadata, ready and configuration, with and without version" {
  local v
  post /v2/models
  expect . '{"models":["classifier","edges","gist","line-detector","resnet50"]}'
  for v in '' /versions/1; do
    post "$V2$v"
    expect_status 200
    expect . '{"name":"line-detector","versions":["1"],"platform":"keras_pipeline","inputs":[{"name":"input","datatype":"FP32","shape":[-1,8,8,1]}],"outputs":[{"name":"pool","datatype":"FP32","shape":[-1,3,3,1]}]}'
    post "$V2$v/ready"
    expect_status 200
    expect . '{"name":"line-detector","ready":true}'
    post "$V2$v/config"
    expect_status 200
    expect '.name' '"line-detector"'
    infer "$PLAIN" "$V2$v"
    expect_status 200
    expect '.outputs[0].data' "$POOLED"
  done
  post /v2/models/classifier
  expect '[.platform, .inputs, .outputs]' '["onnx_onnxv1",[{"name":"image","datatype":"FP32","shape":[-1,3,8,8]}],[{"name":"scores","datatype":"FP32","shape":[-1,5]}]]'
}

@test "unknown models, versions and paths are 404, wrong methods 405, all as {\"error\"}" {
  local path
  for path in /v2/models/nope /v2/models/nope/ready /v2/models/nope/config /v2/models/nope/versions/1; do
    post "$path"
    refused 404 "no model 'nope'"
  done
  infer "$PLAIN" /v2/models/nope
  refused 404 "no model 'nope'"
  infer "$PLAIN" "$V2/versions/2"
  refused 404 'has version 1 and no 2'
  post "$V2/versions/2/ready"
  refused 404 'has version 1 and no 2'
  infer "$PLAIN" "$V2/versions/one"
  refused 404 'no such path'
  post /v2/nothing
  refused 404 'no such path'
  post "$V2/infer"
  refused 405 'use POST'
  post "$V2" -d '{}'
  refused 405 'use GET'
  post "$V2/ready" -X DELETE
  refused 405 'use GET'
  post /v2/repository/index -d '{}'
  refused 404 'no such path'
}

# ---- JSON

@test "an answer in JSON: names, version, flat data; no id where none was given" {
  infer "$PLAIN"
  expect_status 200
  expect . "{\"model_name\":\"line-detector\",\"model_version\":\"1\",\"outputs\":[{\"name\":\"pool\",\"datatype\":\"FP32\",\"shape\":[1,3,3,1],\"data\":$POOLED}]}"
  ask '"parameters":{"nested":true}'
  expect '.outputs[0].data' '[[[[0],[3],[0]],[[0],[3],[0]],[[0],[3],[0]]]]'
}

@test "the id comes back, and keys of others are left alone" {
  ask '"id":"4 \"2\" é","model_name":"x","parameters":{"priority":1,"timeout":0,"sequence_id":3}'
  expect_status 200
  expect .id '"4 \"2\" é"'
}

@test "flat and nested data answer the same" {
  local flat
  flat=$(jq -c flatten <<<"$LINE")
  infer "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,8,8,1],\"data\":$flat}]}"
  expect_status 200
  expect '.outputs[0].data' "$POOLED"
  infer "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[2,8,8,1],\"data\":[$LINE,$LINE]}]}"
  expect '.outputs[0].shape' '[2,3,3,1]'
}

@test "every datatype in JSON" {
  local type
  for type in UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 BF16 FP32 FP64 BOOL; do
    infer "${PLAIN/FP32/$type}"
    expect_status 200
    expect '.outputs[0].data' "$POOLED"
  done
  local bools=${LINE//1/true}
  bools=${bools//0/false}
  infer "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"BOOL\",\"shape\":[1,8,8,1],\"data\":$bools}]}"
  expect_status 200
  expect '.outputs[0].data' "$POOLED"
}

@test "a wrong count, an unknown datatype and numbers out of range are 400 and name the input" {
  infer '{"inputs":[{"name":"input","datatype":"FP32","shape":[1,8,8,1],"data":[1,2,3]}]}'
  refused 400 "input 'input': shape [1, 8, 8, 1] has 64 values; data has 3"
  infer "${PLAIN/FP32/FP8}"
  refused 400 "input 'input': datatype 'FP8' is not known"
  infer "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"UINT8\",\"shape\":[1,8,8,1],\"data\":${LINE/1/256}}]}"
  refused 400 'number 3 is 256; UINT8 holds whole numbers from 0 to 255'
  infer "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"INT32\",\"shape\":[1,8,8,1],\"data\":${LINE/1/0.5}}]}"
  refused 400 'number 3 is 0.5; INT32 holds'
  infer '{"inputs":[{"name":"input","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]}'
  refused 400 "does not fit the model's input [any, 8, 8, 1]"
  infer "${PLAIN/\"input\"/\"image\"}"
  refused 400 "the model's input is 'input'"
  infer '{"inputs":[]}'
  refused 400 'inputs:'
  infer '{"inputs"'
  refused 400 'byte 9'
  infer ''
  refused 400 'the body is empty'
}

@test "only the outputs that are named are answered, in their order" {
  ask '"outputs":[{"name":"conv"}]'
  expect_status 200
  expect '[.outputs[] | [.name, .shape]]' '[["conv",[1,6,6,1]]]'
  ask '"outputs":[{"name":"pool"},{"name":"conv"}]'
  expect '[.outputs[].name]' '["pool","conv"]'
  ask '"outputs":[{"name":"nowhere"}]'
  refused 404 nowhere
}

@test "every layer by its name, with pooling in its parameters" {
  local layers name features='{"name":"layer3","parameters":{"pool":"gem","p":3,"grid":"2x2","normalize":"l2"}}'
  prefixed "$IMAGES/photo.png" >"$TEMP/photo"
  export TO=/v2/models/resnet50
  layers=$(curl -sS "$URL/v1/models/resnet50" | jq -r '.layers[].name')
  [ "$(wc -l <<<"$layers")" -ge 15 ]
  for name in $layers; do
    binary "{\"inputs\":[{\"name\":\"image\",\"datatype\":\"BYTES\",\"shape\":[1]}],\"outputs\":[{\"name\":\"$name\"}]}" "$TEMP/photo"
    expect_status 200
    expect '.outputs | map([.name, (.data | length > 0)])' "[[\"$name\",true]]"
  done
  binary "{\"inputs\":[{\"name\":\"image\",\"datatype\":\"BYTES\",\"shape\":[1]}],\"outputs\":[$features,{\"name\":\"layer2\",\"parameters\":{\"pool\":\"max\",\"argmax\":true}}]}" "$TEMP/photo"
  expect_status 200
  expect '.outputs | map([.name, .datatype])' '[["layer3","FP32"],["layer2","FP32"],["layer2/argmax","INT64"]]'
  expect '.outputs[0].data | map(. * .) | add | (. - 1 | fabs) < 1e-5' true
  local first second
  first=$(json '.outputs[0] | [.shape, .data]')
  second=$(json '.outputs[1].data')
  post '/v1/models/resnet50/features?layers=layer3&pool=gem&p=3&grid=2x2&normalize=l2&nested=false' --data-binary "@$IMAGES/photo.png"
  expect '.outputs[0] | [.shape, .data]' "$first"
  post '/v1/models/resnet50/features?layers=layer2&pool=max&nested=false' --data-binary "@$IMAGES/photo.png"
  expect '.outputs[0].data' "$second"
  infer "$PLAIN"
  ask '"outputs":[{"name":"conv","parameters":{"pooling":"max"}}]'
  refused 400 "'pooling' is no parameter of an output"
  ask '"outputs":[{"name":"conv","parameters":{"pool":"median"}}]'
  refused 400 median
  ask '"parameters":{"pool":"max"}'
  refused 400 'belongs to an output'
  ask '"parameters":{"concat":true,"normalize":"l2"},"outputs":[{"name":"conv","parameters":{"pool":"max"}},{"name":"pool","parameters":{"pool":"avg"}}]'
  expect '.outputs | map([.name, .shape])' '[["concat",[1,2]]]'
}

@test "NaN and infinities are null in JSON and themselves in binary" {
  local sqrt='{"input":{"shape":[2]},"layers":[{"type":"Activation","activation":"sqrt","name":"root"}]}'
  printf '%s' "$sqrt" >"$BATS_FILE_TMPDIR/root.json"
  local models pid=$SERVER_PID url=$URL log=$SERVER_LOG
  models=$(mktemp -d "$BATS_TEST_TMPDIR/models.XXXXXX")
  printf '%s' "$sqrt" >"$models/root.json"
  start_server --models "$models"
  infer '{"inputs":[{"name":"input","datatype":"FP32","shape":[1,2],"data":[-1,4]}]}' /v2/models/root
  local nan=$body nan_status=$status_code
  printf '\0\0\x80\x7f\0\0\x80\xbf' >"$TEMP/inf"             # infinity, -1
  TO=/v2/models/root binary '{"inputs":[{"name":"input","datatype":"FP32","shape":[1,2]}],"outputs":[{"name":"root","parameters":{"binary_data":true}}]}' "$TEMP/inf"
  stop_server
  SERVER_PID=$pid URL=$url SERVER_LOG=$log
  expect_status 200
  [ "$(head -c 4 "$TEMP/tail" | od -An -tx1 | tr -d ' ')" = 0000807f ]
  [[ "$(tail -c 4 "$TEMP/tail" | od -An -tx1 | tr -d ' ')" =~ ^0000c0[7f]f$ ]]
  body=$nan status_code=$nan_status
  expect_status 200
  expect '.outputs[0].data' '[null,2]'
}

@test "classification: the best, with their labels" {
  local pixels
  pixels=$(jq -nc '[range(192) | . % 7]')
  infer "{\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[1,3,8,8],\"data\":$pixels}]}" /v2/models/classifier
  expect_status 200
  local best
  best=$(json '.outputs[0].data | to_entries | sort_by(-.value) | map(.key)')
  infer "{\"inputs\":[{\"name\":\"image\",\"datatype\":\"FP32\",\"shape\":[1,3,8,8],\"data\":$pixels}],\"outputs\":[{\"name\":\"scores\",\"parameters\":{\"classification\":3}}]}" /v2/models/classifier
  expect_status 200
  expect '.outputs[0] | [.datatype, .shape]' '["BYTES",[1,3]]'
  expect '.outputs[0].data | map(split(":")[1] | tonumber)' "$(jq -c '.[:3]' <<<"$best")"
  expect '.outputs[0].data | map(split(":")[2]) | all(IN("red", "all", "edge", "green", "sum"))' true
  ask '"outputs":[{"name":"conv","parameters":{"classification":1}}]'
  refused 400 'classification is of [n, classes]'
}

# ---- binary

@test "FP32 binary in, JSON out" {
  line_floats >"$TEMP/line"
  binary '{"inputs":[{"name":"input","datatype":"FP32","shape":[1,8,8,1],"parameters":{"binary_data_size":256}}]}' "$TEMP/line"
  expect_status 200
  expect '.outputs[0].data' "$POOLED"
  [ "$(header Content-Type)" = application/json ]
  [ ! -e "$TEMP/tail" ]
}

@test "JSON in, binary out" {
  floats 0 1 0 0 1 0 0 1 0 >"$TEMP/want"
  local third=${LINE//1/0.5}                               # 3 times 0.5, not a number of floats()
  : >"$TEMP/nothing"
  binary "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,8,8,1],\"data\":${third//0.5/0.33333334}}],\"outputs\":[{\"name\":\"pool\",\"parameters\":{\"binary_data\":true}}]}" "$TEMP/nothing"
  expect_status 200
  [ "$(header Content-Type)" = application/octet-stream ]
  expect '.outputs' '[{"name":"pool","datatype":"FP32","shape":[1,3,3,1],"parameters":{"binary_data_size":36}}]'
  [ "$(stat -c %s "$TEMP/tail")" = 36 ]
  cmp "$TEMP/tail" "$TEMP/want"
}

@test "binary in and out, all outputs and some, in the order of the JSON" {
  line_floats >"$TEMP/line"
  local input='{"name":"input","datatype":"FP32","shape":[1,8,8,1],"parameters":{"binary_data_size":256}}'
  binary "{\"inputs\":[$input],\"parameters\":{\"binary_data_output\":true}}" "$TEMP/line"
  expect_status 200
  expect '.outputs[0].parameters.binary_data_size' 36
  cp "$TEMP/tail" "$TEMP/pool"
  binary "{\"inputs\":[$input],\"outputs\":[{\"name\":\"conv\",\"parameters\":{\"binary_data\":true}},{\"name\":\"pool\"},{\"name\":\"pool\",\"parameters\":{\"binary_data\":true}}]}" "$TEMP/line"
  expect_status 200
  expect '[.outputs[] | .parameters.binary_data_size // .data]' "[144,$POOLED,36]"
  [ "$(stat -c %s "$TEMP/tail")" = 180 ]
  tail_is "$TEMP/pool" 144 36
  binary "{\"inputs\":[$input],\"parameters\":{\"binary_data_output\":true},\"outputs\":[{\"name\":\"pool\",\"parameters\":{\"binary_data\":false}},{\"name\":\"pool\"}]}" "$TEMP/line"
  expect '[.outputs[] | .parameters.binary_data_size // .data]' "[$POOLED,36]"
  binary "{\"inputs\":[$input],\"parameters\":{\"dtype\":\"fp16\"},\"outputs\":[{\"name\":\"pool\",\"parameters\":{\"binary_data\":true}},{\"name\":\"pool\"}]}" "$TEMP/line"
  expect '[.outputs[] | [.datatype, .parameters.binary_data_size // .data]]' "[[\"FP16\",18],[\"FP16\",$POOLED]]"
  [ "$(od -An -tx1 "$TEMP/tail" | tr -d ' \n')" = 000000420000000000420000000000420000 ]
}

@test "integers and booleans in binary" {
  local i
  for i in 1 2 3 4 5 6 7 8; do printf '\0\0\0\1\1\0\0\0'; done >"$TEMP/bytes"
  for i in UINT8 INT8 BOOL; do
    binary "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"$i\",\"shape\":[1,8,8,1],\"parameters\":{\"binary_data_size\":64}}]}" "$TEMP/bytes"
    expect_status 200
    expect '.outputs[0].data' "$POOLED"
  done
}

@test "the raw request: floats, a bare file, a file with its length; all answered in binary" {
  line_floats >"$TEMP/line"
  send 0 "$TEMP/line"
  expect_status 200
  expect '.outputs[0] | [.shape, .parameters.binary_data_size]' '[[1,3,3,1],36]'
  cat "$TEMP/line" "$TEMP/line" >"$TEMP/lines"
  send 0 "$TEMP/lines"
  expect '.outputs[0].shape' '[2,3,3,1]'
  export TO=/v2/models/gist
  send 0 "$IMAGES/rgb.jpg"
  expect_status 200
  expect '.outputs[0].parameters.binary_data_size' 2048
  cp "$TEMP/tail" "$TEMP/bare"
  prefixed "$IMAGES/rgb.jpg" >"$TEMP/prefixed"
  send 0 "$TEMP/prefixed"
  expect_status 200
  cmp "$TEMP/tail" "$TEMP/bare"
  curl -sS --fail -H 'Accept: application/octet-stream' --data-binary "@$IMAGES/rgb.jpg" "$URL/v1/models/gist/features" | cmp - "$TEMP/bare"
  head -c 255 "$TEMP/line" >"$TEMP/short"
  TO=$V2 send 0 "$TEMP/short"
  refused 400 '255 bytes'
  : >"$TEMP/nothing"
  send 0 "$TEMP/nothing"
  refused 400 'the body is empty'
  head -c 1000 "$TEMP/prefixed" >"$TEMP/short"
  send 0 "$TEMP/short"
  refused 400 'by its length'
}

@test "a header that is too large, negative or no number is 400" {
  local n
  line_floats >"$TEMP/line"
  for n in -1 x 1x +5 0x10 99999999999999999999 1.0; do
    send "$n" "$TEMP/line"
    refused 400 "Inference-Header-Content-Length: '$n'"
  done
  send 257 "$TEMP/line"
  refused 400 '257 exceeds the body, which has 256 bytes'
}

@test "bytes that are missing or left over are 400" {
  local input='{"inputs":[{"name":"input","datatype":"FP32","shape":[1,8,8,1],"parameters":{"binary_data_size":256}}]}'
  line_floats >"$TEMP/line"
  head -c 255 "$TEMP/line" >"$TEMP/short"
  binary "$input" "$TEMP/short"
  refused 400 'binary_data_size is 256 and 255 bytes are there'
  { cat "$TEMP/line"; printf x; } >"$TEMP/long"
  binary "$input" "$TEMP/long"
  refused 400 '1 bytes are left over'
  binary "$PLAIN" "$TEMP/line"
  refused 400 '256 bytes are left over'
  binary "${input/256/255}" "$TEMP/short"
  refused 400 '255 bytes of binary data; FP32 [1, 8, 8, 1] has 256'
  binary "${input/256/-1}" "$TEMP/line"
  refused 400 'binary_data_size is negative'
  binary "{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[1,8,8,1],\"data\":$LINE,\"parameters\":{\"binary_data_size\":256}}]}" "$TEMP/line"
  refused 400 'both data and binary_data_size'
  binary '{"inputs":[{"name":"input","datatype":"FP32","shape":[1,8,8,1],"parameters":{"shared_memory_region":"x"}}]}' "$TEMP/line"
  refused 400 'shared memory'
}

# ---- images

@test "an image as BYTES: with its length, bare, and in JSON, answers as the service's own path" {
  local want how one='{"inputs":[{"name":"image","datatype":"BYTES","shape":[1]}]}'
  post '/v1/models/gist/features?nested=false' --data-binary "@$IMAGES/rgb.jpg"
  want=$(json '.outputs[0].data')
  prefixed "$IMAGES/rgb.jpg" >"$TEMP/prefixed"
  export TO=/v2/models/gist
  for how in "$TEMP/prefixed" "$IMAGES/rgb.jpg"; do
    binary "$one" "$how"
    expect_status 200
    expect '.outputs[0].data' "$want"
    binary "{\"inputs\":[{\"name\":\"image\",\"datatype\":\"BYTES\",\"shape\":[1],\"parameters\":{\"binary_data_size\":$(stat -c %s "$how")}}]}" "$how"
    expect '.outputs[0].data' "$want"
  done
  infer "{\"inputs\":[{\"name\":\"image\",\"datatype\":\"BYTES\",\"shape\":[1],\"parameters\":{\"content_type\":\"base64\"},\"data\":[\"$(base64 -w0 "$IMAGES/rgb.jpg")\"]}]}" /v2/models/gist
  expect_status 200
  expect '.outputs[0].data' "$want"
}

@test "two images of different size in one input" {
  local first second
  { prefixed "$IMAGES/rgb.jpg"; prefixed "$IMAGES/photo.png"; } >"$TEMP/two"
  TO=/v2/models/gist binary '{"inputs":[{"name":"image","datatype":"BYTES","shape":[2]}]}' "$TEMP/two"
  expect_status 200
  expect '.outputs[0].shape' '[2,512]'
  first=$(json '.outputs[0].data[:512]') second=$(json '.outputs[0].data[512:]')
  post '/v1/models/gist/features?nested=false' --data-binary "@$IMAGES/rgb.jpg"
  expect '.outputs[0].data' "$first"
  post '/v1/models/gist/features?nested=false' --data-binary "@$IMAGES/photo.png"
  expect '.outputs[0].data' "$second"
  TO=/v2/models/gist binary '{"inputs":[{"name":"image","datatype":"BYTES","shape":[3]}]}' "$TEMP/two"
  refused 400 'the bytes end before element 2 of 3'
  TO=/v2/models/gist binary '{"inputs":[{"name":"image","datatype":"BYTES","shape":[1]}]}' "$TEMP/two"
  refused 400 'left over behind its last element'
}

# ---- compression

@test "gzip and deflate bodies; the JSON's length is that of the plain text" {
  line_floats >"$TEMP/line"
  local text='{"inputs":[{"name":"input","datatype":"FP32","shape":[1,8,8,1],"parameters":{"binary_data_size":256}}]}'
  { printf %s "$text"; cat "$TEMP/line"; } | gzip >"$TEMP/packed"
  send "${#text}" "$TEMP/packed" -H 'Content-Encoding: gzip'
  expect_status 200
  expect '.outputs[0].data' "$POOLED"
  printf %s "$PLAIN" | gzip >"$TEMP/packed"
  post "$V2/infer" -H 'Content-Encoding: gzip' -H 'Content-Type: application/json' --data-binary "@$TEMP/packed"
  expect_status 200
  expect '.outputs[0].data' "$POOLED"
}

@test "broken, cut, oversized and unknown encodings are refused in the protocol's form" {
  printf %s "$PLAIN" | gzip >"$TEMP/packed"
  head -c 60 "$TEMP/packed" >"$TEMP/cut"
  post "$V2/infer" -H 'Content-Encoding: gzip' --data-binary "@$TEMP/cut"
  refused 400 gzip
  post "$V2/infer" -H 'Content-Encoding: gzip' -d "$PLAIN"
  refused 400 gzip
  post "$V2/infer" -H 'Content-Encoding: br' -d "$PLAIN"
  refused 415 br
  head -c 20000000 /dev/zero | gzip >"$TEMP/bomb"
  post "$V2/infer" -H 'Content-Encoding: gzip' --data-binary "@$TEMP/bomb"
  refused 413 '--max-body'
}

@test "answers are compressed where that is asked for, and binary ones are not" {
  export TO=/v2/models/gist
  local text='{"inputs":[{"name":"image","datatype":"BYTES","shape":[1]}]}'
  binary "$text" "$IMAGES/rgb.jpg"
  local plain=$body
  binary "$text" "$IMAGES/rgb.jpg" -H 'Accept-Encoding: gzip'
  expect_status 200
  [ "$(header Content-Encoding)" = gzip ]
  [ "$(gunzip -c "$TEMP/whole")" = "$plain" ]
  send 0 "$IMAGES/rgb.jpg" -H 'Accept-Encoding: gzip'
  [ -z "$(header Content-Encoding)" ]
  expect '.outputs[0].parameters.binary_data_size' 2048
}

# ---- forms that this protocol has not

@test "words of other forms are refused, those of layers may stand in the query" {
  infer "$PLAIN" "$V2"
  local word
  for word in format=npy dtype=fp16 top=3; do
    post "$V2/infer?$word" -d "$PLAIN"
    refused 400 "${word%=*}: the protocol of this path has a form of its own"
  done
  post "$V2/infer" -H 'Accept: image/png' -d "$PLAIN"
  expect_status 200
  expect '.outputs[0].data' "$POOLED"
  post "$V2/infer?layers=conv&pool=max" -d "$PLAIN"
  expect '.outputs[0] | [.name, .data]' '["conv",[3]]'
}

# ---- a client

@test "a client of Python's standard library gets the same from JSON and binary" {
  command -v python3 >/dev/null || skip 'no python3 here'
  local client=tests/clients/oip_client.py json_answer binary_answer type
  for type in FP32 FP64 FP16 INT8 UINT16 INT64; do
    json_answer=$(python3 "$client" "$URL" line-detector json "$type" 1x8x8x1 conv '{"name":"pool","parameters":{"pool":"max"}}' <<<"$(jq -c flatten <<<"$LINE")")
    binary_answer=$(python3 "$client" "$URL" line-detector binary "$type" 1x8x8x1 conv '{"name":"pool","parameters":{"pool":"max"}}' <<<"$(jq -c flatten <<<"$LINE")")
    [ "$(jq -c 'map_values(.data | map(. + 0)), (.pool | [.datatype, .shape])' <<<"$json_answer")" = \
      "$(jq -c 'map_values(.data | map(. + 0)), (.pool | [.datatype, .shape])' <<<"$binary_answer")" ]
    body=$binary_answer
    expect '.pool.data' '[3]'
  done
  printf '%s\n' "$IMAGES/rgb.jpg" "$IMAGES/photo.png" >"$TEMP/paths"
  body=$(python3 "$client" "$URL" gist binary BYTES 2 <"$TEMP/paths")
  expect '.[] | [.shape, (.data | length)]' '[[2,512],1024]'
  body=$(python3 "$client" "$URL" classifier binary BYTES 1 '{"name":"scores","parameters":{"classification":2}}' <<<"$IMAGES/photo.png")
  expect '.scores | [.datatype, .shape, (.data | length)]' '["BYTES",[1,2],2]'
}
