/* lower_move.c - operators that put elements elsewhere and change none. */
#include "formats/lowering.h"

#include <string.h>

/* ---- other shapes ---------------------------------------------------------------------------- */

static bool reshape_to(struct tp_lowering *l, struct tp_lowered *x, const struct tp_shape *shape)
{
    struct tp_lowered out;
    return tp_low_reshape(l, x, shape, &out) && tp_low_out_value(l, 0, &out);
}

bool tp_lower_reshape(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    int64_t target[TP_MAX_RANK], known = 1;
    int n, open = -1;
    if (!tp_low_ints(l, "shape", 1, target, TP_MAX_RANK, &n)) return false;
    if (n < 0) return tp_low_fail(l, TP_INVALID_MODEL, "it has no shape to reshape to");
    struct tp_shape s = { .rank = n };
    const bool keep_zero = tp_low_int(l, "allowzero", 0) != 0;
    for (int i = 0; i < n; i++) {
        s.dim[i] = target[i];
        if (target[i] == 0 && !keep_zero && i < x->shape.rank) s.dim[i] = x->shape.dim[i];
        if (target[i] == -1 && open < 0) {
            open = i;
            continue;
        }
        if (s.dim[i] < 0 || __builtin_mul_overflow(known, s.dim[i], &known))
            return tp_low_fail(l, TP_INVALID_MODEL, "size %lld at place %d of the shape to reshape "
                               "to; expected sizes, and at most one -1", (long long)target[i], i);
    }
    const int64_t elements = tp_shape_elements(&x->shape);
    if (open >= 0) s.dim[open] = known ? elements / known : 0;
    if (open >= 0 ? known * s.dim[open] != elements : known != elements) {
        if (open >= 0) s.dim[open] = TP_ANY;
        return tp_low_fail(l, TP_INVALID_SHAPE, "cannot reshape %s to %s: the numbers of elements "
                           "differ", TP_SHAPE(&x->shape), TP_SHAPE(&s));
    }
    return reshape_to(l, x, &s);
}

bool tp_lower_flatten(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    const int rank = x->shape.rank;
    const int64_t axis = tp_low_int(l, "axis", 1), at = axis < 0 ? axis + rank : axis;
    if (at < 0 || at > rank)
        return tp_low_fail(l, TP_INVALID_MODEL, "axis %lld; its input has rank %d",
                           (long long)axis, rank);
    return reshape_to(l, x, &TP_SHAPE2(tp_shape_span(&x->shape, 0, (int)at),
                                       tp_shape_span(&x->shape, (int)at, rank)));
}

bool tp_lower_squeeze(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    int64_t axes[TP_MAX_RANK];
    bool gone[TP_MAX_RANK] = { false };
    int n, axis;
    if (!tp_low_ints(l, "axes", 1, axes, TP_MAX_RANK, &n)) return false;
    for (int i = 0; i < n; i++) {
        if (!tp_low_axis(l, axes[i], x->shape.rank, &axis)) return false;
        if (x->shape.dim[axis] != 1)
            return tp_low_fail(l, TP_INVALID_SHAPE, "axis %d of its input %s is not 1", axis,
                               TP_SHAPE(&x->shape));
        gone[axis] = true;
    }
    struct tp_shape s = { .rank = 0 };
    for (int a = 0; a < x->shape.rank; a++)
        if (n < 0 ? x->shape.dim[a] != 1 : !gone[a]) s.dim[s.rank++] = x->shape.dim[a];
    return reshape_to(l, x, &s);
}

bool tp_lower_unsqueeze(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    int64_t axes[TP_MAX_RANK];
    bool fresh[TP_MAX_RANK] = { false };
    int n, axis;
    if (!tp_low_ints(l, "axes", 1, axes, TP_MAX_RANK, &n)) return false;
    if (n < 0 || x->shape.rank + n > TP_MAX_RANK)
        return tp_low_fail(l, TP_INVALID_MODEL, "it needs axes, and its output at most %d",
                           (int)TP_MAX_RANK);
    struct tp_shape s = { .rank = x->shape.rank + n };
    for (int i = 0; i < n; i++) {
        if (!tp_low_axis(l, axes[i], s.rank, &axis)) return false;
        if (fresh[axis]) return tp_low_fail(l, TP_INVALID_MODEL, "axes names axis %d twice", axis);
        fresh[axis] = true;
    }
    for (int a = 0, from = 0; a < s.rank; a++) s.dim[a] = fresh[a] ? 1 : x->shape.dim[from++];
    return reshape_to(l, x, &s);
}

