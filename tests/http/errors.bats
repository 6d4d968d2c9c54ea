#!/usr/bin/env bats
# errors.bats - bad input of every kind: its status, a message that helps, and the next request works.

load server

setup_file() { start_server --max-body 8M; }

IMAGES=tests/data/images
GIST=/v1/models/gist/features
LINE_DETECTOR=/v1/models/line-detector/features

tensor() { post "$LINE_DETECTOR" -H 'Content-Type: application/json' -d "$1"; }
pipeline() { post /v1/run -H 'Content-Type: application/json' -d "{\"pipeline\":$1,\"tensor\":$LINE}"; }

# bytes N FILE: the first N bytes of it.
bytes() { head -c "$1" "$2" >"$BATS_TEST_TMPDIR/cut"; }

@test "an empty body" {
  post "$GIST" -X POST -H 'Content-Length: 0'
  expect_error 400 invalid_argument 'the body is empty'
}

@test "a body of no known format" {
  post "$GIST" --data-binary 'hello, world'
  expect_error 415 unsupported_format 'JPEG, PNG or WebP'
}

@test "a Content-Type that is not read" {
  post "$LINE_DETECTOR" -H 'Content-Type: application/xml' -d "{\"tensor\":$LINE}"
  expect_error 415 unsupported_format 'application/xml'
}

@test "truncated and corrupt JPEG, PNG and WebP" {
  local f size
  for f in rgb.jpg photo.png lossy.webp; do
    size=$(stat -c %s "$IMAGES/$f")
    bytes $((size / 2)) "$IMAGES/$f"
    post "$GIST" --data-binary "@$BATS_TEST_TMPDIR/cut"
    expect_error 400 invalid_image ''
    bytes 20 "$IMAGES/$f"
    post "$GIST" --data-binary "@$BATS_TEST_TMPDIR/cut"
    expect_error 400 invalid_image ''
  done
}

@test "an image of 65500x65500 in its header" {
  printf '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xdc\0\0\xff\xdc\x08\x02\0\0\0\x24\xe3\x4c\x0d' >"$BATS_TEST_TMPDIR/huge.png"
  post "$GIST" --data-binary "@$BATS_TEST_TMPDIR/huge.png"
  [ "$status_code" = 413 ] || [ "$status_code" = 400 ]
  [[ "$(json .error)" == *"--max-pixels"* || "$(json .code)" == '"invalid_image"' ]]
  printf '\xff\xd8\xff\xc0\0\x11\x08\xff\xdc\xff\xdc\x03\x01\x11\0\x02\x11\0\x03\x11\0\xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\x3f\0\0\xff\xd9' >"$BATS_TEST_TMPDIR/huge.jpg"
  post "$GIST" --data-binary "@$BATS_TEST_TMPDIR/huge.jpg"
  expect_error 413 too_large '--max-pixels'
}

@test "a 1x1 image is an image" {
  post "$GIST" --data-binary "@$IMAGES/one.png"
  expect_status 200
  expect '.outputs[0].shape' '[1,512]'
  post /v1/models/edges/features --data-binary "@$IMAGES/one.png"
  expect_status 200
  expect '.outputs[0].shape' '[1,1,1,6]'
}

@test "a tensor whose data does not match its shape" {
  tensor '{"tensor":{"shape":[1,8,8,1],"data":[1,2,3]}}'
  expect_error 400 invalid_shape 'needs 64 numbers; data has 3'
}

@test "a tensor that the model does not take" {
  tensor '{"tensor":[[1,2],[3,4]]}'
  expect_error 400 invalid_shape '[any, 8, 8, 1]'
}

@test "ragged nesting" {
  tensor '{"tensor":[[1,2],[3]]}'
  expect_error 400 invalid_shape tensor
}

@test "a string among numbers" {
  tensor '{"tensor":[[1,2],[3,"x"]]}'
  expect_error 400 invalid_json tensor
}

@test "NaN and 1e999" {
  tensor '{"tensor":[[1,NaN],[3,4]]}'
  expect_error 400 invalid_json NaN
  tensor '{"tensor":[[1,1e999],[3,4]]}'
  expect_error 400 invalid_json 1e999
}

@test "a shape whose product overflows, and one of 65 dimensions" {
  tensor '{"tensor":{"shape":[4294967296,4294967296,4294967296,4294967296],"data":[1]}}'
  expect_error 413 too_large shape
  tensor "{\"tensor\":{\"shape\":[$(printf '1,%.0s' {1..64})1],\"data\":[1]}}"
  expect_error 400 invalid_json shape
}

@test "duplicate keys" {
  tensor "{\"tensor\":$LINE,\"tensor\":$LINE}"
  expect_error 400 invalid_json twice
}

@test "an unknown key, and no input at all" {
  tensor "{\"tenser\":$LINE}"
  expect_error 400 invalid_json "unknown key 'tenser'"
  tensor '{}'
  expect_error 400 invalid_json 'no input'
}

