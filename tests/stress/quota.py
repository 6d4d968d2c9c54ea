#!/usr/bin/env python3
"""quota.py - as many threads as the quota lets work, and no more processor time: row 18.

usage: quota.py [BINARY] [SECONDS]        default: build/tidepool 3; full form: 10

Where a control group with a processor quota can be made, the service runs in one; elsewhere it reads one that
is made up (TIDEPOOL_CGROUP), which nobody enforces: then what counts is the number of threads and the time
that the process takes of its own accord. Ideal is what a service of one thread without a quota does with a
second of processor time, measured in turn with it (a shared machine's speed drifts), times the quota or as many
times what it uses as there are threads, whichever is less. A probe every 5 ms tells whether the service stands
still. (Half a processor is told, not judged: a job may well use up a period's quota before it can rest.) At last
the quota changes while it serves.
"""
import os
import sys
import tempfile
import threading
import time
import urllib.request

from photo import png
from service import Service, post, whole

binary = sys.argv[1] if len(sys.argv) > 1 else "build/tidepool"
seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3
photo = post("/v1/models/gist/features", png(1200, 900))
GROUPS = "/sys/fs/cgroup"
n_cpus = len(os.sched_getaffinity(0))
missed = False


def judge(what, ok):
    global missed
    missed |= not ok
    print(f"{what}   {'ok' if ok else 'MISSED'}", flush=True)


class Group:
    """A control group (version 2, else 1), or a folder that looks like one."""

    def __init__(self):
        name = f"tidepool-{os.getpid()}"
        self.real, self.file = True, "cpu.max"
        for parent, self.file in ((GROUPS, "cpu.max"), (GROUPS + "/cpu", "cpu.cfs_quota_us")):
            self.folder = os.path.join(parent, name)
            try:
                os.mkdir(self.folder)
            except OSError:
                continue
            if os.path.exists(os.path.join(self.folder, self.file)):
                return
            os.rmdir(self.folder)
        self.real, self.file, self.folder = False, "cpu.max", tempfile.mkdtemp()

    def set(self, cpus):
        period = 100000
        words = f"{int(cpus * period)}" if cpus else "max" if self.file == "cpu.max" else "-1"
        with open(os.path.join(self.folder, self.file), "w") as f:
            f.write(words if self.file != "cpu.max" else f"{words} {period}")

    def enter(self):
        if self.real:
            with open(self.folder + "/cgroup.procs", "w") as f:
                f.write(str(os.getpid()))

    def throttled(self):
        """Periods that were throttled, of how many; (0, 0) where nobody counts."""
        if not self.real:
            return 0, 0
        stat = dict(line.split() for line in open(self.folder + "/cpu.stat"))
        return int(stat["nr_throttled"]), int(stat["nr_periods"])


def start(group, cpus):
    group.set(cpus)
    env = dict(os.environ, **({} if group.real else {"TIDEPOOL_CGROUP": group.folder}))
    return Service(binary, "--log-requests", "off", env=env, preexec_fn=group.enter)


def n_threads(service):
    text = urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics").read().decode()
    return int(float(next(l.split()[1] for l in text.splitlines() if l.startswith("tidepool_compute_threads "))))


def load(service, n_clients, seconds):
    """Answers and processors in use, a second; the times of the probes meanwhile."""
    over, counts, probes = time.monotonic() + seconds, [0] * n_clients, []

    def client(i):
        with service.connect() as s:
            while time.monotonic() < over:
                s.sendall(photo)
                answer = b""
                while not whole(answer):
                    answer += s.recv(65536)
                counts[i] += 1

    def probe():
        with service.connect() as s:
            while time.monotonic() < over:
                begin = time.monotonic()
                s.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
                assert b" 200 " in s.recv(65536).split(b"\r\n")[0]
                probes.append(time.monotonic() - begin)
                time.sleep(0.005)

    before, begin = service.cpu_ms(), time.monotonic()
    threads = [threading.Thread(target=client, args=(i,)) for i in range(n_clients)] + [threading.Thread(target=probe)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    took = time.monotonic() - begin
    return sum(counts) / took, (service.cpu_ms() - before) / 1e3 / took, probes


group = Group()
print("a control group of its own" if group.real else "no control group can be made here: a made-up quota, not enforced")
for quota in (0.5, 1.0, 1.5, 2.0):
    if quota > n_cpus:
        continue
    one = Service(binary, "--log-requests", "off", "--threads", "1")
    service = start(group, quota)
    wanted = max(1, int(quota))
    threads = n_threads(service)
    load(one, 2, 1)
    load(service, 2 * wanted, 1)
    throttled, periods, alone, alone_used, rates, used, probes = 0, 0, [], [], [], [], []
    for _ in range(4):
        rate, cpus, _ = load(one, 2, seconds / 4)
        alone.append(rate)
        alone_used.append(cpus)
        before, periods_before = group.throttled()
        rate, cpus, times = load(service, 2 * wanted, seconds / 4)
        after, periods_after = group.throttled()
        throttled += after - before
        periods += periods_after - periods_before
        rates.append(rate)
        used.append(cpus)
        probes += times
    alone, alone_cpus, rate, cpus = (sum(v) / 4 for v in (alone, alone_used, rates, used))
    part = throttled / max(1, periods)
    one.stop()
    end = service.stop()
    ideal = alone * (min(quota / alone_cpus, wanted) if group.real else wanted)
    share = rate / ideal
    most = max(1, quota) + 0.15  # the thread that reads and writes has the rest
    slowest = sorted(probes)[int(.99 * len(probes))] * 1e3
    judge(f"quota {quota}: {threads} threads (goal {wanted}), {rate:.0f} photos a second, {100 * share:.0f} % of ideal (goal 90), "
          f"{cpus:.2f} processors in use, throttled {100 * part:.1f} % of periods (goal 5), probes p99 {slowest:.1f} ms, exit {end}",
          threads == wanted and end == 0 and cpus <= most and (quota < 1 or (share >= 0.9 and part < 0.05)))
service = start(group, n_cpus)
found = []
for quota in (n_cpus, 1, 0):
    group.set(quota)
    time.sleep(4)
    found.append(n_threads(service))
judge(f"quota {n_cpus}, then 1, then none, while it serves: {found} threads", found == [n_cpus, 1, n_cpus] and service.stop() == 0)
if group.real:
    time.sleep(0.5)
    os.rmdir(group.folder)
sys.exit(missed)
