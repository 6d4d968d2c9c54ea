#!/usr/bin/env bash
# run-tests.sh - builds everything twice (plain, sanitized) and runs every test there is.
#
# Each program prints one line when it passes and its whole output when it does not. Its output is
# TAP, so single cases are counted. The last line is the verdict: "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build}
cores=$(nproc)
program_seconds=300                  # a program that takes longer hangs

# One program: LABEL COMMAND... Counts its TAP cases into $WORK/counts. A program that ends badly
# without saying which case failed (a crash, a leak found at its end, a hang) is one failed case, and
# so is one that ran nothing; cases that it announced and never reached are failed too.
run_one() {
  local label=$1 log report pid status=0 passed failed skipped planned missing verdict=ok started=$SECONDS
  shift
  log=$(mktemp "$WORK/log.XXXXXX")
  ASAN_OPTIONS="$ASAN_OPTIONS:log_path=$log.sanitizer" UBSAN_OPTIONS="$UBSAN_OPTIONS:log_path=$log.sanitizer" \
    timeout --kill-after=10 "$program_seconds" "$@" > "$log" 2>&1 < /dev/null &
  pid=$!
  trap 'kill "$pid"; exit 1' INT TERM      # timeout passes it on to all that the program started
  wait "$pid" 2> /dev/null || status=$?
  trap - INT TERM
  # Servers that a test starts report here, where no test can overlook it.
  for report in "$log".sanitizer.*; do
    [[ -e $report ]] || continue
    cat "$report" >> "$log"
    [[ $status -ne 0 ]] || status=1
  done

  read -r planned passed failed skipped < <(awk '
    /^1\.\.[0-9]+/ { planned += substr($1, 4) }
    /^(not )?ok .*# [Ss][Kk][Ii][Pp]/ { skipped++; next }
    /^ok / { passed++ }
    /^not ok / { failed++ }
    END { print planned + 0, passed + 0, failed + 0, skipped + 0 }' "$log")
  missing=$((planned - passed - failed - skipped))
  if [[ $missing -gt 0 ]]; then failed=$((failed + missing)); fi
  if [[ $failed -eq 0 && ($status -ne 0 || $((passed + skipped)) -eq 0) ]]; then failed=1; fi
  if [[ $failed -gt 0 ]]; then verdict=FAILED; fi

  printf '%d %d\n' "$passed" "$failed" >> "$WORK/counts"
  {
    flock 9                          # so that the outputs of two programs do not mix
    printf '%-6s  %-50s %4d passed' "$verdict" "$label" "$passed"
    if [[ $skipped -gt 0 ]]; then printf ', %d skipped' "$skipped"; fi
    printf '  %ds\n' $((SECONDS - started))
    if [[ $failed -gt 0 ]]; then
      sed 's/^/        /' "$log"
      printf '        (%s: exit status %d, %d failed)\n' "$label" "$status" "$failed"
    fi
  } 9>> "$WORK/lock"
}

# A command that is one case: passes when it exits with 0.
as_one_case() {
  if "$@"; then echo "ok 1 - $*"; else echo "not ok 1 - $*"; fi
}

verdict() {
  awk '{ passed += $1; failed += $2 }
       END { printf "%d passed, %d failed\n", passed, failed; exit !(passed > 0 && failed == 0) }' \
    "$WORK/counts"
}

# Jobs come as lines "LABEL<tab>COMMAND"; as many run at once as there are cores.
run_all() {
  xargs -r -d '\n' -P "$cores" -I '{}' "$PWD/scripts/run-tests.sh" --job '{}'
}

case ${1-} in
--job)                               # run_all's other half
  run_one "${2%%$'\t'*}" bash -c "${2#*$'\t'}"
  exit 0
  ;;
--case)
  shift
  as_one_case "$@"
  exit 0
  ;;
'') ;;
*)
  printf 'run-tests.sh takes no arguments; one program alone: make unit && build/tests/test_NAME\n' >&2
  exit 2
  ;;
esac

