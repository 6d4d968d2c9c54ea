/* lower_fold.c - shape arithmetic: small constants are computed with, in doubles, which hold whole
 * numbers up to 2^53; more than that is told, not rounded. */
#include "formats/lowering.h"

#include <math.h>
#include <string.h>

#define MOST_EXACT 9007199254740992.0            /* 2^53 */

static bool is_whole(enum tp_onnx_type type)
{
    return type != TP_ONNX_FLOAT && type != TP_ONNX_DOUBLE && type != TP_ONNX_FLOAT16;
}

/* ---- element by element ---------------------------------------------------------------------- */

static double apply_binary(const char *op, double a, double b, bool whole)
{
    switch (op[0]) {
    case 'A': return op[1] == 'd' ? a + b : a != 0 && b != 0;          /* Add, And */
    case 'S': return a - b;
    case 'D': return whole ? trunc(a / b) : a / b;
    case 'P': return pow(a, b);
    case 'E': return a == b;
    case 'O': return a != 0 || b != 0;
    case 'X': return (a != 0) != (b != 0);
    case 'L': return strlen(op) > 4 ? a <= b : a < b;                  /* LessOrEqual */
    case 'G': return strlen(op) > 7 ? a >= b : a > b;
    default: break;
    }
    if (!strcmp(op, "Mul")) return a * b;
    if (!strcmp(op, "Mod")) return a - floor(a / b) * b;
    if (!strcmp(op, "Fmod")) return fmod(a, b);
    if (!strcmp(op, "Max")) return a > b ? a : b;
    return a < b ? a : b;
}

static bool is_binary(const char *op)
{
    static const char *const ops[] = {
        "Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Mod", "Equal", "Less", "LessOrEqual",
        "Greater", "GreaterOrEqual", "And", "Or", "Xor",
    };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (!strcmp(op, ops[i])) return true;
    return false;
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

static bool fold_elements(struct tp_lowering *l, struct tp_lowered *const *in, int n)
{
    const char *op = tp_low_int(l, "fmod", 0) ? "Fmod" : l->nd->op;
    struct tp_shape shape;
    int64_t index[TP_MAX_RANK] = { 0 };
    const enum tp_onnx_type type = in[n - 1]->type;
    const bool where = n == 3, compares = op[0] == 'E' || op[0] == 'L' || op[0] == 'G';
    const bool whole = is_whole(type);
    if (!broadcast_shape(l, in, n, &shape)) return false;
    const int64_t count = tp_shape_elements(&shape);
    if (count > TP_KNOWN_ELEMENTS)
        return tp_low_fail(l, TP_TOO_LARGE, "shape arithmetic on %lld elements",
                           (long long)count);
    double *out = tp_low_room(l, count, sizeof *out);
    if (!out) return false;
    for (int64_t i = 0; i < count; i++, advance(&shape, index)) {
        const double a = broadcast_element(in[0], &shape, index);
        const double b = broadcast_element(in[1], &shape, index);
        if (whole && !where && b == 0 && (op[0] == 'D' || strstr(op, "od")))
            return tp_low_fail(l, TP_INVALID_MODEL, "a whole number is divided by zero");
        out[i] = where ? a != 0 ? b : broadcast_element(in[2], &shape, index)
                       : apply_binary(op, a, b, whole);
        if (whole && !where && !compares && !(fabs(out[i]) <= MOST_EXACT))
            return tp_low_fail(l, TP_INVALID_MODEL, "shape arithmetic overflows: %s of %.17g and "
                               "%.17g", op, a, b);
    }
    return tp_low_out_known(l, 0, compares ? TP_ONNX_BOOL : type, &shape, out);
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
        else out[i] = is_whole(to) ? trunc(x) : x;
    }
    return tp_low_out_known(l, 0, to, &in->shape, out);
}

/* ---- picking and joining --------------------------------------------------------------------- */

static bool fold_gather(struct tp_lowering *l, const struct tp_lowered *from,
                        const struct tp_lowered *indices)
{
    int axis;
    struct tp_shape shape = { .rank = 0 };
    if (!tp_low_axis(l, tp_low_int(l, "axis", 0), from->shape.rank, &axis)) return false;
    if (from->shape.rank - 1 + indices->shape.rank > TP_MAX_RANK)
        return tp_low_fail(l, TP_INVALID_MODEL, "its output has more than %d axes",
                           (int)TP_MAX_RANK);
    for (int a = 0; a < axis; a++) shape.dim[shape.rank++] = from->shape.dim[a];
    for (int a = 0; a < indices->shape.rank; a++) shape.dim[shape.rank++] = indices->shape.dim[a];
    for (int a = axis + 1; a < from->shape.rank; a++) shape.dim[shape.rank++] = from->shape.dim[a];
    const int64_t outer = tp_shape_span(&from->shape, 0, axis), length = from->shape.dim[axis];
    const int64_t inner = tp_shape_span(&from->shape, axis + 1, from->shape.rank);
    const int64_t picked = tp_shape_elements(&indices->shape), n = tp_shape_elements(&shape);
    if (n > TP_KNOWN_ELEMENTS)
        return tp_low_fail(l, TP_TOO_LARGE, "shape arithmetic on %lld elements", (long long)n);
    double *out = tp_low_room(l, n, sizeof *out);
    if (!out) return false;
    for (int64_t i = 0; i < outer * picked; i++) {
        double at = indices->known[i % picked];
        if (at < 0) at += (double)length;
        if (!(at >= 0 && at < (double)length))
            return tp_low_fail(l, TP_INVALID_MODEL, "index %.17g; axis %d has size %lld",
                               indices->known[i % picked], axis, (long long)length);
        memcpy(out + i * inner, from->known + (i / picked * length + (int64_t)at) * inner,
               (size_t)inner * sizeof *out);
    }
    return tp_low_out_known(l, 0, from->type, &shape, out);
}

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
    for (int i = 0; i < l->nd->n_inputs; i++)
        if (is_whole(tp_low_in(l, i)->type) || tp_shape_elements(&tp_low_in(l, i)->shape) <= 8)
            return true;
    return false;
}

bool tp_low_fold(struct tp_lowering *l, bool *folded)
{
    const char *op = l->nd->op;
    const int n = l->nd->n_inputs;
    const bool elements = (n == 2 && is_binary(op)) || (n == 3 && !strcmp(op, "Where"));
    const bool unary = n == 1 && (is_unary(op) || !strcmp(op, "Cast"));
    const bool gather = n == 2 && !strcmp(op, "Gather"), concat = !strcmp(op, "Concat");
    *folded = (elements || unary || gather || concat) && all_known(l) && is_arithmetic(l);
    if (!*folded) return true;
    struct tp_lowered *in[3] = { tp_low_in(l, 0), tp_low_in(l, 1), tp_low_in(l, 2) };
    if (elements) return fold_elements(l, in, n);
    if (unary) return fold_unary(l, in[0]);
    return gather ? fold_gather(l, in[0], in[1]) : fold_concat(l);
}
