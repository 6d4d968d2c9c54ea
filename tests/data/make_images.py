#!/usr/bin/env python3
"""Makes tests/data/images/: small image files and what PIL makes of them.

Run from the project root; needs PIL, numpy, and cjpeg and jpegtran of libjpeg-turbo. The tests do not
run it: its output is committed. Made with Pillow 9.4.0, libjpeg-turbo 2.1.5, libwebp 1.2.4.

  *.png            every colour type and depth, plain and interlaced, with and without tRNS; samples
                   are known here, so expected.txt does not depend on a decoder (PIL is held to it)
  *.jpg, *.webp    NAME.jpg.png and NAME.webp.png hold what PIL decodes (RGB)
  expected.txt     file width height fnv(RGB) fnv(gray) of the PNG and lossless WebP files
  resample.txt     in_h in_w channels out_h out_w filter span_h span_w fnv, by PIL's resize with
                   box=(0, 0, span_w, span_h); the source is made of bytes of the xorshift in
                   tests/check.c (next_random() >> 8 & 255, seed 1)
  preprocess.txt   file<TAB>preprocess.json<TAB>height<TAB>width<TAB>fnv of the bytes, torchvision's
                   and Ultralytics' geometry over PIL's resize
"""
import io, json, os, struct, subprocess, tempfile, zlib
import numpy as np
from PIL import Image, ImageOps

OUT = "tests/data/images"


def fnv(data):
    h = 0xCBF29CE484222325
    for b in bytes(data):
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return "%016x" % h


def save(name, data):
    with open(os.path.join(OUT, name), "wb") as f:
        f.write(data)


def picture(h, w, channels=3):
    """Smooth, with an edge and a little noise: a photograph in small. 0..1."""
    y, x = np.mgrid[0:h, 0:w]
    rng = np.random.RandomState(7)
    planes = []
    for c in range(channels):
        p = 0.5 + 0.35 * np.sin(x * (0.21 + 0.05 * c) + c) * np.cos(y * (0.17 + 0.04 * c))
        p = np.where((x - w * 0.6) ** 2 + (y - h * 0.4) ** 2 < (h * 0.3) ** 2, 1 - 0.8 * p, p)
        planes.append(np.clip(p + rng.uniform(-0.03, 0.03, p.shape), 0, 1))
    return np.stack(planes, -1)


# ---- PNG -------------------------------------------------------------------------------------------

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_rows(samples, depth):
    """samples [h, w, c] to filtered scanlines; filters 0 to 4 in turn."""
    h, w, c = samples.shape
    rows = []
    for y in range(h):
        flat = samples[y].reshape(-1)
        if depth == 16:
            rows.append(flat.astype(">u2").tobytes())
        elif depth == 8:
            rows.append(flat.astype(np.uint8).tobytes())
        else:
            bits = "".join(format(int(v), "0%db" % depth) for v in flat)
            bits += "0" * (-len(bits) % 8)
            rows.append(bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8)))
    step = max(1, c * depth // 8)
    out, before = b"", bytes(len(rows[0])) if rows else b""
    for y, row in enumerate(rows):
        kind, coded = y % 5, bytearray()
        for i, v in enumerate(row):
            a = row[i - step] if i >= step else 0
            b = before[i]
            d = before[i - step] if i >= step else 0
            p = a + b - d
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - d), 2, d))[2]
            coded.append((v - (0, a, b, (a + b) // 2, paeth)[kind]) & 255)
        out += bytes([kind]) + bytes(coded)
        before = row
    return out


def png(samples, kind, depth, interlace=False, extra=b"", size=None):
    h, w = samples.shape[:2]
    if interlace:
        raw = b""
        for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                               (1, 0, 2, 2), (0, 1, 1, 2)):
            part = samples[y0::dy, x0::dx]
            if part.size:
                raw += pack_rows(part, depth)
    else:
        raw = pack_rows(samples, depth)
    h, w = size or (h, w)
    header = struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, int(interlace))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra +
            chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def to_8(samples, depth):
    if depth == 16:
        return samples >> 8
    return samples * 255 // ((1 << depth) - 1)


def over_white(rgb, alpha):
    x = rgb.astype(int) * alpha[..., None] + 255 * (255 - alpha[..., None]) + 128
    return ((x >> 8) + x >> 8).astype(np.uint8)


def luma(rgb):
    r = rgb.astype(int)
    return (r[..., 0] * 19595 + r[..., 1] * 38470 + r[..., 2] * 7471 + 0x8000 >> 16).astype(np.uint8)


def expect(lines, name, rgb):
    rgb = np.ascontiguousarray(rgb.astype(np.uint8))
    lines.append("%s %d %d %s %s" % (name, rgb.shape[1], rgb.shape[0], fnv(rgb.tobytes()),
                                     fnv(luma(rgb).tobytes())))


def orientation_tiff(value):
    return b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 0x0112, 3, 1, value, 0) + b"\0\0\0\0"


