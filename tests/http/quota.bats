#!/usr/bin/env bats
# quota.bats - the processor quota and the memory limit of a control group, made up in a folder.

load server

setup_file() {
  export TIDEPOOL_CGROUP=$BATS_FILE_TMPDIR/cgroup
  mkdir "$TIDEPOOL_CGROUP"
  echo "max 100000" >"$TIDEPOOL_CGROUP/cpu.max"
  echo 268435456 >"$TIDEPOOL_CGROUP/memory.max"
  start_server
}

# wait_for_threads N: until so many may compute.
wait_for_threads() {
  local i
  for ((i = 0; i < 200; i++)); do
    if [ "$(gauge tidepool_compute_threads)" = "$1" ]; then return 0; fi
    sleep 0.05
  done
  gauge tidepool_compute_threads
  return 1
}

@test "a quota that is lowered and raised is followed, and requests go on being answered" {
  local all
  all=$(gauge tidepool_compute_threads)
  echo "50000 100000" >"$TIDEPOOL_CGROUP/cpu.max"
  wait_for_threads 1
  post /v1/models/gist/features --data-binary @tests/data/images/rgb.jpg
  expect_status 200
  echo "max 100000" >"$TIDEPOOL_CGROUP/cpu.max"
  wait_for_threads "$all"
  post /v1/models/gist/features --data-binary @tests/data/images/rgb.jpg
  expect_status 200
  if [ "$all" -gt 1 ]; then grep -q "the quota is 0.50 processors now: 1 compute threads, $all before" "$SERVER_LOG"; fi
}

@test "without --memory-budget, three quarters of the group's memory are it" {
  [ "$(gauge tidepool_memory_budget_bytes)" = 201326592 ]
  local reserved
  reserved=$(gauge tidepool_memory_reserved_bytes)
  [ "$reserved" -gt 1000000 ] && [ "$reserved" -lt 201326592 ]
}
