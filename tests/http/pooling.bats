#!/usr/bin/env bats
# pooling.bats - the catalogue: every form of pooling by hand's numbers, in the query, in JSON and as flags; what
# is refused says what would be right.
# Run with each kind of kernels that this processor has.

load server

IMAGES=tests/data/images
EDGES=/v1/models/edges/features
LINE_DETECTOR=/v1/models/line-detector/features
RAMP='[[1,2,3,4],[5,6,7,8],[9,10,11,12],[13,14,15,16]]'
SAME='{"input":{"shape":[null,null,1]},"layers":[{"type":"Activation","activation":"linear","name":"same"}]}'

# pooled QUERY TENSOR: a layer that hands on its input.
pooled() {
  post "/v1/run?$1" -d "{\"pipeline\":$SAME,\"tensor\":$2}"
  expect_status 200
}

# outputs JSON TENSOR: the same with "outputs" in the body, and what stands beside them.
outputs() {
  post /v1/run -d "{\"pipeline\":$SAME,\"tensor\":$2,$1}"
}

# near FILTER NUMBERS: each of the answer's numbers within 1e-5 of jq's.
near() {
  local want
  want=$(jq -nc "$2")
  if ! jq -e --argjson want "$want" "[$1] | flatten | length == (\$want | length) and
      ([., \$want] | transpose | all((.[0] - .[1] | fabs) <= 1e-5 * (1 + (.[1] | fabs))))" <<<"$body" >/dev/null; then
    printf '%s is %s, expected %s\n' "$1" "$(json "[$1] | flatten")" "$want"
    return 1
  fi
}

@test "lp, gem and std of a map" {
  pooled pool=lp "$RAMP"
  expect '.outputs[0].shape' '[1,1]'
  near '.outputs[0].data' '[[range(1; 17) | . * .] | add | sqrt]'
  pooled 'pool=lp&p=1' '[[-1,2],[3,-4]]'
  near '.outputs[0].data' '[10]'
  pooled 'pool=lp&p=3' "$RAMP"
  near '.outputs[0].data' '[[range(1; 17) | . * . * .] | add | pow(.; 1/3)]'
  pooled pool=gem "$RAMP"
  near '.outputs[0].data' '[[range(1; 17) | . * . * .] | add / 16 | pow(.; 1/3)]'
  pooled 'pool=gem&p=2.5' "$RAMP"
  near '.outputs[0].data' '[[range(1; 17) | pow(.; 2.5)] | add / 16 | pow(.; 1/2.5)]'
  pooled 'pool=gem&p=1' '[[-5,-6],[-7,8]]'
  near '.outputs[0].data' '[2]'
  pooled pool=std "$RAMP"
  near '.outputs[0].data' '[[range(1; 17) | . - 8.5 | . * .] | add / 16 | sqrt]'
}

@test "every kind by window, with padding that counts for nothing" {
  pooled 'pool=lp&window=2' "$RAMP"
  near '.outputs[0].data' '[[1,2,5,6], [3,4,7,8], [9,10,13,14], [11,12,15,16] | map(. * .) | add | sqrt]'
  pooled 'pool=gem&p=2&window=2' "$RAMP"
  near '.outputs[0].data' '[[1,2,5,6], [3,4,7,8], [9,10,13,14], [11,12,15,16] | map(. * .) | add / 4 | sqrt]'
  pooled 'pool=std&window=2' "$RAMP"
  near '.outputs[0].data' '[range(4) | (4.25 | sqrt)]'
  pooled 'pool=std&window=2&stride=2&padding=1,1,0,0' '[[1,2,3],[4,5,6],[7,8,9]]'
  near '.outputs[0].data' '[0, 0.5, 1.5, (2.5 | sqrt)]'
  pooled 'pool=avg&window=2&stride=2&padding=1,1,0,0' '[[1,2,3],[4,5,6],[7,8,9]]'
  near '.outputs[0].data' '[1, 2.5, 5.5, 7]'
}

@test "a grid has the bins of PyTorch's adaptive pooling" {
  pooled 'pool=avg&grid=2x2' "$RAMP"
  expect '.outputs[0].shape' '[1,2,2,1]'
  expect '.outputs[0].layout' '"NHWC"'
  expect '.outputs[0].data | flatten' '[3.5,5.5,11.5,13.5]'
  pooled 'pool=max&grid=3' "$RAMP"
  expect '.outputs[0].data | flatten' '[6,7,8,10,11,12,14,15,16]'
  pooled 'pool=sum&grid=1x3' "$RAMP"
  expect '.outputs[0].data | flatten' '[60,68,76]'
  pooled 'pool=min&grid=8x1' "$RAMP"
  expect '.outputs[0].data | flatten' '[1,1,5,5,9,9,13,13]'
  pooled 'pool=std&grid=2x1' "$RAMP"
  near '.outputs[0].data' '[range(2) | (5.25 | sqrt)]'
  pooled 'pool=gem&p=1&grid=1' "$RAMP"
  near '.outputs[0].data' '[8.5]'
}

