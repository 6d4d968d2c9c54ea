"""evaluate.py - the value of every tensor of an ONNX graph, computed by PyTorch's functions.

Debian's onnx has no reference evaluator. This one knows the operators that torchvision's networks
and our golden files use, spelled as PyTorch's own functions wherever there are some, so that nothing
of it is shared with the code under test. It is checked against the networks' own forward().
"""
import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper

OPS = {}


def op(*names):
    def register(function):
        OPS.update({name: function for name in names})
        return function
    return register


def ints(t):
    return [int(v) for v in t.flatten()]


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def text(value, default):
    return value.decode() if value else default


def spatial(a, x, kernel):
    """PyTorch's (pads as F.pad takes them, strides, dilations) of a window over x."""
    n = len(kernel)
    if text(a.get("auto_pad"), "NOTSET") != "NOTSET":
        raise NotImplementedError("auto_pad")
    pads = a.get("pads", [0] * 2 * n)
    padding = [p for k in reversed(range(n)) for p in (pads[k], pads[k + n])]
    return padding, a.get("strides", [1] * n), a.get("dilations", [1] * n)


@op("Conv")
def conv(a, x, w, b=None):
    padding, strides, dilations = spatial(a, x, w.shape[2:])
    f = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[x.dim()]
    return f(F.pad(x, padding), w, b, strides, 0, dilations, a.get("group", 1))


@op("ConvTranspose")
def conv_transpose(a, x, w, b=None):
    padding, strides, dilations = spatial(a, x, w.shape[2:])
    extra = a.get("output_padding", [0] * (x.dim() - 2))
    assert padding[::2] == padding[1::2] and "output_shape" not in a
    return F.conv_transpose2d(x, w, b, strides, padding[::2][::-1], extra, a.get("group", 1), dilations)


def windows(a, x, fill):
    """x's windows as [n, c, oh, ow, kh, kw], padding filled; ceil_mode as ONNX defines it."""
    kernel = a["kernel_shape"]
    padding, strides, dilations = spatial(a, x, kernel)
    x = F.pad(x, padding, value=fill)
    for axis, (k, s, d) in enumerate(zip(kernel, strides, dilations), 2):
        span = d * (k - 1) + 1
        rest = (x.shape[axis] - span) % s
        if a.get("ceil_mode", 0) and rest:
            missing = [0, 0, 0, 0]
            missing[1 if axis == 3 else 3] = s - rest
            x = F.pad(x, missing, value=fill)
    for axis, (k, s, d) in enumerate(zip(kernel, strides, dilations), 2):
        x = x.unfold(axis, d * (k - 1) + 1, s)[..., ::d]
    return x


@op("MaxPool")
def max_pool(a, x):
    return windows(a, x, -np.inf).amax((-2, -1))


@op("AveragePool")
def average_pool(a, x):
    total = windows(a, x, 0).sum((-2, -1))
    inside = torch.ones_like(x[:1, :1])
    if a.get("count_include_pad", 0):
        assert not a.get("ceil_mode", 0)
        count = windows(a, inside, 1).sum((-2, -1))
    else:
        count = windows(a, inside, 0).sum((-2, -1))
    return total / count


@op("LpPool")
def lp_pool(a, x):
    p = a.get("p", 2)
    return (windows(a, x, 0).abs() ** p).sum((-2, -1)) ** (1 / p)


@op("GlobalAveragePool")
def global_average_pool(a, x):
    return x.mean(tuple(range(2, x.dim())), keepdim=True)


@op("GlobalMaxPool")
def global_max_pool(a, x):
    return x.amax(tuple(range(2, x.dim())), keepdim=True)


@op("BatchNormalization")
def batch_normalization(a, x, scale, bias, mean, var):
    assert not a.get("training_mode", 0)
    return F.batch_norm(x, mean, var, scale, bias, False, 0, a.get("epsilon", 1e-5))


@op("InstanceNormalization")
def instance_normalization(a, x, scale, bias):
    return F.instance_norm(x, weight=scale, bias=bias, eps=a.get("epsilon", 1e-5))


@op("LayerNormalization")
def layer_normalization(a, x, scale, bias=None):
    return F.layer_norm(x, x.shape[a.get("axis", -1):], scale, bias, a.get("epsilon", 1e-5))


@op("LRN")
def lrn(a, x):
    return F.local_response_norm(x, a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0))


@op("Clip")
def clip(a, x, lo=None, hi=None):
    return x.clamp(None if lo is None else lo.item(), None if hi is None else hi.item())


@op("HardSigmoid")
def hard_sigmoid(a, x):
    return (a.get("alpha", 0.2) * x + a.get("beta", 0.5)).clamp(0, 1)


