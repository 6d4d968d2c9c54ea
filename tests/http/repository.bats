#!/usr/bin/env bats
# repository.bats - the models' repository over HTTP: index, load, unload, statistics.

load server

setup_file() { :; }
teardown_file() { :; }

setup() {
  MODELS=$(mktemp -d "$BATS_FILE_TMPDIR/models.XXXXXX")
  SERVER_PID=
}

teardown() {                         # of a test that failed
  if jobs -pr | grep -qx "$SERVER_PID"; then kill "$SERVER_PID"; fi
}

# constant NAME VALUE: a model that takes a map of any size and answers VALUE; comes into being at once.
constant() {
  printf '{"input":{"shape":[null,null,1]},"layers":[{"type":"GlobalAveragePooling2D"},{"type":"Dense","name":"fc","units":1,"kernel":[[0]],"bias":[%s]}]}' "$2" >"$MODELS/.new"
  mv "$MODELS/.new" "$MODELS/$1.json"
}

# heavy NAME: a model that takes a while to read.
heavy() {
  local row
  row=$(printf '0,%.0s' {1..999})0
  { printf '{"input":{"shape":[1000]},"layers":[{"type":"Dense","name":"fc","units":1000,"use_bias":false,"kernel":['
    yes "[$row]," | head -n 999
    printf '[%s]]}]}' "$row"; } >"$MODELS/$1.json"
}

index() {
  post /v2/repository/index -X POST "$@"
  expect_status 200
}

# states: "name STATE" of each model, in one line.
states() { jq -r 'map(.name + " " + .state) | join(", ")' <<<"$body"; }

# order load|unload NAME [curl arguments]
order() {
  local what=$1 name=$2
  shift 2
  post "/v2/repository/models/$name/$what" -X POST "$@"
}

done_well() {
  expect_status 200
  expect . '{}'
}

# answer NAME: what the model says, in $data.
answer() {
  post "/v1/models/$1/features" -d "$MAP"
  expect_status 200
  data=$(json '.outputs[0].data')
}

# refused STATUS TEXT: the protocol's form of an error; no path of this machine in it.
refused() {
  expect_status "$1"
  expect '.error | type' '"string"'
  if [[ "$(json .error)" != *"$2"* ]]; then
    printf 'message %s lacks %s\n' "$(json .error)" "$2"
    return 1
  fi
  [[ $body != *"$MODELS"* ]]
}

reload() {
  local before i
  before=$(grep -c 'read again' "$SERVER_LOG" || true)
  kill -HUP "$SERVER_PID"
  for ((i = 0; i < 600; i++)); do
    if [ "$(grep -c 'read again' "$SERVER_LOG" || true)" -gt "$before" ]; then return; fi
    sleep 0.05
  done
  cat "$SERVER_LOG"
  return 1
}

MAP='{"tensor":[[1,2,3],[4,5,6],[7,8,9]]}'
BUILT_IN='edges READY, gist READY, line-detector READY'

@test "the index names all models, those too that failed" {
  constant a 1
  printf '{"input":{"shape":[4,4,1]},"layers":[{"type":"Nothing"}]}' >"$MODELS/broken.json"
  start_server --models "$MODELS" --model-control
  index
  [ "$(states)" = "a READY, broken UNAVAILABLE, $BUILT_IN" ]
  expect '.[0]' '{"name":"a","version":"1","state":"READY","reason":""}'
  [[ "$(json '.[1].reason')" == '"broken.json: '*Nothing* ]]
  [[ $body != *"$MODELS"* ]]
  index -d '{}'
  expect length 5
  index -d '{"ready":true}'
  [ "$(states)" = "a READY, $BUILT_IN" ]
  index -d '{"ready":false}'
  expect length 5
  gzip -c <<<'{"ready":true}' >"$BATS_TEST_TMPDIR/body.gz"
  index -H 'Content-Encoding: gzip' --data-binary "@$BATS_TEST_TMPDIR/body.gz"
  expect length 4
  stop_server
}

@test "load reads that one file anew; a broken one leaves the old model serving" {
  constant a 1
  constant b 1
  start_server --models "$MODELS" --model-control
  constant a 2
  constant b 2
  order load a
  done_well
  answer a
  [ "$data" = '[[2]]' ]
  answer b
  [ "$data" = '[[1]]' ]
  order load a -d '{}'               # once more, unchanged
  done_well
  [ "$(grep -c 'model a loaded anew' "$SERVER_LOG")" = 2 ]
  printf '{' >"$MODELS/a.json"
  order load a
  refused 400 'a.json: '
  answer a
  [ "$data" = '[[2]]' ]
  index
  [ "$(states)" = "a READY, b READY, $BUILT_IN" ]
  [[ "$(json '.[0].reason')" == '"a.json: '* ]]
  constant c 3                       # a new one
  order load c -d '{"parameters":{}}'
  done_well
  answer c
  [ "$data" = '[[3]]' ]
  order load none
  refused 404 "no model 'none' to load; there are: a, b, c, "
  order load ..%2fa
  refused 404 'no such path'
  constant a 4
  order load a
  done_well
  answer a
  [ "$data" = '[[4]]' ]
  stop_server
}

