/* lower_elementwise.c - operators that look at one place at a time: any order of axes will do. */
#include "formats/lowering.h"

#include <math.h>
#include <string.h>

/* ---- one input ------------------------------------------------------------------------------- */

static bool activate(struct tp_lowering *l, struct tp_act act, enum tp_onnx_type type)
{
    struct tp_lowered *v = tp_low_in(l, 0);
    const struct tp_node nd = { .act = act };
    const int from = tp_low_node(l, v, v->shape.rank, v->constant ? NULL : v->perm);
    return tp_low_out(l, 0, tp_low_add(l, &tp_op_activation, &nd, &from, 1),
                      v->constant ? NULL : v->perm, type);
}

/* Attribute names and defaults: ONNX, operator by operator. */
static const struct {
    const char *op;
    enum tp_act_kind kind;
    float alpha, beta;               /* defaults of the attributes of that name, or fixed */
    const char *alpha_name, *beta_name;
} activations[] = {
    { "Relu", TP_ACT_CLAMP, 0, INFINITY, NULL, NULL },
    { "LeakyRelu", TP_ACT_LEAKY_RELU, 0.01f, 0, "alpha", NULL },
    { "Elu", TP_ACT_ELU, 1, 0, "alpha", NULL },
    { "Selu", TP_ACT_SELU, 1.67326319217681884765625f, 1.05070102214813232421875f, "alpha",
      "gamma" },
    { "Celu", TP_ACT_CELU, 1, 0, "alpha", NULL },
    { "ThresholdedRelu", TP_ACT_THRESHOLDED_RELU, 1, 0, "alpha", NULL },
    { "Sigmoid", TP_ACT_SIGMOID, 0, 0, NULL, NULL },
    { "HardSigmoid", TP_ACT_HARD_SIGMOID, 0.2f, 0.5f, "alpha", "beta" },
    { "HardSwish", TP_ACT_HARD_SWISH, 0, 0, NULL, NULL },
    { "Tanh", TP_ACT_TANH, 0, 0, NULL, NULL },
    { "Softplus", TP_ACT_SOFTPLUS, 0, 0, NULL, NULL },
    { "Softsign", TP_ACT_SOFTSIGN, 0, 0, NULL, NULL },
    { "Erf", TP_ACT_ERF, 0, 0, NULL, NULL },
    { "Mish", TP_ACT_MISH, 0, 0, NULL, NULL },
    { "Abs", TP_ACT_ABS, 0, 0, NULL, NULL },
    { "Neg", TP_ACT_NEG, 0, 0, NULL, NULL },
    { "Exp", TP_ACT_EXP, 0, 0, NULL, NULL },
    { "Log", TP_ACT_LOG, 0, 0, NULL, NULL },
    { "Sqrt", TP_ACT_SQRT, 0, 0, NULL, NULL },
    { "Reciprocal", TP_ACT_RECIPROCAL, 0, 0, NULL, NULL },
    { "Floor", TP_ACT_FLOOR, 0, 0, NULL, NULL },
    { "Ceil", TP_ACT_CEIL, 0, 0, NULL, NULL },
    { "Round", TP_ACT_ROUND, 0, 0, NULL, NULL },
    { "Sign", TP_ACT_SIGN, 0, 0, NULL, NULL },
    { "Not", TP_ACT_NOT, 0, 0, NULL, NULL },
};

bool tp_lower_activation(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    if (!strcmp(l->nd->op, "Gelu")) {
        const char *form;
        if (!tp_low_word(l, "approximate", "none", "none tanh", &form)) return false;
        const struct tp_act gelu = { .kind = *form == 't' ? TP_ACT_GELU_TANH : TP_ACT_GELU };
        return activate(l, gelu, x->type);
    }
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (strcmp(l->nd->op, activations[i].op)) continue;
        struct tp_act act = { activations[i].kind, activations[i].alpha, activations[i].beta, 0 };
        if (activations[i].alpha_name)
            act.alpha = tp_low_float(l, activations[i].alpha_name, act.alpha);
        if (activations[i].beta_name)
            act.beta = tp_low_float(l, activations[i].beta_name, act.beta);
        return activate(l, act, x->type);
    }
    return tp_low_fail(l, TP_INTERNAL, "no activation of that name");
}

