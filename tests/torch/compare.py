#!/usr/bin/env python3
"""compare.py - torchvision's networks, exported to ONNX, asked over HTTP and held against PyTorch.

    make test-torch [NETS="resnet18 vit_b_16"]
    /usr/bin/python3 tests/torch/compare.py build/tidepool [NET ...]

Needs Debian's python3-torch, python3-torchvision and python3-onnx. Of each network: every tensor of
its file (against evaluate.py), every module (against PyTorch's own hooks) and the output, for one
image and for three, within 1e-4 of the largest reference value; the references are computed in
float64. Parameters and multiply-adds against what is published. Then the pooling forms, on one
layer, against PyTorch's. Exit status 1: something differs.
"""
import argparse
import copy
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings

import numpy as np
import onnx
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "onnx"))
import modules  # noqa: E402
from evaluate import evaluate  # noqa: E402

warnings.filterwarnings("ignore")

TOLERANCE = 1e-4                     # of the largest absolute reference value
ELEMENTS = 6_000_000                 # of one answer

# Multiply-adds in 1e9 at 224x224, as torchvision publishes them (docs, "GFLOPS"); None: computed.
NETS = {
    "resnet18": 1.81, "resnet50": 4.09, "mobilenet_v2": 0.30, "squeezenet1_1": 0.35, "vgg16": 15.47,
    "densenet121": 2.83, "efficientnet_b0": 0.39, "shufflenet_v2_x1_0": 0.14, "googlenet": 1.50,
    "mobilenet_v3_large": 0.22, "regnet_y_400mf": 0.40, "mnasnet1_0": 0.31, "convnext_tiny": 4.46,
    "resnext50_32x4d": 4.23, "inception_v3": None, "fcn_resnet50": None, "vit_b_16": None,
}
SIZE = {"inception_v3": 149, "fcn_resnet50": 97}
EXTRA = {"googlenet": {"aux_logits": False, "init_weights": False},
         "inception_v3": {"aux_logits": False, "init_weights": False},
         "fcn_resnet50": {"weights_backbone": None}}
WITH_NORMS = ("resnet50", "densenet121")     # also exported with their normalizations kept


# ---- networks ------------------------------------------------------------------------------------

class Output(nn.Module):
    """A segmentation network's answer alone, not in a dictionary."""
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)["out"]


def build(name):
    torch.manual_seed(0)
    namespace = torchvision.models.segmentation if name.startswith("fcn") else torchvision.models
    model = getattr(namespace, name)(weights=None, **EXTRA.get(name, {}))
    for m in model.modules():            # as of a trained network, not 0 and 1; all different, or
        if isinstance(m, nn.BatchNorm2d):        # the exporter would store them once
            m.running_mean.uniform_(-0.1, 0.1)
            m.running_var.uniform_(0.5, 1.5)
            m.weight.data.uniform_(0.8, 1.2)
            m.bias.data.uniform_(-0.1, 0.1)
    for p in model.parameters():
        if p.dim() > 1 and not p.any():
            nn.init.normal_(p, std=0.05)
    return (Output(model) if name.startswith("fcn") else model).eval()


def export(model, x, path, dynamic_size=False, keep_norms=False):
    axes = {0: "N", 2: "H", 3: "W"} if dynamic_size else {0: "N"}
    torch.onnx.export(model, x, path, opset_version=13, input_names=["input"], output_names=["output"],
                      dynamic_axes={"input": axes, "output": {0: "N"}}, do_constant_folding=not keep_norms,
                      training=torch.onnx.TrainingMode.PRESERVE if keep_norms else torch.onnx.TrainingMode.EVAL)
    return onnx.load(path)


def images(n, size, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, 3, size, size), dtype=np.float32))


# ---- the server ----------------------------------------------------------------------------------

