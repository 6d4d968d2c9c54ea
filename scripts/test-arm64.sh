#!/usr/bin/env bash
# test-arm64.sh - cross-compiles for aarch64 and runs every unit test and ONNX's own tests there, under
# qemu-user.
#
# Needs a Debian on another architecture; scripts/install-deps.sh test arm64 installs the compiler, the
# emulator, the libraries and the tests' data. Last line: "N passed, N failed" (programs, not cases).
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-deps.sh test arm64

build=${BUILD:-build}/arm64
export PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig
export OMP_WAIT_POLICY=passive LC_ALL=C.UTF-8
make -j"$(nproc)" CC=aarch64-linux-gnu-gcc BUILD_CC=cc BUILD="$build" all unit

run_one() {
  local log
  if log=$(timeout 900 qemu-aarch64 "$1" 2>&1); then
    printf 'ok      %s\n' "${1##*/}"
  else
    printf 'FAILED  %s\n%s\n' "${1##*/}" "$log"
  fi
}
export -f run_one

results=$(for test in tests/unit/test_*.c onnx_suite; do printf '%s\n' "$build/tests/$(basename "$test" .c)"; done |
  xargs -P "$(nproc)" -I '{}' bash -c 'run_one {}')
printf '%s\n' "$results"
passed=$(grep -c '^ok ' <<<"$results" || true)
failed=$(grep -c '^FAILED ' <<<"$results" || true)
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