@test "a pyramid is one vector, level by level" {
  pooled 'pool=max&pyramid=1,2,4' "$RAMP"
  expect '.outputs[0].shape' '[1,21]'
  expect '.outputs[0].data' '[[16,6,8,14,16,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]]'
  pooled 'pool=avg&pyramid=2,1' "$RAMP"
  expect '.outputs[0].data' '[[3.5,5.5,11.5,13.5,8.5]]'
  post "$EDGES?layers=relu&pool=avg&pyramid=1,3" --data-binary "@$IMAGES/photo.png"
  expect_status 200
  expect '.outputs[0].shape' '[1,60]'
  local level
  level=$(json '.outputs[0].data[0]')
  post "$EDGES?layers=relu&pool=avg&grid=3&layout=nchw" --data-binary "@$IMAGES/photo.png"
  [ "$(json '.outputs[0].data | flatten')" = "$(jq -c '.[6:]' <<<"$level")" ]
}

@test "regions: RoIAlign's samples, in pixels of a tensor" {
  # Box 0,0,4,4, one bin: samples at 0.5 and 2.5 in both directions. Of a plane their mean is the middle's value.
  pooled 'pool=avg&rois=0,0,4,4' "$RAMP"
  expect '.outputs[0].shape' '[1,1,1,1]'
  near '.outputs[0].data' '[8.5]'
  pooled 'pool=max&rois=0,0,4,4' "$RAMP"
  near '.outputs[0].data' '[1 + 2.5 + 4 * 2.5]'
  pooled 'pool=min&rois=0,0,4,4' "$RAMP"
  near '.outputs[0].data' '[1 + 0.5 + 4 * 0.5]'
  # Two boxes, 2x2 bins: the second's bins are 0.5 wide, their centres at 0.75 - 0.5 and 1.25 - 0.5.
  pooled 'pool=avg&rois=0,0,4,4;0.5,1.5,1.5,2.5&grid=2' "$RAMP"
  expect '.outputs[0].shape' '[2,2,2,1]'
  near '.outputs[0].data[0]' '[3.5, 5.5, 11.5, 13.5]'
  near '.outputs[0].data[1]' '[6.25, 6.75, 8.25, 8.75]'
  pooled 'pool=avg&rois=1,1,3,3&grid=1x2&layout=nchw' "[$RAMP,$RAMP]"
  expect '.outputs[0].shape' '[2,1,1,2]'
  near '.outputs[0].data' '[8, 9, 8, 9]'
}

@test "regions are in pixels of the image, whatever preprocessing makes of it" {
  # The line-detector sees any image as 8x8.
  post /v1/models/line-detector/preprocess --data-binary "@$IMAGES/photo.png"
  local tensor width height box want
  tensor=$(json '.outputs[0].data') width=$(json '.inputs[0].width') height=$(json '.inputs[0].height')
  post "$LINE_DETECTOR?layers=conv&pool=avg&grid=2&rois=2,1,7,6" -d "{\"tensor\":$tensor}"
  expect_status 200
  want=$(json '.outputs[0].data | flatten')
  box=$(jq -nr "[$width, $height] | map(. / 8) | [2 * .[0], .[1], 7 * .[0], 6 * .[1]] | join(\",\")")
  post "$LINE_DETECTOR?layers=conv&pool=avg&grid=2&rois=$box" --data-binary "@$IMAGES/photo.png"
  expect_status 200
  near '.outputs[0].data' "$want"
}

@test "argmax: the place of each maximum, of equal ones the first" {
  pooled 'pool=max&argmax=true' "$RAMP"
  expect '.outputs[0].data' '[[16]]'
  expect '.outputs[0].argmax' '[[15]]'
  expect '.outputs | length' 1
  pooled 'pool=max&window=2&argmax=true' '[[1,9,3,3],[1,2,3,3],[0,0,8,0],[0,0,0,0]]'
  expect '.outputs[0].data | flatten' '[9,3,0,8]'
  expect '.outputs[0].argmax' '[[[[1],[2]],[[8],[10]]]]'
  pooled 'pool=max&grid=1x2&argmax=true&nested=false' "$RAMP"
  expect '.outputs[0].argmax' '[13,15]'
  post "$LINE_DETECTOR?layers=conv,pool&pool=max&argmax=true" -d "{\"tensor\":$LINE}"
  expect '[.outputs[].name]' '["conv","pool"]'
  expect '[.outputs[].argmax]' '[[[2]],[[1]]]'
}

