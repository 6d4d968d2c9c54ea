"""photo.py - a picture made here, as a PNG file."""
import struct
import zlib


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, rows=None, level=6):
    """RGB; rows: the raw scanlines, else squares of many colours."""
    if rows is None:
        rows = b"".join(b"\0" + bytes((x // 16 * (y // 16) + 90 * c) & 255 for x in range(width) for c in range(3))
                        for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, level)) +
            chunk(b"IEND", b""))
