#!/usr/bin/env bash
# lint-api.sh - api/openapi.yaml under Redocly's recommended rules; a warning fails too.
#
# Where redocly is not there it says how to install it and does nothing. REDOCLY says which one, else it is looked for
# in NODE_PATH, ./node_modules and PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

redocly=${REDOCLY-}
for candidate in "${NODE_PATH-}/.bin/redocly" node_modules/.bin/redocly; do
  if [[ -z $redocly && -x $candidate ]]; then redocly=$candidate; fi
done
if [[ -z $redocly ]]; then redocly=$(command -v redocly || true); fi
if [[ -z $redocly ]]; then
  printf 'lint-api.sh: skipped, there is no redocly: npm install --ignore-scripts @redocly/cli\n'
  exit 0
fi

export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
report=$("$redocly" lint --extends=recommended --max-problems=1000 --format=json api/openapi.yaml 2>/dev/null || true)
if [[ -z $report ]]; then
  printf 'lint-api.sh: %s lint gave no report; run it by hand to see why\n' "$redocly" >&2
  exit 1
fi
jq -r '
  (.problems[] | "\(.severity): \(.location[0].pointer): \(.message) (\(.ruleId))"),
  "api/openapi.yaml: \(.totals.errors) errors, \(.totals.warnings) warnings",
  if .totals.errors + .totals.warnings == 0 then empty else "" | halt_error(1) end' <<<"$report"
