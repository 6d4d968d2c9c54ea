#!/usr/bin/env python3
"""healthy.py - a client as clients should be: 100 requests per second on one connection.

usage: healthy.py PORT SECONDS        prints: p99 in microseconds, requests lost, requests sent
"""
import http.client
import sys
import time

port, seconds = int(sys.argv[1]), float(sys.argv[2])
times, lost, end = [], 0, time.monotonic() + seconds
client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
while time.monotonic() < end:
    start = time.monotonic()
    try:
        client.request("GET", "/v2/health/live")
        reply = client.getresponse()
        reply.read()
        lost += reply.status != 200
    except (OSError, http.client.HTTPException):
        lost += 1
        client.close()
    times.append(time.monotonic() - start)
    time.sleep(0.01)
times.sort()
print(round(times[len(times) * 99 // 100] * 1e6), lost, len(times))
