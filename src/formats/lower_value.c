/* lower_value.c - values on their way: constants, orders of axes, other shapes over the same
 * memory. */
#include "formats/lowering.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { ALWAYS_ROOM = 1 << 16 };      /* numbers of a table, where tensors must be smaller still */

/* ---- errors, room ---------------------------------------------------------------------------- */

bool tp_low_fail(struct tp_lowering *l, enum tp_code code, const char *fmt, ...)
{
    char text[TP_MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return tp_fail(l->err, code, "%s: %s", l->label, text);
}

bool tp_low_no_memory(struct tp_lowering *l)
{
    const size_t limit = l->graph->arena.limit_bytes;
    if (limit == SIZE_MAX) return tp_fail(l->err, TP_NO_MEMORY, "out of memory");
    return tp_low_fail(l, TP_TOO_LARGE, "up to here constants and tables take more than %zu MiB",
                       limit >> 20);
}

void *tp_low_room(struct tp_lowering *l, int64_t n, size_t size)
{
    if (n < 0 || (n > l->limits->max_elements && n > ALWAYS_ROOM)) {
        tp_low_fail(l, TP_TOO_LARGE, "a table of %lld numbers; the limit is %lld", (long long)n,
                    (long long)l->limits->max_elements);
        return NULL;
    }
    void *p = tp_arena_zalloc(&l->graph->arena, (size_t)n + 1, size);
    if (!p) tp_low_no_memory(l);
    return p;
}

/* ---- the node's inputs, outputs and attributes ----------------------------------------------- */

struct tp_lowered *tp_low_in(const struct tp_lowering *l, int i)
{
    if (i >= l->nd->n_inputs || l->nd->inputs[i] < 0) return NULL;
    return &l->values[l->nd->inputs[i]];
}

bool tp_low_wants(const struct tp_lowering *l, int output)
{
    return output < l->nd->n_outputs && l->nd->outputs[output] >= 0;
}

static const char *kind_name(enum tp_attr_kind kind)
{
    static const char *const names[] = {
        [TP_ATTR_INT] = "a whole number", [TP_ATTR_FLOAT] = "a number", [TP_ATTR_STRING] = "text",
        [TP_ATTR_TENSOR] = "a tensor", [TP_ATTR_INTS] = "a list of whole numbers",
        [TP_ATTR_FLOATS] = "a list of numbers", [TP_ATTR_STRINGS] = "a list of texts",
        [TP_ATTR_OTHER] = "of a kind that is not read",
    };
    return names[kind];
}

const struct tp_net_attr *tp_low_attr(struct tp_lowering *l, const char *name,
                                      enum tp_attr_kind kind)
{
    const struct tp_net_attr *a = tp_net_attr(l->nd, name);
    if (!a || a->kind == kind) return a;
    tp_low_fail(l, TP_INVALID_MODEL, "attribute %s is %s; expected %s", name, kind_name(a->kind),
                kind_name(kind));
    return NULL;
}

int64_t tp_low_int(struct tp_lowering *l, const char *name, int64_t otherwise)
{
    const struct tp_net_attr *a = tp_low_attr(l, name, TP_ATTR_INT);
    return a ? a->i : otherwise;
}

float tp_low_float(struct tp_lowering *l, const char *name, float otherwise)
{
    const struct tp_net_attr *a = tp_low_attr(l, name, TP_ATTR_FLOAT);
    return a ? a->f : otherwise;
}

const char *tp_low_string(struct tp_lowering *l, const char *name, const char *otherwise)
{
    const struct tp_net_attr *a = tp_low_attr(l, name, TP_ATTR_STRING);
    return a ? a->s : otherwise;
}

bool tp_low_word(struct tp_lowering *l, const char *name, const char *otherwise, const char *words,
                 const char **out)
{
    const char *word = *out = tp_low_string(l, name, otherwise);
    const size_t n = strlen(word);
    for (const char *at = words; *at; at += strcspn(at, " "), at += *at == ' ')
        if (strcspn(at, " ") == n && !strncmp(at, word, n)) return true;
    return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "%s is '%.32s'; there are: %s", name, word, words);
}

