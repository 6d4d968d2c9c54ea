/* ref.c - the judge: every operator once more, naive, in double precision, sharing nothing with the
 * kernels. Each loop is the definition of its operator (ONNX, Keras or PyTorch, as named), one
 * output element at a time; only the output's shape is taken from outside. */
#include "ref.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {                         /* one node with its data; in[i] has shape shape[i] */
    const struct tp_node *nd;
    const struct tp_shape *shape;
    double *const *in;
    struct tp_shape to;
    double *out;
};

/* ---- places ---------------------------------------------------------------------------------- */

static int64_t count(const struct tp_shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= s->dim[i];
    return n;
}

/* Place of pixel (n, y, x), channel c, in a map. */
static int64_t at(const struct tp_shape *s, int64_t n, int64_t y, int64_t x, int64_t c)
{
    return ((n * s->dim[1] + y) * s->dim[2] + x) * s->dim[3] + c;
}

/* The indices along each axis of element `flat`, and back again. */
static void unravel(const struct tp_shape *s, int64_t flat, int64_t index[TP_MAX_RANK])
{
    for (int i = s->rank - 1; i >= 0; i--) {
        index[i] = flat % s->dim[i];
        flat /= s->dim[i];
    }
}

static int64_t ravel(const struct tp_shape *s, const int64_t index[TP_MAX_RANK])
{
    int64_t flat = 0;
    for (int i = 0; i < s->rank; i++) flat = flat * s->dim[i] + index[i];
    return flat;
}

/* ---- activations ----------------------------------------------------------------------------- */

static double limit(double x, double lo, double hi)
{
    if (x < lo) x = lo;
    if (x > hi) x = hi;
    return x;                        /* a NaN stays */
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* Keras's ReLU layer: slope alpha below the threshold gamma, cut off at beta. */
static double keras_relu(double x, double slope, double most, double threshold)
{
    if (x >= most) return most;
    if (x < threshold) return slope == 0 ? 0 : slope * (x - threshold);
    return x;
}

static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }

static double act(double x, const struct tp_act *a)
{
    double alpha = a->alpha, beta = a->beta;
    switch (a->kind) {
    case TP_ACT_LINEAR: return x;
    case TP_ACT_CLAMP: return limit(x, alpha, beta);
    case TP_ACT_LEAKY_RELU: return x < 0 ? alpha * x : x;
    case TP_ACT_RELU: return keras_relu(x, alpha, beta, a->gamma);
    case TP_ACT_ELU: return x < 0 ? alpha * expm1(x) : x;
    case TP_ACT_SIGMOID: return sigmoid(x);
    case TP_ACT_TANH: return tanh(x);
    case TP_ACT_HARD_SIGMOID: return limit(alpha * x + beta, 0, 1);
    case TP_ACT_HARD_SWISH: return x * limit(x / 6 + 0.5, 0, 1);
    case TP_ACT_SWISH: return x * sigmoid(x);
    case TP_ACT_GELU: return x * (erfc(-x / sqrt(2)) / 2);      /* 1 + erf(z) = erfc(-z) */
    case TP_ACT_ABS: return fabs(x);
    case TP_ACT_SQUARE: return x * x;
    case TP_ACT_SQRT: return sqrt(x);
    case TP_ACT_SELU: return beta * (x > 0 ? x : alpha * expm1(x));
    case TP_ACT_CELU: return x > 0 ? x : alpha * expm1(x / alpha);
    case TP_ACT_THRESHOLDED_RELU: return x <= alpha ? 0 : x;
    case TP_ACT_SOFTPLUS: return isnan(x) ? x : softplus(x);
    case TP_ACT_SOFTSIGN: return isinf(x) ? copysign(1, x) : x / (1 + fabs(x));
    case TP_ACT_ERF: return erf(x);
    case TP_ACT_GELU_TANH:           /* (1 + tanh u) / 2 = sigmoid(2u) */
        return x < -1e3 ? 0 : x * sigmoid(2 * sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x));
    case TP_ACT_MISH: return x < -1e3 ? 0 : x * tanh(softplus(x));
    case TP_ACT_NEG: return -x;
    case TP_ACT_EXP: return exp(x);
    case TP_ACT_LOG: return log(x);
    case TP_ACT_POW: return pow(x, alpha);
    case TP_ACT_RECIPROCAL: return 1 / x;
    case TP_ACT_FLOOR: return floor(x);
    case TP_ACT_CEIL: return ceil(x);
    case TP_ACT_ROUND: return rint(x);
    case TP_ACT_TRUNC: return trunc(x);
    case TP_ACT_SIGN: return isnan(x) ? x : (x > 0) - (x < 0);
    case TP_ACT_NOT: return x == 0;
    case TP_N_ACT_KINDS: break;
    }
    abort();
}