bool tp_lower_transpose(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0), out;
    int64_t perm[TP_MAX_RANK];
    int n, order[TP_MAX_RANK];
    bool used[TP_MAX_RANK] = { false };
    if (!tp_low_ints(l, "perm", -1, perm, TP_MAX_RANK, &n)) return false;
    const int rank = x->shape.rank;
    if (n >= 0 && n != rank)
        return tp_low_fail(l, TP_INVALID_MODEL, "perm has %d numbers; its input has rank %d", n,
                           rank);
    for (int i = 0; i < rank; i++) {
        order[i] = rank - 1 - i;
        if (n >= 0 && !tp_low_axis(l, perm[i], rank, &order[i])) return false;
        if (used[order[i]]) return tp_low_fail(l, TP_INVALID_MODEL, "perm names axis %d twice",
                                               order[i]);
        used[order[i]] = true;
    }
    return tp_low_transpose(l, x, order, &out) && tp_low_out_value(l, 0, &out);
}

/* Blocks of b x b pixels become channels, or back: reshape, transpose, reshape. */
static bool regroup(struct tp_lowering *l, const struct tp_shape *apart, const int order[6],
                    const struct tp_shape *together)
{
    struct tp_lowered a, b, c;
    return tp_low_reshape(l, tp_low_in(l, 0), apart, &a) && tp_low_transpose(l, &a, order, &b) &&
           tp_low_reshape(l, &b, together, &c) && tp_low_out_value(l, 0, &c);
}

static bool read_block(struct tp_lowering *l, int64_t *b)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    *b = tp_low_int(l, "blocksize", 0);
    if (x->shape.rank == 4 && *b >= 1 && *b <= 1 << 15) return true;
    return tp_low_fail(l, TP_INVALID_MODEL, "its input is %s and blocksize %lld; expected "
                       "[n, c, h, w] and at least 1", TP_SHAPE(&x->shape), (long long)*b);
}

bool tp_lower_depth_to_space(struct tp_lowering *l)
{
    static const int dcr_order[6] = { 0, 3, 4, 1, 5, 2 }, crd_order[6] = { 0, 1, 4, 2, 5, 3 };
    int64_t b;
    if (!read_block(l, &b)) return false;
    const int64_t *d = tp_low_in(l, 0)->shape.dim, c = d[1] / (b * b);
    if (d[1] % (b * b))
        return tp_low_fail(l, TP_INVALID_SHAPE, "%lld channels do not make blocks of %lld x %lld",
                           (long long)d[1], (long long)b, (long long)b);
    const char *mode;
    if (!tp_low_word(l, "mode", "DCR", "DCR CRD", &mode)) return false;
    const bool crd = *mode == 'C';
    const struct tp_shape dcr_apart = { 6, { d[0], b, b, c, d[2], d[3] } };
    const struct tp_shape crd_apart = { 6, { d[0], c, b, b, d[2], d[3] } };
    return regroup(l, crd ? &crd_apart : &dcr_apart, crd ? crd_order : dcr_order,
                   &TP_SHAPE4(d[0], c, d[2] * b, d[3] * b));
}

bool tp_lower_space_to_depth(struct tp_lowering *l)
{
    static const int order[6] = { 0, 3, 5, 1, 2, 4 };
    int64_t b;
    if (!read_block(l, &b)) return false;
    const int64_t *d = tp_low_in(l, 0)->shape.dim;
    if (d[2] % b || d[3] % b)
        return tp_low_fail(l, TP_INVALID_SHAPE, "a map of %lld x %lld is not made of blocks of "
                           "%lld x %lld", (long long)d[2], (long long)d[3], (long long)b,
                           (long long)b);
    const struct tp_shape apart = { 6, { d[0], d[1], d[2] / b, b, d[3] / b, b } };
    return regroup(l, &apart, order, &TP_SHAPE4(d[0], d[1] * b * b, d[2] / b, d[3] / b));
}