@test "what is unloaded is served no more, over SIGHUP too, until it is loaded" {
  constant a 1
  start_server --models "$MODELS" --model-control
  order unload a
  done_well
  post /v1/models/a/features -d "$MAP"
  expect_error 404 not_found "no model 'a'; there are: edges"
  index
  [ "$(states)" = "a UNAVAILABLE, $BUILT_IN" ]
  expect '.[0].reason' '"unloaded"'
  constant a 2
  reload
  index
  [ "$(states)" = "a UNAVAILABLE, $BUILT_IN" ]
  order unload a -d '{"parameters":{"unload_dependents":true}}'
  done_well
  order load a
  done_well
  answer a
  [ "$data" = '[[2]]' ]
  order unload gist
  done_well
  request "$URL/v1/models/gist"
  expect_status 404
  order load gist
  done_well
  request "$URL/v1/models/gist"
  expect .layers[0].type '"Conv2D"'
  order unload none
  refused 404 "no model 'none'; there are: a, "
  stop_server
}

@test "requests that hold an unloaded model are answered" {
  local i
  constant a 1
  start_server --models "$MODELS" --model-control
  jq -nc '{tensor: {shape: [1, 1000, 1000, 1], data: [range(1000000) | . % 7]}}' >"$BATS_TEST_TMPDIR/large"
  for ((i = 0; i < 5; i++)); do
    curl -sS --max-time 60 -o "$BATS_TEST_TMPDIR/answer$i" -w '%{http_code}\n' -d "@$BATS_TEST_TMPDIR/large" \
      "$URL/v1/models/a/features" >"$BATS_TEST_TMPDIR/code$i" 3>&- &
    sleep 0.03
    order unload a
    done_well
    index
    [[ "$(states)" == "a UN"* ]]     # UNLOADING for as long as the request takes
    wait $!
    [[ "$(cat "$BATS_TEST_TMPDIR/code$i")" == @(200|404) ]]
    index
    expect '.[0].state' '"UNAVAILABLE"'
    order load a
    done_well
  done
  stop_server
}

@test "bad bodies are told" {
  start_server --models "$MODELS" --model-control
  index
  post /v2/repository/index -d '{"ready":1}'
  refused 400 'ready must be true or false'
  post /v2/repository/index -d '['
  refused 400 'body: '
  post /v2/repository/index -H 'Content-Encoding: br' -d '{}'
  [[ "$status_code" == 4* ]]
  order load gist -d '{"parameters":{"config":"{}"}}'
  refused 400 "'config' cannot be sent: models come from the folder"
  order load gist -d '{"parameters":{"config":"{}","file:1/model.onnx":"AA=="}}'
  refused 400 'cannot be sent: models come from the folder'
  order load gist -d '{"models":[]}'
  refused 400 "unknown field 'models'"
  order unload gist -d '{"parameters":{"unload_dependents":7}}'
  refused 400 'unload_dependents must be true or false, not a number'
  request "$URL/v2/repository/index"
  expect_status 405
  request "$URL/v2/repository/models/gist/load"
  expect_status 405
  request "$URL/v2/health/live"
  expect_status 200
  stop_server
}

@test "without --model-control there is no repository" {
  constant a 1
  start_server --models "$MODELS"
  post /v2/repository/index -d '{}'
  expect_status 404
  order load a
  refused 404 'no such path'
  order unload a
  expect_status 404
  answer a
  [ "$data" = '[[1]]' ]
  request "$URL/v2/models/stats"
  expect_status 200
  stop_server
}

