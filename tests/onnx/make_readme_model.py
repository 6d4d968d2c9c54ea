#!/usr/bin/env python3
"""make_readme_model.py - README's resnet50 in a few KB: the same names, tiny layers. tests/data/onnx/readme/resnet50.onnx.

    /usr/bin/python3 tests/onnx/make_readme_model.py        from the project's root

Needs Debian's python3-onnx; tests/http/examples.bats runs README's commands against what it writes and does not.
"""
import pathlib

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

OUT = pathlib.Path("tests/data/onnx/readme/resnet50.onnx")
CHANNELS = {"layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
CLASSES = 10
rng = np.random.default_rng(50)
nodes, weights = [], []


def weight(name, *shape):
    values = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    weights.append(numpy_helper.from_array(values.astype(np.float32), name))
    return name


def node(op, inputs, name, output=None, **attributes):
    """Named as PyTorch's exporter does; returns the name of what it makes."""
    nodes.append(helper.make_node(op, inputs, [output or name + "_output_0"], name=name, **attributes))
    return nodes[-1].output[0]


def conv(x, scope, channels, wide):
    return node("Conv", [x, weight(scope + ".weight", wide, channels, 3, 3)], f"{scope}/Conv", pads=[1, 1, 1, 1],
                strides=[2, 2])


x, channels = conv("image", "/conv1", 3, 3), 3
x = node("Relu", [x], "/relu/Relu")
for layer, wide in CHANNELS.items():
    x = conv(x, f"/{layer}/{layer}.0/conv1", channels, wide)
    x = node("Relu", [x], f"/{layer}/{layer}.0/relu/Relu")
    x = node("Relu", [x], f"/{layer}/{layer}.1/relu/Relu")
    channels = wide
x = node("GlobalAveragePool", [x], "/avgpool/GlobalAveragePool")
x = node("Flatten", [x], "/Flatten")
node("Gemm", [x, weight("fc.weight", CLASSES, channels)], "/fc/Gemm", "output", transB=1)

graph = helper.make_graph(nodes, "resnet50",
                          [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 64, 64])],
                          [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", CLASSES])], weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
model.ir_version = 8
checker.check_model(model)
OUT.parent.mkdir(parents=True, exist_ok=True)
OUT.write_bytes(model.SerializeToString())
print(OUT, OUT.stat().st_size, "bytes")
