#!/usr/bin/env bash
# run.sh - the service under fire: every script of this folder, one after the other.
#
# usage: run.sh [BINARY] [full]        default: build/tidepool, in a short form of a few minutes
# Each prints its figures and whether they reach their goal. Needs python3; wrk and slowhttptest for those
# that use them, which are left out (and said so) where those are missing. Exits 1 when a goal was missed.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
bin=${1:-build/tidepool}
full=${2-}
missed=()

# stress NEEDED-PROGRAM SCRIPT SHORT FULL [further arguments]
stress() {
  local needs=$1 script=$2 size=$3
  if [[ -n $full ]]; then size=$4; fi
  printf '\n== %s %s\n' "$script" "$size"
  if [[ -n $needs ]] && ! command -v "$needs" >/dev/null; then
    printf 'left out: no %s here\n' "$needs"
    return
  fi
  # shellcheck disable=SC2086  # sizes are words
  "tests/stress/$script" "$bin" $size || missed+=("$script")
}

framing() {
  printf '\n== framing.py\n'
  local log url server
  log=$(mktemp)
  "$bin" serve --port 0 --idle-seconds 5 2>"$log" &
  server=$!
  for _ in {1..100}; do
    url=$(sed -n 's/.*serves.* on http:\([^ ]*\) .*/\1/p' "$log")
    [[ -z $url ]] || break
    sleep 0.1
  done
  tests/stress/framing.py "${url##*:}" | tail -n 1 || missed+=(framing.py)
  kill "$server"
  rm "$log"
}

framing
stress "" cancel.py 10 100
stress "" drain.py 10 200
stress "" overload.py 5 60
stress "" memory.py 2 10
stress "" bombs.py "" ""
stress "" starve.py 5 30
stress "" quota.py 3 10
stress wrk soak.sh 50000 2000000
stress slowhttptest slow.sh "200 20" "1000 30"
stress "" surface.sh "" ""

printf '\n'
if [[ ${#missed[@]} -gt 0 ]]; then
  printf 'beyond the goal: %s\n' "${missed[*]}"
  exit 1
fi
printf 'all goals reached\n'