def make_pngs(lines):
    h, w, rng = 9, 11, np.random.RandomState(3)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
    for kind, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)),
                         (6, (8, 16))):
        for depth in depths:
            for interlace in (False, True):
                for trns in (False, True) if kind in (0, 2, 3) else (False,):
                    top = min(1 << depth, 200) if kind == 3 else 1 << depth
                    s = rng.randint(0, top, (h, w, channels[kind]))
                    extra, alpha = b"", np.full((h, w), 255)
                    if kind == 3:
                        palette = rng.randint(0, 256, (top, 3))
                        extra = chunk(b"PLTE", palette.astype(np.uint8).tobytes())
                        rgb = palette[s[..., 0]]
                        if trns:
                            opacity = rng.randint(0, 256, max(1, top - 1))
                            extra += chunk(b"tRNS", opacity.astype(np.uint8).tobytes())
                            alpha = np.append(opacity, 255)[s[..., 0]]
                    else:
                        if trns:    # one colour is transparent; all 16 bits of it count
                            key = s[2, 3].copy()
                            s[4:6, 5] = key
                            s[7, 1] = key ^ 1
                            extra = chunk(b"tRNS", key.astype(">u2").tobytes())
                            alpha = np.where((s == key).all(-1), 0, 255)
                        e = to_8(s, depth)
                        rgb = e[..., :3] if kind in (2, 6) else np.repeat(e[..., :1], 3, -1)
                        if kind in (4, 6):
                            alpha = e[..., -1]
                    name = "t%d_%d%s%s.png" % (kind, depth, "_i" * interlace, "_trns" * trns)
                    save(name, png(s, kind, depth, interlace, extra))
                    rgb = over_white(np.asarray(rgb), alpha)
                    expect(lines, name, rgb)
                    if not trns and (kind, depth) != (0, 16):
                        hold_pil_to(name, rgb)
    s = rng.randint(0, 256, (5, 7, 3))
    for value in range(1, 9):
        data = png(s, 2, 8, extra=chunk(b"eXIf", orientation_tiff(value)))
        save("turn%d.png" % value, data)
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        expect(lines, "turn%d.png" % value, np.array(upright.convert("RGB")))
    index = np.full((4, 4, 1), 1)
    index[2, 2] = 3
    save("bad_index.png", png(index, 3, 2, extra=chunk(b"PLTE", bytes(9))))
    save("bad_height.png", png(s, 2, 8, size=(0, 7)))
    save("bad_huge.png", png(s, 2, 8, size=(65500, 65500)))
    save("bad_short.png", png(s, 2, 8, size=(6, 7)))
    save("one.png", png(s[:1, :1], 2, 8))
    expect(lines, "one.png", s[:1, :1])
    wide = picture(47, 61)
    save("photo.png", png((wide * 255).astype(int), 2, 8))
    expect(lines, "photo.png", (wide * 255).astype(int))
    tall = picture(53, 31)
    save("tall.png", png((tall * 255).astype(int), 2, 8))
    expect(lines, "tall.png", (tall * 255).astype(int))


def hold_pil_to(name, rgb):
    im = Image.open(os.path.join(OUT, name))
    if im.mode in ("LA", "RGBA"):
        im = im.convert("RGBA")
        white = Image.new("RGB", im.size, (255, 255, 255))
        white.paste(im, mask=im.split()[3])
        im = white
    assert (np.array(im.convert("RGB")) == rgb).all(), name


# ---- JPEG, WebP ------------------------------------------------------------------------------------

def twin(name, data):
    save(name, data)
    im = Image.open(io.BytesIO(data))
    if im.mode == "RGBA":
        white = Image.new("RGB", im.size, (255, 255, 255))
        white.paste(im, mask=im.split()[3])
        im = white
    out = io.BytesIO()
    im.convert("RGB").save(out, "png", optimize=True)
    save(name + ".png", out.getvalue())


def encoded(im, kind, **options):
    out = io.BytesIO()
    im.save(out, kind, **options)
    return out.getvalue()


def tool(data, *command):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def scans(data, script):
    with tempfile.NamedTemporaryFile("w", suffix=".scans") as f:
        f.write(script)
        f.flush()
        return tool(data, "jpegtran", "-scans", f.name)


