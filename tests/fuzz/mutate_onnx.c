/* mutate_onnx.c - libFuzzer's mutations for ONNX files: fields change, and the lengths of the
 * messages around them follow, so that most of what comes out is a file still. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t n_bytes, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t most, unsigned seed);

enum { MOST_DEPTH = 8, MOST_FIELDS = 2048 };

/* onnx.proto's messages, and what their fields lead to. */
enum message { MODEL, GRAPH, NODE, ATTR, TENSOR, INFO, TYPE, TENSOR_TYPE, SHAPE, DIM, OPSET };
static const struct { enum message in; unsigned field; enum message to; } inner[] = {
    { MODEL, 7, GRAPH }, { MODEL, 8, OPSET }, { GRAPH, 1, NODE }, { GRAPH, 5, TENSOR },
    { GRAPH, 11, INFO }, { GRAPH, 12, INFO }, { NODE, 5, ATTR }, { ATTR, 5, TENSOR },
    { INFO, 2, TYPE }, { TYPE, 1, TENSOR_TYPE }, { TENSOR_TYPE, 2, SHAPE }, { SHAPE, 1, DIM },
};

struct field {
    enum message in;
    unsigned number, wire;
    size_t begin, body, end;         /* of the whole field, of what follows its tag and length */
    int depth;                       /* messages around it: places in the list */
    int around[MOST_DEPTH];
};

static struct field list[MOST_FIELDS];
static int n_list;

static unsigned state;
static unsigned any(unsigned below)
{
    state = state * 1664525u + 1013904223u;
    return below ? (state >> 8) % below : 0;
}

static bool read_varint(const uint8_t *data, size_t end, size_t *at, uint64_t *v)
{
    *v = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        const uint8_t byte = data[(*at)++];
        *v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return true;
    }
    return false;
}

/* Lists the fields of the message in [at, end), which is field `around`'s (-1: the file's). */
static void list_fields(const uint8_t *data, size_t at, size_t end, enum message in, int around)
{
    const struct field *parent = around < 0 ? NULL : &list[around];
    uint64_t tag, v;
    while (at < end && n_list < MOST_FIELDS) {
        struct field f = { .in = in, .begin = at };
        if (!read_varint(data, end, &at, &tag)) return;
        f.number = (unsigned)(tag >> 3);
        f.wire = tag & 7;
        f.body = at;
        if (f.wire == 0 && !read_varint(data, end, &at, &v)) return;
        if (f.wire == 1) at += 8;
        if (f.wire == 5) at += 4;
        if (f.wire == 2) {
            if (!read_varint(data, end, &at, &v) || v > end - at) return;
            f.body = at;
            at += v;
        }
        if (at > end || f.wire == 3 || f.wire == 4 || f.wire > 5) return;
        f.end = at;
        if (parent) {
            f.depth = parent->depth + 1;
            memcpy(f.around, parent->around, sizeof f.around);
            f.around[parent->depth] = around;
        }
        list[n_list++] = f;
    }
}

static void list_all(const uint8_t *data, size_t n_bytes)
{
    n_list = 0;
    list_fields(data, 0, n_bytes, MODEL, -1);
    for (int i = 0; i < n_list; i++)
        for (size_t j = 0; j < sizeof inner / sizeof *inner; j++)
            if (list[i].wire == 2 && list[i].in == inner[j].in &&
                list[i].number == inner[j].field && list[i].depth < MOST_DEPTH)
                list_fields(data, list[i].body, list[i].end, inner[j].to, i);
}

static size_t put_varint(uint8_t *to, uint64_t v)
{
    size_t n = 0;
    for (; v > 127; v >>= 7) to[n++] = (uint8_t)(v | 128);
    to[n++] = (uint8_t)v;
    return n;
}

/* data[begin, end) becomes the n bytes at `with`; false where there is no room. */
static bool splice(uint8_t *data, size_t *n_bytes, size_t most, size_t begin, size_t end,
                   const void *with, size_t n)
{
    if (*n_bytes - (end - begin) + n > most) return false;
    memmove(data + begin + n, data + end, *n_bytes - end);
    memcpy(data + begin, with, n);
    *n_bytes += n - (end - begin);
    return true;
}

/* The same of field f's bytes [begin, end), mending the lengths around them. */
static size_t replace(uint8_t *data, size_t n_bytes, size_t most, const struct field *f,
                      size_t begin, size_t end, const void *with, size_t n)
{
    const size_t before = n_bytes;
    uint8_t head[16];
    if (!splice(data, &n_bytes, most, begin, end, with, n)) return before;
    for (int i = f->depth - 1; i >= 0; i--) {
        const struct field *m = &list[f->around[i]];
        const size_t length = m->end - m->body + n_bytes - before;
        const size_t size = put_varint(head, (uint64_t)m->number << 3 | 2);
        const size_t whole = size + put_varint(head + size, length);
        if (!splice(data, &n_bytes, most, m->begin, m->body, head, whole)) return before;
    }
    return n_bytes;
}

/* ---- new contents ---------------------------------------------------------------------------- */