/* ---- windows --------------------------------------------------------------------------------- */

/* Padding in front of an axis (0 height, 1 width): none, as given, or for `same` the smaller half
 * of what the windows reach beyond the map. */
static int64_t padding(const struct tp_window *w, int axis, int64_t in, int64_t out)
{
    if (w->padding == TP_PADDING_VALID) return 0;
    if (w->padding == TP_PADDING_EXPLICIT) return w->pads[axis];
    int64_t reach = (out - 1) * w->strides[axis] + (w->kernel[axis] - 1) * w->dilations[axis] + 1;
    return reach > in ? (reach - in) / 2 : 0;
}

/* Where tap k of the window at output position o lies; may be outside of [0, in). */
static int64_t tap(const struct tp_window *w, int axis, int64_t before, int64_t o, int64_t k)
{
    return o * w->strides[axis] + k * w->dilations[axis] - before;
}

static bool inside(const struct tp_shape *s, int64_t y, int64_t x)
{
    return y >= 0 && y < s->dim[1] && x >= 0 && x < s->dim[2];
}

/* ONNX Conv: filter f reads only the input channels of its group. */
static double conv_one(const struct job *j, const int64_t o[TP_MAX_RANK])
{
    const struct tp_conv_attr *a = &j->nd->attr.conv;
    const struct tp_window *w = &a->window;
    const struct tp_shape *s = &j->shape[0];
    int64_t top = padding(w, 0, s->dim[1], j->to.dim[1]);
    int64_t left = padding(w, 1, s->dim[2], j->to.dim[2]);
    int64_t depth = a->in_channels / a->groups;
    int64_t group = o[3] / (a->filters / a->groups);
    double sum = 0;
    for (int64_t ky = 0; ky < w->kernel[0]; ky++)
        for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
            int64_t y = tap(w, 0, top, o[1], ky), x = tap(w, 1, left, o[2], kx);
            if (!inside(s, y, x)) continue;
            for (int64_t c = 0; c < depth; c++)
                sum += j->in[0][at(s, o[0], y, x, group * depth + c)] *
                       (a->gated ? j->in[1][o[0] * a->in_channels + group * depth + c] : 1) *
                       a->kernel[((ky * w->kernel[1] + kx) * depth + c) * a->filters + o[3]];
        }
    return sum;
}

static void conv(const struct job *j)
{
    int64_t o[TP_MAX_RANK];
    for (int64_t i = 0; i < count(&j->to); i++) {
        unravel(&j->to, i, o);
        j->out[i] = conv_one(j, o);
    }
}

static void gemm(const struct job *j)
{
    const struct tp_gemm_attr *a = &j->nd->attr.gemm;
    for (int64_t i = 0; i < count(&j->to); i++) {
        const double *row = j->in[0] + i / a->units * a->in_features;
        double sum = 0;
        for (int64_t k = 0; k < a->in_features; k++)
            sum += row[k] * a->kernel[k * a->units + i % a->units];
        j->out[i] = sum;
    }
}

/* ---- pooling --------------------------------------------------------------------------------- */

/* What one window has gathered. A NaN tap makes a NaN. For the standard deviation `value` is the
 * sum of squared distances from the mean so far (Welford 1962). */
