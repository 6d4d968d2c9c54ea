#!/usr/bin/env python3
"""drain.py - SIGTERM at random moments under load: row 15.

usage: drain.py [BINARY] [STOPS]        default: build/tidepool 20; full form: 200

Eight clients post without pause, each request under a name of its own. After each stop the exit status must be 0
in time, and every request that the service took must have its whole answer (200, or 503 for work that came later):
one without an answer is lost if its name stands in the service's log, and came too late if it does not.
"""
import itertools
import random
import sys
import threading
import time

from service import Service, post, whole

binary = sys.argv[1] if len(sys.argv) > 1 else "build/tidepool"
n_stops = int(sys.argv[2]) if len(sys.argv) > 2 else 20
image = open("tests/data/images/rgb.jpg", "rb").read()
rng = random.Random(1)
names = itertools.count()
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


def client(service, signalled, unanswered):
    """Posts on one connection after another until the service is gone."""
    while True:
        name, sent = None, False
        try:
            with service.connect() as s:
                while True:
                    name, sent = f"stop-{next(names)}-", False
                    s.sendall(post("/v1/models/gist/features", image, f"X-Request-Id: {name}"))
                    sent = True
                    status = whole(read_answer(s))
                    if not status:
                        break
                    sent = False
                    with lock:
                        counts["answered" if status == 200 else "refused"] += 1
                    if status != 200:
                        return
        except OSError:
            pass
        if sent:
            unanswered.append(name)
        if signalled.is_set():
            return


bad_exits = 0
for _ in range(n_stops):
    service = Service(binary)
    signalled, unanswered = threading.Event(), []
    clients = [threading.Thread(target=client, args=(service, signalled, unanswered)) for _ in range(8)]
    for c in clients:
        c.start()
    time.sleep(rng.uniform(0.05, 0.4))
    signalled.set()
    bad_exits += service.stop() != 0
    for c in clients:
        c.join()
    log = service.lines()
    for name in unanswered:
        counts["lost" if name in log else "late"] += 1
print(f"{n_stops} stops: {counts['answered']} answered, {counts['refused']} refused with 503, {counts['late']} "
      f"came too late, {counts['lost']} lost, {bad_exits} exits that were not 0")
sys.exit(counts["lost"] > 0 or bad_exits > 0)