@test "normalize: unit length per image" {
  pooled 'normalize=l2' '[[3,4]]'
  near '.outputs[0].data' '[0.6, 0.8]'
  pooled 'pool=max&grid=1x2&normalize=l2' '[[[3,4]],[[0,0]],[[-5,12]]]'
  near '.outputs[0].data' '[0.6, 0.8, 0, 0, -5/13, 12/13]'
  pooled 'pool=max&grid=1x2&normalize=none' '[[3,4]]'
  expect '.outputs[0].data | flatten' '[3,4]'
  post '/v1/models/gist/features?normalize=l2' --data-binary "@$IMAGES/photo.png"
  expect '[.outputs[0].data[0][] | . * .] | add | . > 0.9999 and . < 1.0001' true
}

@test "concat: layers joined into one vector per image, in the order asked" {
  post "$LINE_DETECTOR?layers=pool,conv&pool=max&concat=true" -d "{\"tensor\":[$LINE,$LINE]}"
  expect_status 200
  expect '.outputs | length' 1
  expect '.outputs[0].name' '"concat"'
  expect '.outputs[0].shape' '[2,2]'
  expect '.outputs[0].data' '[[3,3],[3,3]]'
  post "$LINE_DETECTOR" -d "{\"tensor\":$LINE,\"concat\":true,\"normalize\":\"l2\",\"outputs\":[
    {\"name\":\"conv\",\"pool\":\"avg\",\"grid\":[1,3]},{\"name\":\"pool\",\"pool\":\"sum\"}]}"
  expect_status 200
  expect '.outputs[0].shape' '[1,4]'
  near '.outputs[0].data' '[0, 3, 0, 9] | map(. / (90 | sqrt))'
}

@test "JSON has numbers and arrays for the words of the query" {
  outputs '"outputs":[{"name":"same","pool":"avg","grid":[2,2]},{"name":"same","pool":"avg","grid":"2x2"},
    {"name":"same","pool":"avg","grid":2}]' "$RAMP"
  expect_status 200
  expect '[.outputs[].data | flatten] | unique' '[[3.5,5.5,11.5,13.5]]'
  outputs '"outputs":[{"name":"same","pool":"max","pyramid":[1,2]},{"name":"same","pool":"max","pyramid":"1,2"}]' "$RAMP"
  expect '[.outputs[].data[0]]' '[[16,6,8,14,16],[16,6,8,14,16]]'
  outputs '"outputs":[{"name":"same","pool":"max","rois":[[0,0,4,4],[1,1,3,3]]},
    {"name":"same","pool":"max","rois":"0,0,4,4;1,1,3,3"}],"nested":false' "$RAMP"
  expect_status 200
  expect '.outputs[0].data == .outputs[1].data' true
  expect '[.outputs[].shape]' '[[2,1,1,1],[2,1,1,1]]'
  outputs '"outputs":[{"name":"same","pool":"lp","p":1},{"name":"same","pool":"max","argmax":true,"normalize":"l2"}]' "$RAMP"
  expect '[.outputs[].data]' '[[[136]],[[1]]]'
  expect '.outputs[1].argmax' '[[15]]'
  outputs '"layout":"nchw","digits":2,"top":1,"outputs":[{"name":"same","pool":"avg"}]' "$RAMP"
  expect '.outputs[0].top' '[[{"label":null,"index":0,"score":8.5}]]'
}

@test "top: the best of each image beside the data" {
  pooled 'pool=max&pyramid=2&top=2' "$RAMP"
  expect '.outputs[0].data' '[[6,8,14,16]]'
  expect '.outputs[0].top' '[[{"label":null,"index":3,"score":16},{"label":null,"index":2,"score":14}]]'
  pooled 'pool=max&top=9' "[$RAMP,$RAMP]"
  expect '[.outputs[0].top[] | length]' '[1,1]'
  post "/v1/run?top=2" -d "{\"pipeline\":$SAME,\"tensor\":$RAMP}"
  expect_error 400 invalid_argument 'top: same is [1, 4, 4, 1]'
}

