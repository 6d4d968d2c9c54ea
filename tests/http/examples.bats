#!/usr/bin/env bats
# examples.bats - what the documentation says: api/examples answer as their .expect.json say, and README's commands work
# as they stand there. Its resnet50 is tests/data/onnx/readme/resnet50.onnx, of the same names with tiny layers.

load server

setup_file() {
  export PLACE="$BATS_FILE_TMPDIR/place"
  mkdir -p "$PLACE/build" "$PLACE/photos"
  ln -s "$(realpath "$TIDEPOOL_BIN")" "$PLACE/build/tidepool"
  cp -r tests/data/onnx/readme "$PLACE/models"
  seq -f 'class %g' 10 >"$PLACE/models/resnet50.labels.txt"
  local photo
  for photo in photo.jpg one.jpg two.png photos/photo.jpg; do cp tests/data/images/rgb.jpg "$PLACE/$photo"; done
  start_server --models "$PLACE/models"
}

# commands: those of README's sh blocks that ask a server or use the tool; not those that build, serve or signal.
commands() {
  awk '/^```/ { inside = $0 == "```sh"; next } inside' README.md | sed -e '/^make /d' -e '/^build\/tidepool serve/d' \
    -e '/^kill /d' -e "s,localhost:8080,${URL#http://},g"
}

# in_place SCRIPT: in a folder with the photos and models that README speaks of; curl fails where a request does.
in_place() {
  (cd "$PLACE" && bash -euc "curl() { command curl --silent --show-error --fail --max-time 30 \"\$@\" && echo; }
$1")
}

@test "every example of the API answers as it says" {
  local want name method path n=0
  for want in api/examples/*.expect.json; do
    name=${want%.expect.json}
    method=$(jq -r .method "$want")
    path=$(jq -r .path "$want")
    post "$path" -X "$method" -H 'Content-Type: application/json' --data-binary "@$name.json"
    expect_status "$(jq -r .status "$want")"
    if ! jq -e -f api/examples/fits.jq --slurpfile expect "$want" <<<"$body" >/dev/null; then
      printf '%s: %s\n' "$name" "$body"
      return 1
    fi
    n=$((n + 1))
  done
  [ "$n" -ge 5 ]
}

@test "README's commands work as they stand there" {
  local script
  script=$(commands)
  [ "$(grep -c 'curl .*\$ASK' <<<"$script")" -ge 5 ]
  [ "$(grep -c '^ask ' <<<"$script")" -ge 5 ]
  in_place "$script"
}

@test "README's shell commands in running text work" {
  local line n=0
  while read -r line; do
    in_place "$line"
    n=$((n + 1))
  done < <(grep -o '`build/tidepool run [^`]*`' README.md | tr -d '`')
  [ "$n" -ge 1 ]
}

@test "README's first ONNX request answers a mean per channel, by the module's name" {
  in_place "$(commands | grep -e '^ASK=' -e 'layers=layer3.0&')" >"$BATS_TEST_TMPDIR/answer"
  body=$(<"$BATS_TEST_TMPDIR/answer")
  expect '.outputs[0] | [.name, .shape]' '["layer3.0",[1,6]]'
}

@test "README's preprocessing is read" {
  local keys
  keys=$(grep -o '`{"resize":[^`]*}`' README.md | tr -d '`')
  [ "$(wc -l <<<"$keys")" -ge 2 ]
  while read -r keys; do
    printf '%s' "$keys" >"$PLACE/models/resnet50.preprocess.json"
    in_place 'build/tidepool summary models/resnet50.onnx --json' >"$BATS_TEST_TMPDIR/told"
    rm "$PLACE/models/resnet50.preprocess.json"
    body=$(<"$BATS_TEST_TMPDIR/told")
    expect ".preprocess as \$p | $keys | to_entries | all(.value == (\$p[.key] | if type == \"object\" then {mode, size} | if .mode == \"none\" then null else . end else . end))" true
  done <<<"$keys"
}

@test "README's operators are those that there are" {
  local told
  told=$(awk '/^Operators: / { inside = 1 } inside && !NF { exit } inside' README.md | sed 's/^Operators: //' |
    tr -d '.\n' | sed 's/ *· */\n/g')
  [ "$told" = "$(sed -n 's/^    { "\([A-Za-z0-9]*\)", tp_lower.*/\1/p' src/formats/lower_rules.c)" ]
}
