"""service.py - what the scripts of this folder share: a server of one's own, and requests to it."""
import glob
import json
import re
import signal
import socket
import subprocess
import tempfile
import time


class Service:
    """tidepool serve on a free port, its log in a file."""

    def __init__(self, binary, *flags, **how):
        """how: of subprocess.Popen."""
        self.log = tempfile.NamedTemporaryFile("r+")
        self.process = subprocess.Popen([binary, "serve", "--port", "0", *flags], stderr=self.log, **how)
        while not (found := re.search(r"serves .* on http://[^ ]*:(\d+)", self.lines())):
            assert self.process.poll() is None, self.lines()
            time.sleep(0.02)
        self.port = int(found[1])

    def lines(self):
        with open(self.log.name) as log:
            return log.read()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def ask(self, request):
        """The whole answer to one request on a connection of its own, or what came of it."""
        answer = b""
        with self.connect() as s:
            try:
                s.sendall(request)
            except ConnectionError:  # refused before the body's end: the answer may be there
                pass
            try:
                while not whole(answer) and (part := s.recv(65536)):
                    answer += part
            except ConnectionError:
                pass
        return answer

    def cpu_ms(self):
        """Processor time of all its threads so far."""
        return sum(int(open(f).read().split()[0])
                   for f in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat")) / 1e6

    def stop(self):
        """Its exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def post(path, body, *headers):
    head = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def slow_pipeline(n_layers, size=300):
    """A body for /v1/run: layers of some ten milliseconds each on one thread."""
    layers = [{"type": "LpPooling2D", "name": f"l{i}", "pool_size": [31, 31], "strides": [1, 1],
               "padding": "same"} for i in range(n_layers)]
    return json.dumps({
        "pipeline": {"input": {"shape": [size, size, 4]}, "layers": layers},
        "outputs": [{"name": f"l{n_layers - 1}", "pool": "avg"}],
        "tensor": {"shape": [1, size, size, 4], "data": [i % 7 for i in range(size * size * 4)]},
    }).encode()


def whole(answer):
    """The status of an answer that is there to its last byte, else 0."""
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    complete = length and len(body) >= int(length[1])
    return int(head.split(b" ")[1]) if complete else 0