@test "loading holds nobody up, and orders that wait at the end are answered" {
  local i pids=()
  heavy big
  constant a 1
  start_server --models "$MODELS" --model-control
  for ((i = 0; i < 12; i++)); do
    curl -sS --max-time 60 -X POST -o "$BATS_TEST_TMPDIR/answer$i" -w '%{http_code}\n' \
      "$URL/v2/repository/models/big/load" >"$BATS_TEST_TMPDIR/code$i" 3>&- & pids+=($!)
  done
  for ((i = 0; i < 5; i++)); do
    answer a
    [ "$data" = '[[1]]' ]
  done
  kill -TERM "$SERVER_PID"
  wait "$SERVER_PID"
  wait "${pids[@]}" || true          # curl's, which may have come too late to be let in
  grep -q 'info  done' "$SERVER_LOG"
  cat "$BATS_TEST_TMPDIR"/code* >"$BATS_TEST_TMPDIR/codes"
  run grep -vxE '200|503|000' "$BATS_TEST_TMPDIR/codes"
  [ "$output" = "" ]
  for ((i = 0; i < 12; i++)); do
    case $(cat "$BATS_TEST_TMPDIR/code$i") in
      200) [ "$(cat "$BATS_TEST_TMPDIR/answer$i")" = '{}' ] ;;
      503) jq -e '.error | test("ending|draining|wait")' "$BATS_TEST_TMPDIR/answer$i" ;;
    esac
  done
}

@test "orders and signals beside requests: no request fails" {
  local i pid pids=()
  constant a 1
  constant b 1
  start_server --models "$MODELS" --model-control
  ( while [ ! -e "$BATS_TEST_TMPDIR/stop" ]; do
      curl -sS --max-time 30 -o /dev/null -w '%{http_code}\n' -d "$MAP" "$URL/v1/models/a/features"
    done >"$BATS_TEST_TMPDIR/codes" ) 3>&- & pid=$!
  for ((i = 0; i < 20; i++)); do
    curl -sS --max-time 30 -X POST -o /dev/null -w '%{http_code}\n' "$URL/v2/repository/models/{a,b,gist}/load" \
      >>"$BATS_TEST_TMPDIR/orders" 3>&- & pids=($!)
    curl -sS --max-time 30 -X POST -o /dev/null -w '%{http_code}\n' "$URL/v2/repository/models/{b,gist}/unload" \
      >>"$BATS_TEST_TMPDIR/orders" 3>&- & pids+=($!)
    constant a 1
    kill -HUP "$SERVER_PID"
    wait "${pids[@]}"
  done
  touch "$BATS_TEST_TMPDIR/stop"
  wait "$pid"
  [ "$(sort -u "$BATS_TEST_TMPDIR/codes")" = 200 ]
  [ "$(sort "$BATS_TEST_TMPDIR/orders" | uniq -c | xargs)" = '100 200' ]
  stop_server
}

@test "statistics of one model and of all" {
  local now
  constant a 1
  start_server --models "$MODELS"
  now=$(date +%s)
  request "$URL/v2/models/a/stats"
  expect_status 200
  expect '.model_stats | length' 1
  expect '.model_stats[0] | keys' '["batch_stats","execution_count","inference_count","inference_stats","last_inference","memory_usage","name","response_stats","version"]'
  expect '.model_stats[0] | [.name,.version,.last_inference,.inference_count,.execution_count]' '["a","1",0,0,0]'
  answer a
  answer a
  post /v1/models/a/features -d '{"tensor":{"shape":[64,2,2,1],"data":'"$(jq -nc '[range(256)]')"'}}'
  expect_status 200
  post /v1/models/a/features -d '{"tensor":[[1,2'
  expect_status 400
  request "$URL/v2/models/a/versions/1/stats"
  expect_status 200
  expect '.model_stats[0] | [.inference_count,.execution_count]' '[66,3]'
  expect ".model_stats[0].last_inference / 1000 | floor | . >= $now and . < $now + 60" true
  expect '.model_stats[0].inference_stats | map_values(.count)' '{"success":3,"fail":1,"queue":3,"compute_input":3,"compute_infer":3,"compute_output":3,"cache_hit":0,"cache_miss":0}'
  expect '.model_stats[0].inference_stats | .success.ns == .queue.ns + .compute_input.ns + .compute_infer.ns + .compute_output.ns' true
  expect '.model_stats[0].batch_stats | map([.batch_size,.compute_input.count,.compute_infer.count,.compute_output.count])' '[[1,2,2,2],[64,1,1,1]]'
  expect '.model_stats[0].batch_stats | map(.compute_infer.ns) | add > 0' true
  expect '.model_stats[0].memory_usage[0] | .type == "CPU" and .id == 0 and .byte_size > 0' true
  request "$URL/v2/models/stats"
  expect_status 200
  expect '[.model_stats[] | [.name,.execution_count]]' '[["a",3],["edges",0],["gist",0],["line-detector",0]]'
  request "$URL/v2/models/a/versions/2/stats"
  refused 404 'version 1'
  request "$URL/v2/models/none/stats"
  refused 404 "no model 'none'"
  constant a 2
  reload
  answer a
  request "$URL/v2/models/a/stats"
  expect '.model_stats[0].execution_count' 4
  stop_server
}