# What the caller has set for its own server or its own make must not reach the tests.
unset MAKEFLAGS MFLAGS MAKELEVEL "${!TIDEPOOL_@}"
export LC_ALL=C.UTF-8 CMOCKA_MESSAGE_OUTPUT=TAP
# Tests ask for more threads than there are cores; threads that spin would hold up those that work.
export OMP_WAIT_POLICY=passive
# No fake stacks (gcc 13 has them by default): gcc 12 does not align them for AVX-512's vectors, and every
# kernel that keeps one in memory crashes.
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1:strict_string_checks=1:allocator_may_return_null=1:detect_stack_use_after_return=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tidepool-tests.XXXXXX")
export WORK
trap 'rm -rf "$WORK"' EXIT
: > "$WORK/counts"

# Quiet when all is well; a build that fails is a failed case, and what was built is tested anyway.
build_quietly() {
  local label=$1 log=$WORK/build.log
  shift
  if make -j"$cores" -k "$@" > "$log" 2>&1; then
    grep -E 'warning:' "$log" || true
    printf '%-6s  %s\n' built "$label"
  else
    cat "$log"
    printf 'FAILED  %s\n' "$label"
    echo '0 1' >> "$WORK/counts"
  fi
}

# FILE: the kinds of kernels it is to be run with. The strongest that this processor runs is what the server
# picks when left alone, which is how it is tested then ("", for every file). The others make a difference to
# numbers, and only to files that ask for them: doors and queues are the same whatever computes behind them.
cpu_variants() {
  local cpu accepted=()
  printf '\n'
  grep -q '^# Run with each kind of kernels' "$1" || return 0
  for cpu in base avx2 avx512 neon; do      # weakest first, as in kernels/dispatch.c
    if TIDEPOOL_CPU=$cpu "$build/tidepool" version > /dev/null 2>&1; then accepted+=("$cpu"); fi
  done
  [[ ${#accepted[@]} -lt 2 ]] || printf '%s\n' "${accepted[@]::${#accepted[@]}-1}"
}

# Programs that were not built are listed too: to run nothing is a failure.
list_jobs() {
  local test file cpu plain sanitized
  plain=$(realpath -m "$build/tidepool") sanitized=$(realpath -m "$build/asan/tidepool")
  printf '%s\t%s\n' 'layers of src/' 'scripts/run-tests.sh --case scripts/check-layers.sh' \
    'self-test of check-layers.sh' 'scripts/run-tests.sh --case scripts/check-layers.sh --self-test' \
    'shellcheck' 'scripts/run-tests.sh --case shellcheck scripts/*.sh .ci/run' \
    'an installed copy' 'scripts/run-tests.sh --case scripts/check-install.sh'
  for test in tests/unit/test_*.c; do
    [[ -e $test ]] || continue
    test=$(basename "$test" .c)
    printf '%s\t%s\n' "$test, sanitized" "$build/asan/tests/$test" "$test" "$build/tests/$test"
  done
  printf '%s\t%s\n' "ONNX's own tests, sanitized" "$build/asan/tests/onnx_suite" \
    "ONNX's own tests" "$build/tests/onnx_suite"
  for file in tests/http/*.bats; do
    [[ -e $file ]] || continue
    printf '%s\t%s\n' "$(basename "$file"), sanitized" \
      "TIDEPOOL_BIN='$sanitized' bats --tap '$file'"
    while read -r cpu; do
      printf '%s\t%s\n' "$(basename "$file")${cpu:+, $cpu}" \
        "${cpu:+TIDEPOOL_CPU=$cpu }TIDEPOOL_BIN='$plain' bats --tap '$file'"
    done < <(cpu_variants "$file")
  done
  [[ -e ${file-} ]] || printf 'No tests/http/*.bats: the service itself is not tested.\n' >&2
}

build_quietly "$build" all unit
build_quietly "$build/asan" asan
list_jobs > "$WORK/jobs"
run_all < "$WORK/jobs" || echo '0 1' >> "$WORK/counts"
verdict
