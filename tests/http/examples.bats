#!/usr/bin/env bats
# examples.bats - what is promised by example: api/examples and the examples of openapi.yaml answer as they say, and
# what openapi.yaml says of requests and answers is so.

load server

setup_file() { start_server --model-control; }

# jq_with PROGRAM [arguments]: with what api/examples defines at hand.
jq_with() {
  local program=$1
  shift
  jq -L api/examples "include \"described\"; include \"replay\"; include \"fits\"; $program" "$@"
}

# send NAME: the example's request; the answer into $OUT, its headers into $HEAD.
send() {
  local name=$1 want=$1.expect.json header headers=()
  OUT=$BATS_TEST_TMPDIR/out HEAD=$BATS_TEST_TMPDIR/head BODY=$BATS_TEST_TMPDIR/body
  while read -r header; do headers+=(-H "$header"); done < <(
    jq -r '.headers // {"Content-Type": "application/json"} | to_entries[] | "\(.key): \(.value)"' "$want")
  if [ -e "$name.sh" ]; then sh "$name.sh" >"$BODY"; else cp "$name.json" "$BODY"; fi
  status_code=$(curl -sS --max-time 30 -o "$OUT" -D "$HEAD" -w '%{http_code}' "$URL$(jq -r .path "$want")" \
    -X "$(jq -r .method "$want")" "${headers[@]}" --data-binary "@$BODY")
  body=$(tr -d '\0' <"$OUT")
  expect_status "$(jq -r .status "$want")"
}

@test "every body in api/examples is answered as it says" {
  local want name header n=0
  for want in api/examples/*.expect.json; do
    name=${want%.expect.json}
    send "$name"
    while read -r header; do
      tr -d '\r' <"$HEAD" | grep -qixF "$header" || { printf '%s: no header %s\n' "$name" "$header"; return 1; }
    done < <(jq -r '.answer_headers // {} | to_entries[] | "\(.key): \(.value)"' "$want")
    if [ -e "$name.answer.sh" ]; then
      cmp "$OUT" <(sh "$name.answer.sh")
    elif ! jq_with 'fits($expect[0].answer)' -e --slurpfile expect "$want" <"$OUT" >/dev/null; then
      printf '%s: %s\n' "$name" "$body"
      return 1
    fi
    n=$((n + 1))
  done
  [ "$n" -ge 12 ]
}

@test "every example of openapi.yaml is answered as it says, and what it says of bodies and answers is so" {
  local doc=$BATS_TEST_TMPDIR/openapi.json cases=$BATS_TEST_TMPDIR/cases got=$BATS_TEST_TMPDIR/got method path text
  curl -sS "$URL/openapi.json" >"$doc"
  [ -z "$(jq_with unanswered -r "$doc")" ]
  jq_with cases -c "$doc" >"$cases"
  [ "$(wc -l <"$cases")" -ge 40 ]
  while read -r method && read -r path && read -r text; do
    post "$path" -X "$method" ${text:+-H 'Content-Type: application/json' -d "$text"}
    printf '{"status": %s, "got": %s}\n' "$status_code" "$body"
  done < <(jq -r '.method, .url, (if .body then .body | tojson else "" end)' "$cases") >"$got"
  jq_with '[$cases, $got] | transpose[] | add as $c | $doc[0] as $doc | $c
    | if .status != 200 then "\(.id): \(.status) \(.got)" else empty end,
      (select(.answer) | .got | if fits($c.answer) then empty else "\($c.id): \(tojson)" end),
      (select(.body) | .body | faults($doc; $c.body_schema; "\($c.id), body")),
      (.got | faults($doc; $c.schema; "\($c.id), answer")),
      (select(.answer) | .answer | faults($doc; $c.schema; "\($c.id), example"))' \
    -nr --slurpfile doc "$doc" --slurpfile cases "$cases" --slurpfile got "$got" >"$BATS_TEST_TMPDIR/wrong"
  [ ! -s "$BATS_TEST_TMPDIR/wrong" ] || { head -n 20 "$BATS_TEST_TMPDIR/wrong"; return 1; }
}

# described_as SCHEMA: whether the last answer is of that schema of openapi.yaml.
described_as() {
  local wrong
  wrong=$(jq_with 'faults($doc[0]; {"$ref": "#/components/schemas/\($schema)"})' -r --arg schema "$1" \
    --slurpfile doc <(curl -sS "$URL/openapi.json") <<<"$body")
  [ -z "$wrong" ] || { printf '%s\n' "$wrong"; return 1; }
}

@test "errors of each protocol have the form that openapi.yaml gives them" {
  local want status path data
  while IFS='|' read -r want status path data; do
    post "$path" ${data:+-d "$data"}
    expect_status "$status"
    described_as "$want"
  done <<'CASES'
Error|404|/v1/models/none/features|{}
Error|400|/v1/models/edges/features|{"tensor":
Error|405|/v1/run|
PlainError|404|/v1/models/none:predict|{}
PlainError|404|/v1/models/edges/versions/7/metadata|
PlainError|400|/v1/models/edges:predict|{"instances":[[1,2],[3]]}
PlainError|404|/v2/models/none|
PlainError|404|/v2/nothing|
PlainError|405|/v2/models/edges/infer|
PlainError|400|/v2/models/edges/infer|{"inputs":[]}
PlainError|400|/v2/repository/index|[]
EmbeddingsError|404|/v1/embeddings|{"model":"none","input":"data:,"}
EmbeddingsError|400|/v1/embeddings|{"model":"edges","input":"a text"}
EmbeddingsError|405|/v1/embeddings|
CASES
  post /v2/models/edges/infer -H 'Content-Encoding: br' -d '{}'
  expect_status 415
  described_as PlainError
}

@test "openapi.yaml names every path that there is" {
  curl -sS "$URL/openapi.json" | jq -r '.paths | to_entries[] | .key as $p | .value | keys[]
    | select(. != "parameters") | "\(ascii_upcase) \($p)"' | sed 's/{[^}]*}/{}/g' | sort >"$BATS_TEST_TMPDIR/told"
  sed -n 's/^ *{ "\([A-Z]*\)", "\([^"]*\)".*/\1 \2/p' src/http/routes.c | grep -vx 'GET /v2/' | sed 's/{[^}]*}/{}/g' |
    sort >"$BATS_TEST_TMPDIR/there"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/there")" -ge 30 ]
  diff "$BATS_TEST_TMPDIR/there" "$BATS_TEST_TMPDIR/told"
}