bool tp_low_int_in(struct tp_lowering *l, const char *name, int64_t otherwise, int64_t least,
                   int64_t most, int *out)
{
    const int64_t value = tp_low_int(l, name, otherwise);
    *out = (int)value;
    if (value >= least && value <= most) return true;
    return tp_low_fail(l, TP_INVALID_MODEL, "%s is %lld; it must be from %lld to %lld", name,
                       (long long)value, (long long)least, (long long)most);
}

/* Until opset 5 types are written out: "FLOAT16". */
bool tp_low_cast_type(struct tp_lowering *l, enum tp_onnx_type *to)
{
    const char *name = l->net->opset < 6 ? tp_low_string(l, "to", "") : NULL;
    int64_t type = name ? TP_ONNX_UINT64 : tp_low_int(l, "to", TP_ONNX_NONE);
    while (name && type > 0 && strcasecmp(name, tp_onnx_type_name((enum tp_onnx_type)type))) type--;
    *to = type >= 0 && type <= INT32_MAX ? (enum tp_onnx_type)type : TP_ONNX_NONE;
    if (tp_onnx_type_bytes(*to)) return true;
    return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "a cast to element type %s is not there",
                       tp_onnx_type_name(*to));
}

/* Doubles beyond int64 become its bounds: "to the end" is written as the largest number. */
static int64_t to_int(double x)
{
    if (!(x > -9.2e18)) return INT64_MIN;
    return x < 9.2e18 ? (int64_t)x : INT64_MAX;
}

bool tp_low_ints(struct tp_lowering *l, const char *name, int i, int64_t *out, int most, int *n)
{
    const struct tp_net_attr *a = name ? tp_low_attr(l, name, TP_ATTR_INTS) : NULL;
    struct tp_lowered *v = i >= 0 ? tp_low_in(l, i) : NULL;
    *n = -1;
    if (a) {
        if (a->n > most)
            return tp_low_fail(l, TP_INVALID_MODEL, "%s has %d numbers; at most %d make sense",
                               name, a->n, most);
        *n = a->n;
        if (a->n) memcpy(out, a->ints, (size_t)a->n * sizeof *out);
        return true;
    }
    if (!v) return true;
    const double *known = tp_low_known(l, v);
    const int64_t count = tp_shape_elements(&v->shape);
    if (!known)
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "input %d (%s) depends on the values of the "
                           "model's input; it must be a constant or follow from shapes", i,
                           l->net->values[l->nd->inputs[i]].name);
    if (v->shape.rank > 1 || count > most)
        return tp_low_fail(l, TP_INVALID_MODEL, "input %d (%s) has shape %s; expected at most %d "
                           "numbers", i, l->net->values[l->nd->inputs[i]].name,
                           TP_SHAPE(&v->shape), most);
    *n = (int)count;
    for (int j = 0; j < *n; j++) out[j] = to_int(known[j]);
    return true;
}