static const char *const words[] = {
    "Abs", "Add", "ArgMax", "AveragePool", "BatchNormalization", "Cast", "Celu", "Clip", "Concat",
    "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "DepthToSpace", "Div", "Dropout",
    "Equal", "Erf", "Exp", "Expand", "Flatten", "Gather", "Gelu", "Gemm", "GlobalAveragePool",
    "GlobalLpPool", "GlobalMaxPool", "GroupNormalization", "Identity", "InstanceNormalization",
    "LRN", "LayerNormalization", "LogSoftmax", "LpNormalization", "LpPool", "MatMul", "Max",
    "MaxPool", "MaxRoiPool", "MaxUnpool", "Mean", "Mod", "Mul", "Not", "PRelu", "Pad", "Pow",
    "Range", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceProd", "ReduceSum", "Relu", "Reshape",
    "Resize", "RoiAlign", "Shape", "Size", "Slice", "Softmax", "SpaceToDepth", "Split", "Squeeze",
    "Sub", "Sum", "ThresholdedRelu", "Tile", "Transpose", "Unsqueeze", "Upsample", "Where", "",
    "alpha", "antialias", "auto_pad", "axes", "axis", "blocksize", "ceil_mode",
    "coordinate_transformation_mode", "count_include_pad", "cubic_coeff_a", "dilations", "end",
    "epsilon", "exclude_outside", "extrapolation_value", "fmod", "group", "keepdims",
    "kernel_shape", "max", "min", "mode", "nearest_mode", "num_groups", "num_outputs",
    "noop_with_empty_axes", "output_height", "output_padding", "output_shape", "output_width", "p",
    "pads", "perm", "pooled_shape", "sampling_ratio", "scales", "select_last_index", "shape",
    "size", "spatial_scale", "split", "start", "starts", "steps", "storage_order", "strides", "to",
    "transA", "transB", "value", "value_ints", "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET",
    "linear", "cubic", "nearest", "reflect", "edge", "wrap", "constant", "asymmetric",
    "align_corners", "tf_crop_and_resize", "CRD", "keep_aspect_ratio_policy", "not_larger",
};

static uint64_t any_number(void)
{
    static const int64_t numbers[] = {
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 16, 17, 32, 64, 255, 4096, 65536, 1 << 20,
        (1 << 20) + 1, INT32_MAX, (int64_t)INT32_MAX + 1, UINT32_MAX, (int64_t)1 << 33, INT64_MAX,
        INT64_MIN, INT64_MAX - 1, -1, -2, -3, -4, -5, INT32_MIN, (int64_t)1 << 40,
        (int64_t)1 << 62, 3037000500, 46341,
    };
    return (uint64_t)numbers[any(any(3) ? 12 : sizeof numbers / sizeof *numbers)];
}

static uint32_t any_float(void)
{
    static const float numbers[] = {
        0, -0.0f, 1, -1, 0.5f, 2, 1e-30f, 1e30f, 3.5f, 1e-45f, -2, 100, 16777216, 2.2e9f, 1e10f,
        __builtin_inff(), -__builtin_inff(), __builtin_nanf(""), 0.1f, 0.001f,
    };
    uint32_t bits;
    memcpy(&bits, &numbers[any(sizeof numbers / sizeof *numbers)], sizeof bits);
    return bits;
}

/* Text or contents: a word, what another field holds, or as libFuzzer likes it. */
static size_t change_bytes(uint8_t *data, size_t n_bytes, size_t most, const struct field *f)
{
    uint8_t whole[8192 + 16];
    const uint8_t *with = data + f->body;
    size_t n = f->end - f->body;
    const bool tensor = f->in == TENSOR && f->number != 8;
    const struct field *other = &list[any((unsigned)n_list)];
    if (n > 8192) return n_bytes;
    if (!tensor && any(3)) {
        with = (const uint8_t *)words[any(sizeof words / sizeof *words)];
        n = strlen((const char *)with);
    }
    if (other->wire == 2 && other->in == f->in && other->number == f->number && any(4)) {
        with = data + other->body;
        n = other->end - other->body;
    }
    if (n > 8192) return n_bytes;
    size_t size = put_varint(whole, (uint64_t)f->number << 3 | 2);
    size += put_varint(whole + size, n);
    if (n) memcpy(whole + size, with, n);
    if (tensor && n >= 4 && any(2)) {
        const uint64_t v = any(2) ? any_float() : any_number();
        const size_t width = n >= 8 && n % 8 == 0 && any(2) ? 8 : 4;
        memcpy(whole + size + any((unsigned)(n / width)) * width, &v, width);
    } else if (tensor && n) {
        LLVMFuzzerMutate(whole + size, n, n);
    }
    return replace(data, n_bytes, most, f, f->begin, f->end, whole, size + n);
}

static size_t change(uint8_t *data, size_t n_bytes, size_t most, const struct field *f)
{
    uint8_t bytes[16];
    uint8_t *copy;
    size_t n = f->end - f->begin;
    const uint32_t number = any_float();
    switch (any(8)) {
    case 0: return replace(data, n_bytes, most, f, f->begin, f->end, bytes, 0);
    case 1:                                          /* the same again, or another's beside it */
        copy = malloc(n);
        if (!copy) return n_bytes;
        memcpy(copy, data + f->begin, n);
        n_bytes = replace(data, n_bytes, most, f, f->end, f->end, copy, n);
        free(copy);
        return n_bytes;
    default: break;
    }
    if (f->wire == 0) {
        n = put_varint(bytes, any_number());
        return replace(data, n_bytes, most, f, f->body, f->end, bytes, n);
    }
    if (f->wire == 5) return replace(data, n_bytes, most, f, f->body, f->end, &number, 4);
    return f->wire == 2 ? change_bytes(data, n_bytes, most, f) : n_bytes;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n_bytes, size_t most, unsigned seed)
{
    state = seed;
    any(2);
    if (!any(24)) return LLVMFuzzerMutate(data, n_bytes, most);
    for (unsigned times = 1 + any(3); times; times--) {
        list_all(data, n_bytes);
        if (!n_list) return LLVMFuzzerMutate(data, n_bytes, most);
        const struct field *f = &list[any((unsigned)n_list)];
        for (int tries = 0; tries < 6 && (f->depth < 2 || f->in == INFO); tries++)
            f = &list[any((unsigned)n_list)];
        n_bytes = change(data, n_bytes, most, f);
    }
    return n_bytes;
}
