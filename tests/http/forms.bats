#!/usr/bin/env bats
# forms.bats - answers that are not JSON, raw bodies, and compressed ones.

load server

IMAGES=tests/data/images
DETECTOR=/v1/models/line-detector/features
ROW='[0,0,0,1,1,0,0,0]'
LINE="[$ROW,$ROW,$ROW,$ROW,$ROW,$ROW,$ROW,$ROW]"

# ask QUERY [curl arguments]: the line, answered into $OUT, its headers into $HEAD.
ask() {
  local query=$1
  shift
  OUT=$BATS_TEST_TMPDIR/out HEAD=$BATS_TEST_TMPDIR/head
  status_code=$(curl -sS --max-time 30 -o "$OUT" -D "$HEAD" -w '%{http_code}' "$URL$DETECTOR$query" \
    -d "{\"tensor\": $LINE}" "$@")
  body=$(tr -d '\0' <"$OUT")
}

# header NAME: its value in the last answer.
header() { tr -d '\r' <"$HEAD" | sed -n "s/^$1: //Ip"; }

# floats FILE [SKIP]: its bytes from SKIP on as float32, a line each.
floats() { tail -c "+$((${2:-0} + 1))" "$1" | od -An -v -tf4 -w4 | tr -d ' '; }

nine() { printf '0\n3\n0\n0\n3\n0\n0\n3\n0\n'; }

# raw_line: the line as raw float32.
raw_line() {
  local i
  for ((i = 0; i < 8; i++)); do printf '%b' '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\x80\x3f\0\0\0\0\0\0\0\0\0\0\0\0'; done
}

@test "format=npy is a .npy file of the values, with its shape in the header" {
  ask '?format=npy'
  expect_status 200
  [ "$(header Content-Type)" = application/x-npy ]
  [ "$(header X-Tensor-Shape)" = 1,3,3,1 ]
  [ "$(header X-Tensor-Datatype)" = FP32 ]
  [ "$(header X-Tensor-Layout)" = NHWC ]
  [ "$(head -c 6 "$OUT" | tail -c 5)" = NUMPY ]
  grep -q "'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 3, 1)" "$OUT"
  diff <(tail -c 36 "$OUT" | od -An -v -tf4 -w4 | tr -d ' ') <(nine)
}

@test "format=binary is the values and nothing else; dtype=fp16 halves them" {
  ask '?format=binary'
  expect_status 200
  [ "$(header Content-Type)" = application/octet-stream ]
  diff <(floats "$OUT") <(nine)
  ask '?format=binary&dtype=fp16'
  expect_status 200
  [ "$(header X-Tensor-Datatype)" = FP16 ]
  [ "$(od -An -v -tx2 -w18 "$OUT" | tr -d ' ')" = 000042000000000042000000000042000000 ]
}

@test "dtype=uint8 carries the scale and the zero of each map" {
  ask '?format=binary&dtype=uint8'
  expect_status 200
  [ "$(wc -c <"$OUT")" = 17 ]                      # nine values, a scale, a zero
  [ "$(head -c 9 "$OUT" | od -An -v -tu1 -w9 | tr -s ' ')" = ' 0 255 0 0 255 0 0 255 0' ]
  [ "$(floats "$OUT" 9 | head -1)" = 0.011764706 ]
  [ "$(floats "$OUT" 13)" = 0 ]
}

@test "format=safetensors holds every output under its name" {
  ask '?layers=conv,pool&format=safetensors'
  expect_status 200
  [ "$(header Content-Type)" = application/vnd.safetensors ]
  local n
  n=$(od -An -tu8 -N8 "$OUT" | tr -d ' ')
  body=$(tail -c +9 "$OUT" | head -c "$n")
  expect '.conv.shape' '[1,6,6,1]'
  expect '.pool | [.dtype, .shape]' '["F32",[1,3,3,1]]'
  expect '.__metadata__.model' '"line-detector"'
  local at
  at=$(json '.pool.data_offsets[0]')
  diff <(floats "$OUT" $((8 + n + at)) | head -9) <(nine)
}

@test "format=png is a picture" {
  ask '?layers=conv&format=png'
  expect_status 200
  [ "$(header Content-Type)" = image/png ]
  # which this service reads as an image again
  post /v1/models/gist/features --data-binary "@$OUT"
  expect_status 200
}

@test "Accept chooses the form by its q-values, and format= wins over it" {
  ask '' -H 'Accept: application/json;q=0.5, application/x-npy'
  [ "$(header Content-Type)" = application/x-npy ]
  ask '' -H 'Accept: application/json, application/x-npy;q=0.9'
  [ "$(header Content-Type)" = application/json ]
  ask '' -H 'Accept: text/html, application/*;q=0.8'
  [ "$(header Content-Type)" = application/json ]
  ask '?format=json' -H 'Accept: application/x-npy'
  [ "$(header Content-Type)" = application/json ]
  ask '' -H 'Accept: application/pdf'
  expect_status 200
  [ "$(header Content-Type)" = application/json ]
}

