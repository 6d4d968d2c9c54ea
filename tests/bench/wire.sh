#!/usr/bin/env bash
# wire.sh - tensors through the service against bytes through a bare libmicrohttpd server that
# copies them: megabytes a second, in and out together, one connection, in turn; the fastest
# request of three rounds.
#
# usage: tests/bench/wire.sh TIDEPOOL WIRE [MEGABYTES...]      default: 3.2 and 100
set -euo pipefail
tidepool=$1 wire=$2
shift 2
sizes=("$@")
if [[ $# -eq 0 ]]; then sizes=(3.2 100); fi
dir=$(mktemp -d)
pids=()
# shellcheck disable=SC2317   # called by the trap
tidy() { kill "${pids[@]}" 2>/dev/null || true; rm -rf "$dir"; }
trap tidy EXIT

cat > "$dir/identity.json" <<'MODEL'
{"name": "identity", "input": {"shape": [null, 1024, 1]},
 "layers": [{"type": "Activation", "name": "same", "activation": "linear"}]}
MODEL
"$tidepool" serve --port 0 --models "$dir" --max-body 1G --max-output-bytes 1G 2> "$dir/log" &
pids+=($!)
port=""
for _ in {1..100}; do
  port=$(sed -n 's/.*on http:[^ ]*:\([0-9]*\) .*/\1/p' "$dir/log")
  if [[ -n $port ]]; then break; fi
  sleep 0.05
done
bare=$((port + 1))
"$wire" serve "$bare" &
pids+=($!)
sleep 0.2

# bodies of rows x 1024 float32: raw, as .npy, and as OIP's binary tensor
bodies() {
  local rows=$1 bytes=$(($1 * 4096)) header pad
  head -c "$bytes" /dev/zero | tr '\0' '\77' > "$dir/raw"
  header="{'descr': '<f4', 'fortran_order': False, 'shape': (1, $rows, 1024, 1), }"
  pad=$((117 - ${#header}))
  { printf '\x93NUMPY\x01\x00\x76\x00%s%*s\n' "$header" "$pad" ''; cat "$dir/raw"; } > "$dir/npy"
  printf -v header '{"inputs":[{"name":"input","shape":[1,%d,1024,1],"datatype":"FP32",%s}],%s}' \
    "$rows" "\"parameters\":{\"binary_data_size\":$bytes}" \
    '"parameters":{"binary_data_output":true}'
  json_bytes=${#header}
  { printf '%s' "$header"; cat "$dir/raw"; } > "$dir/oip"
}

best() { printf '%s\n' "$@" | sort -n | tail -1; }

printf '%-10s %8s %14s %18s %8s\n' form MB 'Tidepool MB/s' 'bare copy MB/s' ratio
for mb in "${sizes[@]}"; do
  bodies "$(awk -v mb="$mb" 'BEGIN { printf "%d", mb * 1e6 / 4096 }')"
  npy=() oip=() theirs=()
  for _ in 1 2 3; do
    theirs+=("$("$wire" ask "$bare" / 1 "$dir/npy")")
    npy+=("$("$wire" ask "$port" '/v1/models/identity/features?format=npy' 1 "$dir/npy")")
    oip+=("$("$wire" ask "$port" /v2/models/identity/infer 1 "$dir/oip" \
      "Inference-Header-Content-Length: $json_bytes")")
  done
  base=$(best "${theirs[@]}")
  for form in npy oip; do
    declare -n ours=$form
    mine=$(best "${ours[@]}")
    awk -v f="$form" -v s="$mb" -v a="$mine" -v b="$base" \
      'BEGIN { printf "%-10s %8s %14d %18d %8.2f\n", f, s, a, b, a / b }'
  done
done
