#!/usr/bin/env python3
"""starve.py - too few descriptors, no time, no room for the log: row 17.

usage: starve.py [BINARY] [SECONDS] [answers]        default: build/tidepool 5; full form: 30

SECONDS is how long the service stands still (SIGSTOP). With `answers` the processor time is not judged.
Jumps of the clock need libfaketime. Left out: a limit of processes, which does not bind root.
"""
import glob
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

from service import Service, post, whole

binary = sys.argv[1] if len(sys.argv) > 1 else "build/tidepool"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5
judge_times = "answers" not in sys.argv[3:]
LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
N_CLIENTS = 8
missed = False

with open("tests/data/images/rgb.jpg", "rb") as f:
    photo = post("/v1/models/gist/features", f.read())


def judge(what, ok):
    global missed
    missed |= not ok
    print(f"{what}   {'ok' if ok else 'MISSED'}", flush=True)


def answer_of(s):
    """The status that comes on this connection, 0 without a whole answer."""
    answer = b""
    try:
        while not whole(answer) and (part := s.recv(65536)):
            answer += part
    except OSError:
        pass
    return whole(answer)


def few_descriptors():
    service = Service(binary, "--log-requests", "off")
    whole(service.ask(photo))                        # warm
    # Lowered while it serves: it does not start with fewer than its connections need.
    resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (32, 32))
    held = [service.connect() for _ in range(60)]
    time.sleep(0.5)
    before = service.cpu_ms()
    time.sleep(2)
    percent = (service.cpu_ms() - before) / 20
    n_open = len(os.listdir(f"/proc/{service.process.pid}/fd"))
    for s in held:
        s.close()
    begin = time.monotonic()
    status = whole(service.ask(photo))
    took = time.monotonic() - begin
    end = service.stop()
    judge(f"60 connections, {n_open} of 32 descriptors in use: {percent:.1f} % of a processor (goal 5), a photo right after: "
          f"{status} in {took:.2f} s (goal 1), exit {end}",
          status == 200 and end == 0 and (not judge_times or (percent < 5 and took <= 1)))


def no_time():
    """Clients whose request is halfway there when the service stops, and goes on while it stands."""
    limit = max(1, int(seconds * 0.6))               # so that every deadline passes meanwhile
    service = Service(binary, "--log-requests", "off", "--header-timeout", str(limit),
                      "--body-timeout", str(limit))
    heads = [service.connect() for _ in range(N_CLIENTS)]
    bodies = [service.connect() for _ in range(N_CLIENTS)]
    for s in heads:
        s.sendall(photo[:30])
    for s in bodies:
        s.sendall(photo[:len(photo) // 2])
    time.sleep(0.3)
    service.process.send_signal(signal.SIGSTOP)
    for s in heads:
        s.sendall(photo[30:])
    for s in bodies:
        s.sendall(photo[len(photo) // 2:])
    time.sleep(seconds)
    service.process.send_signal(signal.SIGCONT)
    begin = time.monotonic()
    live = whole(service.ask(LIVE))
    took = time.monotonic() - begin
    innocent = [answer_of(s) for s in heads + bodies]
    end = service.stop()
    judge(f"stopped for {seconds:.0f} s: the next request {live} in {took:.2f} s (goal 1), exit {end}",
          live == 200 and end == 0 and (not judge_times or took <= 1))
    counts = {status: innocent.count(status) for status in sorted(set(innocent))}
    judge(f"stopped for {seconds:.0f} s, deadlines of {limit} s: requests that came whole meanwhile: "
          f"{counts} (goal: all 200)", not judge_times or set(innocent) == {200})


def without_a_log(**how):
    """One whose log, which says the port, cannot be read."""
    service = Service.__new__(Service)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        service.port = s.getsockname()[1]
    service.process = subprocess.Popen([binary, "serve", "--port", str(service.port)], **how)
    until = time.monotonic() + 20
    while True:
        try:
            service.connect().close()
            return service
        except OSError:
            assert service.process.poll() is None and time.monotonic() < until, "it does not start"
            time.sleep(0.05)


def clock_jumps():
    """Deadlines go by a clock that does not jump; a connection from before lives on."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        print("a clock that jumps: left out, no libfaketime here")
        return
    with open(binary, "rb") as f:
        if b"__asan_init" in f.read():  # wants to be the first library of all
            print("a clock that jumps: left out, built with sanitizers")
            return
    with tempfile.NamedTemporaryFile("w+") as clock:
        def jump(text):
            clock.seek(0)
            clock.truncate()
            clock.write(text + "\n")
            clock.flush()
        jump("+0")
        service = without_a_log(stderr=subprocess.DEVNULL, env=dict(
            os.environ, LD_PRELOAD=found[0], FAKETIME_TIMESTAMP_FILE=clock.name, FAKETIME_NO_CACHE="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1"))
        took, statuses = [], []
        with service.connect() as kept:
            for there in ("+1h", "-1d", "+0"):
                jump(there)
                time.sleep(0.7)
                begin = time.monotonic()
                statuses.append(whole(service.ask(photo)))
                took.append(time.monotonic() - begin)
            kept.sendall(photo)
            statuses.append(answer_of(kept))
        end = service.stop()
    judge(f"a clock that jumps an hour ahead, then a day back: {statuses}, at most {max(took):.2f} s (goal 1), exit {end}",
          set(statuses) == {200} and end == 0 and (not judge_times or max(took) <= 1))


def no_room():
    with open("/dev/full", "w") as full:
        service = without_a_log(stderr=full)
    statuses = [whole(service.ask(photo)) for _ in range(20)]
    end = service.stop()
    judge(f"log on a full device: {statuses.count(200)} of 20 photos answered, exit {end}",
          set(statuses) == {200} and end == 0)


few_descriptors()
no_time()
no_room()
clock_jumps()
sys.exit(missed)
