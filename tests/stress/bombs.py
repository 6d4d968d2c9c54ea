#!/usr/bin/env python3
"""bombs.py - small bodies that claim or unfold to much: what each costs the service's processor: row 12.

usage: bombs.py [BINARY]        default: build/tidepool

Each is sent nine times, after one that is not counted; the median of the process's time on a processor may
be 20 ms. Answered 200 is what is cheap to ignore, such as data behind the last pixel.
"""
import gzip
import struct
import sys
import zlib

from photo import chunk, png
from service import Service, post, whole

binary = sys.argv[1] if len(sys.argv) > 1 else "build/tidepool"
EACH, MOST_MS = 9, 20


def jpeg_claiming(width, height, frame):
    """A real file's headers with another size and kind of frame."""
    data = bytearray(open("tests/data/images/rgb.jpg", "rb").read())
    at = next(i for i in range(2, len(data)) if data[i] == 0xFF and data[i + 1] in (0xC0, 0xC2))
    data[at + 1] = frame
    data[at + 5:at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_of_scans(n):
    """A progressive file whose scans are sent again and again."""
    data = open("tests/data/images/scans64.jpg", "rb").read()
    first = data.index(b"\xff\xda")
    return data[:first] + data[first:-2] * n + b"\xff\xd9"


def png_claiming(width, height, rows):
    return png(width, height, rows, 9)


def webp_claiming(width, height):
    bits = (width - 1) | (height - 1) << 14
    body = b"VP8L" + struct.pack("<I", 12) + b"\x2f" + struct.pack("<I", bits) + b"\0" * 7
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def npy_claiming(shape):
    head = ("{'descr': '<f4', 'fortran_order': False, 'shape': %s, }" % (shape,)).ljust(117) + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head.encode() + b"\0" * 64


path = "/v1/models/gist/features"
bombs = {
    "JPEG of 65500 x 65500": post(path, jpeg_claiming(65500, 65500, 0xC0)),
    "the same, progressive": post(path, jpeg_claiming(65500, 65500, 0xC2)),
    "JPEG of a thousand scans": post(path, jpeg_of_scans(16)),
    "PNG of 60000 x 60000": post(path, png_claiming(60000, 60000, b"\0" * (1 << 20))),
    "PNG with more data than pixels": post(path, png_claiming(16, 16, b"\0" * (100 << 20))),
    "PNG text that unfolds": post(path, png(8, 8)[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * (100 << 20), 9)) +
                                  png(8, 8)[33:-30]),
    "WebP of 16383 x 16383": post(path, webp_claiming(16383, 16383)),
    "JSON 2049 deep": post(path, b"[" * 2049 + b"]" * 2049),
    "JSON 1,000,000 deep": post(path, b"[" * 1000000),
    "gzip of 1 GB": post(path, gzip.compress(b"\0" * (1 << 30), 9), "Content-Encoding: gzip"),
    ".npy of 10^12 numbers": post(path, npy_claiming((1, 1000000, 1000000, 1)), "Content-Type: application/x-npy"),
    "tensor of 10^18 numbers": post(path, b'{"tensor":{"shape":[1,1000000000,1000000000,1],"data":[1]}}'),
}


service = Service(binary, "--log-requests", "off")
reached = True
for name, request in bombs.items():
    whole(service.ask(request))
    times, statuses = [], set()
    for _ in range(EACH):
        before = service.cpu_ms()
        statuses.add(whole(service.ask(request)))
        times.append(service.cpu_ms() - before)
    median = sorted(times)[EACH // 2]
    good = median <= MOST_MS and statuses <= {200, 400, 413, 415}
    reached = reached and good
    print(f"{name:31} {len(request):9} bytes: {median:7.2f} ms, {', '.join(map(str, sorted(statuses)))}"
          f"{'' if good else '  MISSED'}")
status = service.stop()
print(f"goal: {MOST_MS} ms each")
sys.exit(not reached or status != 0)
