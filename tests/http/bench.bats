#!/usr/bin/env bats
# bench.bats - `tidepool bench`: what it tells, never how fast it was.

load server
bats_require_minimum_version 1.5.0

setup_file() { :; }                  # no server is needed
teardown_file() { :; }

ONNX=tests/data/onnx/readme/resnet50.onnx

bench() { run --separate-stderr "$TIDEPOOL_BIN" bench "$@"; }

# refused STATUS TEXT ARGUMENTS...: one line on stderr that holds TEXT, nothing on stdout.
refused() {
  local want=$1 text=$2
  shift 2
  bench "$@"
  if [ "$status" -ne "$want" ] || [[ "$stderr" != "tidepool bench: "*"$text"* ]] || [ -n "$output" ]; then
    printf '%s: status %s, %s\n' "$*" "$status" "$stderr"
    return 1
  fi
}

@test "the table has a row per step and one of all" {
  bench line-detector --runs 2 --threads 1
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" =~ ^'line-detector 8x8x1: '[a-z0-9]+' kernels, 1 thread, peak '[0-9.]+' GFLOP/s, memory '[0-9.]+' GB/s, 2 runs'$ ]]
  [ "$(awk 'NR > 3 && NF { print $1 } !NF && NR > 3 { exit }' <<<"$output" | tr '\n' ' ')" = 'conv pool all ' ]
}

@test "JSON: steps add up to the whole" {
  bench "$ONNX" --runs 3 --json
  [ "$status" -eq 0 ]
  body=$output
  expect '.runs' 3
  expect '[.macs == ([.steps[].macs] | add), .bytes == ([.steps[].bytes] | add)]' '[true,true]'
  expect '[.steps[].share_of_time] | add | . > 0.999 and . < 1.001' true
  expect '[., .steps[]] | all(.min_ms > 0 and .min_ms <= .median_ms and .gflops >= 0 and .gbs > 0 and
    .share_of_peak >= 0 and .share_of_bandwidth > 0)' true
  expect '.peak_gflops > 0 and .bandwidth_gbs > 0 and (.kernels | length) > 0' true
  expect '.steps | all((.op | length) > 0 and (.algorithm | type) != "number" and (.shape | length) >= 2)' true
  expect '(.gflops * .median_ms * 1e6 / 2 / .macs) | . > 0.99 and . < 1.01' true
}

@test "an ONNX network's steps bear the names that --layers takes" {
  bench "$ONNX" --runs 1 --json
  local name
  name=$(jq -r '[.steps[] | select(.op == "Conv")][2].name' <<<"$output")
  bench "$ONNX" --runs 1 --json --layers "$name"
  [ "$status" -eq 0 ]
  [[ "$(jq -r '.steps[].name' <<<"$output")" == *"$name"* ]]
}

@test "--layers ends where they are; --size is that of the input" {
  bench gist --runs 1 --json --layers scale1/magnitude --size 40x32
  [ "$status" -eq 0 ]
  body=$output
  expect '.input' '[1,40,32,1]'
  expect '.steps[-1] | [.name, .shape]' '["scale1/magnitude",[1,40,32,8]]'
  bench edges --runs 1 --json --size 16
  [ "$(jq -c .input <<<"$output")" = '[1,16,16,1]' ]
  bench edges --runs 1 --json
  [ "$(jq -c .input <<<"$output")" = '[1,224,224,1]' ]
  bench line-detector --runs 1 --json --size 8x8
  [ "$status" -eq 0 ]
}

@test "more threads than there are processors: those that there are" {
  bench line-detector --runs 1 --json --threads 1000
  [ "$status" -eq 0 ]
  [ "$(jq .threads <<<"$output")" = "$("$TIDEPOOL_BIN" version | sed -n 's/^threads: //p')" ]
}

@test "--turns runs as often as standard input says" {
  run --separate-stderr "$TIDEPOOL_BIN" bench line-detector --turns <<<$'3\n1'
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = 'ready [1, 8, 8, 1]' ]
  [ "$(awk 'NR > 1 { print NF }' <<<"$output" | tr '\n' ' ')" = '3 1 ' ]
  run "$TIDEPOOL_BIN" bench "$ONNX" --turns </dev/null
  [ "$status" -eq 0 ]
  [[ "$output" =~ ^'ready [1, 3, '[0-9]+', '[0-9]+']'$ ]]
  local line
  for line in 0 -1 x '1 2' 99999999999999999999 ''; do
    run --separate-stderr "$TIDEPOOL_BIN" bench line-detector --turns <<<"$line"
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"a number of runs"* ]]
  done
}

@test "what cannot be measured is refused" {
  refused 1 "no model 'nothing'" nothing
  refused 1 "has no layer 'nothing'" gist --layers nothing
  local size
  for size in abc 0 0x8 8x 8x8x8 -1 70000 ''; do refused 1 'expected height x width' edges --size="$size"; done
  refused 1 'takes [any, 8, 8, 1] alone' line-detector --size 9x8
  refused 2 "'0' is not a whole number" gist --runs 0
  refused 2 'not a whole number' gist --threads 0
  refused 2 'usage: tidepool bench'
  refused 1 'needs a workspace of' gist --max-workspace-bytes 1K
  printf '{"input":{"shape":[5]},"layers":[{"type":"ReLU"}]}' >"$BATS_TEST_TMPDIR/flat.json"
  refused 1 'does not take images' "$BATS_TEST_TMPDIR/flat.json" --size 8
  bench "$BATS_TEST_TMPDIR/flat.json" --runs 1
  [ "$status" -eq 0 ]
}

@test "help" {
  bench --help
  [ "$status" -eq 0 ]
  [[ "$output" == 'usage: tidepool bench MODEL '* ]]
}
