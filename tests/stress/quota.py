#!/usr/bin/env python3
"""quota.py - as many threads as the quota lets work, and no more processor time: row 18.

usage: quota.py [BINARY] [SECONDS]        default: build/tidepool 3; full form: 10

Where a control group with a processor quota can be made, the service runs in one; elsewhere it reads one that
is made up (TIDEPOOL_CGROUP), which nobody enforces: then what counts is the number of threads and the time
that the process takes of its own accord. Ideal is what one thread does without a quota, times the quota or the
threads, whichever is less. At last the quota changes while it serves.

A quota that is a whole number is used up by as many busy threads, and the one that reads and writes comes on top:
throttled a little in every period is what to expect of 1.0 under full load.
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
photo = post("/v1/models/gist/features", png(640, 480))
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


def start(group, cpus, *flags):
    group.set(cpus)
    env = dict(os.environ, **({} if group.real else {"TIDEPOOL_CGROUP": group.folder}))
    return Service(binary, "--log-requests", "off", *flags, env=env, preexec_fn=group.enter)


def n_threads(service):
    text = urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics").read().decode()
    return int(float(next(l.split()[1] for l in text.splitlines() if l.startswith("tidepool_compute_threads "))))


def load(service, n_clients):
    """Answers and processors in use, a second."""
    over, counts = time.monotonic() + seconds, [0] * n_clients

    def client(i):
        with service.connect() as s:
            while time.monotonic() < over:
                s.sendall(photo)
                answer = b""
                while not whole(answer):
                    answer += s.recv(65536)
                counts[i] += 1

    before, begin = service.cpu_ms(), time.monotonic()
    threads = [threading.Thread(target=client, args=(i,)) for i in range(n_clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    took = time.monotonic() - begin
    return sum(counts) / took, (service.cpu_ms() - before) / 1e3 / took


group = Group()
print("a control group of its own" if group.real else "no control group can be made here: a made-up quota, not enforced")
for quota in (0.5, 1.0, 1.5, 2.0):
    if quota > n_cpus:
        continue
    one = start(group, 0, "--threads", "1")
    load(one, 2)
    alone, _ = load(one, 2)
    one.stop()
    service = start(group, quota)
    wanted = max(1, int(quota))
    threads = n_threads(service)
    load(service, 2 * wanted)
    throttled, periods = group.throttled()
    rate, cpus = load(service, 2 * wanted)
    after, periods_after = group.throttled()
    part = (after - throttled) / max(1, periods_after - periods)
    end = service.stop()
    ideal = alone * (min(quota, wanted) if group.real else wanted)
    share = rate / ideal
    most = max(1, quota) + 0.15  # the thread that reads and writes has the rest
    judge(f"quota {quota}: {threads} threads (goal {wanted}), {rate:.0f} photos a second, {100 * share:.0f} % of ideal (goal 90), "
          f"{cpus:.2f} processors in use, throttled {100 * part:.1f} % of periods (goal 5), exit {end}",
          threads == wanted and share >= 0.9 and end == 0 and cpus <= most and (part < 0.05 or quota < 1))
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
