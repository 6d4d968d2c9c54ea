#!/usr/bin/env bats
# reload.bats - SIGHUP: the models' folder is read again while the service goes on.

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
  printf '{"input":{"shape":[null,null,1]},"layers":[{"type":"Conv2D","filters":1,"kernel_size":3,"padding":"same","use_bias":false,"kernel":[%s]},{"type":"GlobalAveragePooling2D"},{"type":"Dense","name":"fc","units":1,"kernel":[[0]],"bias":[%s]}]}' \
    '[[[0]],[[1]],[[0]]],[[[0]],[[1]],[[0]]],[[[0]],[[1]],[[0]]]' "$2" >"$MODELS/.new"
  mv "$MODELS/.new" "$MODELS/$1.json"
}

# onnx NAME FILE: one of tests/data/onnx, at once.
onnx() {
  cp "tests/data/onnx/$2.onnx" "$MODELS/.new"
  mv "$MODELS/.new" "$MODELS/$1.onnx"
}

n_loads() { grep -c 'read again' "$SERVER_LOG" || true; }

# reload: asks for it and waits for its end.
reload() {
  local before i
  before=$(n_loads)
  kill -HUP "$SERVER_PID"
  for ((i = 0; i < 600; i++)); do
    if [ "$(n_loads)" -gt "$before" ]; then return; fi
    sleep 0.05
  done
  cat "$SERVER_LOG"
  return 1
}

# heavy N: N models that take a while to read, a million weights each.
heavy() {
  local i row
  row=$(printf '0,%.0s' {1..999})0
  { printf '{"input":{"shape":[1000]},"layers":[{"type":"Dense","name":"fc","units":1000,"use_bias":false,"kernel":['
    yes "[$row]," | head -n 999
    printf '[%s]]}]}' "$row"; } >"$MODELS/heavy0.json"
  for ((i = 1; i < $1; i++)); do ln "$MODELS/heavy0.json" "$MODELS/heavy$i.json"; done
}

# start_early: starts, and does not wait for the models, so that the log does not tell the port yet.
start_early() {
  local i
  SERVER_LOG=$(mktemp "$BATS_FILE_TMPDIR/server.XXXXXX")
  while true; do
    URL=http://127.0.0.1:$((20000 + RANDOM % 10000))
    "$TIDEPOOL_BIN" serve --port "${URL##*:}" --models "$MODELS" 2>"$SERVER_LOG" 3>&- &
    SERVER_PID=$!
    for ((i = 0; i < 500; i++)); do
      if [ "$(curl -s --max-time 5 "$URL/v2/health/live")" = '{"live":true}' ]; then return; fi
      kill -0 "$SERVER_PID" || break
      sleep 0.02
    done
    grep -q 'Address already in use' "$SERVER_LOG" || { cat "$SERVER_LOG"; return 1; }
  done
}

# answer NAME: what the model says to the same map every time, in $data.
answer() {
  post "/v1/models/$1/features" -d "$MAP"
  expect_status 200
  data=$(json '.outputs[0].data')
}

# served: the names of the folder's models.
served() {
  request "$URL/v1/models"
  json '[.models[] | select(.source == "file") | .name]'
}

logged() {
  grep -q "$1" "$SERVER_LOG" || { cat "$SERVER_LOG"; return 1; }
}

MAP='{"tensor":[[1,2,3],[4,5,6],[7,8,9]]}'
IMAGE=$(jq -nc '{tensor: {shape: [1, 3, 9, 8], data: [range(216) | . % 7 - 3]}}')

@test "files that come are served, files that go are not" {
  constant a 1
  mkdir "$MODELS/deep"
  start_server --models "$MODELS"
  [ "$(served)" = '["a"]' ]
  onnx net squeeze
  cp tests/data/onnx/residual.onnx "$MODELS/deep/model.onnx"
  constant gist 5                    # takes a built-in's name
  reload
  [ "$(served)" = '["a","deep","gist","net"]' ]
  answer gist
  [ "$data" = '[[5]]' ]
  post /v1/models/deep/features?layers=fc -d "$IMAGE"
  expect '.outputs[0].shape' '[1,5]'
  rm "$MODELS/a.json" "$MODELS/gist.json"
  rm -r "$MODELS/deep"
  reload
  [ "$(served)" = '["net"]' ]
  post /v1/models/a/features -d "$MAP"
  expect_error 404 not_found "no model 'a'"
  request "$URL/v1/models"
  expect '.models[] | select(.name == "gist") | .source' '"builtin"'
  logged 'model a is served no more'
  stop_server
}

