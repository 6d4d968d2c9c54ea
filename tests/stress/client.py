#!/usr/bin/env python3
"""client.py - one client that is slow in one way; prints what it got, and when it was cut.

usage: client.py PORT head|body|chunks|reader|unread|idle|upload|hello|hold [N]

With TLS=1 in the environment it speaks TLS; `hello` never gets as far.
"""
import os
import select
import socket
import ssl
import sys
import time

PORT, HOW = int(sys.argv[1]), sys.argv[2]
N = int(sys.argv[3]) if len(sys.argv) > 3 else 1
POST = b"POST /v1/models/gist/features HTTP/1.1\r\nHost: a\r\nX-Request-Id: slow-body\r\n"
GIVE_UP = 25
TLS = os.environ.get("TLS") == "1"


def connect(receive_bytes=0):
    s = socket.socket()
    if receive_bytes:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    s.connect(("127.0.0.1", PORT))
    if TLS and HOW != "hello":
        anyone = ssl.create_default_context()
        anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
        s = anyone.wrap_socket(s)
    return s


def drip(s, part, seconds):
    """Sends `part` again and again; what came back, and after how long the other side ended it."""
    start, got = time.monotonic(), b""
    while time.monotonic() - start < GIVE_UP:
        if select.select([s], [], [], seconds)[0]:
            try:
                more = s.recv(65536)
            except OSError:
                more = b""
            got += more
            if not more:
                return got, time.monotonic() - start
        elif part:
            try:
                s.sendall(part)
            except OSError:
                return got, time.monotonic() - start
    return got, None


def read_slowly(s):
    """Asks for much, takes a few bytes per second."""
    row = b"[" + b",".join([b"0.123"] * 900) + b"]"
    body = b'{"tensor":[' + b",".join([row] * 900) + b"]}"
    s.sendall(b"POST /v1/models/edges/features HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    start = time.monotonic()
    poll = select.poll()
    poll.register(s, select.POLLRDHUP)  # nothing is read, so only the end of the connection shows
    while time.monotonic() - start < GIVE_UP:
        if poll.poll(200):
            return b"", time.monotonic() - start
        if s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            return b"", time.monotonic() - start
        s.recv(5, socket.MSG_DONTWAIT | socket.MSG_PEEK) if not TLS and select.select([s], [], [], 0)[0] else None
    return b"", None


def unread(s):
    """Asks for four large answers and reads none; the bytes of them that wait on the service's side of the socket."""
    s.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 4)
    time.sleep(1)
    ends = f":{PORT:04X}", f":{s.getsockname()[1]:04X}"
    for line in open("/proc/net/tcp"):
        f = line.split()
        if (f[1][-5:], f[2][-5:]) == ends:
            return b"waiting %d" % int(f[4].split(":")[0], 16)
    return b"no such connection"


def upload(s, n_bytes, seconds):
    s.sendall(POST + b"Content-Length: %d\r\n\r\n" % n_bytes)
    for _ in range(50):
        s.sendall(b"x" * (n_bytes // 50))
        time.sleep(seconds / 50)
    return s.recv(65536), None


def main():
    cut = None
    if HOW == "head":
        s = connect()
        s.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n")
        got, cut = drip(s, b"X-A: b\r\n", 0.2)
    elif HOW == "body":
        s = connect()
        s.sendall(POST + b"Content-Length: 100000\r\n\r\n")
        got, cut = drip(s, b"x", 0.2)
    elif HOW == "chunks":
        s = connect()
        s.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        got, cut = drip(s, b"400\r\n" + b"x" * 1024 + b"\r\n", 0.2)
    elif HOW == "idle":
        got, cut = drip(connect(), b"", 0.2) if N == 0 else idle_after_reply()
    elif HOW == "reader":
        got, cut = read_slowly(connect(receive_bytes=1024))
    elif HOW == "unread":
        got = unread(connect(receive_bytes=1024))
    elif HOW == "hello":
        s = connect()
        s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # a ClientHello of 508 bytes begins
        got, cut = drip(s, b"\0", 0.2)
    elif HOW == "upload":
        got, cut = upload(connect(), 1000000, 6)
    else:
        held = [connect() for _ in range(N)]
        print("held", len(held), flush=True)
        time.sleep(3)
        got = b""
    sys.stdout.write(got.decode("latin-1").replace("\r", ""))
    print()
    if cut is not None:
        print(f"cut after {cut:.2f} s")


def idle_after_reply():
    s = connect()
    s.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
    return drip(s, b"", 0.2)


main()