bool tp_low_axis(struct tp_lowering *l, int64_t axis, int rank, int *out)
{
    if (axis < -rank || axis >= rank)
        return tp_low_fail(l, TP_INVALID_MODEL, "axis %lld; its input has rank %d, so it must be "
                           "from %d to %d", (long long)axis, rank, -rank, rank - 1);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

/* ---- constants ------------------------------------------------------------------------------- */

const double *tp_low_known(struct tp_lowering *l, struct tp_lowered *v)
{
    if (v->known || !v->constant) return v->known;
    const int64_t n = tp_shape_elements(&v->shape);
    if (n < 0 || n > TP_KNOWN_ELEMENTS || (n && !v->floats && (!v->tensor || !v->tensor->data)))
        return NULL;
    double *known = tp_low_room(l, n, sizeof *known);
    for (int64_t i = 0; known && i < n; i++)
        known[i] = v->tensor && v->tensor->data ? tp_net_element(v->tensor, i)
                                                : (double)v->floats[i];
    v->known = known;
    return known;
}

const float *tp_low_floats(struct tp_lowering *l, struct tp_lowered *v)
{
    const int64_t n = tp_shape_elements(&v->shape);
    if (v->floats) return v->floats;
    if (!v->constant || n < 0 || (!v->known && !(v->tensor && v->tensor->data))) {
        tp_low_fail(l, v->constant ? TP_INTERNAL : TP_UNSUPPORTED_FORMAT,
                    "an input that must be a constant is computed");
        return NULL;
    }
    const ptrdiff_t index = v - l->values;
    const bool lasts = l->first && v->tensor && index >= 0 && index < l->net->n_values;
    struct tp_arena *arena = lasts ? &l->net->arena : &l->graph->arena;
    float *floats = tp_arena_floats(arena, n ? n : 1);
    if (!floats) {
        tp_low_no_memory(l);
        return NULL;
    }
    if (v->known) for (int64_t i = 0; i < n; i++) floats[i] = (float)v->known[i];
    else tp_net_floats(v->tensor, floats);
    if (lasts) {
        l->net->values[index].floats = floats;
        l->net->values[index].floats_shape = v->shape;
        l->net->values[index].floats_type = v->type;
    }
    return v->floats = floats;
}

/* What a node makes is fixed when all that it reads is. */
static bool set_output(struct tp_lowering *l, int o, const struct tp_lowered *v)
{
    if (!tp_low_wants(l, o)) return true;
    struct tp_lowered *to = &l->values[l->nd->outputs[o]];
    *to = *v;
    for (int i = 0; i < l->nd->n_inputs; i++)
        to->fixed = to->fixed && (!tp_low_in(l, i) || tp_low_in(l, i)->fixed);
    return true;
}

bool tp_low_out_known(struct tp_lowering *l, int o, enum tp_onnx_type type,
                      const struct tp_shape *shape, const double *data)
{
    return set_output(l, o, &(struct tp_lowered){
        .made = true, .constant = true, .fixed = true, .type = type, .shape = *shape,
        .known = data, .node = -1,
    });
}

/* ---- nodes ----------------------------------------------------------------------------------- */

int tp_low_add(struct tp_lowering *l, const struct tp_op *op, const struct tp_node *like,
               const int *inputs, int n_inputs)
{
    struct tp_node nd = like ? *like : (struct tp_node){ 0 };
    int index;
    nd.name = l->label;
    nd.type = l->nd ? l->nd->op : op->name;
    nd.op = op;
    nd.hidden = true;
    nd.inputs = inputs;
    nd.n_inputs = n_inputs;
    for (int i = 0; i < n_inputs; i++)
        if (inputs[i] < 0) return -1;
    if (!tp_graph_add(l->graph, &nd, &index, l->err)) return -1;
    const struct tp_shape *s = &l->graph->shapes[index];
    if (tp_shape_check(s, l->limits->max_elements, l->label, l->err)) return index;
    return -1;
}

const struct tp_shape *tp_low_shape(const struct tp_lowering *l, int node)
{
    return &l->graph->shapes[node];
}

int tp_low_view(struct tp_lowering *l, int from, const struct tp_shape *shape)
{
    if (from < 0 || tp_shape_equal(tp_low_shape(l, from), shape)) return from;
    const struct tp_node nd = { .attr.view.shape = *shape };
    return tp_low_add(l, &tp_op_view, &nd, &from, 1);
}

int tp_low_constant(struct tp_lowering *l, const float *data, const struct tp_shape *shape)
{
    const struct tp_node nd = { .attr.constant = { data, *shape } };
    return tp_low_add(l, &tp_op_constant, &nd, NULL, 0);
}

int tp_low_scalar(struct tp_lowering *l, float value)
{
    float *data = tp_low_room(l, 1, sizeof *data);
    if (!data) return -1;
    *data = value;
    return tp_low_constant(l, data, &(struct tp_shape){ .rank = 0 });
}

int tp_low_binary(struct tp_lowering *l, enum tp_binary_kind kind, int a, int b,
                  enum tp_act_kind act)
{
    const struct tp_node nd = { .attr.binary = kind, .act.kind = act };
    const int inputs[2] = { a, b };
    return tp_low_add(l, &tp_op_binary, &nd, inputs, 2);
}

int tp_low_take(struct tp_lowering *l, int from, const struct tp_take_attr *take)
{
    const struct tp_node nd = { .attr.take = *take };
    return tp_low_add(l, &tp_op_take, &nd, &from, 1);
}

static int transpose_node(struct tp_lowering *l, int from, const int *order, int rank)
{
    struct tp_node nd = { .n_inputs = 1 };
    memcpy(nd.attr.transpose.perm, order, (size_t)rank * sizeof *order);
    return tp_low_add(l, &tp_op_transpose, &nd, &from, 1);
}

/* ---- orders of axes -------------------------------------------------------------------------- */

void tp_low_channels_last(int rank, int perm[TP_MAX_RANK])
{
    for (int k = 0; k < rank; k++) perm[k] = k == 0 ? 0 : k == rank - 1 ? 1 : k + 1;
    if (rank == 1) perm[0] = 0;
}

int tp_low_place(const struct tp_lowered *v, int axis)
{
    int k = 0;
    while (v->perm[k] != axis) k++;
    return k;
}

/* What is asked for: v with axes of size 1 in front, `rank` in all, in the order `perm`. */
struct order {
    int rank, pad;
    int perm[TP_MAX_RANK];
    struct tp_shape dims;            /* by axis */
    struct tp_shape memory;          /* in that order */
};

static struct order make_order(const struct tp_lowered *v, int rank, const int *perm)
{
    struct order o = { .rank = rank, .pad = rank - v->shape.rank };
    o.dims.rank = o.memory.rank = rank;
    for (int a = 0; a < rank; a++) o.dims.dim[a] = a < o.pad ? 1 : v->shape.dim[a - o.pad];
    for (int k = 0; k < rank; k++) {
        o.perm[k] = perm ? perm[k] : k;
        o.memory.dim[k] = o.dims.dim[o.perm[k]];
    }
    return o;
}

/* Contents of a constant in another order. */
static int constant_node(struct tp_lowering *l, struct tp_lowered *v, const struct order *o)
{
    const float *from = tp_low_floats(l, v);
    const int64_t n = tp_shape_elements(&v->shape);
    int64_t stride[TP_MAX_RANK], step = 1, index[TP_MAX_RANK] = { 0 };
    int last = -1;
    bool same = true;
    if (!from) return -1;
    for (int k = 0; k < o->rank; k++) {              /* the same but for axes of size 1? */
        if (o->memory.dim[k] == 1) continue;
        same = same && o->perm[k] > last;
        last = o->perm[k];
    }
    if (same) return tp_low_constant(l, from, &o->memory);
    for (int a = o->rank - 1; a >= 0; a--) {
        stride[a] = step;
        step *= o->dims.dim[a];
    }
    float *to = tp_low_room(l, n, sizeof *to);
    if (!to) return -1;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0;
        for (int k = 0; k < o->rank; k++) at += index[k] * stride[o->perm[k]];
        to[i] = from[at];
        for (int k = o->rank - 1; k >= 0 && ++index[k] == o->memory.dim[k]; k--) index[k] = 0;
    }
    return tp_low_constant(l, to, &o->memory);
}