@op("PRelu")
def prelu(a, x, slope):
    return torch.where(x < 0, x * slope, x)


@op("LeakyRelu")
def leaky_relu(a, x):
    return F.leaky_relu(x, a.get("alpha", 0.01))


@op("Gemm")
def gemm(a, x, w, b=None):
    x = x.t() if a.get("transA", 0) else x
    w = w.t() if a.get("transB", 0) else w
    y = a.get("alpha", 1.0) * (x @ w)
    return y if b is None else y + a.get("beta", 1.0) * b


@op("Softmax")
def softmax(a, x):
    return x.softmax(a.get("axis", -1))


@op("Concat")
def concat(a, *xs):
    return torch.cat(xs, a["axis"])


@op("Split")
def split(a, x, sizes=None):
    axis, sizes = a.get("axis", 0), a.get("split") if sizes is None else ints(sizes)
    return x.split(sizes, axis)


@op("Slice")
def slice_(a, x, starts, ends, axes=None, steps=None):
    axes = range(x.dim()) if axes is None else ints(axes)
    steps = [1] * len(starts) if steps is None else ints(steps)
    for start, end, axis, step in zip(ints(starts), ints(ends), axes, steps):
        at = range(x.shape[axis])[slice(start, end if end > -2 ** 62 else None, step)]
        x = x.index_select(axis, torch.tensor(list(at)))
    return x


@op("Gather")
def gather(a, x, index):
    axis = a.get("axis", 0) % x.dim()
    index = index + (index < 0) * x.shape[axis]
    return x.index_select(axis, index.flatten()).reshape(x.shape[:axis] + index.shape + x.shape[axis + 1:])


@op("Reshape")
def reshape(a, x, shape):
    return x.reshape([x.shape[k] if s == 0 else s for k, s in enumerate(ints(shape))])


@op("Flatten")
def flatten(a, x):
    axis = a.get("axis", 1)
    return x.reshape(int(np.prod(x.shape[:axis])), -1)


@op("Squeeze")
def squeeze(a, x, axes=None):
    axes = a.get("axes") if axes is None else ints(axes)
    return x.squeeze() if axes is None else x.reshape(
        [s for k, s in enumerate(x.shape) if k not in axes and k - x.dim() not in axes])


@op("Unsqueeze")
def unsqueeze(a, x, axes=None):
    axes = a["axes"] if axes is None else ints(axes)
    rank = x.dim() + len(axes)
    for axis in sorted(v % rank for v in axes):
        x = x.unsqueeze(axis)
    return x


@op("Transpose")
def transpose(a, x):
    return x.permute(a.get("perm", list(reversed(range(x.dim())))))


@op("Expand")
def expand(a, x, shape):
    return x.expand(torch.broadcast_shapes(x.shape, ints(shape)))


@op("Tile")
def tile(a, x, repeats):
    return x.repeat(ints(repeats))


@op("Pad")
def pad(a, x, pads, value=None):
    pads, mode = ints(pads), text(a.get("mode"), "constant")
    begin, end = pads[:x.dim()], pads[x.dim():]
    if mode == "constant":
        padding = [p for k in reversed(range(x.dim())) for p in (begin[k], end[k])]
        return F.pad(x, padding, value=0 if value is None else value.item())
    numpys = np.pad(x.numpy(), list(zip(begin, end)), {"reflect": "reflect", "edge": "edge"}[mode])
    return torch.from_numpy(numpys)


@op("Resize")
def resize(a, x, roi=None, scales=None, sizes=None):
    mode, align = text(a["mode"], ""), text(a.get("coordinate_transformation_mode"), "half_pixel")
    size = None if sizes is None else ints(sizes)[2:]
    scale = None if size else [float(s) for s in scales[2:]]
    if mode == "nearest":
        assert text(a.get("nearest_mode"), "") == "floor" and align == "asymmetric"
        return F.interpolate(x, size, scale, "nearest")
    assert mode == "linear" and align in ("half_pixel", "pytorch_half_pixel", "align_corners")
    # Only the sizes count then: PyTorch's own default for a scale_factor would be taken otherwise.
    size = size or [int(s * f) for s, f in zip(x.shape[2:], scale)]
    return F.interpolate(x, size, mode="bilinear", align_corners=align == "align_corners")


