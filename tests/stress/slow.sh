#!/usr/bin/env bash
# slow.sh - slow clients by the hundred, and a healthy one beside them.
#
# usage: slow.sh [BINARY] [CONNECTIONS] [SECONDS]        default: build/tidepool 200 20; full form: 1000
# Needs slowhttptest. For slow headers, bodies and readers it prints when the slow ones had
# ended and how the healthy client fared; exits 1 beyond the goal: all cut by their deadline and a
# second, no request of the healthy client lost, its 99th percentile at most twice that of the quiet.
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

# healthy LABEL: sets p99 (microseconds), lost and sent.
healthy() {
  python3 tests/stress/healthy.py "${url##*:}" "$seconds" >"$work/healthy"
  read -r p99 lost sent <"$work/healthy"
  printf '%-14s healthy client: %s requests, p99 %s us, lost %s\n' "$1" "$sent" "$p99" "$lost"
}

sockets() { find "/proc/$server/fd" -lname 'socket:*' 2>/dev/null | wc -l; }

healthy quiet
quiet=$p99
idle=$(sockets)
attack() {   # LABEL MOST_SECONDS slowhttptest's arguments: a burst of slow clients, all at once
  local label=$1 most=$2 start=$SECONDS opened=0 gone=never now
  shift 2
  slowhttptest -c "$n" -r "$n" -l "$seconds" "$@" >"$work/slow" 2>&1 &
  local slow=$!
  healthy "$label" &
  local beside=$!
  start=$(date +%s%N)
  while kill -0 $beside 2>/dev/null; do
    now=$(sockets)
    if ((now - idle > opened)); then opened=$((now - idle)); fi
    if [[ $gone == never ]] && ((opened > n / 2 && now - idle <= 2)); then
      gone=$(( ($(date +%s%N) - start) / 1000000 ))
    fi
    sleep 0.1
  done
  wait $beside
  kill $slow 2>/dev/null || true
  wait $slow 2>/dev/null || true
  # the background job's figures
  read -r p99 lost _ <"$work/healthy"
  printf '%-14s %s held at most, all gone after %s ms (goal %s)\n' "$label" "$opened" "$gone" "$((most * 1000))"
  if [[ $gone == never ]] || ((gone > most * 1000)); then failed=1; fi
  if ((lost)); then failed=1; fi
  awk -v a="$p99" -v b="$quiet" -v l="$label" 'BEGIN { printf "%-14s p99 %.2f of the quiet one (goal 2)\n", l, a / b; exit a > 2 * b }' || failed=1
}
# One second more: that in which slowhttptest opens them.
attack headers $((deadline + 2)) -H -i 1 -u "$url/v2/health/live"
attack bodies $((deadline + 2)) -B -i 1 -s 100000 -u "$url/v1/models/gist/features"
attack readers $((2 * deadline + 2)) -X -w 10 -y 20 -n 1 -z 5 -k 3 -u "$url/openapi.json"
exit $failed
