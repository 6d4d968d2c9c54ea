#!/usr/bin/env bash
# slow.sh - slow clients by the hundred, and a healthy one beside them.
#
# usage: slow.sh [BINARY] [CONNECTIONS] [SECONDS]        default: build/tidepool 200 20; full form: 1000
# Needs slowhttptest, which opens 200 of them a second, behind the healthy client in priority as if it
# were another machine. For slow headers, bodies and readers it prints how long after the last was opened
# all had ended, and how the healthy client fared; exits 1 beyond the goal: all cut by their deadline and
# a second, no request of the healthy client lost, its 99th percentile at most twice that of the quiet.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${1:-build/tidepool} n=${2:-200} seconds=${3:-20}
deadline=5 failed=0
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

"$bin" serve --port 0 --header-timeout $deadline --body-timeout $deadline --idle-seconds $deadline \
  --max-connections $((n + 256)) 2>"$work/log" &
server=$!
for _ in {1..100}; do
  url=$(sed -n 's/.*serves.* on \(http:[^ ]*\) .*/\1/p' "$work/log")
  [[ -z $url ]] || break
  sleep 0.1
done

# healthy LABEL: sets p99 (microseconds), lost, and opened and gone of healthy.py.
healthy() {
  local sent
  read -r p99 lost sent opened gone < <(python3 tests/stress/healthy.py "${url##*:}" "$seconds" "$server")
  printf '%-14s healthy client: %s requests, p99 %s us, lost %s\n' "$1" "$sent" "$p99" "$lost"
}

healthy quiet
quiet=$p99
attack() {   # LABEL MOST_SECONDS slowhttptest's arguments
  local label=$1 most=$2 slow
  shift 2
  { sleep 1 && exec nice -n 19 slowhttptest -c "$n" -r 200 -l "$seconds" "$@" >"$work/slow" 2>&1; } &
  slow=$!
  healthy "$label"
  kill $slow 2>/dev/null || true
  wait $slow 2>/dev/null || true
  printf '%-14s %s held at most, all gone %s ms later (goal %s)\n' "$label" "$opened" "$gone" "$((most * 1000))"
  if ((opened < n / 2)) || [[ $gone == never ]] || ((gone > most * 1000)) || ((lost)); then failed=1; fi
  awk -v a="$p99" -v b="$quiet" -v l="$label" 'BEGIN { printf "%-14s p99 %.2f of the quiet one (goal 2)\n", l, a / b; exit a > 2 * b }' || failed=1
}
attack headers $((deadline + 1)) -H -i 1 -u "$url/v2/health/live"
attack bodies $((deadline + 1)) -B -i 1 -s 100000 -u "$url/v1/models/gist/features"
attack readers $((2 * deadline + 1)) -X -w 10 -y 20 -n 1 -z 5 -k 3 -u "$url/openapi.json"
exit $failed