@op("DepthToSpace")
def depth_to_space(a, x):
    n, c, h, w = x.shape
    b = a["blocksize"]
    if text(a.get("mode"), "DCR") == "CRD":
        return F.pixel_shuffle(x, b)
    return x.reshape(n, b, b, c // b // b, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, -1, h * b, w * b)


@op("SpaceToDepth")
def space_to_depth(a, x):
    n, c, h, w = x.shape
    b = a["blocksize"]
    return x.reshape(n, c, h // b, b, w // b, b).permute(0, 3, 5, 1, 2, 4).reshape(n, -1, h // b, w // b)


def reduction(function):
    def run(a, x, axes=None):
        axes = a.get("axes") if axes is None else ints(axes)
        axes = tuple(range(x.dim())) if axes is None else tuple(axes)
        return function(x, axes, bool(a.get("keepdims", 1)))
    return run


OPS["ReduceMean"] = reduction(lambda x, axes, keep: x.mean(axes, keep))
OPS["ReduceSum"] = reduction(lambda x, axes, keep: x.sum(axes, keep))
OPS["ReduceMax"] = reduction(lambda x, axes, keep: x.amax(axes, keep))
OPS["ReduceMin"] = reduction(lambda x, axes, keep: x.amin(axes, keep))
OPS["ReduceL2"] = reduction(lambda x, axes, keep: (x * x).sum(axes, keep).sqrt())


@op("ArgMax")
def arg_max(a, x):
    return x.argmax(a.get("axis", 0), bool(a.get("keepdims", 1)))


@op("Cast")
def cast(a, x):
    kind = np.dtype(onnx.mapping.TENSOR_TYPE_TO_NP_TYPE[a["to"]])
    kind = x.numpy().dtype if kind.kind == "f" and x.is_floating_point() else kind
    return torch.from_numpy(x.numpy().astype(kind))


@op("ConstantOfShape")
def constant_of_shape(a, shape):
    value = numpy_helper.to_array(a["value"]) if "value" in a else np.zeros(1, np.float32)
    return torch.from_numpy(np.full(ints(shape), value[0]))


@op("Div")
def div(a, x, y):
    return x / y if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


@op("Range")
def range_(a, start, limit, delta):
    return torch.arange(start.item(), limit.item(), delta.item())


@op("ScatterND")
def scatter_nd(a, x, index, updates):
    x = x.clone()
    x[tuple(index.movedim(-1, 0))] = updates
    return x


@op("Max")
def max_(a, *xs):
    y = xs[0]
    for x in xs[1:]:
        y = torch.maximum(y, x)
    return y


OPS.update({
    "Add": lambda a, x, y: x + y,
    "And": lambda a, x, y: x & y,
    "Sub": lambda a, x, y: x - y,
    "Mul": lambda a, x, y: x * y,
    "Mod": lambda a, x, y: torch.remainder(x, y),
    "Pow": lambda a, x, y: x ** y,
    "MatMul": lambda a, x, y: x @ y,
    "Equal": lambda a, x, y: x == y,
    "Not": lambda a, x: ~x,
    "Where": lambda a, c, x, y: torch.where(c, x, y),
    "Relu": lambda a, x: F.relu(x),
    "Elu": lambda a, x: F.elu(x, a.get("alpha", 1.0)),
    "Selu": lambda a, x: F.selu(x),
    "Softplus": lambda a, x: F.softplus(x),
    "Softsign": lambda a, x: F.softsign(x),
    "Sigmoid": lambda a, x: x.sigmoid(),
    "HardSwish": lambda a, x: F.hardswish(x),
    "Tanh": lambda a, x: x.tanh(),
    "Erf": lambda a, x: x.erf(),
    "Exp": lambda a, x: x.exp(),
    "Log": lambda a, x: x.log(),
    "Abs": lambda a, x: x.abs(),
    "Neg": lambda a, x: -x,
    "Sqrt": lambda a, x: x.sqrt(),
    "Reciprocal": lambda a, x: 1 / x,
    "Floor": lambda a, x: x.floor(),
    "Identity": lambda a, x: x,
    "Dropout": lambda a, x, *rest: x,
    "Shape": lambda a, x: torch.tensor(x.shape[a.get("start", 0):a.get("end")], dtype=torch.int64),
    "Constant": lambda a: torch.from_numpy(np.array(numpy_helper.to_array(a["value"]))),
})


def evaluate(model, x, double=False):
    """{tensor name: value} of everything that the graph's nodes make of the input x."""
    def real(t):
        return t.double() if double and t.is_floating_point() else t
    graph = model.graph
    known = {t.name: real(torch.from_numpy(numpy_helper.to_array(t).copy())) for t in graph.initializer}
    feeds = [v.name for v in graph.input if v.name not in known]
    assert len(feeds) == 1
    known[feeds[0]] = real(x)
    made = {}
    with torch.inference_mode():
        for node in graph.node:
            got = OPS[node.op_type](attributes(node), *[known[i] if i else None for i in node.input])
            got = got if isinstance(got, (tuple, list)) else [got]
            for name, value in zip(node.output, got):
                known[name] = made[name] = real(value)
    return made
