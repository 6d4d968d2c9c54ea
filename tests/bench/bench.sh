#!/usr/bin/env bash
# bench.sh - what `make bench` runs: networks step by step, on one thread and on all, then beside ONNX
# Runtime where that is there; without networks also what goes over the wire.
#
# usage: tests/bench/bench.sh BUILD [NETWORK.onnx...]      without networks: the built-in models
set -euo pipefail
build=$1
export TIDEPOOL=$build/tidepool
shift
compare=$(dirname "$0")/compare.js
ort=$(dirname "$0")/ort.js
threads=$("$TIDEPOOL" version | sed -n 's/^threads: //p')
counts=(1)
if [[ $threads -gt 1 ]]; then counts+=("$threads"); fi

nets=("$@")
if [[ $# -eq 0 ]]; then
  mapfile -t nets < <("$TIDEPOOL" models | awk '$2 == "builtin" { print $1 }')
fi
for net in "${nets[@]}"; do
  for count in "${counts[@]}"; do
    "$TIDEPOOL" bench "$net" --threads "$count"
    echo
  done
done

if [[ $# -eq 0 ]]; then
  if [[ -x $build/bench/codec ]]; then
    "$build/bench/codec"
  else
    echo 'The text codec is not compared: simdjson or a C++ compiler is not there'
    echo '(scripts/install-deps.sh bench).'
  fi
  echo
  "$(dirname "$0")/wire.sh" "$TIDEPOOL" "$build/bench/wire"
  echo
  echo 'Networks of your own, also beside ONNX Runtime: make bench NETS="a.onnx b.onnx"'
elif ! command -v node >/dev/null; then
  echo 'Not compared with ONNX Runtime: node is not there.'
elif ! why=$(node "$ort" 2>&1); then
  echo "Not compared with ONNX Runtime: ${why%%;*} (node $ort tells how to get it)"
else
  if [[ $threads -gt 1 ]]; then counts=(1 2); fi
  for count in "${counts[@]}"; do
    node "$compare" "$count" "$@"
    echo
  done
fi