/* ---- parts and joints ------------------------------------------------------------------------ */

/* In opset 1 the axis may be left out. */
bool tp_low_concat_axis(struct tp_lowering *l, int rank, int *axis)
{
    if (l->net->opset >= 4 && !tp_net_attr(l->nd, "axis"))
        return tp_low_fail(l, TP_INVALID_MODEL, "attribute axis is not there");
    return tp_low_axis(l, tp_low_int(l, "axis", 1), rank, axis);
}

/* Inputs without elements add nothing. */
bool tp_lower_concat(struct tp_lowering *l)
{
    const struct tp_lowered *first = NULL;
    int axis, perm[TP_MAX_RANK], n = 0;
    int *inputs = tp_low_room(l, l->nd->n_inputs, sizeof *inputs);
    const int rank = tp_low_in(l, 0)->shape.rank;
    if (!inputs || !tp_low_concat_axis(l, rank, &axis)) return false;
    for (int i = 0; i < l->nd->n_inputs; i++) {
        const struct tp_lowered *v = tp_low_in(l, i);
        if (!v || v->shape.rank != rank)
            return tp_low_fail(l, TP_INVALID_SHAPE, "input %d has not the rank of the first, %d",
                               i, rank);
        if (!v->constant && !first) first = v;
    }
    for (int k = 0; k < rank; k++) perm[k] = first ? first->perm[k] : k;
    for (int i = 0; i < l->nd->n_inputs; i++) {
        struct tp_lowered *v = tp_low_in(l, i);
        if (tp_shape_elements(&v->shape) == 0) continue;
        if ((inputs[n++] = tp_low_node(l, v, rank, perm)) < 0) return false;
    }
    if (!n) return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "none of its inputs has elements");
    struct tp_node nd = { 0 };
    while (perm[nd.attr.axis.axis] != axis) nd.attr.axis.axis++;
    return tp_low_out(l, 0, tp_low_add(l, &tp_op_concat, &nd, inputs, n), perm,
                      tp_low_in(l, 0)->type);
}

/* Elements begin, begin + step, ... of one axis. */
static int32_t *stairs(struct tp_lowering *l, int64_t n, int64_t begin, int64_t step)
{
    int32_t *table = tp_low_room(l, n, sizeof *table);
    for (int64_t i = 0; table && i < n; i++) table[i] = (int32_t)(begin + i * step);
    return table;
}

bool tp_lower_split(struct tp_lowering *l)
{
    enum { MOST_PARTS = 4096 };
    struct tp_lowered *x = tp_low_in(l, 0), out;
    const int parts = l->nd->n_outputs;
    int64_t *sizes = tp_low_room(l, MOST_PARTS, sizeof *sizes), at = 0;
    int axis, n;
    if (!sizes || !tp_low_axis(l, tp_low_int(l, "axis", 0), x->shape.rank, &axis) ||
        !tp_low_ints(l, "split", 1, sizes, MOST_PARTS, &n)) return false;
    const int64_t length = x->shape.dim[axis];
    const int64_t share = (length + parts - 1) / parts;
    if (n >= 0 && n != parts)
        return tp_low_fail(l, TP_INVALID_MODEL, "split has %d sizes and there are %d outputs", n,
                           parts);
    for (int o = 0; o < parts; o++) {
        const int64_t size = n >= 0 ? sizes[o] : o + 1 < parts ? share : length - at;
        if (size < 0 || size > length - at)
            return tp_low_fail(l, TP_INVALID_SHAPE, "part %d would be of size %lld; its input has "
                               "%lld along axis %d", o, (long long)size, (long long)length, axis);
        struct tp_take_attr take = { .fill = 0 };
        take.index[axis] = stairs(l, size, at, 1);
        take.n[axis] = size;
        at += size;
        if (!take.index[axis]) return false;
        if (tp_low_wants(l, o) &&
            !(tp_low_take_value(l, x, &take, &out) && tp_low_out_value(l, o, &out))) return false;
    }
    if (at == length) return true;
    return tp_low_fail(l, TP_INVALID_SHAPE, "its parts add up to %lld; axis %d has %lld",
                       (long long)at, axis, (long long)length);
}