@test "openapi.yaml passes Redocly's linter without a warning" {
  run scripts/lint-api.sh
  [[ $output != *skipped* ]] || skip "no redocly: npm install --ignore-scripts @redocly/cli"
  printf '%s\n' "$output"
  [ "$status" -eq 0 ]
}

@test "the schema checks see what is wrong" {
  curl -sS "$URL/openapi.json" >"$BATS_TEST_TMPDIR/openapi.json"
  local schema value
  while IFS='|' read -r schema value; do
    [ -n "$(jq_with "faults(\$doc[0]; $schema)" -r --slurpfile doc "$BATS_TEST_TMPDIR/openapi.json" <<<"$value")" ] ||
      { printf '%s fits %s\n' "$value" "$schema"; return 1; }
  done <<'CASES'
{"$ref":"#/components/schemas/PlainError"}|{"error":"x","code":"y"}
{"$ref":"#/components/schemas/PlainError"}|{}
{"$ref":"#/components/schemas/Shape"}|[1,0]
{"$ref":"#/components/schemas/Shape"}|[1.5]
{"$ref":"#/components/schemas/B64"}|{"b64":7}
{"$ref":"#/components/schemas/FeaturesRequest"}|{"tensor":[1],"image":"x"}
{"$ref":"#/components/schemas/PredictRequest"}|{"instances":[{"b64":"x","other":1}]}
{"$ref":"#/components/schemas/InferAnswer"}|{"model_name":"a","model_version":"1","outputs":[{"name":"x","datatype":"FP99","shape":[1],"data":[1]}]}
{"maxLength":3}|"abc"
CASES
}
