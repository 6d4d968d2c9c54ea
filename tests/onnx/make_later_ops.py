#!/usr/bin/env python3
"""make_later_ops.py - what PyTorch makes of operators that are younger than Debian's ONNX test data.

    /usr/bin/python3 tests/onnx/make_later_ops.py > tests/data/onnx/later_ops.h

Inputs are 0, 1/8, 2/8, .. in a pattern that tests/unit/test_lower_later.c makes as well.
"""
import torch
import torch.nn.functional as F


def pattern(*shape):
    n = 1
    for s in shape:
        n *= s
    return torch.tensor([((i * 37) % 61 - 30) / 8 for i in range(n)]).reshape(shape)


def show(name, tensor):
    values = ", ".join("%.9g" % v for v in tensor.flatten().tolist())
    print("static const double %s[] = { %s };" % (name, values))


x = pattern(2, 4, 3, 5)
scale, shift = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([0.5, 0.0, -0.5, 1.0])
print("/* later_ops.h - made by tests/onnx/make_later_ops.py. */")
show("later_group_norm", F.group_norm(x, 2, scale, shift, 1e-5))
show("later_group_norm_by_group",
     F.group_norm(x, 2, torch.tensor([1.0, 1.0, 3.0, 3.0]), torch.tensor([0.5, 0.5, -0.5, -0.5]), 1e-5))
show("later_gelu", F.gelu(x))
show("later_gelu_tanh", 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x ** 3))))
show("later_mish", F.mish(x))
y = pattern(1, 1, 8, 10)
show("later_linear_antialias", F.interpolate(y, size=(3, 4), mode="bilinear", antialias=True))
show("later_cubic_antialias_up", F.interpolate(y, size=(11, 13), mode="bicubic", antialias=False))
show("later_linear_up", F.interpolate(y, size=(12, 15), mode="bilinear"))
z = pattern(1, 1, 6, 7)
show("later_lp_pool", F.lp_pool2d(z.abs(), 3, (2, 3), stride=(2, 2)))
show("later_dilated_average", torch.stack([torch.stack([
    (z[0, 0, i, j] + z[0, 0, i + 2, j] + z[0, 0, i, j + 3] + z[0, 0, i + 2, j + 3]) / 4
    for j in range(4)]) for i in range(4)]))
show("later_reduce_max", x.amax((1, 3)))