static int64_t clamp(int64_t x, int64_t least, int64_t most)
{
    return x < least ? least : x > most ? most : x;
}

bool tp_lower_slice(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0), out;
    int64_t starts[TP_MAX_RANK], ends[TP_MAX_RANK], axes[TP_MAX_RANK], steps[TP_MAX_RANK];
    int n, n_ends, n_axes, n_steps;
    if (!tp_low_ints(l, "starts", 1, starts, TP_MAX_RANK, &n) ||
        !tp_low_ints(l, "ends", 2, ends, TP_MAX_RANK, &n_ends) ||
        !tp_low_ints(l, "axes", 3, axes, TP_MAX_RANK, &n_axes) ||
        !tp_low_ints(l, NULL, 4, steps, TP_MAX_RANK, &n_steps)) return false;
    if (n < 0 || n != n_ends || (n_axes >= 0 && n_axes != n) || (n_steps >= 0 && n_steps != n) ||
        n > x->shape.rank)
        return tp_low_fail(l, TP_INVALID_MODEL, "starts, ends, axes and steps have %d, %d, %d and "
                           "%d numbers", n, n_ends, n_axes, n_steps);
    struct tp_take_attr take = { .fill = 0 };
    for (int i = 0; i < n; i++) {
        int axis;
        if (!tp_low_axis(l, n_axes >= 0 ? axes[i] : i, x->shape.rank, &axis)) return false;
        const int64_t length = x->shape.dim[axis], step = n_steps >= 0 ? steps[i] : 1;
        if (step == 0 || take.index[axis])
            return tp_low_fail(l, TP_INVALID_MODEL, step ? "axes names axis %d twice"
                                                         : "a step of 0 along axis %d", axis);
        int64_t from = starts[i] < 0 ? clamp(starts[i], -length, -1) + length : starts[i];
        int64_t to = ends[i] < 0 ? (ends[i] < -length ? -1 : ends[i] + length) : ends[i];
        from = clamp(from, 0, step > 0 ? length : length - 1);
        to = step > 0 ? clamp(to, 0, length) : clamp(to, -1, length - 1);
        const int64_t room = step > 0 ? to - from : from - to;
        const uint64_t stride = step > 0 ? (uint64_t)step : -(uint64_t)step;
        const int64_t count = room <= 0 ? 0 : (int64_t)(((uint64_t)room - 1) / stride) + 1;
        take.index[axis] = stairs(l, count, from, count > 1 ? step : 1);
        take.n[axis] = count;
        if (!take.index[axis]) return false;
    }
    return tp_low_take_value(l, x, &take, &out) && tp_low_out_value(l, 0, &out);
}

bool tp_lower_gather(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0), *at = tp_low_in(l, 1), picked, out;
    int axis;
    if (!tp_low_axis(l, tp_low_int(l, "axis", 0), x->shape.rank, &axis)) return false;
    const int64_t n = tp_shape_elements(&at->shape), length = x->shape.dim[axis];
    const float *indices = at->constant ? tp_low_floats(l, at) : NULL;
    if (!indices)
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "its indices depend on the values of the "
                           "model's input");
    struct tp_shape s = { .rank = 0 };
    if (x->shape.rank - 1 + at->shape.rank > TP_MAX_RANK)
        return tp_low_fail(l, TP_INVALID_MODEL, "its output has more than %d axes",
                           (int)TP_MAX_RANK);
    for (int a = 0; a < axis; a++) s.dim[s.rank++] = x->shape.dim[a];
    for (int a = 0; a < at->shape.rank; a++) s.dim[s.rank++] = at->shape.dim[a];
    for (int a = axis + 1; a < x->shape.rank; a++) s.dim[s.rank++] = x->shape.dim[a];
    int32_t *table = tp_low_room(l, n, sizeof *table);
    if (!table) return false;
    for (int64_t i = 0; i < n; i++) {
        const double index = (double)indices[i] + (indices[i] < 0 ? (double)length : 0);
        if (!(index >= 0 && index < (double)length))
            return tp_low_fail(l, TP_INVALID_MODEL, "index %.9g; axis %d has size %lld",
                               (double)indices[i], axis, (long long)length);
        table[i] = (int32_t)index;
    }
    struct tp_take_attr take = { .fill = 0 };
    take.index[axis] = table;
    take.n[axis] = n;
    return tp_low_take_value(l, x, &take, &picked) && tp_low_reshape(l, &picked, &s, &out) &&
           tp_low_out_value(l, 0, &out);
}