struct gathered { double value, mean; int64_t n; };

static void gather(struct gathered *g, const struct tp_pool_attr *a, double x)
{
    switch (a->kind) {
    case TP_OP_MAX: if (!g->n || x > g->value || isnan(x)) g->value = x; break;
    case TP_OP_MIN: if (!g->n || x < g->value || isnan(x)) g->value = x; break;
    case TP_OP_AVG:
    case TP_OP_SUM: g->value += x; break;
    case TP_OP_LP: g->value += pow(fabs(x), a->p); break;
    case TP_OP_GEM: g->value += pow(x < 1e-6 ? 1e-6 : x, a->p); break;
    case TP_OP_STD: {
        double from_mean = x - g->mean;
        g->mean += from_mean / (double)(g->n + 1);
        g->value += from_mean * (x - g->mean);
        break;
    }
    }
    g->n++;
}

/* A window wholly in the padding has the value of an empty max, min or sum. */
static double settle(const struct gathered *g, const struct tp_pool_attr *a, int64_t divisor)
{
    if (!g->n) return a->kind == TP_OP_MAX ? -INFINITY : a->kind == TP_OP_MIN ? INFINITY : 0;
    if (a->kind == TP_OP_AVG) return g->value / (double)divisor;
    if (a->kind == TP_OP_GEM) return pow(g->value / (double)g->n, 1 / (double)a->p);
    if (a->kind == TP_OP_STD) return sqrt(g->value / (double)g->n);
    return a->kind == TP_OP_LP ? pow(g->value, 1 / (double)a->p) : g->value;
}

static double pool_one(const struct job *j, const int64_t o[TP_MAX_RANK])
{
    const struct tp_pool_attr *a = &j->nd->attr.pool;
    const struct tp_window *w = &a->window;
    const struct tp_shape *s = &j->shape[0];
    int64_t top = padding(w, 0, s->dim[1], j->to.dim[1]);
    int64_t left = padding(w, 1, s->dim[2], j->to.dim[2]);
    struct gathered g = { 0 };
    for (int64_t ky = 0; ky < w->kernel[0]; ky++)
        for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
            int64_t y = tap(w, 0, top, o[1], ky), x = tap(w, 1, left, o[2], kx);
            if (inside(s, y, x)) gather(&g, a, j->in[0][at(s, o[0], y, x, o[3])]);
        }
    return settle(&g, a, a->count_include_pad ? (int64_t)w->kernel[0] * w->kernel[1] : g.n);
}

static void pool(const struct job *j)
{
    int64_t o[TP_MAX_RANK];
    for (int64_t i = 0; i < count(&j->to); i++) {
        unravel(&j->to, i, o);
        j->out[i] = pool_one(j, o);
    }
}

/* PyTorch's adaptive pooling: bin i of `bins` over a length covers [floor(i length / bins),
 * ceil((i + 1) length / bins)). */
static bool in_bin(int64_t place, int64_t i, int64_t bins, int64_t length)
{
    return place >= i * length / bins && place * bins < (i + 1) * length;
}

/* One bin of everything is global pooling. */
static void binned_pool(const struct job *j, int64_t rows, int64_t columns)
{
    const struct tp_pool_attr *a = &j->nd->attr.pool;
    const struct tp_shape *s = &j->shape[0];
    const struct tp_shape bins = TP_SHAPE4(s->dim[0], rows, columns, s->dim[3]);
    int64_t o[TP_MAX_RANK];
    for (int64_t i = 0; i < count(&bins); i++) {
        struct gathered g = { 0 };
        unravel(&bins, i, o);
        for (int64_t y = 0; y < s->dim[1]; y++)
            for (int64_t x = 0; x < s->dim[2]; x++) {
                if (in_bin(y, o[1], rows, s->dim[1]) && in_bin(x, o[2], columns, s->dim[2]))
                    gather(&g, a, j->in[0][at(s, o[0], y, x, o[3])]);
            }
        j->out[i] = settle(&g, a, g.n);
    }
}