class Server:
    def __init__(self, binary, folder):
        self.log = tempfile.NamedTemporaryFile("w+", suffix=".log")
        started = time.monotonic()
        self.process = subprocess.Popen(
            [binary, "serve", "--port", "0", "--models", folder, "--max-output-bytes", str(1 << 30),
             "--max-workspace-bytes", str(4 << 30)], stderr=self.log)
        while not (found := re.search(r"on (http://[^ ]+) ", pathlib.Path(self.log.name).read_text())):
            if self.process.poll() is not None or time.monotonic() - started > 120:
                sys.exit("no server: " + pathlib.Path(self.log.name).read_text())
            time.sleep(0.01)
        self.url, self.seconds = found[1], time.monotonic() - started

    def stop(self):
        self.process.terminate()
        status = self.process.wait()
        text = pathlib.Path(self.log.name).read_text()
        return [] if status == 0 else [f"server: exit status {status}: {text[-2000:]}"]

    def post(self, path, body, kind):
        request = urllib.request.Request(self.url + path, body, {"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.read()
        except urllib.error.HTTPError as e:
            return e.read()
        except OSError as e:                 # closed before or while it answered
            return json.dumps({"error": str(e)}, separators=(",", ":")).encode()

    def features(self, model, x, words="", outputs=None):
        """read_answer() of a .npy body, or of JSON that names outputs."""
        query = "?digits=9&nested=false" + ("&" + words if words else "")
        if outputs is None:
            file = io.BytesIO()
            np.save(file, x)
            body, kind = file.getvalue(), "application/x-npy"
        else:
            data = ",".join(map(repr, x.ravel().tolist()))
            body = ('{"tensor":{"shape":%s,"data":[%s]},"outputs":%s}' % (
                json.dumps(list(x.shape)), data, json.dumps([{"name": n} for n in outputs]))).encode()
            kind = "application/json"
        return read_answer(self.post(f"/v1/models/{model}/features{query}", body, kind))


def read_answer(text):
    """[(name, values)], an argmax behind its maxima; the message of an error. Numbers do not go
    through Python's JSON: it takes ten times as long."""
    if text.startswith(b'{"error"'):
        return json.loads(text)["error"]
    found = []
    head = re.compile(rb'\{"name":("(?:[^"\\]|\\.)*"),[^\[]*"shape":\[([0-9,]*)\],"data":\[')
    argmax = re.compile(rb'\],"argmax":\[')
    at = 0
    while m := head.search(text, at):
        name, shape, at = json.loads(m[1]), [int(d) for d in m[2].split(b",") if d], m.end()
        while at:
            end = text.index(b"]", at)
            numbers = text[at:end].replace(b"null", b"nan")
            found.append((name, np.fromstring(numbers, np.float32, sep=",").reshape(shape)))
            more = argmax.match(text, end)
            at = more.end() if more else 0
        at = end
    return found or text[:300].decode()


# ---- one network ---------------------------------------------------------------------------------

class Report:
    def __init__(self):
        self.n, self.worst, self.worst_name, self.wrong = 0, 0.0, "", []

    def fail(self, text):
        self.wrong.append(text)

    def compare(self, name, got, want):
        want = want.detach().numpy()
        self.n += 1
        if got.shape != want.shape:
            return self.fail(f"{name}: shape {list(got.shape)}, expected {list(want.shape)}")
        # JSON has null for NaN and for infinities.
        finite = np.isfinite(want)
        if not np.array_equal(np.isfinite(got), finite):
            return self.fail(f"{name}: {(np.isfinite(got) != finite).sum()} values are finite here and not there")
        largest = np.abs(want[finite]).max() if finite.any() else 0
        # The mean of what is centred already is nothing but rounding: not below 1e-7 either.
        error = np.abs(got - want)[finite].max() / max(largest, 1e-3) if finite.any() else 0.0
        if not error <= self.worst:
            self.worst, self.worst_name = error, name
        if not error <= TOLERANCE:
            self.fail(f"{name}: error {error:.3g} of the largest value {largest:.4g}, {got.shape}")


def groups(wanted):
    """Names, so many at once as an answer holds."""
    group, n = [], 0
    for name, value in wanted.items():
        if group and (n + value.numel() > ELEMENTS or len(group) == 200):
            yield group
            group, n = [], 0
        group.append(name)
        n += value.numel()
    if group:
        yield group


def ask_all(server, report, model, x, wanted):
    for group in groups(wanted):
        answer = server.features(model, x.numpy(), outputs=group)
        if isinstance(answer, str) and len(group) > 1:       # one of them: find out which
            answers = [(name, server.features(model, x.numpy(), outputs=[name])) for name in group]
        elif isinstance(answer, str):
            answers = [(group[0], answer)]
        else:
            answers = list(zip(group, ([a] for a in answer)))
        for name, got in answers:
            if isinstance(got, str):
                report.fail(f"{name}: {got}")
            else:
                report.compare(name, got[0][1], wanted[name])


def tensors(onnx_model, x):
    """Every tensor that is a layer: not what stands in the file as it is."""
    constants = {o for n in onnx_model.graph.node if n.op_type == "Constant" for o in n.output}
    return {k: v for k, v in evaluate(onnx_model, x, double=True).items() if v.is_floating_point() and k not in constants}


def check_network(server, report, name, model, onnx_model, size):
    exact = copy.deepcopy(model).double()
    for n in (1, 3):
        x = images(n, size, seed=n)
        output, seen = modules.hooked(exact, x.double())
        wanted = modules.in_file(exact, onnx_model, seen)
        ask_all(server, report, name, x, {"output": output})
        ask_all(server, report, name, x, wanted)
        if n == 1:
            made = tensors(onnx_model, x)
            assert torch.allclose(made["output"], output, atol=TOLERANCE * output.abs().max().item()), name
            ask_all(server, report, name, x, made)


# ---- totals --------------------------------------------------------------------------------------

def macs(model, x):
    """Multiply-adds of convolutions and linear layers, as publications count them."""
    total = [0]

    def count(m, _inputs, y):
        if isinstance(m, nn.Linear):
            total[0] += y.numel() * m.in_features
        elif isinstance(m, nn.ConvTranspose2d):
            total[0] += _inputs[0].numel() * m.out_channels // m.groups * m.kernel_size[0] * m.kernel_size[1]
        else:
            total[0] += y.numel() * m.in_channels // m.groups * m.kernel_size[0] * m.kernel_size[1]
    handles = [m.register_forward_hook(count) for m in model.modules()
               if isinstance(m, (nn.Conv2d, nn.Linear, nn.ConvTranspose2d))]
    with torch.inference_mode():
        model(x)
    for h in handles:
        h.remove()
    return total[0]


def file_parameters(onnx_model):
    """The floats that nodes read, without a normalization's statistics, which are not learnt. Equal
    tensors the exporter stores once, behind Identity: each node counts its own."""
    sizes = {t.name: int(np.prod(t.dims)) for t in onnx_model.graph.initializer
             if t.data_type == onnx.TensorProto.FLOAT}
    total = 0
    for node in onnx_model.graph.node:
        if node.op_type == "Identity" and node.input[0] in sizes:
            sizes[node.output[0]] = sizes[node.input[0]]
            continue
        read = node.input[:3] if node.op_type == "BatchNormalization" else node.input
        total += sum(sizes.get(i, 0) for i in read)
    return total


def published_parameters(name):
    weights = [w for w in torchvision.models.__dict__.values() if isinstance(w, type)
               and w.__name__.lower() == f"{name}_weights"]
    return weights[0].DEFAULT.meta["num_params"] if weights else None


def summary(binary, path):
    out = subprocess.run([binary, "summary", "--json", str(path)], capture_output=True, text=True)
    return json.loads(out.stdout) if out.returncode == 0 else {"error": out.stderr.strip()}


def check_totals(binary, report, name, model, path, onnx_model, size, n_parameters):
    told = summary(binary, path)
    if "error" in told:
        return report.fail(f"summary: {told['error']}")
    trained = sum(p.numel() for p in model.parameters())
    if name not in EXTRA:                # those are made without their auxiliary branches
        assert trained == published_parameters(name)
    if told.get("parameters_unfolded", told["parameters"]) != trained:
        report.fail(f"summary: {told.get('parameters_unfolded')} parameters as trained, expected {trained}")
    if told["parameters"] != n_parameters:
        report.fail(f"summary: {told['parameters']} parameters, expected {n_parameters}")
    n_macs = macs(model, images(1, size))
    if name == "vit_b_16":               # PyTorch's attention is one function, without modules inside
        n_macs = None
    if n_macs and told["macs"] != n_macs:
        report.fail(f"summary: {told['macs']} multiply-adds, expected {n_macs}")
    if NETS[name] and abs(told["macs"] / 1e9 - NETS[name]) > 0.0051:
        report.fail(f"summary: {told['macs']} multiply-adds, published are {NETS[name]} * 1e9")


def run_network(binary, folder, name):
    report, started = Report(), time.monotonic()
    size, path = SIZE.get(name, 224), pathlib.Path(folder) / f"{name}.onnx"
    model = build(name)
    onnx_model = export(model, images(1, size), path)
    server = Server(binary, folder)
    try:
        check_network(server, report, name, model, onnx_model, size)
    finally:
        for text in server.stop():
            report.fail(text)
    check_totals(binary, report, name, model, path, onnx_model, size, file_parameters(onnx_model))
    path.unlink()
    if name in WITH_NORMS:
        kept = export(model, images(1, size), path, keep_norms=True)
        assert file_parameters(kept) == published_parameters(name)
        check_totals(binary, report, name, model, path, kept, size, published_parameters(name))
        path.unlink()
    show(name, report, f"{time.monotonic() - started:.0f} s, ready after {server.seconds * 1000:.0f} ms")
    return not report.wrong


# ---- pooling -------------------------------------------------------------------------------------

class Odd(nn.Module):
    """A map of any size with values of both signs, and one behind a stride of 2."""
    def __init__(self):
        super().__init__()
        self.same = nn.Conv2d(3, 7, 3, padding=1)
        self.smaller = nn.Conv2d(7, 5, 2, 2)

    def forward(self, x):
        return self.smaller(self.same(x))


def gem(x, p, axes):
    return (x.clamp(min=1e-6) ** p).mean(axes) ** (1 / p)


def bins(length, n):
    return [(i * length // n, -(-(i + 1) * length // n)) for i in range(n)]


def adaptive(x, n, function):
    return torch.stack([torch.stack([function(x[:, :, y0:y1, x0:x1]) for x0, x1 in bins(x.shape[3], n[1])], -1)
                        for y0, y1 in bins(x.shape[2], n[0])], -2)


def padded(x, value):
    return F.pad(x, (2, 1, 1, 0), value=value)       # left, right, top, bottom


def std(x):
    return x.flatten(2).std(2, unbiased=False)


def same_pad(x, k, value):
    """Keras's "same" with stride 2."""
    pads = []
    for length in (x.shape[3], x.shape[2]):
        total = max((-(-length // 2) - 1) * 2 + k - length, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


BOXES = [(0, 0, 31, 21), (3.5, 2.25, 20.75, 19), (10, 5, 14, 8.5), (-4, -3, 40, 30), (7, 7, 7.5, 7.25)]


def roi(x, scale, grid):
    boxes = [torch.tensor(BOXES, dtype=torch.float32)] * x.shape[0]
    return torchvision.ops.roi_align(x, boxes, grid, scale, 2, True)


def pooling_forms():
    """query -> what PyTorch makes of the layer's value x; argmax: a second output."""
    ones = torch.ones(1, 1, 1, 1)
    return {
        "pool=max": lambda x: x.amax((2, 3)),
        "pool=min": lambda x: x.amin((2, 3)),
        "pool=avg": lambda x: x.mean((2, 3)),
        "pool=sum": lambda x: x.sum((2, 3)),
        "pool=std": std,
        "pool=lp&p=3": lambda x: (x.abs() ** 3).sum((2, 3)) ** (1 / 3),
        "pool=lp&p=1": lambda x: x.abs().sum((2, 3)),
        "pool=gem&p=3": lambda x: gem(x, 3, (2, 3)),
        "pool=gem&p=2.5": lambda x: gem(x, 2.5, (2, 3)),
        "pool=max&window=3x2": lambda x: F.max_pool2d(x, (3, 2)),
        "pool=max&window=3&stride=2": lambda x: F.max_pool2d(x, 3, 2),
        "pool=max&window=3&stride=2&padding=1,1,1,1": lambda x: F.max_pool2d(x, 3, 2, 1),
        "pool=max&window=3&stride=2&padding=1,1,1,1&ceil=true": lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
        "pool=max&window=4&stride=3&ceil=true": lambda x: F.max_pool2d(x, 4, 3, ceil_mode=True),
        "pool=max&window=4x5&stride=2x3&padding=1,2,0,1":
            lambda x: F.max_pool2d(padded(x, -torch.inf), (4, 5), (2, 3)),
        "pool=max&window=3&stride=2&padding=same": lambda x: F.max_pool2d(same_pad(x, 3, -torch.inf), 3, 2),
        "pool=min&window=3&stride=2&padding=1,1,1,1": lambda x: -F.max_pool2d(-x, 3, 2, 1),
        "pool=avg&window=3&stride=2": lambda x: F.avg_pool2d(x, 3, 2),
        "pool=avg&window=3&stride=2&padding=1,1,1,1":
            lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        "pool=avg&window=3&stride=2&padding=1,1,1,1&ceil=true":
            lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        "pool=avg&window=3&stride=2&padding=same":
            lambda x: F.avg_pool2d(same_pad(x, 3, 0), 3, 2) * 9
            / (F.avg_pool2d(same_pad(ones.expand(1, 1, *x.shape[2:]), 3, 0), 3, 2) * 9),
        "pool=sum&window=3&stride=2&padding=1,1,1,1": lambda x: F.avg_pool2d(x, 3, 2, 1) * 9,
        "pool=lp&p=2&window=3&stride=2": lambda x: F.lp_pool2d(x, 2, 3, 2),
        "pool=lp&p=3&window=3&stride=2": lambda x: F.lp_pool2d(x.abs(), 3, 3, 2),
        "pool=gem&p=3&window=3&stride=2": lambda x: F.avg_pool2d(x.clamp(min=1e-6) ** 3, 3, 2) ** (1 / 3),
        "pool=std&window=3&stride=2": lambda x: x.unfold(2, 3, 2).unfold(3, 3, 2).std((-2, -1), unbiased=False),
        "pool=avg&grid=5x4": lambda x: F.adaptive_avg_pool2d(x, (5, 4)),
        "pool=max&grid=5x4": lambda x: F.adaptive_max_pool2d(x, (5, 4)),
        "pool=max&grid=1x1": lambda x: F.adaptive_max_pool2d(x, 1),
        "pool=avg&grid=40x33": lambda x: F.adaptive_avg_pool2d(x, (40, 33)),
        "pool=min&grid=3x7": lambda x: -F.adaptive_max_pool2d(-x, (3, 7)),
        "pool=sum&grid=3x7": lambda x: adaptive(x, (3, 7), lambda v: v.sum((2, 3))),
        "pool=lp&p=3&grid=3x7": lambda x: adaptive(x, (3, 7), lambda v: (v.abs() ** 3).sum((2, 3)) ** (1 / 3)),
        "pool=gem&p=3&grid=3x7": lambda x: adaptive(x, (3, 7), lambda v: gem(v, 3, (2, 3))),
        "pool=std&grid=3x7": lambda x: adaptive(x, (3, 7), std),
        "pool=max&pyramid=1,2,4":
            lambda x: torch.cat([F.adaptive_max_pool2d(x, n).flatten(1) for n in (1, 2, 4)], 1),
        "pool=avg&pyramid=3,1":
            lambda x: torch.cat([F.adaptive_avg_pool2d(x, n).flatten(1) for n in (3, 1)], 1),
        "pool=avg&normalize=l2": lambda x: F.normalize(x.mean((2, 3))),
        "pool=max&grid=2x2&normalize=l2": lambda x: F.normalize(
            F.adaptive_max_pool2d(x, 2).flatten(1)).reshape(-1, x.shape[1], 2, 2),
        "pool=max&argmax=true":
            lambda x: [v.flatten(1) for v in F.adaptive_max_pool2d(x, 1, return_indices=True)],
        "pool=max&window=3&stride=2&padding=1,1,1,1&argmax=true":
            lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True),
        "pool=max&grid=5x4&argmax=true": lambda x: F.adaptive_max_pool2d(x, (5, 4), return_indices=True),
    }


def check_pooling(server, report, layer, x, words, want):
    got = server.features("odd", x, f"layers={layer}&layout=nchw&{words}")
    want = want if isinstance(want, (tuple, list)) else (want,)
    if isinstance(got, str) or len(got) != len(want):
        return report.fail(f"{layer} {words}: {got if isinstance(got, str) else len(got)}")
    for (_, g), w in zip(got, want):
        report.compare(f"{layer} {words}", g, w)


def run_pooling(binary, folder):
    report = Report()
    torch.manual_seed(1)
    model = Odd().eval()
    path = pathlib.Path(folder) / "odd.onnx"
    onnx_model = export(model, images(1, 32), path, dynamic_size=True)
    server = Server(binary, folder)
    try:
        for n, h, w, special in ((1, 37, 29, True), (1, 37, 29, False), (2, 22, 32, False)):
            x = torch.from_numpy(np.random.default_rng(h).standard_normal((n, 3, h, w), dtype=np.float32))
            if special:
                x[0, 1, 3, 5], x[0, 0, 20, 20], x[0, 2, 36, 0] = torch.nan, -torch.inf, torch.inf
            _, seen = modules.hooked(model, x)
            value = modules.in_file(model, onnx_model, seen)
            for layer in ("same", "smaller"):
                for words, function in pooling_forms().items():
                    check_pooling(server, report, layer, x.numpy(), words, function(value[layer]))
        text = urllib.parse.quote(";".join(",".join(map(str, b)) for b in BOXES))
        for layer, scale in (("same", 1.0), ("smaller", 0.5)):      # 22x32: the scale is exact
            for words, grid in (("pool=avg&grid=7x7", (7, 7)), ("pool=avg&grid=2x3", (2, 3))):
                check_pooling(server, report, layer, x.numpy(), f"{words}&rois={text}",
                              roi(value[layer], scale, grid))
        want = torch.cat([value["same"].amax((2, 3)), value["smaller"].amax((2, 3))], 1)
        check_pooling(server, report, "same,smaller", x.numpy(), "pool=max&concat=true", want)
        check_pooling(server, report, "same,smaller", x.numpy(), "pool=max&concat=true&normalize=l2",
                      F.normalize(want))
    finally:
        for message in server.stop():
            report.fail(message)
    show("pooling forms", report, "37x29 with and without NaN and infinities, 22x32")
    return not report.wrong


def show(name, report, note):
    verdict = "FAILED" if report.wrong else "ok"
    print(f"{verdict:6}  {name:20} {report.n:5} compared, worst {report.worst:.2g} at {report.worst_name} ({note})",
          flush=True)
    for text in report.wrong[:15]:
        print(f"        {text}")
    if len(report.wrong) > 15:
        print(f"        ... and {len(report.wrong) - 15} more")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("nets", nargs="*")
    args = parser.parse_args()
    unknown = [n for n in args.nets if n not in NETS and n != "pooling"]
    if unknown:
        sys.exit(f"not known here: {unknown}; there are: pooling {' '.join(NETS)}")
    failed = []
    with tempfile.TemporaryDirectory(prefix="tidepool-torch.") as folder:
        for name in args.nets or ["pooling", *NETS]:
            ok = run_pooling(args.binary, folder) if name == "pooling" else run_network(args.binary, folder, name)
            for left in os.listdir(folder):
                os.remove(os.path.join(folder, left))
            if not ok:
                failed.append(name)
    print(f"{len(args.nets or NETS) + (not args.nets) - len(failed)} passed, {len(failed)} failed"
          + (f": {' '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