def cut_scans(data):
    """The header of a progressive JPEG and its scans, each with the tables in front of it."""
    at = start = 2
    pieces = []
    while data[at + 1] != 0xD9:
        kind, length = data[at + 1], struct.unpack(">H", data[at + 2:at + 4])[0]
        at += 2 + length
        if kind == 0xC2:
            pieces.append(data[:at])
            start = at
        if kind == 0xDA:
            while data[at] != 0xFF or data[at + 1] == 0:
                at += 1
            pieces.append(data[start:at])
            start = at
    return pieces


def many_scans(gray):
    """127 scans, more than jpegtran writes at once: two files' scans, each in two refinements."""
    def script(first, last):
        return "0: 0-0, 0, 0;\n" + "".join("0: %d-%d, 0, 1;\n0: %d-%d, 1, 0;\n" % (k, k, k, k)
                                           for k in range(first, last + 1))
    low, high = cut_scans(scans(gray, script(1, 40))), cut_scans(scans(gray, script(41, 63)))
    return b"".join(low + high[2:]) + b"\xff\xd9"


def make_jpegs():
    rgb = Image.fromarray((picture(30, 41) * 255).astype(np.uint8))
    cmyk = Image.fromarray((picture(30, 41, 4) * 255).astype(np.uint8), "CMYK")
    y420 = encoded(rgb, "jpeg", quality=85)
    twin("y420.jpg", y420)
    twin("y444_progressive.jpg", encoded(rgb, "jpeg", quality=75, subsampling=0, progressive=True))
    twin("y420_arithmetic.jpg", tool(y420, "jpegtran", "-arithmetic"))
    twin("y420_restart.jpg", tool(y420, "jpegtran", "-restart", "1"))
    gray = encoded(rgb.convert("L"), "jpeg", quality=85)
    twin("gray.jpg", gray)
    ppm = io.BytesIO()
    rgb.save(ppm, "ppm")
    twin("rgb.jpg", tool(ppm.getvalue(), "cjpeg", "-rgb", "-quality", "80", "-optimize"))
    ink = encoded(cmyk, "jpeg", quality=80, optimize=True)
    twin("cmyk.jpg", ink)
    at = ink.index(b"Adobe") + 11
    assert ink[at] == 0
    twin("ycck.jpg", ink[:at] + b"\x02" + ink[at + 1:])
    small = Image.fromarray((picture(16, 16) * 255).astype(np.uint8))
    little = encoded(small.convert("L"), "jpeg", quality=60)
    twin("scans64.jpg", scans(little, "".join("0: %d-%d, 0, 0;\n" % (k, k) for k in range(64))))
    save("bad_scans127.jpg", many_scans(little))


def make_webps(lines):
    a = (picture(23, 29, 4) * 255).astype(np.uint8)
    rgb, rgba = Image.fromarray(a[..., :3].copy()), Image.fromarray(a)
    twin("lossy.webp", encoded(rgb, "webp", quality=80))
    twin("lossy_alpha.webp", encoded(rgba, "webp", quality=80))
    save("lossless.webp", encoded(rgb, "webp", lossless=True))
    expect(lines, "lossless.webp", a[..., :3])
    save("lossless_alpha.webp", encoded(rgba, "webp", lossless=True, exact=True))
    expect(lines, "lossless_alpha.webp", over_white(a[..., :3], a[..., 3].astype(int)))
    tag = b"Exif\0\0" + orientation_tiff(6)
    save("turn6.webp", encoded(rgb, "webp", lossless=True, exif=tag))
    expect(lines, "turn6.webp", np.array(rgb.transpose(Image.ROTATE_270)))
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue")]
    save("bad_animation.webp", encoded(frames[0], "webp", save_all=True, append_images=frames[1:]))


# ---- resizing --------------------------------------------------------------------------------------

FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def random_bytes(n):
    x, out = 1, bytearray()
    for _ in range(n):
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        out.append(x >> 8 & 255)
    return bytes(out)


def make_resamples():
    sizes = ((1, 1, 1, 1), (1, 1, 7, 5), (2, 2, 1, 1), (3, 5, 3, 9), (5, 3, 11, 3), (8, 8, 16, 16),
             (13, 17, 7, 5), (31, 47, 64, 3), (40, 30, 224, 17), (64, 1, 5, 3), (1, 97, 2, 10),
             (97, 131, 32, 43), (100, 150, 99, 149), (120, 80, 31, 31), (200, 9, 3, 300),
             (150, 200, 8, 11))
    lines = []
    for h, w, oh, ow in sizes:
        for channels in (1, 3):
            data = random_bytes(h * w * channels)
            im = Image.frombytes("L" if channels == 1 else "RGB", (w, h), data)
            spans = [(h, w)] if min(h, w) < 3 else [(h, w), (h - 0.75, w - 0.375)]
            for name, (sh, sw) in ((n, s) for n in FILTERS for s in spans):
                out = im.resize((ow, oh), FILTERS[name], box=(0, 0, sw, sh))
                lines.append("%d %d %d %d %d %s %s %s %s" % (h, w, channels, oh, ow, name, sh, sw,
                                                             fnv(out.tobytes())))
    save("resample.txt", ("\n".join(lines) + "\n").encode())


