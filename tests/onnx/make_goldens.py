#!/usr/bin/env python3
"""make_goldens.py - small ONNX networks and the value of every tensor in them: tests/data/onnx/.

    /usr/bin/python3 tests/onnx/make_goldens.py        from the project's root

Needs Debian's python3-torch and python3-onnx; tests/unit/test_goldens.c reads what it writes and
needs neither. NAME.onnx is what torch.onnx.export() (opset 13, 17) or onnx.helper wrote; NAME.txt:

    input N C H W                                       one run; its values are unit(i), see below
    value NAME .. | D0 D1 .. | LARGEST | P P P ; P P P  a layer, by each name that it can be asked for

A value stands as three projections per image, in double precision: sum of value[i] * unit(salt, i)
with salt 1, 2, 3 over the image's elements in the file's own order. LARGEST is its largest absolute
value. NAME is a tensor, a node or a module.
"""
import io
import pathlib
import sys
import warnings

import numpy as np
import onnx
import torch
import torch.nn as nn
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

sys.dont_write_bytecode = True
import modules  # noqa: E402
from evaluate import evaluate  # noqa: E402

warnings.filterwarnings("ignore")
OUT = pathlib.Path("tests/data/onnx")
SIZES = [(9, 8), (14, 11)]           # the second where height and width are dynamic


def unit(salt, n):
    """n numbers in [-1, 1): the same in test_goldens.c."""
    i = np.arange(n, dtype=np.uint64) + np.uint64(salt * 1000003)
    h = (i * np.uint64(2654435761)) & np.uint64(0xFFFFFFFF)
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    h ^= h >> np.uint64(13)
    return h.astype(np.float64) / 2.0 ** 31 - 1


class Cat(nn.Module):
    def forward(self, *xs):
        return torch.cat(xs, 1)


def conv(i, o, k=3, s=1, act=nn.ReLU, **more):
    padding = more.pop("padding") if "padding" in more else k // 2
    layers = [nn.Conv2d(i, o, k, s, padding, bias=False, **more), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, *([act()] if act else []))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv(3, 6, 3, 2)
        self.a = conv(6, 6)
        self.b = conv(6, 6, act=None)
        self.down = conv(6, 8, 1, 2, act=None)
        self.c = conv(6, 8, 3, 2, act=None)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        x = self.relu(self.b(self.a(x)) + x)
        x = self.relu(self.down(x) + self.c(x))
        return self.fc(self.pool(x).mean((2, 3)))


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(3 + 4 * k), nn.ReLU(), nn.Conv2d(3 + 4 * k, 4, 3, padding=1)) for k in range(3))
        self.norm = nn.BatchNorm2d(15)
        self.transition = nn.Conv2d(15, 6, 1)
        self.pool = nn.AvgPool2d(2, 2)

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        x = self.pool(self.transition(F.relu(self.norm(x))))
        return torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)


class Squeeze(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.expand = conv(3, 8, 1, act=act)
        self.depthwise = conv(8, 8, 5, 2, act=act, groups=8)
        self.squeeze = nn.Conv2d(8, 2, 1)
        self.excite = nn.Conv2d(2, 8, 1)
        self.gate = nn.Hardsigmoid() if act is nn.Hardswish else nn.Sigmoid()
        self.project = conv(8, 4, 1, act=None)

    def forward(self, x):
        x = self.depthwise(self.expand(x))
        s = F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))
        return self.project(x * self.gate(self.excite(s)))


class Shuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv(3, 8)
        self.branches = nn.ModuleList(
            nn.Sequential(conv(4, 4, 1), conv(4, 4, 3, act=None, groups=4), conv(4, 4, 1)) for _ in range(2))
        self.last = conv(8, 6, 1)

    @staticmethod
    def shuffle(x, groups):
        n, c, h, w = x.size()
        return x.view(n, groups, c // groups, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)

    def forward(self, x):
        x = self.stem(x)
        for branch in self.branches:
            a, b = x.chunk(2, 1)
            x = self.shuffle(torch.cat((a, branch(b)), 1), 2)
        return self.last(x).mean([2, 3])


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = conv(3, 3, 1)
        self.wide = nn.Sequential(conv(3, 2, (1, 5), padding=(0, 2)), conv(2, 4, (5, 1), padding=(2, 0)))
        self.twice = nn.Sequential(conv(3, 3, 1), conv(3, 3, 3, padding=2, dilation=2))
        self.pooled = nn.Sequential(nn.AvgPool2d(3, 1, 1), conv(3, 2, 1))
        self.small = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.cat = Cat()

    def forward(self, x):
        x = self.cat(self.one(x), self.wide(x), self.twice(x), self.pooled(x))
        return self.small(x)


class Segment(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = conv(3, 6, 4, 2, padding=1)
        self.deep = conv(6, 6, 3, 1, act=nn.ELU)
        self.up = nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=1)
        self.side = nn.Conv2d(3, 4, 1)
        self.classes = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        y = self.up(self.deep(self.down(x)))
        y = F.leaky_relu(y, 0.1) + F.interpolate(self.side(F.max_pool2d(x, 2)), size=y.shape[2:], mode="bilinear")
        y = F.interpolate(self.classes(y), scale_factor=2, mode="nearest")
        return torch.sigmoid(y)


class Next(nn.Module):
    """A ConvNeXt block: depthwise 7x7, LayerNorm over channels, GELU, layer scale."""
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 2, 2)
        self.depthwise = nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm = nn.LayerNorm(8, eps=1e-6)
        self.wide = nn.Linear(8, 12)
        self.narrow = nn.Linear(12, 8)
        self.scale = nn.Parameter(torch.rand(8, 1, 1))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.narrow(F.gelu(self.wide(y))).permute(0, 3, 1, 2)
        x = x + self.scale * y
        return self.head(x.mean([-2, -1])).softmax(-1)


