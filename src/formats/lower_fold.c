/* lower_fold.c - shape arithmetic: small constants are computed with, in doubles, which hold whole
 * numbers up to 2^53; more than that is told, not rounded. */
#include "formats/lowering.h"

#include <math.h>
#include <string.h>

#define MOST_EXACT 9007199254740992.0            /* 2^53 */

/* ---- element by element ---------------------------------------------------------------------- */

static double apply_binary(enum tp_binary_kind kind, double a, double b, bool whole, bool c_mod)
{
    switch (kind) {
    case TP_BINARY_ADD: return a + b;
    case TP_BINARY_SUB: return a - b;
    case TP_BINARY_MUL: return a * b;
    case TP_BINARY_DIV: return whole ? trunc(a / b) : a / b;
    case TP_BINARY_MOD: return c_mod ? fmod(a, b) : a - floor(a / b) * b;
    case TP_BINARY_POW: return pow(a, b);
    case TP_BINARY_MAX: return a > b ? a : b;
    case TP_BINARY_MIN: return a < b ? a : b;
    case TP_BINARY_PRELU: return a < 0 ? a * b : a;
    case TP_BINARY_EQUAL: return a == b;
    case TP_BINARY_LESS: return a < b;
    case TP_BINARY_LESS_EQUAL: return a <= b;
    case TP_BINARY_AND: return a != 0 && b != 0;
    case TP_BINARY_OR: return a != 0 || b != 0;
    case TP_BINARY_XOR: return (a != 0) != (b != 0);
    case TP_N_BINARY_KINDS: break;
    }
    return NAN;
}

static bool broadcast_shape(struct tp_lowering *l, struct tp_lowered *const *in, int n,
                            struct tp_shape *out)
{
    *out = (struct tp_shape){ .rank = 0 };
    for (int i = 0; i < n; i++)
        if (in[i]->shape.rank > out->rank) out->rank = in[i]->shape.rank;
    for (int a = 0; a < out->rank; a++) {
        out->dim[a] = 1;
        for (int i = 0; i < n; i++) {
            const int at = a - (out->rank - in[i]->shape.rank);
            const int64_t d = at < 0 ? 1 : in[i]->shape.dim[at];
            if (d == 1) continue;
            if (out->dim[a] != 1 && out->dim[a] != d)
                return tp_low_fail(l, TP_INVALID_MODEL, "its inputs' shapes do not broadcast: "
                                   "sizes %lld and %lld along axis %d", (long long)out->dim[a],
                                   (long long)d, a);
            out->dim[a] = d;
        }
    }
    return true;
}

/* The element of v that broadcasts to place `index` of shape `out`. */
static double broadcast_element(const struct tp_lowered *v, const struct tp_shape *out,
                                const int64_t *index)
{
    int64_t at = 0;
    for (int a = 0; a < v->shape.rank; a++) {
        const int64_t i = index[a + out->rank - v->shape.rank];
        at = at * v->shape.dim[a] + (v->shape.dim[a] == 1 ? 0 : i);
    }
    return v->known[at];
}

static void advance(const struct tp_shape *s, int64_t *index)
{
    for (int k = s->rank - 1; k >= 0 && ++index[k] == s->dim[k]; k--) index[k] = 0;
}

/* Room for what n inputs make element by element, and its shape; NULL with an error. */
static double *elements_room(struct tp_lowering *l, struct tp_lowered *const *in, int n,
                             struct tp_shape *shape)
{
    if (!broadcast_shape(l, in, n, shape)) return NULL;
    const int64_t count = tp_shape_elements(shape);
    if (count <= TP_KNOWN_ELEMENTS) return tp_low_room(l, count, sizeof(double));
    tp_low_fail(l, TP_TOO_LARGE, "shape arithmetic on %lld elements", (long long)count);
    return NULL;
}

static bool fold_where(struct tp_lowering *l, struct tp_lowered *const *in)
{
    struct tp_shape shape;
    int64_t index[TP_MAX_RANK] = { 0 };
    double *out = elements_room(l, in, 3, &shape);
    if (!out) return false;
    for (int64_t i = 0; i < tp_shape_elements(&shape); i++, advance(&shape, index))
        out[i] = broadcast_element(in[broadcast_element(in[0], &shape, index) != 0 ? 1 : 2],
                                   &shape, index);
    return tp_low_out_known(l, 0, in[1]->type, &shape, out);
}

static bool fold_binary(struct tp_lowering *l, struct tp_lowered *const *in)
{
    const struct tp_binary_rule *rule = tp_low_binary_rule(l->nd->op);
    const bool c_mod = tp_low_int(l, "fmod", 0) != 0, whole = !tp_onnx_type_is_float(in[0]->type);
    const bool divides = rule->kind == TP_BINARY_DIV || rule->kind == TP_BINARY_MOD;
    struct tp_shape shape;
    int64_t index[TP_MAX_RANK] = { 0 };
    double *out = elements_room(l, in, 2, &shape);
    if (!out) return false;
    for (int64_t i = 0; i < tp_shape_elements(&shape); i++, advance(&shape, index)) {
        const double a = broadcast_element(in[rule->swapped], &shape, index);
        const double b = broadcast_element(in[!rule->swapped], &shape, index);
        if (whole && divides && b == 0)
            return tp_low_fail(l, TP_INVALID_MODEL, "a whole number is divided by zero");
        out[i] = apply_binary(rule->kind, a, b, whole, c_mod);
        if (whole && !rule->compares && !(fabs(out[i]) <= MOST_EXACT))
            return tp_low_fail(l, TP_INVALID_MODEL, "shape arithmetic overflows: %s of %.17g and "
                               "%.17g", rule->op, a, b);
    }
    return tp_low_out_known(l, 0, rule->compares ? TP_ONNX_BOOL : in[0]->type, &shape, out);
}

