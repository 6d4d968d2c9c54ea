#!/usr/bin/env bats
# onnx.bats - ONNX files over HTTP: what they are told to hold, any of their layers, pooled; what is no model is named.
# Run with each kind of kernels that this processor has.

load server

SMALL=tests/data/onnx/small          # made by tests/onnx/make_small_models.py
IMAGES=tests/data/images
CLASSIFIER=/v1/models/classifier/features

# 2x2 pixels: 10 20 30, 40 50 60; 70 80 90, 100 110 120.
PNG=iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR42mPkEpGTk5NjsbGxkZOTAwAKVgGqA5YtDwAAAABJRU5ErkJggg==

# The classifier in jq, written from the definitions of its operators; `image(n)` are whole numbers.
DEFS='
  def v($n; $c; $y; $x): if $y < 0 or $x < 0 or $y > 7 or $x > 7 then 0 else (7 * $c + 3 * $y + 5 * $x + 2 * $n) % 11 - 5 end;
  def map8(f): [range(8) as $y | [range(8) as $x | [$y, $x] | f]];
  def image($n): [range(3) as $c | map8(v($n; $c; .[0]; .[1]))];
  def conv($n): [
    map8(v($n; 0; .[0]; .[1])),
    map8(v($n; 0; .[0]; .[1]) + v($n; 1; .[0]; .[1]) + v($n; 2; .[0]; .[1])),
    map8(v($n; 0; .[0]; .[1] + 1) - v($n; 0; .[0]; .[1] - 1)),
    map8(1 - v($n; 1; .[0]; .[1]))];
  def act($n): conv($n) | map(map(map([., 0] | max)));
  def windows: [range(0; length; 2) as $y | [range(0; (.[0] | length); 2) as $x | [.[$y:$y + 2][] | .[$x:$x + 2][]]]];
  def pool($n): act($n) | map(windows | map(map(max)));
  def mean: add / length;
  def scores($n): pool($n) | map(flatten | mean) as $m | [$m[0], $m[1], $m[2] + 0.5, $m[3] - 1, ($m | add) - 2];
  def nhwc: . as $m | [range($m[0] | length) as $y | [range($m[0][0] | length) as $x | [$m[][$y][$x]]]];'

