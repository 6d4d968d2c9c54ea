#!/usr/bin/env python3
"""healthy.py - a client as clients should be: 100 requests per second on one connection.

usage: healthy.py PORT SECONDS PID        PID: of the service, whose open descriptors it counts meanwhile
Prints: p99 in microseconds, requests lost, requests sent, the most descriptors that there were beyond those at
first, and milliseconds from when the last of them came until only two were left ("never": they were not gone).
"""
import http.client
import os
import sys
import time

port, seconds, folder = int(sys.argv[1]), float(sys.argv[2]), f"/proc/{sys.argv[3]}/fd"
client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
times, lost, end = [], 0, time.monotonic() + seconds
first, most, last, gone = None, 0, 0, "never"
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
    now = time.monotonic()
    times.append(now - start)
    if len(times) % 5 == 1:
        n = len(os.listdir(folder))
        first = n if first is None else first
        if n - first > most:
            most, last = n - first, now
        elif gone == "never" and n - first <= 2 and most > 2:
            gone = round((now - last) * 1e3)
    time.sleep(0.01)
times.sort()
print(round(times[len(times) * 99 // 100] * 1e6), lost, len(times), most, gone)