int tp_low_node(struct tp_lowering *l, struct tp_lowered *v, int rank, const int *perm)
{
    if (rank > TP_MAX_RANK || rank < v->shape.rank) {
        tp_low_fail(l, TP_INVALID_MODEL, "rank %d; at most %d axes are possible", rank,
                    (int)TP_MAX_RANK);
        return -1;
    }
    const struct order o = make_order(v, rank, perm);
    if (v->constant) return constant_node(l, v, &o);

    int order[TP_MAX_RANK], n = 0, at = 0;
    bool same = true;
    for (int k = 0; k < v->shape.rank; k++)          /* axes of size 1 may stand anywhere */
        if (v->shape.dim[v->perm[k]] == 1) order[n++] = k;
    for (int k = 0; k < rank; k++) {
        const int axis = o.perm[k] - o.pad;
        if (o.memory.dim[k] == 1) continue;
        order[n++] = tp_low_place(v, axis);
        while (v->shape.dim[v->perm[at]] == 1) at++;
        same = same && v->perm[at++] == axis;
    }
    int node = same ? v->node : transpose_node(l, v->node, order, v->shape.rank);
    return tp_low_view(l, node, &o.memory);
}

bool tp_low_out(struct tp_lowering *l, int o, int node, const int *perm, enum tp_onnx_type type)
{
    if (node < 0) return false;
    const struct tp_shape *s = tp_low_shape(l, node);
    struct tp_lowered v = { .made = true, .type = type, .node = node, .shape.rank = s->rank };
    for (int k = 0; k < s->rank; k++) {
        v.perm[k] = perm ? perm[k] : k;
        v.shape.dim[v.perm[k]] = s->dim[k];
    }
    return set_output(l, o, &v);
}