/* A bound: an attribute until opset 10, then an input. *given: whether it is known now. */
static bool clip_bound(struct tp_lowering *l, const char *name, int input, float otherwise,
                       float *bound, bool *known)
{
    struct tp_lowered *v = tp_low_in(l, input);
    *bound = tp_low_float(l, name, otherwise);
    *known = true;
    if (!v) return true;
    const double *value = tp_low_known(l, v);
    if (value && tp_shape_elements(&v->shape) != 1)
        return tp_low_fail(l, TP_INVALID_MODEL, "its bound '%s' has shape %s; it must be one "
                           "number", name, TP_SHAPE(&v->shape));
    *known = value != NULL;
    if (value) *bound = (float)*value;
    return true;
}

bool tp_lower_clip(struct tp_lowering *l)
{
    struct tp_act act = { .kind = TP_ACT_CLAMP };
    bool known[2];
    if (!clip_bound(l, "min", 1, -INFINITY, &act.alpha, &known[0]) ||
        !clip_bound(l, "max", 2, INFINITY, &act.beta, &known[1])) return false;
    if (!known[0] || !known[1])
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "its bounds depend on the values of the "
                           "model's input");
    return activate(l, act, tp_low_in(l, 0)->type);
}

/* ---- several inputs -------------------------------------------------------------------------- */

/* The order of axes that most of the work is in already: that of the input with most elements that
 * is not constant; ONNX's own when all are. */
static int common_order(const struct tp_lowering *l, int n, int perm[TP_MAX_RANK])
{
    const struct tp_lowered *most = NULL;
    int rank = 0;
    for (int i = 0; i < n; i++) {
        const struct tp_lowered *v = tp_low_in(l, i);
        if (v->shape.rank > rank) rank = v->shape.rank;
        if (!v->constant &&
            (!most || tp_shape_elements(&v->shape) > tp_shape_elements(&most->shape))) most = v;
    }
    for (int k = 0; k < rank; k++) perm[k] = k;
    const int pad = most ? rank - most->shape.rank : 0;
    for (int k = 0; most && k < most->shape.rank; k++) perm[pad + k] = most->perm[k] + pad;
    return rank;
}

/* An operator over inputs 0 .. n - 1, broadcast. */
static int broadcast(struct tp_lowering *l, const struct tp_op *op, const struct tp_node *like,
                     int n, int perm[TP_MAX_RANK])
{
    int *inputs = tp_low_room(l, n, sizeof *inputs);
    if (!inputs) return -1;
    for (int i = 0; i < n; i++)
        if (!tp_low_in(l, i)) {
            tp_low_fail(l, TP_INVALID_MODEL, "input %d is left out", i);
            return -1;
        }
    const int rank = common_order(l, n, perm);
    for (int i = 0; i < n; i++)
        if ((inputs[i] = tp_low_node(l, tp_low_in(l, i), rank, perm)) < 0) return -1;
    return tp_low_add(l, op, like, inputs, n);
}

/* Whether v has one number for each channel, the last axis in memory of `map`, and for nothing
 * else. */
static bool is_per_channel(const struct tp_lowered *v, const struct tp_lowered *map)
{
    if (!v->constant || map->constant || !map->shape.rank || !tp_onnx_type_is_float(map->type) ||
        v->shape.rank > map->shape.rank) return false;
    const int channel = map->perm[map->shape.rank - 1];
    const int pad = map->shape.rank - v->shape.rank;
    const int64_t n = tp_shape_elements(&v->shape);
    return n > 1 && n <= TP_MAX_CHANNELS && channel >= pad && v->shape.dim[channel - pad] == n &&
           map->shape.dim[channel] == n;
}

static const struct tp_binary_rule binaries[] = {
    { "Add", TP_BINARY_ADD, false, false }, { "Sub", TP_BINARY_SUB, false, false },
    { "Mul", TP_BINARY_MUL, false, false }, { "Div", TP_BINARY_DIV, false, false },
    { "Max", TP_BINARY_MAX, false, false }, { "Min", TP_BINARY_MIN, false, false },
    { "Pow", TP_BINARY_POW, false, false }, { "Mod", TP_BINARY_MOD, false, false },
    { "PRelu", TP_BINARY_PRELU, false, false }, { "Equal", TP_BINARY_EQUAL, true, false },
    { "Less", TP_BINARY_LESS, true, false }, { "Greater", TP_BINARY_LESS, true, true },
    { "LessOrEqual", TP_BINARY_LESS_EQUAL, true, false },
    { "GreaterOrEqual", TP_BINARY_LESS_EQUAL, true, true },
    { "And", TP_BINARY_AND, true, false }, { "Or", TP_BINARY_OR, true, false },
    { "Xor", TP_BINARY_XOR, true, false },
};

