#!/usr/bin/env bats
# readme.bats - README's commands and programs work as they stand there, and print what they say behind "=>". They ask
# localhost:8080; where that port is taken another one stands in its place. The resnet50 that README speaks of is
# tests/data/onnx/readme/resnet50.onnx, of the same names with tiny layers.

load server

setup_file() {
  export PLACE="$BATS_FILE_TMPDIR/place"
  mkdir -p "$PLACE/build" "$PLACE/photos"
  ln -s "$(realpath "$TIDEPOOL_BIN")" "$PLACE/build/tidepool"
  cp -r tests/data/onnx/readme "$PLACE/models"
  seq -f 'class %g' 10 >"$PLACE/models/resnet50.labels.txt"
  local photo
  for photo in photo.jpg one.jpg two.png photos/photo.jpg; do cp tests/data/images/rgb.jpg "$PLACE/$photo"; done
  start_server --models "$PLACE/models" --port 8080 2>/dev/null || start_server --models "$PLACE/models"
  cut_blocks
}

# cut_blocks: README's fenced blocks as $PLACE/blocks/NN.LANGUAGE, without the lines that build and start a server.
cut_blocks() {
  mkdir "$PLACE/blocks"
  awk -v to="$PLACE/blocks/" '
    /^```/ && inside { close(file); inside = 0; next }
    /^```/ { inside = 1; file = sprintf("%s%02d.%s", to, ++n, substr($0, 4)); next }
    inside { print >file }' README.md
  sed -i -e '/^make /d' -e '/^build\/tidepool serve/d' -e '/^kill /d' "$PLACE"/blocks/*.sh
  [ "${URL##*:}" = 8080 ] || sed -i "s,localhost:8080,localhost:${URL##*:},g" "$PLACE"/blocks/*
}

# in_place COMMAND...: in a folder with the photos and models that README speaks of.
in_place() { (cd "$PLACE" && "$@"); }

# As a user's shell would run it, but that curl fails where a request does.
run_sh() {
  in_place bash -euo pipefail -c 'curl() { command curl --silent --show-error --fail --max-time 30 "$@"; }
    . "$1"' sh "$1"
}

# clients LANGUAGE [PATTERN [-v]]: its blocks that ask the server, and match (-v: do not).
clients() {
  local file
  for file in "$PLACE"/blocks/*."$1"; do
    grep -q 'localhost:' "$file" || continue
    [ -z "${2-}" ] || if [ "${3-}" = -v ]; then ! grep -q "$2" "$file"; else grep -q "$2" "$file"; fi || continue
    printf '%s\n' "$file"
  done
}

# check COMMAND FILE: prints what the file says behind "=>", line by line.
check() {
  local want got
  want=$(sed -n 's/.*=> //p' "$2")
  [ -n "$want" ]
  got=$("$1" "$2")
  [ "$got" = "$want" ] || { printf '%s\nprinted %s\nand says %s\n' "$(cat "$2")" "$got" "$want"; return 1; }
}

has_node() { [ "$(node -p 'parseInt(process.versions.node) >= 18' 2>/dev/null)" = true ]; }
run_node() { in_place timeout 60 node "$1"; }
run_python() { in_place timeout 60 "${PYTHON:-python3}" "$1"; }

# check_all N COMMAND FILE...: at least N of them.
check_all() {
  local n=$1 command=$2 file
  shift 2
  [ "$#" -ge "$n" ]
  for file in "$@"; do check "$command" "$file"; done
}

@test "commands" {
  local file n=0
  for file in "$PLACE"/blocks/*.sh; do
    [ -s "$file" ] || continue
    if grep -q '# => ' "$file"; then check run_sh "$file"; else run_sh "$file" >/dev/null; fi
    n=$((n + 1))
  done
  [ "$n" -ge 5 ]
  [ "$(cat "$PLACE"/blocks/*.sh | grep -c 'curl .*\$ASK')" -ge 5 ]
  [ "$(cat "$PLACE"/blocks/*.sh | grep -c '^ask ')" -ge 5 ]
}

@test "JavaScript" {
  has_node || skip "no node of 18 or more, which has fetch()"
  local files file
  mapfile -t files < <(clients js 'from "openai"' -v)
  for file in "${files[@]}"; do cp "$file" "${file%.js}.mjs"; done
  check_all 1 run_node "${files[@]/%.js/.mjs}"
}

@test "JavaScript, with OpenAI's client" {
  has_node || skip "no node of 18 or more"
  local folder=${NODE_PATH-} files
  [ -d "$folder/openai" ] || folder=$PWD/node_modules
  [ -d "$folder/openai" ] || skip "no openai: npm install --ignore-scripts openai; NODE_PATH says where it is"
  ln -s "$folder" "$PLACE/node_modules"
  mapfile -t files < <(clients js 'from "openai"')
  cp "${files[0]}" "$PLACE/openai.mjs"
  check run_node "$PLACE/openai.mjs"
}

@test "Python" {
  python3 -c '' || skip "no python3"
  local files
  mapfile -t files < <(clients python numpy -v)
  check_all 2 run_python "${files[@]}"
}

@test "Python, with numpy" {
  local python files
  for python in python3 /usr/bin/python3 ''; do if "$python" -c 'import numpy' 2>/dev/null; then break; fi; done
  [ -n "$python" ] || skip "no python3 with numpy"
  mapfile -t files < <(clients python numpy)
  PYTHON=$python check_all 1 run_python "${files[@]}"
}

@test "shell commands in running text" {
  local line n=0
  while read -r line; do
    in_place bash -euc "$line"
    n=$((n + 1))
  done < <(grep -o '`build/tidepool run [^`]*`' README.md | tr -d '`')
  [ "$n" -ge 1 ]
}

@test "the first ONNX request answers a mean per channel, by the module's name" {
  grep -h -e '^ASK=' -e 'layers=layer3.0&' "$PLACE"/blocks/*.sh >"$BATS_TEST_TMPDIR/first"
  body=$(run_sh "$BATS_TEST_TMPDIR/first")
  expect '.outputs[0] | [.name, .shape]' '["layer3.0",[1,6]]'
}

@test "the first answer is the tutorial's, as it is printed there" {
  local file
  file=$(grep -l '"model":"line-detector"' "$PLACE"/blocks/*.json | head -n 1)
  post /v1/models/line-detector/features -d "{\"tensor\": $LINE}"
  expect 'del(.timing_ms)' "$(jq -c 'del(.timing_ms)' "$file")"
}

@test "preprocessing is read" {
  local keys
  keys=$(grep -o '`{"resize":[^`]*}`' README.md | tr -d '`')
  [ "$(wc -l <<<"$keys")" -ge 2 ]
  while read -r keys; do
    printf '%s' "$keys" >"$PLACE/models/resnet50.preprocess.json"
    in_place build/tidepool summary models/resnet50.onnx --json >"$BATS_TEST_TMPDIR/told"
    rm "$PLACE/models/resnet50.preprocess.json"
    body=$(<"$BATS_TEST_TMPDIR/told")
    expect ".preprocess as \$p | $keys | to_entries | all(.value == (\$p[.key] | if type == \"object\" then {mode, size} | if .mode == \"none\" then null else . end else . end))" true
  done <<<"$keys"
}

@test "the operators are those that there are" {
  local told
  told=$(awk '/^Operators: / { inside = 1 } inside && !NF { exit } inside' README.md | sed 's/^Operators: //' |
    tr -d '.\n' | sed 's/ *· */\n/g')
  [ "$told" = "$(sed -n 's/^    { "\([A-Za-z0-9]*\)", tp_lower.*/\1/p' src/formats/lower_rules.c)" ]
}