@test "only what has changed is read again" {
  constant a 1
  onnx net squeeze
  mkdir "$MODELS/deep"
  cp tests/data/onnx/residual.onnx "$MODELS/deep/model.onnx"
  start_server --models "$MODELS"
  reload
  [ "$(grep -c 'loaded anew' "$SERVER_LOG")" = 0 ]
  constant a 2
  reload
  answer a
  [ "$data" = '[[2]]' ]
  [ "$(grep 'loaded anew' "$SERVER_LOG" | grep -o 'model [a-z]*')" = 'model a' ]
  printf '1\n2\n3\n4\n5\n' >"$MODELS/deep/labels.txt"
  reload
  post '/v1/models/deep/features?layers=fc&top=1' -d "$IMAGE"
  expect_status 200
  expect '.outputs[0].top[0][0] | .index + 1 == (.label | tonumber)' true
  [ "$(grep 'loaded anew' "$SERVER_LOG" | grep -o 'model [a-z]*' | tail -n 1)" = 'model deep' ]
  stop_server
}

@test "a broken file leaves the old model serving, and the log says why" {
  onnx net residual
  constant a 1
  start_server --models "$MODELS"
  MAP=$IMAGE answer net
  local good=$data
  head -c 3000 tests/data/onnx/residual.onnx >"$MODELS/net.onnx"
  printf '{"input":{"shape":[4,4,1]},"layers":[{"type":"Nothing"}]}' >"$MODELS/a.json"
  printf 'nonsense' >"$MODELS/new.onnx"
  reload
  [ "$(served)" = '["a","net"]' ]
  MAP=$IMAGE answer net
  [ "$data" = "$good" ]
  answer a
  [ "$data" = '[[1]]' ]
  logged '[Ee][Rr][Rr].*model net is not loaded anew, the old one serves on: net.onnx: '
  logged 'model a is not loaded anew, the old one serves on: a.json: .*Nothing'
  logged 'model new is not served: new.onnx: '
  printf '{"scales":1}' >"$MODELS/net.preprocess.json"      # what lies beside it counts as well
  onnx net residual
  reload
  MAP=$IMAGE answer net
  [ "$data" = "$good" ]
  logged 'the old one serves on: net.preprocess.json: '
  rm "$MODELS/net.preprocess.json"
  constant a 3
  onnx net next
  reload
  MAP=$IMAGE answer net
  [ "$data" != "$good" ]
  answer a
  [ "$data" = '[[3]]' ]
  stop_server
}

@test "a folder that is gone for a while leaves all models serving" {
  constant a 1
  start_server --models "$MODELS"
  mv "$MODELS" "$MODELS.away"
  reload
  answer a
  [ "$data" = '[[1]]' ]
  logged "models are not loaded anew, the old ones serve on: models' folder"
  mv "$MODELS.away" "$MODELS"
  constant b 2
  reload
  [ "$(served)" = '["a","b"]' ]
  stop_server
}

# ask_on NAME BODY TO: asks until the file TO.stop is there; a line "status answer" for each request.
ask_on() {
  while [ ! -e "$3.stop" ]; do
    curl -sS --max-time 60 --data-binary "$2" -w '\n%{http_code}\n' "$URL/v1/models/$1/features" >"$3.one" 2>&1 || true
    jq -rRn '[inputs] | "\(.[-1]) \(.[0] | try (fromjson | .outputs[0].data | tojson) catch .)"' <"$3.one" >>"$3"
  done
}

@test "reloads under load: no request fails, each answer is the old model's or the new one's" {
  local i pids=() old new
  jq -nc '{tensor: {shape: [1, 200, 200, 1], data: [range(40000) | . % 7]}}' >"$BATS_TEST_TMPDIR/large"
  constant a 0
  onnx net residual
  constant b 0
  start_server --models "$MODELS"
  MAP=$IMAGE answer net
  old=$data
  onnx net next
  reload
  MAP=$IMAGE answer net
  new=$data
  [ "$old" != "$new" ]
  ask_on a "$MAP" "$BATS_TEST_TMPDIR/tiny" 3>&- & pids+=($!)
  ask_on b "@$BATS_TEST_TMPDIR/large" "$BATS_TEST_TMPDIR/slow" 3>&- & pids+=($!)
  ask_on b "@$BATS_TEST_TMPDIR/large" "$BATS_TEST_TMPDIR/slow2" 3>&- & pids+=($!)
  ask_on net "$IMAGE" "$BATS_TEST_TMPDIR/net" 3>&- & pids+=($!)
  for ((i = 1; i <= 20; i++)); do
    constant a $((i % 2))
    constant b $((i % 2))
    if ((i % 2)); then onnx net residual; else onnx net next; fi
    if ((i % 4 == 3)); then printf '{' >"$MODELS/a.json"; fi
    reload
  done
  touch "$BATS_TEST_TMPDIR"/{tiny,slow,slow2,net}.stop
  wait "${pids[@]}"
  for i in tiny slow slow2 net; do
    [ "$(wc -l <"$BATS_TEST_TMPDIR/$i")" -ge 3 ]
  done
  run grep -hvx '200 \[\[[01]\]\]' "$BATS_TEST_TMPDIR"/{tiny,slow,slow2}
  [ "$output" = "" ]
  run grep -hvxF -e "200 $old" -e "200 $new" "$BATS_TEST_TMPDIR/net"
  [ "$output" = "" ]
  cat "$BATS_TEST_TMPDIR"/{tiny,slow,slow2} | sort -u | grep -c . | grep -qx 2      # both were seen
  stop_server
}