const struct tp_binary_rule *tp_low_binary_rule(const char *op)
{
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++)
        if (!strcmp(op, binaries[i].op)) return &binaries[i];
    return NULL;
}

/* x + b, x - b, b - x, x * b, x / b with b per channel: scale and shift, which fold further. */
static bool try_affine(struct tp_lowering *l, enum tp_binary_kind kind, bool *done)
{
    struct tp_lowered *a = tp_low_in(l, 0), *b = tp_low_in(l, 1);
    const bool add = kind == TP_BINARY_ADD, sub = kind == TP_BINARY_SUB;
    const bool mul = kind == TP_BINARY_MUL, div = kind == TP_BINARY_DIV;
    const bool swapped = is_per_channel(a, b);
    *done = (add || sub || mul || div) && (swapped ? !div : is_per_channel(b, a));
    if (!*done) return true;
    struct tp_lowered *map = swapped ? b : a;
    const float *values = tp_low_floats(l, swapped ? a : b);
    const int64_t n = tp_shape_elements(swapped ? &a->shape : &b->shape);
    float *scale = tp_low_room(l, n, sizeof *scale), *shift = tp_low_room(l, n, sizeof *shift);
    if (!values || !scale || !shift) return false;
    for (int64_t c = 0; c < n; c++) {
        scale[c] = mul ? values[c] : div ? 1 / values[c] : sub && swapped ? -1 : 1;
        shift[c] = mul || div ? 0 : sub && !swapped ? -values[c] : values[c];
    }
    const struct tp_node nd = { .scale = scale, .shift = shift };
    const int from = tp_low_node(l, map, map->shape.rank, map->perm);
    return tp_low_out(l, 0, tp_low_add(l, &tp_op_affine, &nd, &from, 1), map->perm, map->type);
}

/* Until opset 6 the second input's axes begin at the attribute `axis` of the first's, and a slope
 * of PRelu is one per channel: axes of size 1 are put behind. */
static bool align_old(struct tp_lowering *l)
{
    const struct tp_lowered *a = tp_low_in(l, 0);
    struct tp_lowered *b = tp_low_in(l, 1), wide;
    const bool slope = !strcmp(l->nd->op, "PRelu");
    const int64_t at = tp_low_int(l, "axis", slope ? 1 : -1);
    struct tp_shape s = b->shape;
    if (l->net->opset >= 7 || at < 0 || s.rank + at >= a->shape.rank ||
        (slope && tp_shape_elements(&s) == 1)) return true;
    while (s.rank + at < a->shape.rank) s.dim[s.rank++] = 1;
    if (!tp_low_reshape(l, b, &s, &wide)) return false;
    *b = wide;
    return true;
}

/* The remainder that has the dividend's sign: a - trunc(a / b) b. */
static int fmod_node(struct tp_lowering *l, int a, int b)
{
    const int whole = tp_low_binary(l, TP_BINARY_DIV, a, b, TP_ACT_TRUNC);
    const int times = tp_low_binary(l, TP_BINARY_MUL, whole, b, TP_ACT_LINEAR);
    return tp_low_binary(l, TP_BINARY_SUB, a, times, TP_ACT_LINEAR);
}

static bool lower_binary(struct tp_lowering *l)
{
    const struct tp_binary_rule *rule = tp_low_binary_rule(l->nd->op);
    const enum tp_onnx_type type = tp_low_in(l, 0)->type;
    const bool whole_div = rule->kind == TP_BINARY_DIV && !tp_onnx_type_is_float(type);
    int perm[TP_MAX_RANK], in[2];
    bool done;
    if (!try_affine(l, rule->kind, &done)) return false;
    if (done) return true;
    const int rank = common_order(l, 2, perm);
    for (int i = 0; i < 2; i++)
        in[i] = tp_low_node(l, tp_low_in(l, rule->swapped ? 1 - i : i), rank, perm);
    const int node = tp_low_int(l, "fmod", 0)
                         ? fmod_node(l, in[0], in[1])
                         : tp_low_binary(l, rule->kind, in[0], in[1],
                                         whole_div ? TP_ACT_TRUNC : TP_ACT_LINEAR);
    return tp_low_out(l, 0, node, perm, rule->compares ? TP_ONNX_BOOL : type);
}

