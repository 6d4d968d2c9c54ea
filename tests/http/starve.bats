#!/usr/bin/env bats
# starve.bats - few descriptors, a second's stop, a full disk under the log: it goes on serving.

load server

setup_file() { :; }
teardown_file() { :; }

@test "starved, it serves again" {
  [ -c /dev/full ] || skip "no /dev/full here"
  run timeout 120 python3 tests/stress/starve.py "$TIDEPOOL_BIN" 1 answers
  echo "$output"
  [ "$status" -eq 0 ]
}