static void global_pool(const struct job *j) { binned_pool(j, 1, 1); }

static void adaptive_pool(const struct job *j)
{
    binned_pool(j, j->nd->attr.pool.bins[0], j->nd->attr.pool.bins[1]);
}

/* ---- elementwise ----------------------------------------------------------------------------- */

static void copy(const struct job *j)
{
    memcpy(j->out, j->in[0], (size_t)count(&j->to) * sizeof *j->out);
}

static void constant(const struct job *j)
{
    for (int64_t i = 0; i < count(&j->to); i++) j->out[i] = j->nd->attr.constant.data[i];
}

/* Input `which` at output element i under NumPy's broadcasting: axes are matched from the last one
 * backwards, and one of length 1 stands for all. */
static double broadcast(const struct job *j, int which, int64_t i)
{
    const struct tp_shape *s = &j->shape[which];
    int64_t o[TP_MAX_RANK], index[TP_MAX_RANK] = { 0 };
    unravel(&j->to, i, o);
    for (int axis = 0; axis < s->rank; axis++)
        if (s->dim[axis] > 1) index[axis] = o[axis + j->to.rank - s->rank];
    return j->in[which][ravel(s, index)];
}

static double binary_one(enum tp_binary_kind kind, double a, double b)
{
    switch (kind) {
    case TP_BINARY_ADD: return a + b;
    case TP_BINARY_SUB: return a - b;
    case TP_BINARY_MUL: return a * b;
    case TP_BINARY_MAX: return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
    case TP_BINARY_PRELU: return a < 0 ? a * b : a;
    case TP_BINARY_MIN: return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
    case TP_BINARY_DIV: return a / b;
    case TP_BINARY_POW: return pow(a, b);
    case TP_BINARY_MOD: return fmod(a, b) * b < 0 ? fmod(a, b) + b : fmod(a, b);
    case TP_BINARY_EQUAL: return a == b;
    case TP_BINARY_LESS: return a < b;
    case TP_BINARY_LESS_EQUAL: return a <= b;
    case TP_BINARY_AND: return a != 0 && b != 0;
    case TP_BINARY_OR: return a != 0 || b != 0;
    case TP_BINARY_XOR: return (a != 0) != (b != 0);
    case TP_N_BINARY_KINDS: break;
    }
    abort();
}

static void binary(const struct job *j)
{
    for (int64_t i = 0; i < count(&j->to); i++)
        j->out[i] = binary_one(j->nd->attr.binary, broadcast(j, 0, i), broadcast(j, 1, i));
}

static void combine(const struct job *j)
{
    int n = j->nd->n_inputs - j->nd->residual;
    for (int64_t i = 0; i < count(&j->to); i++) {
        double sum = 0;
        for (int k = 0; k < n; k++) sum += broadcast(j, k, i);
        j->out[i] = j->nd->attr.combine.mean ? sum / n : sum;
    }
}