setup_file() {
  MODELS=$(mktemp -d "$BATS_FILE_TMPDIR/models.XXXXXX")
  export MODELS
  cp "$SMALL"/* "$MODELS"
  cp "$SMALL/any_size.onnx" "$MODELS/plain.onnx"
  printf '{"resize":{"mode":"none"},"crop":null,"scale":1,"mean":[1,2,3],"std":[1,2,4],"color":"bgr"}' >"$MODELS/plain.preprocess.json"
  local name
  for name in folder folder.onnx; do
    mkdir "$MODELS/$name"
    cp "$SMALL/classifier.onnx" "$MODELS/$name/model.onnx"
  done
  printf 'red\nall\nedge\ngreen\nsum\n' >"$MODELS/folder/labels.txt"
  printf '{"resize":{"mode":"exact","size":[8,8]},"crop":null}' >"$MODELS/folder/preprocess.json"
  cp "$SMALL/classifier.onnx" "$MODELS/labelled.onnx"
  printf 'one\r\ntwo\r\n' >"$MODELS/labelled.labels.txt"
  # What is no model that can be served.
  head -c 700 "$SMALL/classifier.onnx" >"$MODELS/truncated.onnx"
  printf '{"input":{"shape":[4,4,1]},"layers":[{"type":"ReLU"}]}' >"$MODELS/pipeline.onnx"
  mkdir "$MODELS/directory.onnx"
  : >"$MODELS/empty.onnx"
  ln -s loop.onnx "$MODELS/loop.onnx"
  cp "$SMALL/classifier.onnx" "$MODELS/locked.onnx"
  chmod 000 "$MODELS/locked.onnx"
  mkdir "$MODELS/linked" "$MODELS/lacking" "$MODELS/cut" "$MODELS/worded" "$MODELS/prepared"
  for name in linked lacking cut; do cp "$SMALL/external.onnx" "$MODELS/$name/model.onnx"; done
  ln -s ../external.bin "$MODELS/linked/external.bin"
  head -c 100 "$SMALL/external.bin" >"$MODELS/cut/external.bin"
  for name in worded prepared; do cp "$SMALL/classifier.onnx" "$MODELS/$name/model.onnx"; done
  printf 'caf\xe9\n' >"$MODELS/worded/labels.txt"
  printf '{"means":[1]}' >"$MODELS/prepared/preprocess.json"
  start_server --models "$MODELS"
}

# tensor EXPRESSION: a body whose tensor is jq's, with DEFS.
tensor() { jq -nc "$DEFS {tensor: ($1)}"; }

# same FILTER EXPRESSION: the answer has exactly the numbers of jq's expression, in order.
same() {
  if ! jq -e --argjson want "$(jq -nc "$DEFS [$2]")" "[$1] | flatten == (\$want | flatten)" <<<"$body" >/dev/null; then
    printf '%s is %s, expected %s\n' "$1" "$(json "$1")" "$(jq -nc "$DEFS $2")"
    return 1
  fi
}

# close FILTER EXPRESSION: the same, each within 1e-5.
close() {
  if ! jq -e --argjson want "$(jq -nc "$DEFS [$2]")" "[[$1], \$want] | map(flatten) | (.[0] | length) == (.[1] | length) and
      (transpose | all((.[0] - .[1] | fabs) <= 1e-5 * (1 + (.[1] | fabs))))" <<<"$body" >/dev/null; then
    printf '%s is %s, expected %s\n' "$1" "$(json "$1")" "$(jq -nc "$DEFS $2")"
    return 1
  fi
}

@test "the list has the models that can be served, each once" {
  request "$URL/v1/models"
  expect_status 200
  local readable=''
  if [ -r "$MODELS/locked.onnx" ]; then readable='"locked",'; fi       # root reads everything
  expect '[.models[] | select(.source == "file") | .name]' \
    "[\"any_size\",\"classifier\",\"external\",\"folder\",\"folder.onnx\",\"labelled\",${readable}\"one_by_one\",\"plain\",\"unknown_operators\"]"
  expect '.models[] | select(.name == "classifier")' '{"name":"classifier","input":[null,3,8,8],"layers":6,"parameters":137,"source":"file"}'
  expect '.models[] | select(.name == "any_size") | .input' '[null,3,null,null]'
}

@test "a file that is no model is named in the log, with what is wrong" {
  local name text
  while IFS='|' read -r name text; do
    grep -F "model $name is not served: " "$SERVER_LOG" | grep -qF "$text" ||
      { printf '%s: %s\n' "$name" "$text"; cat "$SERVER_LOG"; return 1; }
  done <<'LIST'
cut|model.onnx: initializer 'kernel': external data 'external.bin' has 100 bytes; 432 at offset 64 are needed
directory|directory.onnx: holds neither model.onnx nor pipeline.json
empty|empty.onnx: not an ONNX file: it is empty
escape|escape.onnx: initializer 'kernel': external data ../external.bin: is not a path beneath its folder
lacking|model.onnx: initializer 'kernel': external data external.bin: No such file
linked|model.onnx: initializer 'kernel': external data external.bin: leads through a link
loop|loop.onnx: Too many levels of symbolic links
pipeline|pipeline.onnx: not an ONNX file
prepared|preprocess.json
truncated|truncated.onnx: not an ONNX file, or a damaged one
two_inputs|two_inputs.onnx: the model has inputs 'left', 'right'; networks of one input are served
worded|labels.txt: line 1: is not UTF-8
LIST
  request "$URL/v1/models/truncated"
  expect_error 404 not_found "no model 'truncated'; there are: any_size, classifier"
  [ -r "$MODELS/locked.onnx" ] || grep -q 'model locked is not served: locked.onnx: Permission denied' "$SERVER_LOG"
}

@test "a model is told by its tensors, nodes and modules" {
  request "$URL/v1/models/classifier"
  expect_status 200
  expect .inputs '[{"name":"image","datatype":"FP32","shape":[null,3,8,8]}]'
  expect .outputs '["scores"]'
  expect '.layers[0]' '{"name":"/features/conv/Conv_output_0","type":"Conv","node":"/features/conv/Conv","module":"features.conv","shape":[null,4,8,8],"parameters":112,"macs":6912}'
  expect '.layers[5]' '{"name":"scores","type":"Gemm","node":"/fc/Gemm","module":"fc","shape":[null,5],"parameters":25,"macs":20}'
  expect '[.layers[].module]' '["features.conv","features.act","features","avg",null,"fc"]'
  expect '[.parameters, .macs, has("warning"), has("labels")]' '[137,6932,false,false]'
  expect .preprocess.crop '[8,8]'
  request "$URL/v1/models/labelled"
  expect .labels 2
}

@test "sizes that the file leaves open are null, and any is taken" {
  request "$URL/v1/models/any_size"
  expect '[.layers[].shape]' '[[null,4,null,null],[null,4,null,null],[null,4,null,null],[null,4,1,1],[null,4],[null,5]]'
  expect .macs null
  post '/v1/models/any_size/features?layers=features' -d '{"tensor":{"shape":[1,3,5,7],"data":'"$(jq -nc '[range(105)]')"'}}'
  expect_status 200
  expect '.outputs[0].shape' '[1,4,2,3]'
  # r: rows of 7 from 0 on; the largest of each window is at its lower right.
  expect '.outputs[0].data[0][0]' '[[8,10,12],[22,24,26]]'
  post '/v1/models/any_size/features' -d "$(tensor 'image(0)')"
  close '.outputs[0].data' 'scores(0)'
}

@test "operators that are not there: all are named, and the layers before them answer" {
  request "$URL/v1/models/unknown_operators"
  expect_status 200
  expect '[.layers[] | select(has("cannot_run")) | .name]' '["/odd/Mystery_output_0","/odder/Riddle_output_0","sum"]'
  expect '.layers[3] | [.shape, .cannot_run]' "[null,\"node '/odd/Mystery' (Mystery): operator Mystery of domain 'com.example' is not there\"]"
  expect '.warning | startswith("3 of 6 nodes cannot be run: ") and contains("/odd/Mystery") and contains("/odder/Riddle")' true
  grep -q 'model unknown_operators: 3 of 6 nodes cannot be run: .*Mystery.*Riddle' "$SERVER_LOG"
  post '/v1/models/unknown_operators/features?layers=features' -d "$(tensor 'image(4)')"
  expect_status 200
  same '.outputs[0].data' 'pool(4)'
  local layer
  for layer in /Add odd; do
    post "/v1/models/unknown_operators/features?layers=$layer" -d "$(tensor 'image(4)')"
    expect_error 400 invalid_model "layer '$layer' cannot be computed: node '/"
  done
  post /v1/models/unknown_operators/features -d "$(tensor 'image(4)')"
  expect_error 400 invalid_model "operator Mystery of domain 'com.example'"
}

@test "a layer by the name of its tensor, its node or its module" {
  local names=/features/conv/Conv_output_0,/features/conv/Conv,features.conv
  post "$CLASSIFIER?layers=$names,features.act,/features/pool/MaxPool,features,scores,/fc/Gemm,fc" -d "$(tensor 'image(0)')"
  expect_status 200
  expect '[.outputs[].name] | join(",")' "\"$names,features.act,/features/pool/MaxPool,features,scores,/fc/Gemm,fc\""
  expect '[.outputs[] | .shape | join("x")]' '["1x4x8x8","1x4x8x8","1x4x8x8","1x4x8x8","1x4x4x4","1x4x4x4","1x5","1x5","1x5"]'
  expect '[.outputs[] | .layout]' '["NCHW","NCHW","NCHW","NCHW","NCHW","NCHW",null,null,null]'
  same '.outputs[0:3] | map(.data)' '[conv(0), conv(0), conv(0)]'
  same '.outputs[3].data' 'act(0)'
  same '.outputs[4:6] | map(.data)' '[pool(0), pool(0)]'
  close '.outputs[6:9] | map(.data)' '[scores(0), scores(0), scores(0)]'
  post "$CLASSIFIER" -d "$(tensor 'image(0)')"
  expect '.outputs[0].name' '"scores"'
  close '.outputs[0].data' 'scores(0)'
  post "$CLASSIFIER?layers=features.con" -d "$(tensor 'image(0)')"
  expect_error 404 not_found "model 'classifier' has no layer 'features.con'; it has: features.conv, features.act, features, avg, fc and 1 more"
}

@test "a layer pooled by window, grid, pyramid, globally, and where its maxima are" {
  local body8
  body8=$(tensor 'image(1)')
  post "$CLASSIFIER?layers=features.conv&pool=avg" -d "$body8"
  same '.outputs[0].data' 'conv(1) | map(flatten | mean)'
  expect '.outputs[0].shape' '[1,4]'
  post "$CLASSIFIER?layers=features.conv&pool=avg&grid=2x4" -d "$body8"
  expect '.outputs[0].shape' '[1,4,2,4]'
  same '.outputs[0].data' 'conv(1) | map([.[0:4], .[4:8]] | map(. as $rows | [range(0; 8; 2) as $x | [$rows[] | .[$x:$x + 2][]] | mean]))'
  post "$CLASSIFIER?layers=features.conv&pool=min&window=2" -d "$body8"
  same '.outputs[0].data' 'conv(1) | map(windows | map(map(min)))'
  post "$CLASSIFIER?layers=features.conv&pool=sum&pyramid=1,4" -d "$body8"
  expect '.outputs[0].shape' '[1,68]'
  same '.outputs[0].data' '(conv(1) | map(flatten | add)), (conv(1) | map(windows | map(map(add))))'
  post "$CLASSIFIER?layers=features&pool=gem&p=2" -d "$body8"
  close '.outputs[0].data' 'pool(1) | map(flatten | map([., 1e-6] | max | . * .) | mean | sqrt)'
  post "$CLASSIFIER?layers=features.conv&pool=lp&p=1" -d "$body8"
  close '.outputs[0].data' 'conv(1) | map(flatten | map(fabs) | add)'
  post "$CLASSIFIER?layers=features.conv&pool=max&argmax=true" -d "$body8"
  same '.outputs[0].data' 'conv(1) | map(flatten | max)'
  same '.outputs[0].argmax' 'conv(1) | map(flatten | index(max))'
  post "$CLASSIFIER?layers=features,fc&pool=none&concat=true&normalize=l2" -d "$body8"
  expect_status 200
  expect '.outputs[0].shape' '[1,69]'
  expect '[.outputs[0].data[0][] | . * .] | add | . > 0.9999 and . < 1.0001' true
}

@test "a layer pooled by regions of the image, whatever the layer's stride" {
  local body8
  body8=$(tensor 'image(2)')
  # Bins of 4x4 pixels: their samples' weights are those of their mean.
  post "$CLASSIFIER?layers=features.conv&pool=avg&grid=2&rois=0,0,8,8" -d "$body8"
  close '.outputs[0].data' 'conv(2) | map(windows | map(map(mean)) | windows | map(map(mean)))'
  # At half the size a bin of 4x4 pixels is 2x2, sampled at its four pixels' middles.
  post "$CLASSIFIER?layers=features&pool=max&rois=4,0,8,4;0,4,4,8" -d "$body8"
  expect '.outputs[0].shape' '[2,4,1,1]'
  close '.outputs[0].data' 'pool(2) | map([.[0:2][] | .[2:4]]), map([.[2:4][] | .[0:2]]) | map(flatten | max)'
  post "$CLASSIFIER?layers=features&pool=avg&rois=4,0,8,4" -d "$(tensor '[image(2), image(3)]')"
  expect '.outputs[0].shape' '[2,4,1,1]'
  close '.outputs[0].data' '[pool(2), pool(3)] | map(map([.[0:2][] | .[2:4]] | flatten | mean))'
}

@test "layout: the file's own unless another is asked for" {
  post "$CLASSIFIER?layers=features.conv,features&layout=nhwc" -d "$(tensor 'image(0)')"
  expect '[.outputs[] | .layout, .shape]' '["NHWC",[1,8,8,4],"NHWC",[1,4,4,4]]'
  same '.outputs[].data' '(conv(0) | nhwc), (pool(0) | nhwc)'
  post "$CLASSIFIER?layers=features.conv&layout=nchw&pool=max&window=2" -d "$(tensor 'image(0)')"
  expect '.outputs[0].layout' '"NCHW"'
  same '.outputs[0].data' 'conv(0) | map(windows | map(map(max)))'
  post "$CLASSIFIER?layers=features.conv&layout=nhwc&pool=max&window=2" -d "$(tensor 'image(0)')"
  same '.outputs[0].data' 'conv(0) | map(windows | map(map(max))) | nhwc'
}

@test "a batch of tensors in the file's order" {
  local n
  for n in 2 3; do
    post "$CLASSIFIER?layers=features.act,scores" -d "$(tensor "[range($n) | image(.)]")"
    expect_status 200
    expect '[.outputs[].shape]' "[[$n,4,8,8],[$n,5]]"
    same '.outputs[0].data' "[range($n) | act(.)]"
    close '.outputs[1].data' "[range($n) | scores(.)]"
    post "$CLASSIFIER?layers=features.act&nested=false" -d "$(tensor "{shape: [$n, 3, 8, 8], data: [range($n) | image(.)] | flatten}")"
    expect_status 200
    same '.outputs[0].data' "[range($n) | act(.)]"
  done
}

@test "a batch of files is each file's answer, in order" {
  local photo tall
  post "$CLASSIFIER?layers=features,scores" --data-binary "@$IMAGES/photo.png"
  expect_status 200
  photo=$(json '[.outputs[].data[0]]')
  post "$CLASSIFIER?layers=features,scores" --data-binary "@$IMAGES/tall.png"
  tall=$(json '[.outputs[].data[0]]')
  [ "$photo" != "$tall" ]
  post "$CLASSIFIER?layers=features,scores" -F "a=@$IMAGES/photo.png" -F "b=@$IMAGES/tall.png" -F "c=@$IMAGES/photo.png"
  expect_status 200
  expect '[.outputs[].shape]' '[[3,4,4,4],[3,5]]'
  expect '.inputs' '[{"width":61,"height":47,"channels":3},{"width":31,"height":53,"channels":3},{"width":61,"height":47,"channels":3}]'
  close '[range(3) as $n | [.outputs[].data[$n]]]' "[$photo, $tall, $photo]"
  post /v1/models/plain/features -F "a=@$IMAGES/photo.png" -F "b=@$IMAGES/tall.png"
  expect_error 400 invalid_shape 'input 1 has shape'
  post "$CLASSIFIER" -F "a=@$IMAGES/photo.png" -F "b=@$IMAGES/bad_short.png"
  expect_status 400
  [[ "$(json .error)" == *'input 1'* ]]
}

@test "a tensor of another shape is refused by the model's own" {
  local shape
  for shape in 1,8,8,3 1,3,8,9 1,1,8,8 3,8 0,3,8,8 1,3,8,8,1; do
    post "$CLASSIFIER" -d "{\"tensor\":{\"shape\":[$shape],\"data\":$(jq -nc "[range([$shape] | reduce .[] as \$d (1; . * \$d)) | 1]")}}"
    expect_status 400
    [[ "$(json .error)" == *'3, 8, 8'* || "$shape" == 0,* ]]
  done
  post "$CLASSIFIER" -d "$(tensor 'image(0) | nhwc')"
  expect_error 400 invalid_shape 'tensor: shape [8, 8, 3] does not fit the model'"'"'s input [any, 3, 8, 8] (NCHW)'
}

@test "a file that fixes its batch at one answers a batch image by image" {
  request "$URL/v1/models/one_by_one"
  expect .inputs '[{"name":"image","datatype":"FP32","shape":[null,3,2,2]}]'
  expect '[.layers[].shape]' '[[null,3,2,2],[null,12],[null,2]]'
  local body3='{"tensor":{"shape":[3,3,2,2],"data":'"$(jq -nc '[range(36)]')"'}}'
  post '/v1/models/one_by_one/features?layers=/Neg,/Reshape,sums_of_halves' -d "$body3"
  expect_status 200
  expect '[.outputs[].shape]' '[[3,3,2,2],[3,12],[3,2]]'
  same '.outputs[0:2][].data' '[range(36) | -.], [range(36) | -.]'
  expect '.outputs[2].data' '[[-15,-51],[-87,-123],[-159,-195]]'
  post '/v1/models/one_by_one/features?layers=/Neg&pool=max&argmax=true' -d "$body3"
  same '.outputs[0].data' '[range(0; 36; 4) | -.]'
  expect '.outputs[0].argmax' '[[0,0,0],[0,0,0],[0,0,0]]'
  base64 -d <<<"$PNG" >"$BATS_TEST_TMPDIR/p.png"
  local file="x=@$BATS_TEST_TMPDIR/p.png"
  post /v1/models/one_by_one/features -F "$file" -F "$file" -F "$file"
  expect_status 200
  expect '.outputs[0] | [.shape, (.data | unique | length)]' '[[3,2],1]'
  post '/v1/models/one_by_one/features?layers=/Neg&pool=max&rois=0,0,1,1' -d "$body3"
  expect_error 400 invalid_argument 'takes one image at a time'
}

@test "top: the best classes, by their labels where there are some" {
  post "$CLASSIFIER?top=2" -d "$(tensor '[image(0), image(3)]')"
  expect_status 200
  close '[.outputs[0].top[][] | .index, .score]' '[scores(0), scores(3)] | map([to_entries | sort_by(-.value)[:2][] | .key, .value])'
  expect '[.outputs[0].top[][].label] | unique' '[null]'
  post /v1/models/folder/features -d "$(tensor 'image(0)' | jq -c '. + {top: 5}')"
  expect_status 200
  expect '[.outputs[0].top[0][] | .label] | sort' '["all","edge","green","red","sum"]'
  expect '.outputs[0].top[0] | all(.label == ["red","all","edge","green","sum"][.index])' true
  post '/v1/models/folder/features?layers=avg&top=1' -d "$(tensor 'image(0)')"
  expect_error 400 invalid_argument 'top: avg is [1, 4, 1, 1]'
  post '/v1/models/folder/features?layers=features&pool=avg&top=1' -d "$(tensor 'image(0)')"
  expect_error 400 invalid_argument 'top: features is [1, 4], and the model has 5 labels'
  post '/v1/models/labelled/features?top=1' -d "$(tensor 'image(0)')"
  expect_error 400 invalid_argument 'top: scores is [1, 5], and the model has 2 labels (labels.txt)'
}

@test "what a model is fed: by its own preprocess.json, or as ImageNet's networks are" {
  base64 -d <<<"$PNG" >"$BATS_TEST_TMPDIR/p.png"
  post /v1/models/plain/preprocess --data-binary "@$BATS_TEST_TMPDIR/p.png"
  expect_status 200
  expect '.outputs[0] | [.name, .layout, .shape]' '["input","NCHW",[1,3,2,2]]'
  expect '.outputs[0].data[0]' '[[[29,59],[89,119]],[[9,24],[39,54]],[[1.75,9.25],[16.75,24.25]]]'
  post '/v1/models/plain/preprocess?layout=nhwc' --data-binary "@$BATS_TEST_TMPDIR/p.png"
  expect '.outputs[0].data[0][1][0]' '[89,39,16.75]'
  post '/v1/models/plain/features?layers=/features/conv/Conv' --data-binary "@$BATS_TEST_TMPDIR/p.png"
  expect '.outputs[0].data[0]' '[[[29,59],[89,119]],[[39.75,92.25],[144.75,197.25]],[[59,-29],[119,-89]],[[-8,-23],[-38,-53]]]'
  # One pixel of 179 125 217 becomes 8x8 of it.
  post /v1/models/classifier/preprocess --data-binary "@$IMAGES/one.png"
  expect '.outputs[0].shape' '[1,3,8,8]'
  close '.outputs[0].data[0] | map(flatten | unique[])' '[(179 / 255 - 0.485) / 0.229, (125 / 255 - 0.456) / 0.224, (217 / 255 - 0.406) / 0.225]'
  request "$URL/v1/models/folder"
  expect .preprocess.resize '{"mode":"exact","size":[8,8],"interpolation":"bilinear","antialias":true}'
  post /v1/models/folder/preprocess --data-binary "@$IMAGES/photo.png"
  expect '.outputs[0].shape' '[1,3,8,8]'
}

@test "weights in a file of their own, and models in folders of their own, answer the same" {
  local name
  for name in external folder folder.onnx; do
    post "/v1/models/$name/features?layers=features,scores" -d "$(tensor 'image(5)')"
    expect_status 200
    same '.outputs[0].data' 'pool(5)'
    close '.outputs[1].data' 'scores(5)'
  done
}

@test "the tool reads the same files" {
  run "$TIDEPOOL_BIN" summary "$MODELS/classifier.onnx"
  [ "$status" -eq 0 ]
  [[ "$output" == *'features.conv'*'Conv'*'112'*'6912'* ]]
  tensor 'image(0)' >"$BATS_TEST_TMPDIR/image.json"
  body=$("$TIDEPOOL_BIN" run "$MODELS/folder" "$BATS_TEST_TMPDIR/image.json" --layers features --pool max)
  same '.outputs[0].data' 'pool(0) | map(flatten | max)'
  run "$TIDEPOOL_BIN" summary "$MODELS/directory.onnx"
  [ "$status" -eq 1 ]
  [[ "$output" == *'directory.onnx: holds neither model.onnx nor pipeline.json'* ]]
}
