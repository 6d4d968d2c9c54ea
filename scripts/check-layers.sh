#!/usr/bin/env bash
# check-layers.sh - the house's two rules about #include: floors, and one library, one door.
#
#   scripts/check-layers.sh [ROOT]          ROOT: the folder that holds base/ to main.c (default: src)
#   scripts/check-layers.sh --self-test     proves on small made-up trees that each rule bites
#
# Floors: a file includes only its own floor and floors below. Doors: a third-party header is included
# by one room only, an image library by one file only, protobuf-c by formats/onnx*, GnuTLS by http/tls*
# only; OpenMP stays in ops/. Prints one line for each violation (file:line: what; what would be right)
# and exits 1 when there is any.
set -euo pipefail

check() {
  local root=${1%/} files
  mapfile -t files < <(find "$root" -name '*.[ch]' | LC_ALL=C sort)
  if [[ ${#files[@]} -eq 0 ]]; then
    printf '%s: no sources there; give the folder that holds base/ to main.c\n' "$root"
    return 1
  fi
  # shellcheck disable=SC2016   # awk's own variables
  awk -v root="$root/" '
    BEGIN {
      floors = "base 0 kernels 1 ops 2 graph 3 formats 4 service 5 http 6 cli 7 main.c 7"
      n = split(floors, f, " ")
      for (i = 1; i <= n; i += 2) { level[f[i]] = f[i + 1]; by_level[f[i + 1]] = f[i] "/" }
      by_level[7] = "cli/ or main.c"
      # A room is where a library may be known; "one" says that a single file of it may.
      split("microhttpd.h http/ gnutls/ http/tls* jansson.h formats/ turbojpeg.h formats/ jpeglib.h formats/ " \
            "spng.h formats/ webp/ formats/ libdeflate.h formats/ omp.h ops/ protobuf-c/ formats/onnx* " \
            "onnx.pb-c.h formats/onnx* seccomp.h service/ linux/landlock.h service/", d, " ")
      for (i = 1; i in d; i += 2) door[d[i]] = d[i + 1]
      split("turbojpeg.h jpeglib.h spng.h webp/ libdeflate.h seccomp.h linux/landlock.h", s, " ")
      for (i in s) one[s[i]] = 1
    }
    function bad(what) { printf "%s:%d: %s\n", FILENAME, FNR, what; violations++ }
    function room_of(path) { return index(path, "/") ? substr(path, 1, index(path, "/") - 1) : path }

    FNR == 1 {
      path = substr(FILENAME, length(root) + 1)
      room = room_of(path)
      if (!(room in level))
        bad("\"" room "\" is on no floor; files live in base, kernels, ops, graph, formats, " \
            "service, http, cli or are main.c")
    }

    /^[ \t]*#[ \t]*include[ \t]*"/ {
      split($0, q, "\""); target = q[2]; other = room_of(target)
      if (target == "tidepool.h") next
      if (!(other in level) || !index(target, "/"))
        bad("include \"" target "\" names no floor; write \"<floor>/<file>.h\" from the root of the " \
            "sources, and <angle brackets> for libraries")
      else if (room in level && level[other] > level[room])
        bad("floor " level[room] " (" room ") includes \"" target "\" of floor " level[other] \
            "; only floors 0 to " level[room] " may be included here")
    }

    /^[ \t]*#[ \t]*include[ \t]*</ {
      header = $0; sub(/^[^<]*</, "", header); sub(/>.*/, "", header)
      key = header
      if (header ~ /^(webp|protobuf-c|gnutls)\//) sub(/\/.*/, "/", key)
      if (!(key in door)) next
      prefix = door[key]; sub(/\*$/, "", prefix)
      if (index(path, prefix) != 1)
        bad("<" header "> is included outside its door; only " door[key] " may know it")
      else if (key in one && FILENAME !~ /\.c$/)
        bad("<" header "> is included by a header; only one .c file of " door[key] " may know it")
      else if (key in one && key in owner && owner[key] != FILENAME)
        bad("<" header "> is included by a second file; " owner[key] " is its door already")
      else if (key in one)
        owner[key] = FILENAME
    }

    /^[ \t]*#[ \t]*pragma[ \t]+omp|^[^"]*_Pragma\("omp/ {
      if (room != "ops") bad("OpenMP outside ops/; use tp_parallel_for() of ops/parallel.h")
    }

    END { exit violations > 0 }
  ' "${files[@]}"
}

# Each case: a file, a line in it, and a part of the message expected ("" where it must be accepted).
self_test() {
  local tmp out n=0 failed=0
  tmp=$(mktemp -d)
  # shellcheck disable=SC2064   # the folder's name of now is meant
  trap "rm -rf '$tmp'" EXIT
  while IFS='|' read -r files line want; do
    n=$((n + 1))
    rm -rf "$tmp/src"
    for file in $files; do
      mkdir -p "$tmp/src/$(dirname "$file")"
      printf '/* %s */\n%s\n' "$file" "$line" > "$tmp/src/$file"
    done
    if out=$(check "$tmp/src"); then status=0; else status=1; fi
    if [[ -z $want && $status -eq 0 && -z $out ]]; then continue; fi
    if [[ -n $want && $status -eq 1 && $out == *:2:*"$want"* ]]; then continue; fi
    failed=$((failed + 1))
    printf 'self-test: %s: %s: expected "%s", got status %d "%s"\n' "$files" "$line" "$want" "$status" "$out"
  done <<'CASES'
base/a.c|#include "tidepool.h"|
base/a.c|#include "base/err.h"|
ops/a.c|#include "kernels/kernels.h"|
main.c|#include "cli/cli.h"|
cli/a.c|#include "http/server.h"|
base/a.h|#include "ops/op.h"|floor 0 (base) includes "ops/op.h" of floor 2
kernels/a.h|  # include "graph/graph.h"|floors 0 to 1
formats/a.c|#include "service/job.h"|floor 4 (formats)
http/a.c|#include "cli/cli.h"|floor 6 (http)
base/a.c|#include "err.h"|names no floor
base/a.c|#include "utils/err.h"|names no floor
http/a.c|#include <microhttpd.h>|
service/a.c|#include <microhttpd.h>|only http/
formats/a.h formats/b.c|#include <jansson.h>|
graph/a.c|#include <jansson.h>|only formats/
formats/a.c|#include <spng.h>|
http/a.c|#include <libdeflate.h>|only formats/
formats/a.c formats/b.c|#include <libdeflate.h>|second file
formats/a.c formats/b.c|#include <spng.h>|second file
formats/a.h|#include <turbojpeg.h>|included by a header
http/a.c|#include <webp/decode.h>|only formats/
formats/a.c formats/b.c|#include <webp/decode.h>|second file
cli/a.c|#include <jpeglib.h>|only formats/
ops/a.c|#pragma omp parallel for|
kernels/a.h|#pragma omp simd|OpenMP outside ops/
ops/a.c|#include <omp.h>|
graph/a.c|#include <omp.h>|only ops/
formats/onnx_a.h formats/onnx.c|#include <onnx.pb-c.h>|
formats/onnx.c|#include <protobuf-c/protobuf-c.h>|
formats/net.c|#include <onnx.pb-c.h>|only formats/onnx*
graph/onnx.c|#include <protobuf-c/protobuf-c.h>|only formats/onnx*
formats/net.h|#include "onnx.pb-c.h"|names no floor
service/a.c|#include <seccomp.h>|
cli/a.c|#include <seccomp.h>|only service/
http/tls.c http/tls_client.c|#include <gnutls/x509.h>|
http/server.c|#include <gnutls/gnutls.h>|only http/tls*
service/a.c service/b.c|#include <linux/landlock.h>|second file
CASES
  mkdir -p "$tmp/odd/util"
  echo > "$tmp/odd/util/a.c"
  out=$(check "$tmp/odd") || true
  n=$((n + 1))
  if [[ $out != *"on no floor"* ]]; then
    failed=$((failed + 1))
    printf 'self-test: a folder that is no floor was accepted\n'
  fi
  printf '%d passed, %d failed\n' $((n - failed)) "$failed"
  [[ $failed -eq 0 ]]
}

if [[ ${1-} == --self-test ]]; then self_test; else check "${1:-src}"; fi