static void softmax(const struct job *j)
{
    int axis = j->nd->attr.axis.axis;
    int64_t o[TP_MAX_RANK];
    for (int64_t i = 0; i < count(&j->to); i++) {
        double most = -INFINITY, sum = 0;
        unravel(&j->to, i, o);
        for (o[axis] = 0; o[axis] < j->to.dim[axis]; o[axis]++)
            most = fmax(most, j->in[0][ravel(&j->to, o)]);
        for (o[axis] = 0; o[axis] < j->to.dim[axis]; o[axis]++)
            sum += exp(j->in[0][ravel(&j->to, o)] - most);
        j->out[i] = j->nd->attr.axis.log ? j->in[0][i] - most - log(sum)
                                         : exp(j->in[0][i] - most) / sum;
    }
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static void concat(const struct job *j)
{
    int axis = j->nd->attr.axis.axis;
    int64_t o[TP_MAX_RANK];
    for (int64_t i = 0; i < count(&j->to); i++) {
        int which = 0;
        unravel(&j->to, i, o);
        while (o[axis] >= j->shape[which].dim[axis]) o[axis] -= j->shape[which++].dim[axis];
        j->out[i] = j->in[which][ravel(&j->shape[which], o)];
    }
}

static void transpose(const struct job *j)
{
    int64_t o[TP_MAX_RANK], index[TP_MAX_RANK];
    for (int64_t i = 0; i < count(&j->to); i++) {
        unravel(&j->to, i, o);
        for (int k = 0; k < j->to.rank; k++) index[j->nd->attr.transpose.perm[k]] = o[k];
        j->out[i] = j->in[0][ravel(&j->shape[0], index)];
    }
}

/* Padding and cropping are one: the map is looked at through a window that starts `top`, `left`
 * before it (after it where negative). */
static void shift_window(const struct job *j, int top, int left)
{
    int64_t o[TP_MAX_RANK];
    for (int64_t i = 0; i < count(&j->to); i++) {
        unravel(&j->to, i, o);
        int64_t y = o[1] - top, x = o[2] - left;
        j->out[i] = inside(&j->shape[0], y, x) ? j->in[0][at(&j->shape[0], o[0], y, x, o[3])]
                                               : j->nd->attr.pad.value;
    }
}

static void pad(const struct job *j)
{
    shift_window(j, j->nd->attr.pad.edge[0], j->nd->attr.pad.edge[1]);
}

static void crop(const struct job *j)
{
    shift_window(j, -j->nd->attr.pad.edge[0], -j->nd->attr.pad.edge[1]);
}

/* The two pixels between which output position o lies, the map's edge being repeated outwards, and
 * how far it is from the first to the second: pixels are squares and their middles are what is
 * sampled (Keras UpSampling2D "bilinear", PyTorch align_corners=False). */
static double between(int64_t o, int scale, int64_t length, int64_t *first, int64_t *second)
{
    double place = ((double)o + 0.5) / scale - 0.5, base = floor(place);
    *first = (int64_t)limit(base, 0, (double)length - 1);
    *second = (int64_t)limit(base + 1, 0, (double)length - 1);
    return place - base;
}

static double bilinear_one(const struct job *j, const int64_t o[TP_MAX_RANK])
{
    const struct tp_shape *s = &j->shape[0];
    int64_t y[2], x[2];
    double down = between(o[1], j->nd->attr.upsample.scale[0], s->dim[1], &y[0], &y[1]);
    double right = between(o[2], j->nd->attr.upsample.scale[1], s->dim[2], &x[0], &x[1]);
    double sum = 0;
    for (int v = 0; v < 2; v++)
        for (int h = 0; h < 2; h++)
            sum += (v ? down : 1 - down) * (h ? right : 1 - right) *
                   j->in[0][at(s, o[0], y[v], x[h], o[3])];
    return sum;
}

static void upsample(const struct job *j)
{
    const int *scale = j->nd->attr.upsample.scale;
    int64_t o[TP_MAX_RANK];
    for (int64_t i = 0; i < count(&j->to); i++) {
        unravel(&j->to, i, o);
        j->out[i] = j->nd->attr.upsample.mode == TP_BILINEAR ? bilinear_one(j, o)
                  : j->in[0][at(&j->shape[0], o[0], o[1] / scale[0], o[2] / scale[1], o[3])];
    }
}

/* ---- nodes and graphs ------------------------------------------------------------------------ */

static const struct { const struct tp_op *op; void (*run)(const struct job *); } twins[] = {
    { &tp_op_input, copy }, { &tp_op_constant, constant }, { &tp_op_conv, conv },
    { &tp_op_gemm, gemm }, { &tp_op_affine, copy }, { &tp_op_activation, copy },
    { &tp_op_softmax, softmax }, { &tp_op_pool, pool }, { &tp_op_global_pool, global_pool },
    { &tp_op_adaptive_pool, adaptive_pool }, { &tp_op_binary, binary }, { &tp_op_combine, combine },
    { &tp_op_concat, concat }, { &tp_op_identity, copy }, { &tp_op_reshape, copy },
    { &tp_op_flatten, copy }, { &tp_op_transpose, transpose }, { &tp_op_pad, pad },
    { &tp_op_crop, crop }, { &tp_op_upsample, upsample },
};

/* What op.h promises for every result: scale and shift by the last axis, residual, activation. */
static void finish(const struct job *j)
{
    const struct tp_node *nd = j->nd;
    int64_t channels = j->to.rank ? j->to.dim[j->to.rank - 1] : 1;
    for (int64_t i = 0; i < count(&j->to); i++) {
        double x = j->out[i];
        if (nd->scale) x *= nd->scale[i % channels];
        if (nd->shift) x += nd->shift[i % channels];
        if (nd->residual) x += broadcast(j, nd->n_inputs - 1, i);
        j->out[i] = act(x, &nd->act);
    }
}

static void *need(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (p) return p;
    perror("ref.c");
    abort();
}

static double *compute(const struct tp_node *nd, const struct tp_shape *in, double *const *inputs,
                       const struct tp_shape *out)
{
    struct job j = { nd, in, inputs, *out, need((size_t)count(out), sizeof(double)) };
    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++)
        if (twins[i].op == nd->op) {
            twins[i].run(&j);
            finish(&j);
            return j.out;
        }
    fprintf(stderr, "ref.c: operator %s has no twin\n", nd->op->name);
    abort();
}