/* ---- repetition ------------------------------------------------------------------------------ */

bool tp_lower_expand(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0), wide, out;
    int64_t target[TP_MAX_RANK];
    int n;
    if (!tp_low_ints(l, NULL, 1, target, TP_MAX_RANK, &n)) return false;
    if (n < 0) return tp_low_fail(l, TP_INVALID_MODEL, "it has no shape to expand to");
    struct tp_shape s = { .rank = n > x->shape.rank ? n : x->shape.rank };
    const int pad = s.rank - x->shape.rank;
    for (int a = 0; a < s.rank; a++) s.dim[a] = a < pad ? 1 : x->shape.dim[a - pad];
    if (!tp_low_reshape(l, x, &s, &wide)) return false;
    struct tp_take_attr take = { .fill = 0 };
    for (int a = 0; a < s.rank; a++) {
        const int64_t to = a < s.rank - n ? 1 : target[a - (s.rank - n)];
        if (to == 1 || to == s.dim[a]) continue;
        if (s.dim[a] != 1 || to < 1 || to > INT32_MAX)
            return tp_low_fail(l, TP_INVALID_SHAPE, "%s does not expand to size %lld along axis %d",
                               TP_SHAPE(&x->shape), (long long)to, a);
        take.index[a] = tp_low_room(l, to, sizeof(int32_t));
        take.n[a] = to;
        if (!take.index[a]) return false;
    }
    return tp_low_take_value(l, &wide, &take, &out) && tp_low_out_value(l, 0, &out);
}

bool tp_lower_tile(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0), out;
    int64_t repeats[TP_MAX_RANK];
    int n;
    if (!tp_low_ints(l, NULL, 1, repeats, TP_MAX_RANK, &n)) return false;
    if (n != x->shape.rank)
        return tp_low_fail(l, TP_INVALID_MODEL, "%d repeats; its input has rank %d", n,
                           x->shape.rank);
    struct tp_take_attr take = { .fill = 0 };
    for (int a = 0; a < n; a++) {
        int64_t size;
        if (repeats[a] < 1 || __builtin_mul_overflow(repeats[a], x->shape.dim[a], &size) ||
            size > INT32_MAX)
            return tp_low_fail(l, TP_INVALID_MODEL, "%lld repeats along axis %d",
                               (long long)repeats[a], a);
        int32_t *table = tp_low_room(l, size, sizeof *table);
        if (!table) return false;
        for (int64_t i = 0; i < size; i++) table[i] = (int32_t)(i % x->shape.dim[a]);
        take.index[a] = table;
        take.n[a] = size;
    }
    return tp_low_take_value(l, x, &take, &out) && tp_low_out_value(l, 0, &out);
}

/* Place `i` of a padded axis in the axis itself; -1: in the padding. */
static int64_t pad_place(const char *mode, int64_t i, int64_t length)
{
    if (i >= 0 && i < length) return i;
    if (!strcmp(mode, "edge")) return i < 0 ? 0 : length - 1;
    if (!strcmp(mode, "wrap")) return (i % length + length) % length;
    if (strcmp(mode, "reflect") || length == 1) return mode[0] == 'r' ? 0 : -1;
    const int64_t period = 2 * (length - 1), at = (i % period + period) % period;
    return at < length ? at : period - at;
}