bool tp_low_out_value(struct tp_lowering *l, int o, const struct tp_lowered *v)
{
    return set_output(l, o, v);
}

/* ---- other shapes over the same elements ----------------------------------------------------- */

/* Axes of the old and of the new shape that have the same product: [begin, end) of each. Axes of
 * size 1 belong to no group. */
struct group { int in[TP_MAX_RANK], n_in, out[TP_MAX_RANK], n_out; };

static int skip_ones(const struct tp_shape *s, int a)
{
    while (a < s->rank && s->dim[a] == 1) a++;
    return a;
}

static int make_groups(const struct tp_shape *from, const struct tp_shape *to,
                       struct group *groups)
{
    int i = skip_ones(from, 0), j = skip_ones(to, 0), n = 0;
    while (i < from->rank && j < to->rank) {
        struct group *g = &groups[n++];
        int64_t a = from->dim[i], b = to->dim[j];
        *g = (struct group){ .in = { i }, .n_in = 1, .out = { j }, .n_out = 1 };
        i = skip_ones(from, i + 1);
        j = skip_ones(to, j + 1);
        while (a != b) {
            if (a < b) {
                a *= from->dim[i];
                g->in[g->n_in++] = i;
                i = skip_ones(from, i + 1);
            } else {
                b *= to->dim[j];
                g->out[g->n_out++] = j;
                j = skip_ones(to, j + 1);
            }
        }
    }
    return n;
}

/* The groups in the order in which their first axis comes in memory. */
static void sort_groups(const struct tp_lowered *v, struct group *groups, int n)
{
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0; j--) {
            int a = TP_MAX_RANK, b = TP_MAX_RANK;
            for (int k = v->shape.rank - 1; k >= 0; k--) {
                for (int x = 0; x < groups[j - 1].n_in; x++)
                    if (v->perm[k] == groups[j - 1].in[x]) a = k;
                for (int x = 0; x < groups[j].n_in; x++)
                    if (v->perm[k] == groups[j].in[x]) b = k;
            }
            if (a <= b) break;
            const struct group g = groups[j];
            groups[j] = groups[j - 1];
            groups[j - 1] = g;
        }
}

bool tp_low_reshape(struct tp_lowering *l, struct tp_lowered *v, const struct tp_shape *shape,
                    struct tp_lowered *out)
{
    if (tp_shape_elements(&v->shape) != tp_shape_elements(shape))
        return tp_low_fail(l, TP_INVALID_SHAPE, "cannot reshape %s to %s: the numbers of elements "
                           "differ", TP_SHAPE(&v->shape), TP_SHAPE(shape));
    struct tp_lowered w = *v;
    w.shape = *shape;
    if (v->constant) {
        if (!v->known && !v->floats && !tp_low_floats(l, v)) return false;
        w.known = v->known;
        w.floats = v->floats;
        w.tensor = v->tensor;
        *out = w;
        return true;
    }
    struct group groups[TP_MAX_RANK];
    const int n = make_groups(&v->shape, shape, groups);
    sort_groups(v, groups, n);
    int perm[TP_MAX_RANK], at = 0;
    for (int a = 0; a < v->shape.rank; a++)
        if (v->shape.dim[a] == 1) perm[at++] = a;
    for (int i = 0; i < n; i++)
        for (int x = 0; x < groups[i].n_in; x++) perm[at++] = groups[i].in[x];
    const int from = tp_low_node(l, v, v->shape.rank, perm);