bool tp_lower_binary(struct tp_lowering *l)
{
    struct tp_lowered *b = tp_low_in(l, 1);
    const struct tp_lowered as_it_was = *b;          /* others may read it too */
    const bool ok = align_old(l) && lower_binary(l);
    *b = as_it_was;
    return ok;
}

/* x^2 and its like know their exponent. */
bool tp_lower_pow(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0), *exponent = tp_low_in(l, 1);
    const double *p = tp_low_known(l, exponent);
    if (!p || x->constant || tp_shape_elements(&exponent->shape) != 1 ||
        exponent->shape.rank > x->shape.rank) return tp_lower_binary(l);
    struct tp_act act = { .kind = TP_ACT_POW, .alpha = (float)*p };
    if (*p == 2) act.kind = TP_ACT_SQUARE;
    if (*p == 0.5) act.kind = TP_ACT_SQRT;
    return activate(l, act, x->type);
}

/* Max, Min, Sum, Mean of any number of inputs. */
bool tp_lower_variadic(struct tp_lowering *l)
{
    const char *op = l->nd->op;
    const int n = l->nd->n_inputs;
    int perm[TP_MAX_RANK];
    if (n == 1) return tp_low_out_value(l, 0, tp_low_in(l, 0));
    if (op[0] == 'S' || !strcmp(op, "Mean")) {
        const struct tp_node nd = { .attr.combine.mean = op[0] == 'M' };
        const int sum = broadcast(l, &tp_op_combine, &nd, n, perm);
        return tp_low_out(l, 0, sum, perm, tp_low_in(l, 0)->type);
    }
    for (int i = 0; i < n; i++)
        if (!tp_low_in(l, i)) return tp_low_fail(l, TP_INVALID_MODEL, "input %d is left out", i);
    const int rank = common_order(l, n, perm);
    int so_far = tp_low_node(l, tp_low_in(l, 0), rank, perm);
    for (int i = 1; i < n; i++) {
        const int next = tp_low_node(l, tp_low_in(l, i), rank, perm);
        so_far = tp_low_binary(l, tp_low_binary_rule(op)->kind, so_far, next, TP_ACT_LINEAR);
    }
    return tp_low_out(l, 0, so_far, perm, tp_low_in(l, 0)->type);
}

bool tp_lower_where(struct tp_lowering *l)
{
    int perm[TP_MAX_RANK];
    const int node = broadcast(l, &tp_op_where, NULL, 3, perm);
    return tp_low_out(l, 0, node, perm, tp_low_in(l, 1)->type);
}

/* ---- other types, same numbers --------------------------------------------------------------- */

bool tp_lower_cast(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    enum tp_onnx_type to;
    if (!tp_low_cast_type(l, &to)) return false;
    if (to == TP_ONNX_BOOL && x->type != TP_ONNX_BOOL) {
        const int *perm = x->constant ? NULL : x->perm;
        const int from = tp_low_node(l, x, x->shape.rank, perm), zero = tp_low_scalar(l, 0);
        return tp_low_out(l, 0, tp_low_binary(l, TP_BINARY_EQUAL, from, zero, TP_ACT_NOT), perm,
                          to);
    }
    if (tp_onnx_type_is_float(x->type) && !tp_onnx_type_is_float(to))
        return activate(l, (struct tp_act){ .kind = TP_ACT_TRUNC }, to);
    struct tp_lowered same = *x;
    same.type = to;
    return tp_low_out_value(l, 0, &same);
}

bool tp_lower_identity(struct tp_lowering *l)
{
    return tp_low_out_value(l, 0, tp_low_in(l, 0));
}

/* As at inference: the mask, where it is asked for, lets everything through. */
bool tp_lower_dropout(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0), *training = tp_low_in(l, 2);
    const double *mode = training ? tp_low_known(l, training) : NULL;
    if (training && (!mode || *mode != 0))
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "training mode is not there");
    if (tp_low_wants(l, 1)) {
        const int64_t n = tp_shape_elements(&x->shape);
        float *ones = tp_low_room(l, n, sizeof *ones);
        if (!ones) return false;
        for (int64_t i = 0; i < n; i++) ones[i] = 1;
        if (!tp_low_out(l, 1, tp_low_constant(l, ones, &x->shape), NULL, TP_ONNX_BOOL))
            return false;
    }
    return tp_low_out_value(l, 0, x);
}