# ---- preprocessing ---------------------------------------------------------------------------------

def resize_shortest(im, size, how):         # torchvision.transforms.functional.resize, size an int
    w, h = im.size
    short, long = (w, h) if w <= h else (h, w)
    new_short, new_long = size, int(size * long / short)
    return im.resize((new_short, new_long) if w <= h else (new_long, new_short), how)


def center_crop(im, size):                  # torchvision.transforms.functional.center_crop
    ch, cw = size
    w, h = im.size
    if cw > w or ch > h:
        left, top = (cw - w) // 2 if cw > w else 0, (ch - h) // 2 if ch > h else 0
        right, bottom = (cw - w + 1) // 2 if cw > w else 0, (ch - h + 1) // 2 if ch > h else 0
        im = ImageOps.expand(im, (left, top, right, bottom), fill=0)
        w, h = im.size
        if (cw, ch) == (w, h):
            return im
    top, left = int(round((h - ch) / 2.0)), int(round((w - cw) / 2.0))
    return im.crop((left, top, left + cw, top + ch))


def letterbox(im, size, how):               # ultralytics.data.augment.LetterBox, over PIL's resize
    w, h = im.size
    r = min(size[0] / h, size[1] / w)
    uw, uh = int(round(w * r)), int(round(h * r))
    dw, dh = (size[1] - uw) / 2, (size[0] - uh) / 2
    top, left = int(round(dh - 0.1)), int(round(dw - 0.1))
    gray = (114,) * 3 if im.mode == "RGB" else 114
    out = Image.new(im.mode, (size[1], size[0]), gray)
    out.paste(im.resize((uw, uh), how), (left, top))
    return out


def prepare(im, config):
    im = im.convert("L" if config.get("color") == "gray" else "RGB")
    resize = config.get("resize", {"mode": "none"})
    how = FILTERS[resize.get("interpolation", "bilinear")]
    size = resize.get("size")
    pair = size if isinstance(size, list) else [size, size]
    if resize["mode"] == "shortest":
        im = resize_shortest(im, size, how)
    elif resize["mode"] == "exact":
        im = im.resize((pair[1], pair[0]), how)
    elif resize["mode"] == "letterbox":
        im = letterbox(im, pair, how)
    crop = config.get("crop")
    if crop:
        im = center_crop(im, crop if isinstance(crop, list) else [crop, crop])
    a = np.array(im)
    return a[..., ::-1] if config.get("color") == "bgr" else a


def make_preprocesses():
    def resize(mode, size, **more):
        return {"resize": dict(mode=mode, size=size, **more)}
    configs = [{}, {"crop": 20}, {"crop": [21, 30]}, {"crop": [80, 20]}, {"crop": 71},
               resize("shortest", 20), resize("shortest", 64, interpolation="bicubic"),
               dict(resize("shortest", 33), crop=32), dict(resize("shortest", 32), crop=[29, 40]),
               dict(resize("shortest", 9), crop=[14, 9]),
               resize("exact", [19, 23]), resize("exact", 40, interpolation="nearest"),
               dict(resize("exact", [50, 21], interpolation="bicubic"), crop=[33, 16]),
               resize("letterbox", 32), resize("letterbox", [31, 70]), resize("letterbox", [90, 45])]
    lines = []
    for name in ("photo.png", "tall.png"):
        im = Image.open(os.path.join(OUT, name))
        for config in configs:
            for color in ("rgb", "gray", "bgr"):
                full = dict(config, color=color, scale=1)
                a = np.ascontiguousarray(prepare(im, full))
                lines.append("%s\t%s\t%d\t%d\t%s" % (name, json.dumps(full), a.shape[0], a.shape[1],
                                                     fnv(a.tobytes())))
    save("preprocess.txt", ("\n".join(lines) + "\n").encode())


def main():
    os.makedirs(OUT, exist_ok=True)
    lines = []
    make_pngs(lines)
    make_webps(lines)
    make_jpegs()
    make_resamples()
    make_preprocesses()
    save("expected.txt", ("\n".join(lines) + "\n").encode())


main()