static double *widen(const float *x, int64_t n)
{
    double *y = need((size_t)n, sizeof *y);
    for (int64_t i = 0; i < n; i++) y[i] = x[i];
    return y;
}

double *ref_node(const struct tp_node *nd, const struct tp_shape *in, float *const *inputs,
                 const struct tp_shape *out)
{
    double **wide = need((size_t)nd->n_inputs, sizeof *wide);
    for (int i = 0; i < nd->n_inputs; i++) wide[i] = widen(inputs[i], count(&in[i]));
    double *result = compute(nd, in, wide, out);
    for (int i = 0; i < nd->n_inputs; i++) free(wide[i]);
    free(wide);
    return result;
}

/* Node i of g from the values and shapes of the nodes before it. */
static double *compute_at(const struct tp_graph *g, int i, double **values, struct tp_shape *shapes)
{
    const struct tp_node *nd = &g->nodes[i];
    double **inputs = need((size_t)nd->n_inputs, sizeof *inputs);
    struct tp_shape *in = need((size_t)nd->n_inputs, sizeof *in);
    struct tp_err err = { 0 };
    for (int k = 0; k < nd->n_inputs; k++) {
        inputs[k] = values[nd->inputs[k]];
        in[k] = shapes[nd->inputs[k]];
    }
    if (!nd->op->shape(nd, in, &shapes[i], &err)) {
        fprintf(stderr, "ref.c: %s\n", err.message);
        abort();
    }
    double *result = compute(nd, in, inputs, &shapes[i]);
    free(inputs);
    free(in);
    return result;
}

double *ref_graph(const struct tp_graph *g, const struct tp_shape *input, const float *data,
                  int index, struct tp_shape *shape)
{
    double **values = need((size_t)g->n_nodes, sizeof *values);
    struct tp_shape *shapes = need((size_t)g->n_nodes, sizeof *shapes);
    bool *needed = need((size_t)g->n_nodes, sizeof *needed);
    needed[index] = true;
    for (int i = index; i > 0; i--)
        for (int k = 0; needed[i] && k < g->nodes[i].n_inputs; k++)
            needed[g->nodes[i].inputs[k]] = true;

    shapes[0] = *input;
    values[0] = widen(data, count(input));
    for (int i = 1; i <= index; i++)
        if (needed[i]) values[i] = compute_at(g, i, values, shapes);

    double *result = values[index];
    *shape = shapes[index];
    for (int i = 0; i < index; i++) free(values[i]);
    free(values);
    free(shapes);
    free(needed);
    return result;
}
