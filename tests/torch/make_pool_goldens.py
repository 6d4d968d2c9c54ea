#!/usr/bin/env python3
"""Writes tests/data/pool/goldens.h: what PyTorch and torchvision make of small maps.

Run from the project's root. Inputs are not stored: both sides draw them from the generator of
tests/check.c (guarded_random) and put the same special values in. Maps are channels last.
"""
import itertools

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

OUT = "tests/data/pool/goldens.h"
NAN, INF = float("nan"), float("inf")
MASK = 0xFFFFFFFF


def random_map(shape, seed, special=()):
    """[n, h, w, c] of floats in [-1, 1), as guarded_random() draws them."""
    state = (seed * 2654435761 + 1) & MASK
    flat = np.empty(int(np.prod(shape)), np.float32)
    for i in range(flat.size):
        state = state or 2463534242
        state ^= (state << 13) & MASK
        state ^= state >> 17
        state ^= (state << 5) & MASK
        flat[i] = np.float32(np.float32(state >> 8) / np.float32(8388608.0)) - np.float32(1)
    for at, value in special:
        flat[at] = value
    return flat.reshape(shape)


def first(x):
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def last(t):
    return t.numpy().transpose(0, 2, 3, 1)


def number(x):
    x = float(x)
    if x != x:
        return "NAN"
    if abs(x) == INF:
        return "INFINITY" if x > 0 else "-INFINITY"
    text = f"{x:.7g}"
    return text + ("f" if "." in text or "e" in text else "")


def floats(name, values):
    items = [number(v) for v in np.asarray(values).flatten()]
    lines, line = [], "    "
    for item in items:
        if len(line) + len(item) + 2 > 98:
            lines.append(line.rstrip())
            line = "    "
        line += item + ", "
    lines.append(line.rstrip())
    return f"static const float {name}[] = {{\n" + "\n".join(lines) + "\n};\n"


def braces(values):
    return "{ " + ", ".join(str(int(v)) for v in values) + " }"


def special_text(special):
    items = special or [(0, 0)]              # a value of 0 stands for none
    return "{ " + ", ".join(f"{{ {at}, {number(v)} }}" for at, v in items) + " }"


arrays, windows, grids, rois = [], [], [], []


def window(shape, kernel, stride, pad=(0, 0), dilation=(1, 1), ceil=False, p=2, special=()):
    i, x = len(windows), random_map(shape, len(windows) + 1, special)
    top, where = F.max_pool2d(first(x), kernel, stride, pad, dilation, ceil, return_indices=True)
    arrays.append(floats(f"window{i}_max", last(top)))
    arrays.append(floats(f"window{i}_index", last(where)))
    norm = "NULL"
    # In ceil mode lp_pool2d takes what a window has inside for as many pixels as the whole has.
    if pad == (0, 0) and dilation == (1, 1) and not ceil and p:
        arrays.append(floats(f"window{i}_lp", last(
            F.lp_pool2d(first(x) if p % 2 == 0 else first(x).abs(), p, kernel, stride))))
        norm = f"window{i}_lp"
    windows.append(
        f"    {{ {braces(shape)}, {special_text(special)},\n"
        f"      {{ .kernel = {braces(kernel)}, .strides = {braces(stride)}, "
        f".dilations = {braces(dilation)},\n"
        f"        .pads = {braces(pad + pad)}, .padding = TP_PADDING_EXPLICIT, "
        f".ceil_mode = {str(ceil).lower()} }},\n"
        f"      {p}, window{i}_max, window{i}_index, {norm} }},\n")


def grid(shape, bins, special=()):
    i, x = len(grids), first(random_map(shape, 100 + len(grids), special))
    top, where = F.adaptive_max_pool2d(x, bins, return_indices=True)
    arrays.append(floats(f"grid{i}_max", last(top)))
    arrays.append(floats(f"grid{i}_index", last(where)))
    arrays.append(floats(f"grid{i}_avg", last(F.adaptive_avg_pool2d(x, bins))))
    grids.append(f"    {{ {braces(shape)}, {special_text(special)}, {braces(bins)},\n"
                 f"      grid{i}_max, grid{i}_index, grid{i}_avg }},\n")


BOXES = [  # image, x0, y0, x1, y1
    [0, 1.25, 2.5, 9.75, 11.0], [1, -7.5, -3.0, 6.0, 5.5], [0, 10.0, 9.0, 40.0, 31.5],
    [1, 3.0, 3.0, 3.2, 3.1], [0, 30.0, 30.0, 50.0, 60.0], [1, 9.0, 10.0, 2.0, 3.5],
]