/* ---- one input ------------------------------------------------------------------------------- */

static double apply_unary(const char *op, double x)
{
    if (!strcmp(op, "Neg")) return -x;
    if (!strcmp(op, "Abs")) return fabs(x);
    if (!strcmp(op, "Floor")) return floor(x);
    if (!strcmp(op, "Ceil")) return ceil(x);
    if (!strcmp(op, "Sqrt")) return sqrt(x);
    return x == 0;                                   /* Not */
}

static bool is_unary(const char *op)
{
    static const char *const ops[] = { "Neg", "Abs", "Floor", "Ceil", "Sqrt", "Not" };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (!strcmp(op, ops[i])) return true;
    return false;
}

static bool fold_unary(struct tp_lowering *l, const struct tp_lowered *in)
{
    const bool cast = !strcmp(l->nd->op, "Cast");
    const int64_t n = tp_shape_elements(&in->shape);
    enum tp_onnx_type to = in->type;
    if (cast && !tp_low_cast_type(l, &to)) return false;
    double *out = tp_low_room(l, n, sizeof *out);
    if (!out) return false;
    for (int64_t i = 0; i < n; i++) {
        const double x = in->known[i];
        if (!cast) out[i] = apply_unary(l->nd->op, x);
        else if (to == TP_ONNX_BOOL) out[i] = x != 0;
        else out[i] = !tp_onnx_type_is_float(to) ? trunc(x) : x;
    }
    return tp_low_out_known(l, 0, to, &in->shape, out);
}

/* ---- joining --------------------------------------------------------------------------------- */

static bool fold_concat(struct tp_lowering *l)
{
    struct tp_shape shape = tp_low_in(l, 0)->shape;
    int axis;
    int64_t n = 0, at = 0;
    if (!tp_low_concat_axis(l, shape.rank, &axis)) return false;
    shape.dim[axis] = 0;
    for (int i = 0; i < l->nd->n_inputs; i++) {
        const struct tp_shape *s = &tp_low_in(l, i)->shape;
        bool fits = s->rank == shape.rank;
        for (int a = 0; fits && a < s->rank; a++)
            fits = a == axis || s->dim[a] == tp_low_in(l, 0)->shape.dim[a];
        if (!fits)
            return tp_low_fail(l, TP_INVALID_MODEL, "inputs of shape %s and %s cannot be joined "
                               "along axis %d", TP_SHAPE(&tp_low_in(l, 0)->shape), TP_SHAPE(s),
                               axis);
        shape.dim[axis] += s->dim[axis];
        n += tp_shape_elements(s);
    }
    double *out = tp_low_room(l, n, sizeof *out);
    if (!out) return false;
    const int64_t outer = tp_shape_span(&shape, 0, axis);
    for (int64_t o = 0; o < outer; o++)
        for (int i = 0; i < l->nd->n_inputs; i++) {
            const struct tp_lowered *v = tp_low_in(l, i);
            const int64_t run = tp_shape_elements(&v->shape) / outer;
            memcpy(out + at, v->known + o * run, (size_t)run * sizeof *out);
            at += run;
        }
    return tp_low_out_known(l, 0, tp_low_in(l, 0)->type, &shape, out);
}

/* All inputs are there and known. */
static bool all_known(struct tp_lowering *l)
{
    int64_t sum = 0;
    for (int i = 0; i < l->nd->n_inputs; i++) {
        struct tp_lowered *v = tp_low_in(l, i);
        if (!v || !v->constant || !tp_low_known(l, v)) return false;
        sum += tp_shape_elements(&v->shape);
    }
    return l->nd->n_inputs > 0 && sum <= TP_KNOWN_ELEMENTS;
}

/* Floats of weights are left to the operators themselves, which do it in float as at run time. */
static bool is_arithmetic(struct tp_lowering *l)
{
    for (int i = 0; i < l->nd->n_inputs; i++) {
        const struct tp_lowered *v = tp_low_in(l, i);
        if (!tp_onnx_type_is_float(v->type) || tp_shape_elements(&v->shape) <= 8) return true;
    }
    return false;
}

bool tp_low_fold(struct tp_lowering *l, bool *folded)
{
    const char *op = l->nd->op;
    const int n = l->nd->n_inputs;
    const bool binary = n == 2 && tp_low_binary_rule(op), where = n == 3 && !strcmp(op, "Where");
    const bool unary = n == 1 && (is_unary(op) || !strcmp(op, "Cast"));
    const bool concat = !strcmp(op, "Concat");
    *folded = (binary || where || unary || concat) && all_known(l) && is_arithmetic(l);
    if (!*folded) return true;
    struct tp_lowered *in[3] = { tp_low_in(l, 0), tp_low_in(l, 1), tp_low_in(l, 2) };
    if (binary) return fold_binary(l, in);
    if (where) return fold_where(l, in);
    return unary ? fold_unary(l, in[0]) : fold_concat(l);
}