    struct tp_shape memory = { .rank = shape->rank };
    at = 0;
    for (int a = 0; a < shape->rank; a++)
        if (shape->dim[a] == 1) w.perm[at++] = a;
    for (int i = 0; i < n; i++)
        for (int x = 0; x < groups[i].n_out; x++) w.perm[at++] = groups[i].out[x];
    for (int k = 0; k < shape->rank; k++) memory.dim[k] = shape->dim[w.perm[k]];
    w.node = tp_low_view(l, from, &memory);
    *out = w;
    return w.node >= 0;
}

bool tp_low_transpose(struct tp_lowering *l, struct tp_lowered *v, const int *order,
                      struct tp_lowered *out)
{
    struct tp_lowered w = *v;
    for (int i = 0; i < v->shape.rank; i++) w.shape.dim[i] = v->shape.dim[order[i]];
    if (v->constant) {
        const int node = tp_low_node(l, v, v->shape.rank, order);
        if (node < 0) return false;
        w.floats = l->graph->nodes[node].attr.constant.data;
        w.known = NULL;
        w.tensor = NULL;
        *out = w;
        return true;
    }
    for (int k = 0; k < v->shape.rank; k++)
        for (int i = 0; i < v->shape.rank; i++)
            if (order[i] == v->perm[k]) w.perm[k] = i;
    *out = w;
    return true;
}

/* ---- picking --------------------------------------------------------------------------------- */

/* With known contents: by ONNX's axes, in doubles. */
static bool take_known(struct tp_lowering *l, const struct tp_lowered *v,
                       const struct tp_take_attr *take, struct tp_lowered *out)
{
    int64_t index[TP_MAX_RANK] = { 0 };
    struct tp_shape shape = v->shape;
    for (int a = 0; a < shape.rank; a++) if (take->index[a]) shape.dim[a] = take->n[a];
    const int64_t n = tp_shape_elements(&shape);
    if (n > TP_KNOWN_ELEMENTS)
        return tp_low_fail(l, TP_TOO_LARGE, "shape arithmetic on %lld elements", (long long)n);
    double *to = tp_low_room(l, n, sizeof *to);
    if (!to) return false;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0;
        bool there = true;
        for (int a = 0; a < shape.rank; a++) {
            const int64_t from = take->index[a] ? take->index[a][index[a]] : index[a];
            there = there && from >= 0;
            at = at * v->shape.dim[a] + from;
        }
        to[i] = there ? v->known[at] : (double)take->fill;
        for (int a = shape.rank - 1; a >= 0 && ++index[a] == shape.dim[a]; a--) index[a] = 0;
    }
    *out = (struct tp_lowered){
        .made = true, .constant = true, .fixed = v->fixed, .type = v->type, .shape = shape,
        .known = to, .node = -1,
    };
    return true;
}

bool tp_low_take_value(struct tp_lowering *l, struct tp_lowered *v, const struct tp_take_attr *take,
                       struct tp_lowered *out)
{
    struct tp_take_attr memory = { .fill = take->fill };
    if (v->constant && tp_low_known(l, v)) {
        int64_t n = 1;
        for (int a = 0; a < v->shape.rank && n <= TP_KNOWN_ELEMENTS; a++)
            n *= take->index[a] ? take->n[a] : v->shape.dim[a];
        if (n <= TP_KNOWN_ELEMENTS) return take_known(l, v, take, out);
    }
    *out = *v;
    for (int k = 0; k < v->shape.rank; k++) {
        const int axis = v->constant ? k : v->perm[k];
        out->perm[k] = axis;
        memory.index[k] = take->index[axis];
        memory.n[k] = take->n[axis];
        if (take->index[axis]) out->shape.dim[axis] = take->n[axis];
    }
    out->constant = false;
    out->known = NULL;
    out->floats = NULL;
    out->tensor = NULL;
    out->node = tp_low_take(l, tp_low_node(l, v, v->shape.rank, v->constant ? NULL : v->perm),
                            &memory);
    return out->node >= 0;
}
