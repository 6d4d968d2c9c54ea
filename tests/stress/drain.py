#!/usr/bin/env python3
"""drain.py - SIGTERM at random moments under load: row 15.

usage: drain.py [BINARY] [STOPS]        default: build/tidepool 20; full form: 200

Eight clients post without pause. After each stop every request whose headers were taken must have its
whole answer (200, or 503 for work that came later), and the exit status be 0 in time. A connection that
ends before a byte of an answer counts as lost when the whole request was sent 50 ms before the signal.
"""
import random
import sys
import threading
import time

from service import Service, post, whole

binary = sys.argv[1] if len(sys.argv) > 1 else "build/tidepool"
n_stops = int(sys.argv[2]) if len(sys.argv) > 2 else 20
image = open("tests/data/images/rgb.jpg", "rb").read()
request = post("/v1/models/gist/features", image)
rng = random.Random(1)
counts = {"answered": 0, "refused": 0, "lost": 0, "late": 0}
lock = threading.Lock()


def read_answer(s):
    answer = b""
    while not whole(answer):
        part = s.recv(65536)
        if not part:
            break
        answer += part
    return answer


def client(service, signalled):
    """Posts on one connection after another until the service is gone."""
    while True:
        sent, answer = 0, b""
        try:
            with service.connect() as s:
                while True:
                    sent, answer = 0, b""
                    s.sendall(request)
                    sent = time.time()
                    answer = read_answer(s)
                    status = whole(answer)
                    if not status:
                        break
                    with lock:
                        counts["answered" if status == 200 else "refused"] += 1
                    if status != 200:
                        return
        except OSError:
            pass
        if signalled.is_set():
            lost = answer or (sent and sent < signalled.when - 0.05)
            with lock:
                counts["lost" if lost else "late"] += 1
            return


bad_exits = 0
for _ in range(n_stops):
    service = Service(binary, "--log-requests", "off")
    signalled = threading.Event()
    signalled.when = float("inf")
    clients = [threading.Thread(target=client, args=(service, signalled)) for _ in range(8)]
    for c in clients:
        c.start()
    time.sleep(rng.uniform(0.05, 0.4))
    signalled.when = time.time()
    signalled.set()
    bad_exits += service.stop() != 0
    for c in clients:
        c.join()
print(f"{n_stops} stops: {counts['answered']} answered, {counts['refused']} refused with 503, {counts['late']} "
      f"came too late, {counts['lost']} lost, {bad_exits} exits that were not 0")
sys.exit(counts["lost"] > 0 or bad_exits > 0)
