#!/usr/bin/env python3
"""cancel.py - from a client's close to the end of its work: row 16.

usage: cancel.py [BINARY] [CLIENTS]        default: build/tidepool 20; full form: 100

Clients leave a long request at random moments. Prints the times until the service had given it up
(its log's line), and exits 1 when the 99th percentile is beyond 50 ms and beyond one layer, which are alike.
"""
import datetime
import random
import re
import sys
import time

from service import Service, post, slow_pipeline, whole

binary = sys.argv[1] if len(sys.argv) > 1 else "build/tidepool"
n_clients = int(sys.argv[2]) if len(sys.argv) > 2 else 20
n_layers = 200

body = slow_pipeline(n_layers, 150)
service = Service(binary, "--threads", "1")

with service.connect() as s:                     # how long it is, if somebody waits
    begin = time.time()
    s.sendall(post("/v1/run", body, "Connection: close"))
    answer = b""
    while part := s.recv(65536):
        answer += part
    total_ms = 1000 * (time.time() - begin)
assert whole(answer) == 200, answer[:200]
layer_ms = total_ms / n_layers                   # the layers are alike

took, rng = [], random.Random(1)
for i in range(n_clients):
    name = f"cancel-{i}"
    s = service.connect()
    s.sendall(post("/v1/run", body, f"X-Request-Id: {name}"))
    time.sleep(rng.uniform(0.1, 0.5) * total_ms / 1000)
    s.close()
    closed = time.time()
    pattern = rf"(?m)^(\S+)Z .*id={name} .*status=499"
    while not (line := re.search(pattern, service.lines())):
        assert time.time() < closed + 20, "never given up"
        time.sleep(0.01)
    ended = datetime.datetime.fromisoformat(line[1] + "+00:00").timestamp()
    took.append(max(0, 1000 * (ended - closed)))
status = service.stop()

took.sort()
p99 = took[min(len(took) - 1, int(0.99 * len(took)))]
print(f"{n_clients} clients left a request of {total_ms:.0f} ms: median {took[len(took) // 2]:.0f} ms, "
      f"p99 {p99:.0f} ms until its work ended (goal: 50 ms or one layer, {layer_ms:.0f} ms); exit {status}")
sys.exit(p99 > max(50, layer_ms) or status != 0)