@test "what a form cannot hold is refused, and says what could" {
  local query want
  while IFS='|' read -r query want; do
    ask "$query"
    expect_status 400
    [[ $body == *"$want"* ]] || { printf '%s: %s\n' "$query" "$body"; return 1; }
  done <<'CASES'
?layers=conv,pool&format=npy|safetensors
?layers=conv,pool&format=binary|safetensors
?format=xml|json
?dtype=fp16|dtype
?format=npy&dtype=int4|fp16
?format=png&dtype=uint8|dtype
?format=npy&top=1|top
?format=npy&digits=3|digits
?layers=conv&pool=max&argmax=true&format=npy|argmax
CASES
}

@test "raw float32 is read by the model's own size" {
  raw_line >"$BATS_TEST_TMPDIR/line"
  post "$DETECTOR" -H 'Content-Type: application/octet-stream' --data-binary "@$BATS_TEST_TMPDIR/line"
  expect_status 200
  expect '.outputs[0].data' '[[[[0],[3],[0]],[[0],[3],[0]],[[0],[3],[0]]]]'
  cat "$BATS_TEST_TMPDIR/line" "$BATS_TEST_TMPDIR/line" >"$BATS_TEST_TMPDIR/two"
  post "$DETECTOR" -H 'Content-Type: application/octet-stream' --data-binary "@$BATS_TEST_TMPDIR/two"
  expect_status 200
  expect '.outputs[0].shape' '[2,3,3,1]'
  head -c 252 "$BATS_TEST_TMPDIR/line" >"$BATS_TEST_TMPDIR/cut"
  post "$DETECTOR" -H 'Content-Type: application/octet-stream' --data-binary "@$BATS_TEST_TMPDIR/cut"
  expect_status 400
  [[ $body == *'252 bytes'*'256 bytes for each input'* ]]
}

@test "compressed bodies are read, whatever the protocol" {
  printf '{"tensor": %s}' "$LINE" | gzip -c >"$BATS_TEST_TMPDIR/line.gz"
  post "$DETECTOR" -H 'Content-Encoding: gzip' --data-binary "@$BATS_TEST_TMPDIR/line.gz"
  expect_status 200
  expect '.outputs[0].shape' '[1,3,3,1]'
  gzip -c "$IMAGES/rgb.jpg" >"$BATS_TEST_TMPDIR/photo.gz"
  post /v1/models/gist/features -H 'Content-Encoding: gzip' --data-binary "@$BATS_TEST_TMPDIR/photo.gz"
  expect_status 200
  local packed=$body
  post /v1/models/gist/features --data-binary "@$IMAGES/rgb.jpg"
  [ "$(json .outputs)" = "$(jq -c .outputs <<<"$packed")" ]
}

@test "compressed bodies that are damaged, too large or of another coding are refused" {
  printf '{"tensor": %s}' "$LINE" | gzip -c | head -c 40 >"$BATS_TEST_TMPDIR/cut.gz"
  post "$DETECTOR" -H 'Content-Encoding: gzip' --data-binary "@$BATS_TEST_TMPDIR/cut.gz"
  expect_status 400
  [[ $body == *'cut short or damaged'* ]]
  head -c 70000000 /dev/zero | gzip -c >"$BATS_TEST_TMPDIR/bomb.gz"
  post "$DETECTOR" -H 'Content-Encoding: gzip' --data-binary "@$BATS_TEST_TMPDIR/bomb.gz"
  expect_status 413
  [[ $body == *'inflated'*'--max-body'* ]]
  post "$DETECTOR" -H 'Content-Encoding: br' -d x
  expect_status 415
  [[ $body == *"'br'"*'gzip, deflate'* ]]
}

@test "long answers of text are compressed where that is asked for" {
  local plain
  post /v1/models/gist/features --data-binary "@$IMAGES/rgb.jpg"
  plain=$(json .outputs)
  HEAD=$BATS_TEST_TMPDIR/head
  curl -sS -D "$HEAD" -o "$BATS_TEST_TMPDIR/out.gz" -H 'Accept-Encoding: gzip' \
    "$URL/v1/models/gist/features" --data-binary "@$IMAGES/rgb.jpg"
  [ "$(header Content-Encoding)" = gzip ]
  [ "$(header Vary)" = Accept-Encoding ]
  [ "$(gzip -dc "$BATS_TEST_TMPDIR/out.gz" | jq -c .outputs)" = "$plain" ]
  ask '' -H 'Accept-Encoding: gzip'
  [ -z "$(header Content-Encoding)" ]              # a few hundred bytes are not worth it
  curl -sS -D "$HEAD" -o /dev/null -H 'Accept-Encoding: deflate;q=1, gzip;q=0.5' "$URL/openapi.json"
  [ "$(header Content-Encoding)" = deflate ]
}
