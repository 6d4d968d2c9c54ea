"""modules.py - which module of a PyTorch network each part of its ONNX file came from."""
import torch
import torch.nn as nn


def hooked(model, x):
    """The network's output, and those of all modules by their path; of a module that is called
    several times, the last."""
    seen = {}

    def keep(key, y):
        if isinstance(y, torch.Tensor):
            seen[key] = y.clone()        # a ReLU behind it may work in place
    handles = [m.register_forward_hook(lambda _m, _i, y, key=key: keep(key, y))
               for key, m in model.named_modules() if key]
    with torch.inference_mode():
        y = model(x)
    for h in handles:
        h.remove()
    return y, seen


def scopes(onnx_model):
    """The modules that the nodes' names tell: "/layer3/layer3.0/conv1/Conv" lies in "layer3",
    "layer3.0" and "layer3.0.conv1"."""
    found = set()
    for node in onnx_model.graph.node:
        parts = []
        for c in node.name.strip("/").split("/")[:-1]:
            if parts and c.startswith(parts[-1] + "."):
                parts[-1] = c
            else:
                parts.append(c)
            found.add(".".join(parts))
    return found


def in_file(model, onnx_model, seen):
    """{module: its value in the file}, of those that have a node there. The exporter merges a
    convolution with the normalization behind it and gives the result the convolution's name."""
    there, modules = scopes(onnx_model), dict(model.named_modules())
    keys, values = list(modules), {}
    for key in (k for k in keys if k in seen and k in there):
        after = keys[keys.index(key) + 1:][:1]
        merged = (after and after[0] not in there and after[0] in seen and isinstance(modules[key], nn.Conv2d)
                  and isinstance(modules[after[0]], nn.BatchNorm2d))
        values[key] = seen[after[0] if merged else key]
    return values
