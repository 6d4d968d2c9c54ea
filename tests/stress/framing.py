#!/usr/bin/env python3
"""framing.py - requests that two readers could end at different bytes: is one let in?

usage: framing.py PORT [HOST]

Each vector goes over a connection of its own, with a second request ("smuggled") behind it. It counts
as accepted when the first reply is not an error (4xx, 5xx), or when a second reply follows. What
libmicrohttpd before 1.0 hides from a handler is listed apart ("hidden"), and so is its own refusal of a
Content-Length, whose status line and headers it sends twice before one body. The last line holds the figures;
exit status 1 when a vector that a handler can see was accepted.
"""
import re
import socket
import sys

PORT = int(sys.argv[1])
HOST = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
SECONDS = 2.0  # without a byte: nothing more comes

POST = b"POST /v1/models/line-detector/features HTTP/1.1\r\nHost: a\r\n"
GET = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n"
SECOND = b"GET /v2/health/live HTTP/1.1\r\nHost: smuggled\r\nConnection: close\r\n\r\n"
CHUNKS = b"3\r\nabc\r\n0\r\n\r\n"

# name, hidden from a handler, bytes before the second request
VECTORS = [
    ("Transfer-Encoding and Content-Length", 0, POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + CHUNKS),
    ("Content-Length and Transfer-Encoding", 0, POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS),
    ("two Content-Lengths that differ", 0, POST + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc"),
    ("two Content-Lengths that agree", 0, POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    ("space before the colon (coding)", 0, POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS),
    ("space before the colon (length)", 0, POST + b"Content-Length : 3\r\n\r\nabc"),
    ("tab before the colon", 0, POST + b"Transfer-Encoding\t: chunked\r\nContent-Length: 3\r\n\r\n" + CHUNKS),
    ("two Hosts", 0, GET + b"Host: b\r\n\r\n"),
    ("no Host", 0, b"GET /v2/health/live HTTP/1.1\r\n\r\n"),
    ("gzip, chunked", 0, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS),
    ("chunked, identity", 0, POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKS),
    ("identity", 0, POST + b"Transfer-Encoding: identity\r\n\r\n" + CHUNKS),
    ("xchunked", 0, POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS),
    ("two Transfer-Encodings", 0, POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS),
    ("Transfer-Encoding, empty", 0, POST + b"Transfer-Encoding:\r\nContent-Length: 3\r\n\r\nabc"),
    ("Transfer-Encoding in HTTP/1.0", 0, b"POST /v1/run HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS),
    ("%00 in the path", 0, b"GET /v2/health/live%00/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("%00 in the query", 0, b"GET /v2/health/live?a=%00b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("Content-Length: +3", 0, POST + b"Content-Length: +3\r\n\r\nabc"),
    ("Content-Length: -3", 0, POST + b"Content-Length: -3\r\n\r\nabc"),
    ("Content-Length: 0x3", 0, POST + b"Content-Length: 0x3\r\n\r\nabc"),
    ("Content-Length: 3, 3", 0, POST + b"Content-Length: 3, 3\r\n\r\nabc"),
    ("Content-Length: empty", 0, POST + b"Content-Length:\r\n\r\n"),
    ("Content-Length: 3x", 0, POST + b"Content-Length: 3x\r\n\r\nabc"),
    ("Content-Length: 2^64 - 1", 0, POST + b"Content-Length: 18446744073709551615\r\n\r\nabc"),
    ("Content-Length: 2^64 + 3", 0, POST + b"Content-Length: 18446744073709551619\r\n\r\nabc"),
    ("a chunk's size: 0x3", 0, POST + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"),
    ("a chunk's size: -1", 0, POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n"),
    ("a chunk's size: 2^64 + 3", 0, POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n"),
    ("a chunk longer than its size", 0, POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n"),
    ("an empty name (the library drops it)", 1, GET + b": x\r\n\r\n"),
    ("a header without a colon", 0, GET + b"Nonsense\r\n\r\n"),
    ("a space before the first header", 0, b"GET /v2/health/live HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n"),
    ("Upgrade in a name: (x)", 0, GET + b"X(y): 1\r\n\r\n"),
    ("Expect: something", 0, POST + b"Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc"),
    ("HTTP/3.7", 0, b"GET /v2/health/live HTTP/3.7\r\nHost: a\r\n\r\n"),
    ("folded name of Content-Length", 1, POST + b"Content-: 3\r\n Length\r\n\r\nabc"),
    ("folded name of Transfer-Encoding", 1, POST + b"Transfer-: chunked\r\n Encoding\r\n\r\n" + CHUNKS),
    ("folded value", 1, GET + b"X-B: one\r\n two\r\n\r\n"),
    ("bare line feeds in the headers", 1, b"GET /v2/health/live HTTP/1.1\nHost: a\n\n"),
    ("bare line feeds around chunks", 1, POST + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n"),
    ("NUL in a value", 1, GET + b"X-A: a\0b\r\n\r\n"),
    ("chunked, NUL, x", 1, POST + b"Transfer-Encoding: chunked\0x\r\n\r\n" + CHUNKS),
]


def ask(vector):
    """What comes back until the connection ends or nothing has come for a while."""
    answer = b""
    with socket.create_connection((HOST, PORT), timeout=SECONDS) as s:
        try:
            s.sendall(vector + SECOND)
            while True:
                part = s.recv(65536)
                if not part:
                    break
                answer += part
        except OSError:  # too, when the server has hung up on the rest
            pass
    return answer


def main():
    accepted = {0: 0, 1: 0}
    doubled = 0
    for name, hidden, vector in VECTORS:
        answer = ask(vector)
        statuses = [int(n) for n in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]
        # One refusal of the library's own whose header block stands there twice (0.9.75): one reply.
        heads = re.match(rb"(HTTP/1\.1 4\d\d .*?\r\n\r\n)HTTP/1\.1 4\d\d ", answer, re.S)
        twice = bool(heads) and len(statuses) == 2 and answer.count(heads[1]) == 2
        taken = bool(statuses) and (statuses[0] < 400 or (len(statuses) > 1 and not twice))
        doubled += twice
        accepted[hidden] += taken
        seen = ", ".join(map(str, statuses)) or "closed without a reply"
        note = " (one refusal, its status line twice)" if twice else ""
        print(f"{'ACCEPTED' if taken else 'refused '} {'hidden ' if hidden else '       '}{name}: {seen}{note}")
    good = ask(POST + b"Content-Length: 2\r\n\r\n{}").count(b"HTTP/1.1 ")
    print(f"two sound requests on one connection: {good} replies")
    n_hidden = sum(hidden for _, hidden, _ in VECTORS)
    print(f"accepted: {accepted[0]} of {len(VECTORS) - n_hidden} (goal 0); "
          f"of those hidden from a handler: {accepted[1]} of {n_hidden}; doubled status lines: {doubled}")
    return 1 if accepted[0] or good != 2 else 0


sys.exit(main())