def roi(shape, bins, scale, ratio, aligned, quantized=False, special=()):
    i, x = len(rois), first(random_map(shape, 200 + len(rois), special))
    boxes = torch.tensor(BOXES, dtype=torch.float32)
    if quantized:
        out = torchvision.ops.roi_pool(x, boxes, bins, scale)
    else:
        out = torchvision.ops.roi_align(x, boxes, bins, scale, ratio, aligned)
    arrays.append(floats(f"roi{i}", last(out)))
    rois.append(f"    {{ {braces(shape)}, {special_text(special)},\n      {braces(bins)}, "
                f"{number(scale)}, {ratio}, {str(aligned).lower()}, {str(quantized).lower()}, "
                f"roi{i} }},\n")


window((1, 5, 7, 2), (3, 2), (2, 1))
window((2, 6, 5, 1), (3, 3), (2, 2), (1, 1))
window((1, 7, 6, 2), (3, 2), (3, 3), ceil=True)
window((1, 6, 5, 2), (3, 2), (2, 3), p=4)
window((1, 6, 9, 1), (2, 3), (2, 2), (1, 1), (2, 2), True)
window((1, 5, 5, 2), (2, 2), (1, 1), special=[(3, NAN), (4, NAN), (24, -INF), (33, INF)], p=0)
window((1, 4, 5, 1), (2, 2), (2, 2), (1, 1), ceil=True, p=0,
       special=[(i, -INF) for i in (0, 1, 2, 6)])
window((1, 5, 7, 3), (2, 3), (2, 2), p=3)

grid((1, 7, 5, 2), (3, 2))
grid((2, 3, 4, 1), (5, 7))
grid((1, 1, 1, 2), (2, 3))
grid((1, 9, 8, 1), (1, 1))
grid((1, 6, 5, 2), (4, 3), [(7, NAN), (9, NAN), (40, -INF), (30, INF)])

for aligned, ratio in itertools.product((False, True), (0, 1, 2)):
    roi((2, 9, 11, 2), (2, 3), 0.5 if ratio != 1 else 0.75, ratio, aligned)
roi((2, 13, 12, 1), (3, 1), 1.0, 3, True)
roi((2, 8, 8, 1), (2, 2), 0.5, 2, True, special=[(20, NAN), (75, INF), (90, -INF)])
roi((2, 9, 11, 2), (3, 2), 0.5, 0, False, True)
roi((2, 9, 11, 1), (4, 5), 0.75, 0, False, True)

boxes = [row[1:] for row in BOXES]
images = [row[0] for row in BOXES]
with open(OUT, "w", encoding="ascii") as f:
    f.write("/* goldens.h - written by tests/torch/make_pool_goldens.py, with PyTorch "
            f"{torch.__version__}\n * and torchvision {torchvision.__version__}. Maps are "
            "guarded_random() of seeds that count up from 1 (windows),\n * 100 (grids) and 200 "
            "(boxes), with the special values put in. */\n")
    f.write("#ifndef GOLDENS_H\n#define GOLDENS_H\n\n"
            "#include \"ops/op.h\"\n\n#include <math.h>\n\n")
    f.write("struct special { int at; float value; };       /* a value of 0: none */\n\n")
    f.write("\n".join(arrays))
    f.write("\nstatic const struct {\n    int shape[4];\n    struct special special[8];\n"
            "    struct tp_window window;\n    float p;                         "
            "/* odd: of absolute values */\n    const float *max, *index, *lp;\n"
            "} window_goldens[] = {\n" + "".join(windows) + "};\n")
    f.write("\nstatic const struct {\n    int shape[4];\n    struct special special[8];\n"
            "    int bins[2];\n    const float *max, *index, *avg;\n} grid_goldens[] = {\n"
            + "".join(grids) + "};\n")
    f.write(f"\nenum {{ N_ROI_BOXES = {len(BOXES)} }};\n")
    f.write(floats("roi_boxes", boxes) + floats("roi_images", images))
    f.write("\nstatic const struct {\n    int shape[4];\n    struct special special[8];\n"
            "    int bins[2];\n    float scale;\n    int sampling_ratio;\n"
            "    bool half_pixel, quantized;\n    const float *want;\n} roi_goldens[] = {\n"
            + "".join(rois) + "};\n\n#endif\n")
