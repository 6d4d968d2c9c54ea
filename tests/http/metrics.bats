# metrics.bats - GET /metrics: Prometheus's text format, and figures that move with what is asked.
load server

metrics() { curl -sS --max-time 10 "$URL/metrics"; }

# value SAMPLE: of the sample that is written so; 0 where there is none yet.
value() { metrics | awk -v s="$1" '$1 == s { v = $2 } END { print v + 0 }'; }

# wait_for SAMPLE LEAST: a request is counted when its connection has seen the end of its answer.
wait_for() {
  local i
  for ((i = 0; i < 100; i++)); do
    [ "$(value "$1")" -ge "$2" ] && return 0
    sleep 0.05
  done
  metrics
  return 1
}

# Every line is a HELP, a TYPE or a sample of the family before; no sample stands twice.
strict() {
  awk '
    /^# HELP [a-z_]+ ./ { next }
    /^# TYPE [a-z_]+ (counter|gauge|histogram)$/ { if (seen[$3]++) bad("family twice"); family = $3; next }
    !/^[a-z_]+(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\})? [-+0-9.e]+$/ { bad("no sample") }
    index($0, family) != 1 { bad("outside its family") }
    { name = $0; sub(/ [^ ]*$/, "", name); if (n[name]++) bad("sample twice") }
    function bad(what) { print what ": " $0; failed = 1 }
    END { exit failed }'
}

@test "what is allocated is told, where the C library tells it" {
  [ "$(metrics | grep -c '^tidepool_heap_bytes [0-9]')" = 1 ]
  if ! grep -q __asan_init "$TIDEPOOL_BIN"; then [ "$(gauge tidepool_heap_bytes)" -gt 100000 ]; fi
}

@test "the text is Prometheus's, 0.0.4" {
  post /v1/models/line-detector/features -d "{\"tensor\":$LINE}"
  expect_status 200
  [[ "$(curl -sS -o /dev/null -w '%{content_type}' "$URL/metrics")" == "text/plain; version=0.0.4"* ]]
  metrics | strict
}

@test "promtool has nothing to say against it" {
  command -v promtool || skip "there is no promtool"
  run promtool check metrics <<<"$(metrics)"
  echo "$output"
  [ "$status" -eq 0 ]
  [ -z "$output" ]
}

@test "requests, stages and images are counted" {
  local route='route="/v1/models/{m}/features"' i
  local images before
  images=$(value 'tidepool_images_total{model="line-detector"}')
  before=$(value "tidepool_requests_total{$route,code=\"200\"}")
  local stage
  stage=$(value 'tidepool_stage_duration_seconds_count{stage="infer"}')
  for i in 1 2 3; do
    post /v1/models/line-detector/features -d "{\"tensor\":$LINE}"
    expect_status 200
  done
  wait_for "tidepool_requests_total{$route,code=\"200\"}" $((before + 3))
  [ "$(value 'tidepool_images_total{model="line-detector"}')" -eq $((images + 3)) ]
  wait_for 'tidepool_stage_duration_seconds_count{stage="infer"}' $((stage + 3))
  wait_for "tidepool_request_duration_seconds_count{$route}" 3
}

@test "refusals are counted by status and reason; unknown paths are one route" {
  post /v1/models/line-detector/features -d '{}'
  wait_for 'tidepool_requests_total{route="/v1/models/{m}/features",code="400"}' 1
  post /no/such/path; post /nor/this
  wait_for 'tidepool_requests_total{route="other",code="404"}' 2
  post /v2/health/live -H 'Host: a' -H 'Expect: what'
  wait_for 'tidepool_rejected_total{reason="malformed"}' 1
}

@test "what the process is" {
  [ "$(value 'tidepool_models{state="ready"}')" -ge 3 ]
  [ "$(value tidepool_in_flight)" -ge 1 ]
  [ "$(value tidepool_connections)" -ge 1 ]
  [ "$(value tidepool_compute_threads)" -ge 1 ]
  [ "$(value process_threads)" -ge 3 ]
  [ "$(value process_open_fds)" -ge 3 ]
  [ "$(value process_resident_memory_bytes)" -gt 1000000 ]
  metrics | grep -q '^tidepool_build_info{version="[0-9.]*",cpu="[a-z0-9]*"} 1$'
}

@test "a Prometheus server scrapes it" {
  command -v prometheus || skip "there is no prometheus"
  local dir=$BATS_TEST_TMPDIR port=$((20000 + RANDOM % 20000)) i up=""
  printf '%s\n' 'global: {scrape_interval: 1s}' 'scrape_configs:' '  - job_name: tidepool' \
    "    static_configs: [{targets: ['${URL#http://}']}]" >"$dir/p.yml"
  prometheus --config.file="$dir/p.yml" --storage.tsdb.path="$dir/data" \
    --web.listen-address="127.0.0.1:$port" >"$dir/log" 2>&1 3>&- &
  local prometheus=$!
  for ((i = 0; i < 60; i++)); do
    up=$(curl -s "http://127.0.0.1:$port/api/v1/query" --data-urlencode 'query=tidepool_build_info' |
      jq -r '.data.result[0].value[1]' 2>/dev/null) || true
    [ "$up" = 1 ] && break
    sleep 0.5
  done
  kill "$prometheus"
  wait "$prometheus" || true
  [ "$up" = 1 ] || { cat "$dir/log"; return 1; }
}
