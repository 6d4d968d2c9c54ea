#!/usr/bin/env python3
"""make_small_models.py - ONNX models of a few hundred bytes whose answers are known by hand: tests/data/onnx/small/.

    /usr/bin/python3 tests/onnx/make_small_models.py        from the project's root

Needs Debian's python3-onnx; tests/http/onnx.bats serves what it writes and needs neither.
"""
import pathlib

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

OUT = pathlib.Path("tests/data/onnx/small")
DOMAIN = "com.example"               # of operators that nobody knows

# Of pixels r, g, b: r; r + g + b; the r to the right less the r to the left; 1 - g.
KERNEL = np.zeros((4, 3, 3, 3), np.float32)
KERNEL[0, 0, 1, 1] = 1
KERNEL[1, :, 1, 1] = 1
KERNEL[2, 0, 1, 2], KERNEL[2, 0, 1, 0] = 1, -1
KERNEL[3, 1, 1, 1] = -1
SHIFT = np.array([0, 0, 0, 1], np.float32)
CLASSES = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]], np.float32)
CLASS_SHIFT = np.array([0, 0, 0.5, -1, -2], np.float32)


def weight(name, values):
    return numpy_helper.from_array(np.asarray(values), name)


def outside(name, values, location):
    """A weight that lies in a file of its own."""
    t = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=values.shape, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "64"), ("length", str(values.nbytes))):
        t.external_data.add(key=key, value=value)
    return t


def node(op, inputs, name, output=None, **attributes):
    """Named as PyTorch's exporter does: "/features/conv/Conv" is the operator of module features.conv."""
    return helper.make_node(op, inputs, [output or name + "_output_0"], name=name, **attributes)


def write(name, nodes, inputs, outputs, weights=()):
    def infos(shapes):
        return [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in shapes.items()]
    graph = helper.make_graph(nodes, name, infos(inputs), infos(outputs), list(weights))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid(DOMAIN, 1)])
    model.ir_version = 8
    if not any(t.external_data for t in weights):    # which the checker would look for here
        checker.check_model(model)
    (OUT / f"{name}.onnx").write_bytes(model.SerializeToString())


def features():
    return [
        node("Conv", ["image", "kernel", "shift"], "/features/conv/Conv", pads=[1, 1, 1, 1]),
        node("Relu", ["/features/conv/Conv_output_0"], "/features/act/Relu"),
        node("MaxPool", ["/features/act/Relu_output_0"], "/features/pool/MaxPool", kernel_shape=[2, 2],
             strides=[2, 2]),
    ]


def classifier(name, kernel, *size):
    head = [
        node("GlobalAveragePool", ["/features/pool/MaxPool_output_0"], "/avg/GlobalAveragePool"),
        node("Flatten", ["/avg/GlobalAveragePool_output_0"], "/Flatten"),
        node("Gemm", ["/Flatten_output_0", "classes", "class_shift"], "/fc/Gemm", "scores", transB=1),
    ]
    write(name, features() + head, {"image": ["N", 3, *size]}, {"scores": ["N", 5]},
          [kernel, weight("shift", SHIFT), weight("classes", CLASSES), weight("class_shift", CLASS_SHIFT)])


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    classifier("classifier", weight("kernel", KERNEL), 8, 8)
    classifier("any_size", weight("kernel", KERNEL), "H", "W")
    classifier("external", outside("kernel", KERNEL, "external.bin"), 8, 8)
    classifier("escape", outside("kernel", KERNEL, "../external.bin"), 8, 8)
    (OUT / "external.bin").write_bytes(bytes(64) + KERNEL.tobytes())
    strange = [
        node("Mystery", ["/features/pool/MaxPool_output_0"], "/odd/Mystery", domain=DOMAIN),
        node("Riddle", ["/features/act/Relu_output_0"], "/odder/Riddle", domain=DOMAIN),
        node("Add", ["/odd/Mystery_output_0", "/odder/Riddle_output_0"], "/Add", "sum"),
    ]
    write("unknown_operators", features() + strange, {"image": ["N", 3, 8, 8]}, {"sum": ["N", 4, 4, 4]},
          [weight("kernel", KERNEL), weight("shift", SHIFT)])
    write("one_by_one",
          [node("Neg", ["image"], "/Neg"), node("Reshape", ["/Neg_output_0", "to"], "/Reshape"),
           node("Gemm", ["/Reshape_output_0", "sums"], "/Gemm", "sums_of_halves")],
          {"image": [1, 3, 2, 2]}, {"sums_of_halves": [1, 2]},
          [weight("to", np.array([1, -1])), weight("sums", np.repeat(np.eye(2, dtype=np.float32), 6, 0))])
    write("two_inputs", [node("Add", ["left", "right"], "/Add", "sum")],
          {"left": ["N", 3, 8, 8], "right": ["N", 3, 8, 8]}, {"sum": ["N", 3, 8, 8]})


if __name__ == "__main__":
    main()