@test "many signals at once end in what the folder holds" {
  local i
  constant a 0
  start_server --models "$MODELS"
  for ((i = 1; i <= 50; i++)); do
    constant a "$i"
    kill -HUP "$SERVER_PID"
  done
  for ((i = 0; i < 200; i++)); do
    answer a
    [ "$data" != '[[50]]' ] || break
    sleep 0.05
  done
  [ "$data" = '[[50]]' ]
  stop_server
}

@test "without a folder, and while draining, SIGHUP does no harm" {
  start_server
  reload
  post /v1/models/line-detector/features -d "{\"tensor\":$LINE}"
  expect_status 200
  kill -HUP "$SERVER_PID"
  kill -TERM "$SERVER_PID"
  kill -HUP "$SERVER_PID" 2>/dev/null || true
  wait "$SERVER_PID"
}

@test "20 models at once" {
  local i name
  for name in branches dense next residual segment shuffle squeeze attention by_hand next_old; do
    cp "tests/data/onnx/$name.onnx" "$MODELS/$name.onnx"
    mkdir "$MODELS/$name-too"
    cp "tests/data/onnx/$name.onnx" "$MODELS/$name-too/model.onnx"
  done
  start_server --models "$MODELS"
  [ "$(served | jq length)" = 20 ]
  [ "$(grep -c 'loaded in [0-9]* ms: [0-9]* layers, [0-9]* parameters' "$SERVER_LOG")" = 20 ]
  request "$URL/v2/health/ready"
  expect . '{"ready":true}'
  touch "$MODELS"/*.onnx "$MODELS"/*/model.onnx
  reload
  [ "$(served | jq length)" = 20 ]
  [ "$(grep -c 'loaded anew in' "$SERVER_LOG")" = 20 ]
  run curl -sS --max-time 30 -o /dev/null -w '%{http_code}\n' -d "$IMAGE" \
    "$URL/v1/models/{$(served | jq -r 'join(",")')}/features"
  [ "$(sort <<<"$output" | uniq -c | xargs)" = '20 200' ]
  stop_server
}

@test "while models are loaded for the first time, those to come and readiness are 503" {
  local i seen name
  heavy 20
  for ((i = 0; i < 3; i++)); do      # a machine that holds this test up may miss it
    start_early
    request -D "$BATS_TEST_TMPDIR/ready" "$URL/v2/health/ready"
    seen=$status_code
    if [ "$seen" = 503 ]; then
      expect_error 503 unavailable 'loading: models are still being read'
      grep -qi '^Retry-After: 1' "$BATS_TEST_TMPDIR/ready"
    fi
    post /v1/models/line-detector/features -d "{\"tensor\":$LINE}"
    expect_status 200
    post /v1/models/heavy19/features -D "$BATS_TEST_TMPDIR/heavy" -d "{\"tensor\":$(jq -nc '[range(1000)]')}"
    if [ "$status_code" = 503 ]; then
      expect_error 503 unavailable "no model 'heavy19' yet: models are still being loaded"
      grep -qi '^Retry-After: 1' "$BATS_TEST_TMPDIR/heavy"
    else
      expect_status 200
    fi
    if [ "$seen" = 503 ]; then break; fi
    stop_server
  done
  [ "$seen" = 503 ]
  for ((i = 0; i < 600; i++)); do
    request "$URL/v2/health/ready"
    if [ "$status_code" = 200 ]; then break; fi
    expect_status 503
    sleep 0.05
  done
  expect . '{"ready":true}'
  [ "$(served | jq length)" = 20 ]
  post /v1/models/heavy19/features -d "{\"tensor\":$(jq -nc '[range(1000)]')}"
  expect_status 200
  post /v1/models/heavy20/features -d '{"tensor":[1]}'
  expect_error 404 not_found "no model 'heavy20'; there are: "
  # A model that serves does so while all are loaded again, and the server stays ready.
  touch "$MODELS/heavy0.json"
  kill -HUP "$SERVER_PID"
  request "$URL/v2/health/ready"
  expect_status 200
  post /v1/models/heavy19/features -d "{\"tensor\":$(jq -nc '[range(1000)]')}"
  expect_status 200
  kill -TERM "$SERVER_PID"
  wait "$SERVER_PID"
  logged 'info  done'
}

@test "SIGTERM ends a load after the files at hand" {
  local i
  heavy 40
  for ((i = 0; i < 3; i++)); do      # a machine that holds this test up may miss the load
    start_early
    kill -TERM "$SERVER_PID"
    wait "$SERVER_PID"
    logged 'info  done'
    if ! grep -q 'tidepool .* serves' "$SERVER_LOG"; then break; fi
  done
  [ "$(grep -c 'loaded in' "$SERVER_LOG")" -lt 40 ]
}