class Attention(nn.Module):
    """Patches as tokens, one attention head pair, as vision transformers have it."""
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 3, 3)
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        n, t, c = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, t, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        y = ((q * 0.5) @ k.transpose(-2, -1)).softmax(-1) @ v
        return x + self.out(y.transpose(1, 2).reshape(n, t, c))


def fill(model):
    """Weights from unit(), a different stretch for every parameter; statistics as of a trained net."""
    for salt, (name, t) in enumerate(list(model.named_parameters()) + list(model.named_buffers()), 10):
        if t.dim() == 0:
            continue
        v = torch.from_numpy(unit(salt, t.numel())).reshape(t.shape).float()
        fan_in = max(1, t[0].numel())
        if name.endswith("running_var"):
            v = 1 + v / 2
        elif name.endswith("running_mean") or name.endswith("bias"):
            v = v / 4
        elif t.dim() == 1:
            v = 1 + v / 3
        else:
            v = v * (2.0 / fan_in) ** 0.5
        t.data.copy_(v)


def export(name, model, opset, dynamic_size=False, keep_norm=False):
    torch.manual_seed(0)
    fill(model)
    model.eval()
    axes = {0: "N", 2: "H", 3: "W"} if dynamic_size else {0: "N"}
    file = io.BytesIO()
    torch.onnx.export(model, torch.zeros(1, 3, *SIZES[0]), file, opset_version=opset, input_names=["input"],
                      output_names=["output"], dynamic_axes={"input": axes, "output": {0: "N"}},
                      training=torch.onnx.TrainingMode.PRESERVE if keep_norm else torch.onnx.TrainingMode.EVAL)
    onnx_model = onnx.load_model_from_string(file.getvalue())
    for node in onnx_model.graph.node:       # where in this file the module was called: not needed
        node.ClearField("doc_string")
    write(name, onnx_model, SIZES if dynamic_size else SIZES[:1], model)


def write(name, onnx_model, sizes, model=None):
    onnx.checker.check_model(onnx_model)
    (OUT / f"{name}.onnx").write_bytes(onnx_model.SerializeToString())
    lines = []
    for size in sizes:
        shape = (3, 3, *size)
        x = torch.from_numpy(unit(0, int(np.prod(shape))).reshape(shape).astype(np.float32))
        made = evaluate(onnx_model, x, double=True)
        lines.append("input " + " ".join(map(str, shape)))
        alone = evaluate(onnx_model, x[:1], double=True)
        asked = {key: v for key, v in made.items()
                 if v.is_floating_point() and v.dim() and v.shape[0] == 3 and alone[key].shape[0] == 1}
        names = {key: [key] for key in asked}
        for n in onnx_model.graph.node:
            if n.output[0] in asked and n.name and n.name not in made:
                names[n.output[0]].append(n.name)
        if model:
            want, seen = modules.hooked(model.double(), x.double())
            # Exporters merge normalizations in single precision.
            assert (want - made["output"]).abs().max() <= 3e-6 * want.abs().max(), name
            for key, v in modules.in_file(model, onnx_model, seen).items():
                if v.shape[0] == 3:
                    names[same(v, asked)].append(key)
        lines += [line(names[key], v.detach().numpy()) for key, v in asked.items()]
    (OUT / f"{name}.txt").write_text("\n".join(lines) + "\n")
    print(f"{name}: {len(onnx_model.graph.node)} nodes, {len(lines)} lines, "
          f"{(OUT / f'{name}.onnx').stat().st_size} bytes")


def same(v, asked):
    """The tensor of the file that a module's output is: the last, where Identity repeats it."""
    return [key for key, t in asked.items() if t.shape == v.shape and (t - v).abs().max() <= 3e-6 * v.abs().max()][-1]