/* Zeros around the pixels of maps: what convolutions behind it can take over. */
static bool pad_maps(struct tp_lowering *l, struct tp_lowered *x, const int64_t *before,
                     const int64_t *after, float value)
{
    int perm[TP_MAX_RANK];
    struct tp_node nd = { 0 };
    tp_low_channels_last(4, perm);
    for (int i = 0; i < 2; i++) {
        nd.attr.pad.edge[i] = (int)before[2 + i];
        nd.attr.pad.edge[2 + i] = (int)after[2 + i];
    }
    nd.attr.pad.value = value;
    const int from = tp_low_node(l, x, 4, perm);
    return tp_low_out(l, 0, tp_low_add(l, &tp_op_pad, &nd, &from, 1), perm, x->type);
}

static bool read_pads(struct tp_lowering *l, const struct tp_lowered *x, int64_t *before,
                      int64_t *after)
{
    int64_t pads[2 * TP_MAX_RANK], axes[TP_MAX_RANK];
    int n, n_axes, axis;
    const char *name = l->net->opset < 2 ? "paddings" : "pads";
    if (!tp_low_ints(l, name, 1, pads, 2 * TP_MAX_RANK, &n) ||
        !tp_low_ints(l, NULL, 3, axes, TP_MAX_RANK, &n_axes)) return false;
    const int count = n_axes >= 0 ? n_axes : x->shape.rank;
    if (n < 0) return tp_low_fail(l, TP_INVALID_MODEL, "%s is not there", name);
    if (n != 2 * count)
        return tp_low_fail(l, TP_INVALID_MODEL, "pads has %d numbers; expected %d", n, 2 * count);
    memset(before, 0, TP_MAX_RANK * sizeof *before);
    memset(after, 0, TP_MAX_RANK * sizeof *after);
    for (int i = 0; i < count; i++) {
        if (!tp_low_axis(l, n_axes >= 0 ? axes[i] : i, x->shape.rank, &axis)) return false;
        before[axis] = pads[i];
        after[axis] = pads[count + i];
        const int64_t length = x->shape.dim[axis];
        if (pads[i] > INT32_MAX || pads[count + i] > INT32_MAX || pads[i] <= -length ||
            pads[count + i] <= -length || length + pads[i] + pads[count + i] < 1 ||
            length + pads[i] + pads[count + i] > INT32_MAX)
            return tp_low_fail(l, TP_INVALID_MODEL, "pads of %lld and %lld along axis %d, whose "
                               "size is %lld", (long long)pads[i], (long long)pads[count + i],
                               axis, (long long)length);
    }
    return true;
}

bool tp_lower_pad(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0), *fill = tp_low_in(l, 2), out;
    const char *mode;
    int64_t before[TP_MAX_RANK], after[TP_MAX_RANK];
    if (!tp_low_word(l, "mode", "constant", "constant reflect edge wrap", &mode) ||
        !read_pads(l, x, before, after)) return false;
    const double *value = fill ? tp_low_known(l, fill) : NULL;
    struct tp_take_attr take = { .fill = tp_low_float(l, "value", 0) };
    if (fill && (!value || tp_shape_elements(&fill->shape) != 1))
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "the value to pad with must be one constant");
    if (value) take.fill = (float)*value;
    bool maps = x->shape.rank == 4 && mode[0] == 'c' && !before[0] && !before[1] && !after[0] &&
                !after[1] && !x->constant;
    for (int i = 2; i < 4; i++) maps = maps && before[i] >= 0 && after[i] >= 0;
    if (maps) return pad_maps(l, x, before, after, take.fill);
    for (int a = 0; a < x->shape.rank; a++) {
        const int64_t n = x->shape.dim[a] + before[a] + after[a];
        if (!before[a] && !after[a]) continue;
        int32_t *table = tp_low_room(l, n, sizeof *table);
        if (!table) return false;
        for (int64_t i = 0; i < n; i++)
            table[i] = (int32_t)pad_place(mode, i - before[a], x->shape.dim[a]);
        take.index[a] = table;
        take.n[a] = n;
    }
    return tp_low_take_value(l, x, &take, &out) && tp_low_out_value(l, 0, &out);
}
