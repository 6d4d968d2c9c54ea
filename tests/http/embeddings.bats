#!/usr/bin/env bats
# embeddings.bats - OpenAI's embeddings, of images: numbers and base64, lists, which layer, errors; and OpenAI's own npm
# client where OPENAI_MODULE names the folder of its package (it is not needed otherwise).
# Run with each kind of kernels that this processor has.

load server

setup_file() {
  MODELS=$(mktemp -d "$BATS_FILE_TMPDIR/models.XXXXXX")
  cp tests/data/onnx/readme/resnet50.onnx "$MODELS"
  start_server --models "$MODELS"
}

IMAGES=tests/data/images

uri() { printf '"data:image/%s;base64,%s"' "${1##*.}" "$(base64 -w0 "$IMAGES/$1")"; }

# embed INPUT [MORE]: of gist, with MORE beside the input.
embed() { post /v1/embeddings -H 'Content-Type: application/json' -d "{\"model\":\"gist\",\"input\":$1${2+,$2}}"; }

# refused STATUS CODE TEXT: the form that OpenAI's clients know; and the next request works.
refused() {
  expect_status "$1"
  expect '.error | keys' '["code","message","param","type"]'
  expect .error.code "\"$2\""
  if [[ "$(json .error.message)" != *"$3"* ]]; then
    printf 'message %s lacks %s\n' "$(json .error.message)" "$3"
    return 1
  fi
  [ "$(curl -sS --max-time 10 "$URL/v2/health/live")" = '{"live":true}' ]
}

@test "one image: a vector of length 1, equal to the service's own" {
  embed "$(uri rgb.jpg)"
  expect_status 200
  expect '[.object, .model, .usage, (.data | length)]' '["list","gist",{"prompt_tokens":1,"total_tokens":1},1]'
  expect '.data[0] | [.object, .index, (.embedding | length)]' '["embedding",0,512]'
  expect '.data[0].embedding | map(. * .) | add | (. - 1 | fabs) < 1e-5' true
  local got
  got=$(json '.data[0].embedding')
  post '/v1/models/gist/features?normalize=l2' --data-binary "@$IMAGES/rgb.jpg"
  expect '.outputs[0].data[0]' "$got"
}

@test "a list of images, in order" {
  local both first
  embed "[$(uri rgb.jpg),$(uri photo.png)]"
  expect_status 200
  expect '[.data[].index], .usage.total_tokens' $'[0,1]\n2'
  both=$body
  embed "$(uri photo.png)"
  first=$(json '.data[0].embedding')
  body=$both
  expect '.data[1].embedding' "$first"
}

@test "base64 holds the same float32, little-endian" {
  embed "$(uri rgb.jpg)" '"encoding_format":"base64"'
  expect_status 200
  json '.data[0].embedding' | tr -d '"' | base64 -d >"$BATS_TEST_TMPDIR/got"
  curl -sS --fail -H 'Accept: application/octet-stream' --data-binary "@$IMAGES/rgb.jpg" \
    "$URL/v1/models/gist/features?normalize=l2" | cmp - "$BATS_TEST_TMPDIR/got"
}

@test "the default layer is what the classifier sees; others are asked for by name" {
  post /v1/embeddings -d "{\"model\":\"resnet50\",\"input\":$(uri photo.png)}"
  expect_status 200
  local got
  got=$(json '.data[0].embedding')
  post '/v1/models/resnet50/features?layers=/Flatten_output_0&normalize=l2' --data-binary "@$IMAGES/photo.png"
  expect '.outputs[0].data[0]' "$got"
  post /v1/embeddings -d "{\"model\":\"resnet50\",\"layer\":\"layer3\",\"pool\":\"gem\",\"p\":3,\"grid\":\"2x2\",\"input\":$(uri photo.png)}"
  expect_status 200
  expect '.data[0].embedding | map(. * .) | add | (. - 1 | fabs) < 1e-5' true
  got=$(json '.data[0].embedding')
  post '/v1/models/resnet50/features?layers=layer3&pool=gem&p=3&grid=2x2&normalize=l2&nested=false' --data-binary "@$IMAGES/photo.png"
  expect '.outputs[0].data' "$got"
  embed "$(uri rgb.jpg)" '"normalize":"none","dimensions":512,"user":"me","modality":"image"'
  expect_status 200
  got=$(json '.data[0].embedding')
  post /v1/models/gist/features --data-binary "@$IMAGES/rgb.jpg"
  expect '.outputs[0].data[0]' "$got"
}

@test "errors have OpenAI's form" {
  post /v1/embeddings -d '{"model":"nowhere","input":"data:image/png;base64,AAAA"}'
  refused 404 not_found "no model 'nowhere'"
  post /v1/embeddings -d '{"input":"x"}'
  refused 400 invalid_json 'model: expected the name of a model; got none'
  post /v1/embeddings -d '{"model":"gist"}'
  refused 400 invalid_json 'input is missing'
  post /v1/embeddings -d '{'
  refused 400 invalid_json 'byte 1'
  post /v1/embeddings -d ''
  refused 400 invalid_argument 'the body is empty'
  embed '"a cat"'
  refused 400 invalid_argument 'expected a data: URI'
  embed "[$(uri rgb.jpg),\"http://example.org/a.png\"]"
  refused 400 invalid_argument 'input[1]: expected a data: URI'
  embed '"data:image/png;base64,AAAA"'
  refused 415 unsupported_format 'input: its first bytes'
  embed '[]'
  refused 400 invalid_argument 'the list is empty'
  embed "$(uri rgb.jpg)" '"encoding_format":"hex"'
  refused 400 invalid_argument 'expected float or base64'
  embed "$(uri rgb.jpg)" '"dimensions":3'
  refused 400 invalid_argument "dimensions: 3; this layer's embeddings have 512"
  embed "$(uri rgb.jpg)" '"layer":"nowhere"'
  refused 404 not_found nowhere
  embed "$(uri rgb.jpg)" '"pooling":"max"'
  refused 400 invalid_json "unknown key 'pooling'"
  post /v1/embeddings
  refused 405 method_not_allowed 'use POST'
}

@test "OpenAI's npm client: its default encoding, float, base64, a list, an error" {
  command -v node >/dev/null || skip 'no node here'
  [ -n "$OPENAI_MODULE" ] || skip 'OPENAI_MODULE does not name the folder of the npm package openai'
  body=$(node tests/clients/openai_client.mjs "$URL" gist "$IMAGES/photo.png" "$IMAGES/one.png")
  expect '[.default, .float, .base64 | length]' '[512,512,512]'
  expect '.default == .base64' true
  expect '[.default, .float] | transpose | all(.[0] - .[1] | fabs <= 1e-7)' true
  expect '[.list, .usage]' '[[[0,512],[1,512]],{"prompt_tokens":2,"total_tokens":2}]'
  expect '.error | [.name, .status, .code, .type]' '["NotFoundError",404,"not_found","invalid_request_error"]'
  expect '.error.message | contains("no model '"'nowhere'"'")' true
}