def line(names, v):
    rows = v.reshape(v.shape[0], -1)
    weights = [unit(salt, rows.shape[1]) for salt in (1, 2, 3)]
    images = " ; ".join(" ".join(f"{float(row @ w):.7g}" for w in weights) for row in rows)
    return f"value {' '.join(names)} | {' '.join(map(str, v.shape))} | {np.abs(v).max():.6g} | {images}"


def weight(name, salt, shape, scale=1.0, shift=0.0):
    v = unit(salt, int(np.prod(shape))).reshape(shape) * scale + shift
    return numpy_helper.from_array(v.astype(np.float32), name)


def whole(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


def by_hand():
    """What PyTorch's exporter does not write: rarer pooling, odd pads, half and double weights."""
    half = numpy_helper.from_array((unit(20, 108).reshape(4, 3, 3, 3) / 3).astype(np.float16), "half")
    double = numpy_helper.from_array(unit(21, 4) / 4, "double")
    nodes = [
        helper.make_node("Cast", ["half"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["double"], ["b"], to=TensorProto.FLOAT),
        helper.make_node("Pad", ["input", "pads"], ["padded"], name="reflect", mode="reflect"),
        helper.make_node("Conv", ["padded", "w", "b"], ["conv"], pads=[0, 1, 2, 0], strides=[2, 1], name="conv2d"),
        helper.make_node("PRelu", ["conv", "slope"], ["prelu"], name="prelu"),
        helper.make_node("MaxPool", ["prelu"], ["max"], kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[1, 2]),
        helper.make_node("AveragePool", ["prelu"], ["avg"], kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[1, 2],
                         count_include_pad=1),
        helper.make_node("LpPool", ["prelu"], ["lp"], kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[1, 2], p=3),
        helper.make_node("Max", ["max", "lp"], ["larger"]),
        helper.make_node("Sub", ["larger", "avg"], ["difference"], name="difference"),
        helper.make_node("LRN", ["difference"], ["lrn"], size=3, alpha=0.5, beta=0.75, bias=2.0),
        helper.make_node("InstanceNormalization", ["lrn", "in_scale", "in_shift"], ["instance"]),
        helper.make_node("Split", ["instance", "halves"], ["left", "right"], axis=1),
        helper.make_node("Concat", ["right", "left"], ["swapped"], axis=1),
        helper.make_node("DepthToSpace", ["swapped"], ["space"], blocksize=2, mode="CRD"),
        helper.make_node("SpaceToDepth", ["space"], ["depth"], blocksize=2),
        helper.make_node("Slice", ["depth", "starts", "ends", "axes", "steps"], ["flipped"]),
        helper.make_node("Selu", ["flipped"], ["selu"]),
        helper.make_node("ReduceL2", ["selu"], ["norm"], axes=[1], keepdims=1),
        helper.make_node("Div", ["selu", "norm"], ["direction"]),
        helper.make_node("GlobalMaxPool", ["direction"], ["peak"]),
        helper.make_node("Mul", ["direction", "peak"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["turned"], perm=[0, 3, 1, 2]),
        helper.make_node("Reshape", ["turned", "to"], ["rows"]),
        helper.make_node("Gemm", ["rows", "gemm_w", "gemm_b"], ["output"], alpha=0.5, beta=2.0, transB=1),
    ]
    weights = [half, double, whole("pads", 0, 0, 1, 2, 0, 0, 2, 1), weight("slope", 22, (4, 1, 1), 0.3),
               weight("in_scale", 23, (4,), 0.5, 1), weight("in_shift", 24, (4,), 0.2), whole("halves", 1, 3),
               whole("starts", -1, 1), whole("ends", -100, 100), whole("axes", 3, 2), whole("steps", -1, 2),
               whole("to", 0, -1), weight("gemm_w", 25, (3, 60), 0.1), weight("gemm_b", 26, (3,))]
    graph = helper.make_graph(
        nodes, "by_hand", [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, *SIZES[0]])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 3])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    write("by_hand", model, SIZES[:1])


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    export("residual", Residual(), 13)
    export("residual_norms", Residual(), 17, keep_norm=True)
    export("dense", Dense(), 13)
    export("squeeze", Squeeze(nn.SiLU), 17, dynamic_size=True)
    export("squeeze_hard", Squeeze(nn.Hardswish), 13)
    export("squeeze_hard_norms", Squeeze(nn.Hardswish), 17, dynamic_size=True, keep_norm=True)
    export("shuffle", Shuffle(), 13)
    export("shuffle_any_size", Shuffle(), 17, dynamic_size=True)
    export("branches", Branches(), 17, dynamic_size=True)
    export("segment", Segment(), 13, dynamic_size=True)
    export("next", Next(), 17)
    export("next_old", Next(), 13)
    export("attention", Attention(), 17)
    by_hand()


if __name__ == "__main__":
    sys.exit(main())
