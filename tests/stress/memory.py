#!/usr/bin/env python3
"""memory.py - the worst that clients can ask for, all at once, under a memory budget: row 10.

usage: memory.py [BINARY] [ROUNDS]        default: build/tidepool 2; full form: 10

In each round: documents of nothing but {} or [], tensors of one-digit numbers, pictures near the limit of
pixels, bodies near that of bytes which never end, answers of many megabytes that nobody reads. The peak of
what is resident (VmHWM) may never exceed --memory-budget, what is answered is 200, 400 (what is embedded is no
picture), 413, 503 or 504, or the connection ends ("ended"), and afterwards a photo is answered and the memory is
given back.
"""
import re
import sys
import threading
import time

from photo import png
from service import Service, post, whole

binary = sys.argv[1] if len(sys.argv) > 1 else "build/tidepool"
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 2
BUDGET_MIB = 256
MAX_BODY = 16 << 20

large = png(4000, 3000, (b"\0" + b"\x40\x80\xc0" * 4000) * 3000)
edges = "/v1/models/edges/features"
asks = {
    "{} bomb": post(edges, b"[" + b"{}," * 5000000 + b"{}]"),
    "[] bomb": post(edges, b"[" + b"[]," * 5000000 + b"[]]"),
    "numbers": post(edges + "?layers=pool&format=npy",
                    b'{"tensor":{"shape":[1,2000,2000,1],"data":[' + b"1," * 3999999 + b"1]}}"),
    "picture": post(edges + "?pool=avg", large),
    "embedded": post("/v1/models/gist/features", b'{"image":"' + b"/9j/" * 3000000 + b'"}'),
    "photo": post("/v1/models/gist/features", png(640, 480)),
}
unread = post(edges + "?layers=pool", b'{"tensor":{"shape":[1,1000,1000,1],"data":[' + b"1," * 999999 + b"1]}}")
unsent = post(edges, b"").replace(b"Content-Length: 0", b"Content-Length: %d" % (MAX_BODY - 1))


def figures(service):
    text = open(f"/proc/{service.process.pid}/status").read()
    return {name: int(re.search(name + r":\s+(\d+)", text)[1]) / 1024 for name in ("VmHWM", "VmRSS")}


service = Service(binary, "--log-requests", "off", "--memory-budget", f"{BUDGET_MIB}M", "--max-body", str(MAX_BODY),
                  "--body-timeout", "10", "--request-timeout", "20")
before = figures(service)
tally, lock = {}, threading.Lock()


def one(name, request):
    status = whole(service.ask(request)) or "ended"
    with lock:
        tally.setdefault(name, {}).setdefault(status, 0)
        tally[name][status] += 1


for _ in range(rounds):
    held = []
    for _ in range(8):
        for start in (unread, unsent + b"[" * (4 << 20)):
            s = service.connect()
            s.settimeout(5)
            try:
                s.sendall(start)
            except OSError:
                pass
            held.append(s)
    threads = [threading.Thread(target=one, args=item) for item in list(asks.items()) * 4]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for s in held:
        s.close()
peak = figures(service)["VmHWM"]
after = whole(service.ask(asks["photo"]))
time.sleep(5)
rest = figures(service)["VmRSS"]
for name, statuses in tally.items():
    print(f"{name:9}", ", ".join(f"{n} x {s}" for s, n in sorted(statuses.items(), key=str)))
good = all(s in (200, 400, 413, 503, 504, "ended") for statuses in tally.values() for s in statuses)
print(f"resident: {before['VmHWM']:.0f} MiB before, {peak:.0f} at most (goal {BUDGET_MIB}), {rest:.0f} five seconds after; "
      f"a photo then: {after}")
status = service.stop()
reached = good and peak <= BUDGET_MIB and after == 200 and rest < before["VmHWM"] + 32 and status == 0
sys.exit(not reached)