@test "100,000 open brackets" {
  head -c 100000 /dev/zero | tr '\0' '[' >"$BATS_TEST_TMPDIR/open"
  post "$LINE_DETECTOR" -H 'Content-Type: application/json' --data-binary "@$BATS_TEST_TMPDIR/open"
  expect_error 400 invalid_json ''
  { printf '{"tensor":'; cat "$BATS_TEST_TMPDIR/open"; } >"$BATS_TEST_TMPDIR/open2"
  post "$LINE_DETECTOR" --data-binary "@$BATS_TEST_TMPDIR/open2"
  expect_error 400 invalid_json ''
}

@test "a pipeline of 10,000 layers" {
  { printf '{"tensor":%s,"pipeline":{"input":{"shape":[8,8,1]},"layers":[' "$LINE"
    printf '{"type":"ReLU"},%.0s' {1..9999}
    printf '{"type":"ReLU"}]}}'; } >"$BATS_TEST_TMPDIR/many"
  post /v1/run --data-binary "@$BATS_TEST_TMPDIR/many"
  expect_error 413 too_large '4096'
}

@test "pipelines that cannot be: each message names the layer and the field" {
  pipeline '{"input":{"shape":[8,8,1]},"layers":[{"type":"MaxPooling2D","name":"p","strides":[-1,2]}]}'
  expect_error 400 invalid_model strides
  pipeline "{\"input\":{\"shape\":[8,8,1]},\"layers\":[{\"type\":\"Conv3D\",\"name\":\"c\"}]}"
  expect_error 400 invalid_model Conv3D
  pipeline '{"input":{"shape":[8,8,1]},"layers":[{"type":"ReLU","name":"a","inputs":["b"]},{"type":"ReLU","name":"b","inputs":["a"]}]}'
  expect_error 400 invalid_model cycle
  pipeline '{"input":{"shape":[8,8,1]},"layers":[{"type":"MaxPooling2D","name":"p","pool_size":9}]}'
  expect_error 400 invalid_shape 'p: kernel 9x9 exceeds the padded input'
  pipeline '{"input":{"shape":[8,8,1]},"layers":[{"type":"Conv2D","name":"c","filters":1,"kernel_size":1,"kernel":[[[[1]]]],"bias":[0,1]}]}'
  expect_error 400 invalid_shape bias
}

@test "a body over the limit, with and without a length" {
  head -c 9000000 /dev/zero >"$BATS_TEST_TMPDIR/zeros"
  post "$GIST" --data-binary "@$BATS_TEST_TMPDIR/zeros"
  expect_error 413 too_large '--max-body'
  post "$GIST" -H 'Transfer-Encoding: chunked' --data-binary "@$BATS_TEST_TMPDIR/zeros"
  expect_error 413 too_large '--max-body'
}

@test "an unknown path, model and layer" {
  request "$URL/v1/nothing"
  expect_error 404 not_found 'no such path'
  post /v1/models/nothing/features -d "{\"tensor\":$LINE}"
  expect_error 404 not_found 'line-detector'
  post "$LINE_DETECTOR?layers=conv9" -d "{\"tensor\":$LINE}"
  expect_error 404 not_found 'it has: conv, pool'
}

@test "a wrong method, with Allow" {
  request "$URL$GIST"
  expect_error 405 method_not_allowed 'use POST'
  post /v1/models -d x
  expect_error 405 method_not_allowed 'use GET'
  curl -sS -D - -o /dev/null "$URL$GIST" | grep -qi '^allow: POST'
}

@test "parameters that cannot be meant" {
  local body_text="{\"tensor\":$LINE}" query
  while IFS='|' read -r query text; do
    post "$LINE_DETECTOR?$query" -d "$body_text"
    expect_error 400 invalid_argument "$text"
  done <<'LIST'
pol=max|unknown parameter 'pol'
pool=median|no such pooling
pool=gem&p=0.5|expected a number from 1 to 100
grid=2x2|add pool=
format=svg|expected json, npy, safetensors, binary or png
pool=max&pool=min|given twice
window=2|add pool=
pool=max&stride=2|add window=
pool=max&window=0|expected a size
pool=max&window=-1|expected a size
pool=max&window=2x|expected a size
pool=max&window=2&padding=1,2|top,left,bottom,right
pool=max&window=2&ceil=maybe|expected true or false
layout=hwcn|nchw or nhwc
digits=10|expected 1 to 9
LIST
  post "$LINE_DETECTOR?layers=conv&pool=max&window=7" -d "$body_text"
  expect_error 400 invalid_shape 'exceeds the padded input'
  post "$GIST?pool=max" --data-binary "@$IMAGES/one.png"
  expect_error 400 invalid_shape 'needs a map'
}

@test "headers by which a request could be read in two ways" {
  request "$URL/v1/models" -H 'Host: a' -H 'Transfer-Encoding: gzip, chunked'
  expect_status 400
  local port=${URL##*:} answer
  answer=$(printf 'POST /v1/run HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n' |
    timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; cat >&3; cat <&3")
  [[ "$answer" == "HTTP/1.1 400"* ]]
  [ "$(grep -c '^HTTP/1.1' <<<"$answer")" -eq 1 ]
}

@test "an expectation that is not known" {
  request "$URL/v1/models" -H 'Expect: the-unexpected'
  expect_error 417 expectation_failed '100-continue'
}
