#!/usr/bin/env bats
# cli.bats - the tool: every sub-command, its exit status, its one line on stderr.

load server
bats_require_minimum_version 1.5.0

IMAGES=tests/data/images

@test "version tells the instruction set and the libraries" {
  run "$TIDEPOOL_BIN" version
  [ "$status" -eq 0 ]
  [[ "$output" == "tidepool "*"kernels: "*"threads: "*"libmicrohttpd "*"jansson "* ]]
  TIDEPOOL_CPU=base run "$TIDEPOOL_BIN" version
  [[ "$output" == *"kernels: base"* || "$output" == *"there are: neon"* ]]
  TIDEPOOL_CPU=mmx run "$TIDEPOOL_BIN" version
  [ "$status" -eq 1 ]
  [[ "$output" == *"no such instruction set"* ]]
}

@test "wrong usage is exit status 2" {
  local words
  for words in '' nothing 'summary' 'summary a b' 'run gist' 'serve --port x' 'serve --nothing' 'serve word' 'health --url ftp://x'; do
    # shellcheck disable=SC2086 # the words are to be split
    run "$TIDEPOOL_BIN" $words
    [ "$status" -eq 2 ]
  done
  TIDEPOOL_PORT=x run "$TIDEPOOL_BIN" serve
  [ "$status" -eq 2 ]
  [[ "$output" == *TIDEPOOL_PORT* ]]
}

@test "every command has help" {
  local command
  for command in serve run summary models health version; do
    run "$TIDEPOOL_BIN" "$command" --help
    [ "$status" -eq 0 ]
    [[ "$output" == "usage: tidepool $command"* ]]
  done
}

@test "models lists the built-ins" {
  run "$TIDEPOOL_BIN" models
  [ "$status" -eq 0 ]
  [[ "$output" == *edges*gist*line-detector* ]]
  run "$TIDEPOOL_BIN" models --models /nowhere/at/all
  [ "$status" -eq 1 ]
}

@test "summary of a file, and of none" {
  printf '{"input":{"shape":[8,8,1]},"layers":[%s]}' "$CONV" >"$BATS_TEST_TMPDIR/net.json"
  run "$TIDEPOOL_BIN" summary "$BATS_TEST_TMPDIR/net.json"
  [ "$status" -eq 0 ]
  [[ "$output" == "model net, input (8,8,1)"* ]]
  run "$TIDEPOOL_BIN" summary nothing
  [ "$status" -eq 1 ]
  [[ "$output" == *"no model 'nothing'"*line-detector* ]]
}

@test "run answers what the server answers" {
  run --separate-stderr "$TIDEPOOL_BIN" run gist "$IMAGES/photo.png"
  [ "$status" -eq 0 ]
  post /v1/models/gist/features --data-binary "@$IMAGES/photo.png"
  [ "$(jq -c .outputs <<<"$output")" = "$(json .outputs)" ]
  [ "$(jq -r .input <<<"$output")" = "$IMAGES/photo.png" ]
}

@test "run reads JSON, standard input and pooling flags" {
  printf '{"tensor":%s}' "$LINE" >"$BATS_TEST_TMPDIR/line.json"
  run "$TIDEPOOL_BIN" run line-detector "$BATS_TEST_TMPDIR/line.json" --layers conv --pool max
  [ "$(jq -c '.outputs[0].data' <<<"$output")" = '[[3]]' ]
  run "$TIDEPOOL_BIN" run line-detector - --layers=conv --pool=avg --window=2x3 <"$BATS_TEST_TMPDIR/line.json"
  [ "$(jq -c '.outputs[0].shape' <<<"$output")" = '[1,3,2,1]' ]
  run "$TIDEPOOL_BIN" run line-detector "$BATS_TEST_TMPDIR/line.json" --pool median
  [ "$status" -eq 1 ]
  [[ "$output" == *"no such pooling"* ]]
}

@test "run over a folder goes on past a bad file, names it, and exits 1; --resume does the rest" {
  mkdir "$BATS_TEST_TMPDIR/in"
  cp "$IMAGES/photo.png" "$BATS_TEST_TMPDIR/in/a.png"
  printf 'broken' >"$BATS_TEST_TMPDIR/in/b.jpg"
  cp "$IMAGES/rgb.jpg" "$BATS_TEST_TMPDIR/in/c.jpg"
  run "$TIDEPOOL_BIN" run gist "$BATS_TEST_TMPDIR/in" --out "$BATS_TEST_TMPDIR/out"
  [ "$status" -eq 1 ]
  [[ "$output" == *"b.jpg: "*"1 of 3 inputs failed"* ]]
  [ "$(jq -r .input "$BATS_TEST_TMPDIR/out")" = "$BATS_TEST_TMPDIR/in/a.png"$'\n'"$BATS_TEST_TMPDIR/in/c.jpg" ]
  cp "$IMAGES/rgb.jpg" "$BATS_TEST_TMPDIR/in/b.jpg"
  head -c -5 "$BATS_TEST_TMPDIR/out" >"$BATS_TEST_TMPDIR/cut" && mv "$BATS_TEST_TMPDIR/cut" "$BATS_TEST_TMPDIR/out"
  run "$TIDEPOOL_BIN" run gist "$BATS_TEST_TMPDIR/in" --out "$BATS_TEST_TMPDIR/out" --resume
  [ "$status" -eq 0 ]
  [ "$(jq -r .input "$BATS_TEST_TMPDIR/out" | sed 's/.*\///' | tr '\n' ' ')" = 'a.png b.jpg c.jpg ' ]
}

@test "health: ready, not there, not HTTP" {
  run "$TIDEPOOL_BIN" health --url "$URL"
  [ "$status" -eq 0 ]
  run "$TIDEPOOL_BIN" health --url http://127.0.0.1:1
  [ "$status" -eq 1 ]
}

@test "a port that is taken, an address that is none" {
  run timeout 10 "$TIDEPOOL_BIN" serve --port "${URL##*:}"
  [ "$status" -eq 1 ]
  [[ "$output" == *"cannot listen"* ]]
  run timeout 10 "$TIDEPOOL_BIN" serve --host nowhere.invalid
  [ "$status" -eq 1 ]
}