@test "what cannot be meant is refused" {
  local query text
  while IFS='|' read -r query text; do
    post "/v1/run?$query" -d "{\"pipeline\":$SAME,\"tensor\":$RAMP}"
    expect_error 400 invalid_argument "$text"
  done <<'LIST'
grid=2|grid: says where to pool; add pool=max, avg
pyramid=2|pyramid: says where to pool
rois=0,0,1,1|rois: says where to pool
pool=max&window=2&grid=2|window and grid are two ways to pool
pool=max&pyramid=1&rois=0,0,1,1|pyramid and rois are two ways to pool
pool=max&grid=0|grid=0: expected a size
pool=max&pyramid=1,65|1 to 64
pool=max&pyramid=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17|up to 16
p=3|the exponent of pool=lp and pool=gem
pool=max&p=3|it means nothing to pool=max
pool=gem&p=0|expected a number from 1 to 100
pool=lp&p=101|expected a number from 1 to 100
pool=avg&argmax=true|belongs to pool=max
pool=max&rois=0,0,2,2&argmax=true|argmax: there is none with rois
pool=max&argmax=true&concat=true|not with concat=true
normalize=l1|expected l2 or none
concat=yes|expected true or false
top=0|expected 1 to 100
pool=max&rois=0,0,2|rois: box 0 is '0,0,2'
pool=max&rois=0,0,2,2;3,0,3,2|rois: box 1: x0 is 3 and x1 is 3
pool=max&rois=0,0,2,2;0,3,3,nan|rois: box 1 is '0,3,3,nan'
dtype=fp16|not of format=json
format=npz|expected json, npy
LIST
  outputs '"outputs":[{"name":"same","pool":"max","grid":2},{"name":"same","pool":"max","rois":[[0,0,1]]}]' "$RAMP"
  expect_error 400 invalid_json 'outputs[1].rois'
  outputs '"outputs":[{"name":"same","pool":"max","concat":true}]' "$RAMP"
  expect_error 400 invalid_argument 'outputs[0].concat: holds for the whole answer'
  outputs '"outputs":[{"name":"same","pol":"max"}]' "$RAMP"
  expect_error 400 invalid_argument "unknown parameter 'pol'"
  outputs '"outputs":[{"name":"same","pool":"max"},{"name":"same","pool":"max","rois":[0,0,1,1]}],"concat":true' "$RAMP"
  expect_error 400 invalid_argument 'outputs[1]: concat: joins vectors of the same image'
  outputs '"pool":"max"' "$RAMP"
  expect_error 400 invalid_json 'pool stands in the query'
  outputs '"top":3,"top":4' "$RAMP"
  expect_error 400 invalid_json 'twice'
  post "$LINE_DETECTOR?top=1" -d "{\"tensor\":$LINE,\"top\":1}"
  expect_error 400 invalid_argument 'top: given twice'
  post "/v1/models/gist/features?pool=max&rois=0,0,4,4" --data-binary "@$IMAGES/photo.png"
  expect_error 400 invalid_shape 'needs a map'
  local many
  many=$(printf '0,0,1,1;%.0s' {1..256})0,0,1,1
  post "/v1/run?pool=max&rois=$many" -d "{\"pipeline\":$SAME,\"tensor\":$RAMP}"
  expect_error 413 too_large '257 boxes; at most 256'
}

@test "the tool's flags are the same words" {
  printf '{"tensor":%s}' "$LINE" >"$BATS_TEST_TMPDIR/line.json"
  run "$TIDEPOOL_BIN" run line-detector "$BATS_TEST_TMPDIR/line.json" --layers conv --pool avg --grid 1x3
  [ "$status" -eq 0 ]
  [ "$(jq -c '.outputs[0].data | flatten' <<<"$output")" = '[0,3,0]' ]
  run "$TIDEPOOL_BIN" run line-detector "$BATS_TEST_TMPDIR/line.json" --layers conv,pool --pool lp --p 1 --concat true
  [ "$(jq -c '.outputs[0].data' <<<"$output")" = '[[36,9]]' ]
  run "$TIDEPOOL_BIN" run line-detector "$BATS_TEST_TMPDIR/line.json" --pool max --pyramid 1,2 --argmax true --top 1
  [ "$(jq -c '.outputs[0].top[0][0].score' <<<"$output")" = 3 ]
  [ "$(jq -c '.outputs[0].argmax' <<<"$output")" = '[[1,1,1,4,4]]' ]
  run "$TIDEPOOL_BIN" run line-detector "$BATS_TEST_TMPDIR/line.json" --pool sum --rois '0,0,8,8;2,2,6,6' --normalize l2
  [ "$(jq -c '.outputs[0].shape' <<<"$output")" = '[2,1,1,1]' ]
  run "$TIDEPOOL_BIN" run line-detector "$BATS_TEST_TMPDIR/line.json" --rois 1,1,0,0 --pool max
  [ "$status" -eq 1 ]
  [[ "$output" == *"rois: box 0"* ]]
}
