/* onnx.c - ONNX files as networks: the graph's names become values, its nodes and initializers what
 * net.h says. A tensor that nobody reads is not looked at. */
#include "formats/onnx.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/onnx_document.h"
#include "formats/onnx_tensor.h"

enum {
    MIN_OPSET = 1, MAX_OPSET = 21,
    NODES_PER_LAYER = 16,            /* of limits->max_layers: exporters write small steps */
    FIRST_VALUES = 64,
    LISTED_INPUTS = 4,
};

struct parser {
    struct tp_net *net;
    const Onnx__GraphProto *graph;
    struct tp_onnx_source source;
    const struct tp_onnx_binding *bindings;
    int n_bindings;
    struct tp_names initializers;    /* their places in the graph by name */
    int capacity;                    /* of net->values */
    const struct tp_limits *limits;
    struct tp_err *err;
};

static bool no_memory(struct parser *ps) { return tp_arena_fail(&ps->net->arena, ps->err); }

static const char *text_of(const char *text) { return text ? text : ""; }

/* A copy that lives as long as the net; NULL when memory is out. */
static const char *keep_text(struct parser *ps, const char *text)
{
    return tp_arena_strndup(&ps->net->arena, text_of(text), strlen(text_of(text)));
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool grow_values(struct parser *ps)
{
    struct tp_net *net = ps->net;
    const int capacity = ps->capacity ? 2 * ps->capacity : FIRST_VALUES;
    struct tp_net_value *values = tp_arena_zalloc(&net->arena, (size_t)capacity, sizeof *values);
    if (!values) return no_memory(ps);
    if (net->n_values) memcpy(values, net->values, (size_t)net->n_values * sizeof *values);
    net->values = values;
    ps->capacity = capacity;
    return true;
}

/* *out: the value of that name, which is new the first time; -1 for "" (left out). */
static bool value_of(struct parser *ps, const char *name, int *out)
{
    struct tp_net *net = ps->net;
    *out = *text_of(name) ? tp_names_find(&net->tensors, name) : -1;
    if (*out >= 0 || !*text_of(name)) return true;
    if (net->n_values == ps->capacity && !grow_values(ps)) return false;
    const char *copy = keep_text(ps, name);
    if (!copy || !tp_names_add(&net->tensors, copy, net->n_values)) return no_memory(ps);
    *out = net->n_values++;
    net->values[*out] = (struct tp_net_value){ .name = copy, .producer = -1 };
    return true;
}

static bool values_of(struct parser *ps, char *const *names, size_t n, const int **out)
{
    int *values = tp_arena_zalloc(&ps->net->arena, n, sizeof *values);
    if (!values) return no_memory(ps);
    *out = values;
    for (size_t i = 0; i < n; i++)
        if (!value_of(ps, names[i], &values[i])) return false;
    return true;
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* AttributeProto.AttributeType */
enum {
    ATTR_UNDEFINED = 0, ATTR_FLOAT = 1, ATTR_INT = 2, ATTR_STRING = 3, ATTR_TENSOR = 4,
    ATTR_FLOATS = 6, ATTR_INTS = 7, ATTR_STRINGS = 8,
};

/* Files of the first ONNX versions have no types: what is there tells. */
static int type_of(const Onnx__AttributeProto *a)
{
    if (a->type != ATTR_UNDEFINED) return a->type;
    if (a->has_f) return ATTR_FLOAT;
    if (a->has_i) return ATTR_INT;
    if (a->has_s) return ATTR_STRING;
    if (a->t) return ATTR_TENSOR;
    if (a->n_floats) return ATTR_FLOATS;
    if (a->n_ints) return ATTR_INTS;
    return a->n_strings ? ATTR_STRINGS : ATTR_UNDEFINED;
}

/* A copy of text; *out stays NULL where the bytes hold a NUL. */
static bool keep_bytes(struct parser *ps, const ProtobufCBinaryData *b, const char **out)
{
    if (b->len && memchr(b->data, '\0', b->len)) return true;
    *out = tp_arena_strndup(&ps->net->arena, b->len ? (const char *)b->data : "", b->len);
    return *out || no_memory(ps);
}

static bool read_strings(struct parser *ps, const Onnx__AttributeProto *from,
                         struct tp_net_attr *to)
{
    const char **strings = tp_arena_zalloc(&ps->net->arena, from->n_strings, sizeof *strings);
    if (!strings) return no_memory(ps);
    to->kind = TP_ATTR_STRINGS;
    to->strings = strings;
    to->n = (int)from->n_strings;
    for (int i = 0; i < to->n; i++) {
        if (!keep_bytes(ps, &from->strings[i], &strings[i])) return false;
        if (!strings[i]) to->kind = TP_ATTR_OTHER;
    }
    return true;
}

static bool read_numbers(struct parser *ps, const Onnx__AttributeProto *from,
                         struct tp_net_attr *to)
{
    const bool floats = to->kind == TP_ATTR_FLOATS;
    const size_t n = floats ? from->n_floats : from->n_ints;
    const size_t bytes = n * (floats ? sizeof *from->floats : sizeof *from->ints);
    void *copy = tp_arena_alloc(&ps->net->arena, bytes);
    if (!copy) return no_memory(ps);
    if (n) memcpy(copy, floats ? (const void *)from->floats : from->ints, bytes);
    to->n = (int)n;
    if (floats) to->floats = copy;
    else to->ints = copy;
    return true;
}

static bool read_attr(struct parser *ps, const Onnx__AttributeProto *from, struct tp_net_attr *to)
{
    *to = (struct tp_net_attr){ .name = keep_text(ps, from->name), .kind = TP_ATTR_OTHER };
    if (!to->name) return no_memory(ps);
    switch (type_of(from)) {
    case ATTR_FLOAT:
        to->kind = TP_ATTR_FLOAT;
        to->f = from->f;
        return true;
    case ATTR_INT:
        to->kind = TP_ATTR_INT;
        to->i = from->i;
        return true;
    case ATTR_STRING:
        if (!keep_bytes(ps, &from->s, &to->s)) return false;
        if (to->s) to->kind = TP_ATTR_STRING;
        return true;
    case ATTR_TENSOR:
        if (!from->t) return tp_fail(ps->err, TP_INVALID_MODEL, "is a tensor and has none");
        to->kind = TP_ATTR_TENSOR;
        return tp_onnx_tensor_read(&to->tensor, from->t, &ps->source, true, &ps->net->arena,
                                   ps->err);
    case ATTR_FLOATS: to->kind = TP_ATTR_FLOATS; return read_numbers(ps, from, to);
    case ATTR_INTS: to->kind = TP_ATTR_INTS; return read_numbers(ps, from, to);
    case ATTR_STRINGS: return read_strings(ps, from, to);
    default: return true;
    }
}

/* ---- nodes ----------------------------------------------------------------------------------- */

/* The domain of ONNX's own operators has two names. */
static const char *domain_of(const char *domain)
{
    return strcmp(text_of(domain), "ai.onnx") ? text_of(domain) : "";
}

static const char *scopes_of(const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_metadata_props; i++)
        if (!strcmp(text_of(node->metadata_props[i]->key), "pkg.torch.onnx.name_scopes"))
            return node->metadata_props[i]->value;
    return NULL;
}

static bool read_node(struct parser *ps, const Onnx__NodeProto *from, struct tp_net_node *to)
{
    to->name = keep_text(ps, from->name);
    to->op = keep_text(ps, from->op_type);
    to->domain = keep_text(ps, domain_of(from->domain));
    const char *scopes = scopes_of(from);
    if (scopes) to->scopes = keep_text(ps, scopes);
    if (!to->name || !to->op || !to->domain || (scopes && !to->scopes)) return no_memory(ps);
    if (!values_of(ps, from->input, from->n_input, &to->inputs) ||
        !values_of(ps, from->output, from->n_output, &to->outputs)) return false;
    to->n_inputs = (int)from->n_input;
    to->n_outputs = (int)from->n_output;
    if (!*to->op)
        return tp_fail(ps->err, TP_INVALID_MODEL, "%s: has no op_type", TP_NODE(ps->net, to));

    struct tp_net_attr *attrs =
        tp_arena_zalloc(&ps->net->arena, from->n_attribute, sizeof *attrs);
    if (!attrs) return no_memory(ps);
    to->attrs = attrs;
    to->n_attrs = (int)from->n_attribute;
    for (int i = 0; i < to->n_attrs; i++)
        if (!read_attr(ps, from->attribute[i], &attrs[i]))
            return tp_fail_in(ps->err, "%s: attribute '%.60s'", TP_NODE(ps->net, to),
                              text_of(from->attribute[i]->name));
    return true;
}

static bool read_nodes(struct parser *ps)
{
    const size_t n = ps->graph->n_node;
    const size_t most = (size_t)ps->limits->max_layers * NODES_PER_LAYER;
    if (!n) return tp_fail(ps->err, TP_INVALID_MODEL, "the graph has no nodes");
    if (n > most)
        return tp_fail(ps->err, TP_TOO_LARGE, "the graph has %zu nodes; at most %zu are read, %d "
                       "for each of the %d layers that a model may have", n, most,
                       NODES_PER_LAYER, ps->limits->max_layers);
    ps->net->nodes = tp_arena_zalloc(&ps->net->arena, n, sizeof *ps->net->nodes);
    if (!ps->net->nodes) return no_memory(ps);
    for (size_t i = 0; i < n; i++)
        if (!read_node(ps, ps->graph->node[i], &ps->net->nodes[i])) return false;
    ps->net->n_nodes = (int)n;
    return true;
}

static bool read_outputs(struct parser *ps)
{
    const size_t n = ps->graph->n_output;
    if (!n) return tp_fail(ps->err, TP_INVALID_MODEL, "the graph has no outputs");
    ps->net->outputs = tp_arena_zalloc(&ps->net->arena, n, sizeof *ps->net->outputs);
    if (!ps->net->outputs) return no_memory(ps);
    ps->net->n_outputs = (int)n;
    for (size_t i = 0; i < n; i++) {
        const char *name = text_of(ps->graph->output[i]->name);
        if (!*name) return tp_fail(ps->err, TP_INVALID_MODEL, "output %zu has no name", i);
        if (!value_of(ps, name, &ps->net->outputs[i])) return false;
    }
    return true;
}

/* ---- weights --------------------------------------------------------------------------------- */

static bool index_initializers(struct parser *ps)
{
    for (size_t i = 0; i < ps->graph->n_initializer; i++) {
        const char *name = text_of(ps->graph->initializer[i]->name);
        if (!*name) return tp_fail(ps->err, TP_INVALID_MODEL, "initializer %zu has no name", i);
        if (tp_names_find(&ps->initializers, name) >= 0)
            return tp_fail(ps->err, TP_INVALID_MODEL, "initializer '%.100s': stands there twice",
                           name);
        if (!tp_names_add(&ps->initializers, name, (int)i)) return no_memory(ps);
    }
    if (!ps->graph->n_sparse_initializer) return true;
    const Onnx__TensorProto *values = ps->graph->sparse_initializer[0]->values;
    return tp_fail(ps->err, TP_UNSUPPORTED_FORMAT, "sparse_initializer '%.100s': sparse weights "
                   "are not read", text_of(values ? values->name : NULL));
}

static bool set_weight(struct parser *ps, int value, const struct tp_net_tensor *t)
{
    struct tp_net_tensor *copy = tp_arena_alloc(&ps->net->arena, sizeof *copy);
    if (!copy) return no_memory(ps);
    *copy = *t;
    ps->net->values[value].weight = copy;
    return true;
}

static bool bind_inputs(struct parser *ps)
{
    for (int i = 0; i < ps->n_bindings; i++) {
        const int value = tp_names_find(&ps->net->tensors, ps->bindings[i].name);
        if (value >= 0 && !set_weight(ps, value, &ps->bindings[i].tensor)) return false;
    }
    return true;
}

static bool read_weight(struct parser *ps, const Onnx__TensorProto *from, int value)
{
    struct tp_net_tensor t;
    if (!tp_onnx_tensor_read(&t, from, &ps->source, false, &ps->net->arena, ps->err))
        return tp_fail_in(ps->err, "initializer '%.100s'", from->name);
    if (!tp_onnx_type_bytes(t.type))
        return tp_fail(ps->err, TP_UNSUPPORTED_FORMAT, "initializer '%.100s': its elements are "
                       "%s; float, float16, double, bool and integers of 8 to 64 bits are read",
                       from->name, tp_onnx_type_name(t.type));
    return set_weight(ps, value, &t);
}

/* Those that a node or an output mentions, and that are not bound. */
static bool read_weights(struct parser *ps)
{
    for (size_t i = 0; i < ps->graph->n_initializer; i++) {
        const Onnx__TensorProto *t = ps->graph->initializer[i];
        const int value = tp_names_find(&ps->net->tensors, t->name);
        if (value < 0 || ps->net->values[value].weight) continue;
        if (!read_weight(ps, t, value)) return false;
    }
    return true;
}

/* ---- the input ------------------------------------------------------------------------------- */

/* Symbolic sizes are open, and so is -1, which old exporters write for them. */
static bool read_input_shape(struct parser *ps, const Onnx__TensorShapeProto *from,
                             struct tp_shape *out)
{
    if (from->n_dim > TP_MAX_RANK)
        return tp_fail(ps->err, TP_INVALID_MODEL, "%zu dimensions; at most %d are possible",
                       from->n_dim, TP_MAX_RANK);
    struct tp_shape least = { .rank = (int)from->n_dim };
    *out = least;
    for (int i = 0; i < out->rank; i++) {
        const Onnx__TensorShapeProto__Dimension *d = from->dim[i];
        const bool open = !d->has_dim_value || d->dim_value == TP_ANY;
        out->dim[i] = open ? TP_ANY : d->dim_value;
        least.dim[i] = open ? 1 : d->dim_value;
    }
    return tp_shape_check(&least, ps->limits->max_elements, "shape", ps->err);
}

static bool read_input_type(struct parser *ps, const Onnx__TypeProto *type)
{
    struct tp_net *net = ps->net;
    const Onnx__TypeProto__Tensor *t = type ? type->tensor_type : NULL;
    if (!t) return tp_fail(ps->err, TP_INVALID_MODEL, "is not said to be a tensor");
    net->input_type = (enum tp_onnx_type)t->elem_type;
    if (!tp_onnx_type_bytes(net->input_type))
        return tp_fail(ps->err, TP_UNSUPPORTED_FORMAT, "its elements are %s; numbers are served",
                       tp_onnx_type_name(net->input_type));
    if (!t->shape) return tp_fail(ps->err, TP_INVALID_MODEL, "has no shape");
    return read_input_shape(ps, t->shape, &net->input_shape);
}

/* Files of before IR version 4 list initializers among the inputs. */
static bool is_constant(const struct parser *ps, const char *input)
{
    for (int i = 0; i < ps->n_bindings; i++)
        if (!strcmp(ps->bindings[i].name, input)) return true;
    return tp_names_find(&ps->initializers, input) >= 0;
}

static bool fail_inputs(const struct parser *ps)
{
    char names[LISTED_INPUTS * 64] = "";
    size_t n = 0, n_inputs = 0;
    for (size_t i = 0; i < ps->graph->n_input; i++) {
        const char *name = text_of(ps->graph->input[i]->name);
        if (is_constant(ps, name)) continue;
        if (n_inputs++ < LISTED_INPUTS)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s'%.50s'", n ? ", " : "", name);
    }
    return tp_fail(ps->err, TP_INVALID_MODEL, "the model has inputs %s%s; networks of one input "
                   "are served", names, n_inputs > LISTED_INPUTS ? ", ..." : "");
}

static bool read_input(struct parser *ps)
{
    const Onnx__ValueInfoProto *input = NULL;
    ps->net->input = -1;
    for (size_t i = 0; i < ps->graph->n_input; i++) {
        const Onnx__ValueInfoProto *info = ps->graph->input[i];
        if (is_constant(ps, text_of(info->name))) continue;
        if (input) return fail_inputs(ps);
        input = info;
    }
    if (!input) return true;
    if (!*text_of(input->name)) return tp_fail(ps->err, TP_INVALID_MODEL, "the input has no name");
    return value_of(ps, input->name, &ps->net->input) &&
           (read_input_type(ps, input->type) || tp_fail_in(ps->err, "input '%.100s'",
                                                           input->name));
}

/* ---- the model ------------------------------------------------------------------------------- */

static bool read_opset(struct parser *ps, const Onnx__ModelProto *model)
{
    int64_t opset = 0;
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *o = model->opset_import[i];
        if (!*domain_of(o->domain) && o->version > opset) opset = o->version;
    }
    if (!opset)
        return tp_fail(ps->err, TP_INVALID_MODEL, "opset_import has no version of ONNX's own "
                       "operators; %d to %d are read", MIN_OPSET, MAX_OPSET);
    if (opset < MIN_OPSET || opset > MAX_OPSET)
        return tp_fail(ps->err, TP_UNSUPPORTED_FORMAT, "opset %" PRId64 "; %d to %d are read",
                       opset, MIN_OPSET, MAX_OPSET);
    ps->net->opset = opset;
    return true;
}

static bool read_model(struct parser *ps, const Onnx__ModelProto *model)
{
    if (!model->graph)
        return tp_fail(ps->err, TP_INVALID_MODEL, "not an ONNX file: it has no graph");
    ps->graph = model->graph;
    return read_opset(ps, model) && read_nodes(ps) && read_outputs(ps) &&
           index_initializers(ps) && bind_inputs(ps) && read_weights(ps) && read_input(ps) &&
           tp_net_sort(ps->net, ps->err);
}

/* Makes ps->net of the file at ps->source. */
static bool parse(struct parser *ps, size_t n_bytes, const char *name)
{
    struct tp_onnx_document doc = { 0 };
    struct tp_arena scratch;
    tp_arena_init(&scratch, SIZE_MAX);
    ps->initializers.arena = &scratch;
    ps->net = calloc(1, sizeof *ps->net);
    if (!ps->net) return tp_fail(ps->err, TP_NO_MEMORY, "out of memory");
    tp_arena_init(&ps->net->arena, SIZE_MAX);
    ps->net->tensors.arena = &ps->net->arena;
    ps->net->name = keep_text(ps, name);
    const bool ok = (ps->net->name || no_memory(ps)) &&
                    tp_onnx_document_open(&doc, TP_ONNX_MODEL, ps->source.bytes, n_bytes,
                                          ps->err) &&
                    read_model(ps, doc.model);
    tp_onnx_document_close(&doc);
    tp_arena_fini(&scratch);
    if (!ok) tp_net_free(ps->net);
    return ok;
}

bool tp_onnx_parse(struct tp_net **out, const void *bytes, size_t n_bytes, const char *name,
                   int dir_fd, struct tp_onnx_files *files, const struct tp_limits *limits,
                   struct tp_err *err)
{
    struct parser ps = { .source = { bytes, dir_fd, files }, .limits = limits, .err = err };
    const bool ok = parse(&ps, n_bytes, name);
    *out = ok ? ps.net : NULL;
    return ok;
}

bool tp_onnx_parse_bound(struct tp_net **out, const void *bytes, size_t n_bytes, const char *name,
                         const struct tp_onnx_binding *bindings, int n_bindings,
                         const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_onnx_files none = { 0 };
    struct parser ps = { .source = { bytes, -1, &none }, .bindings = bindings,
                         .n_bindings = n_bindings, .limits = limits, .err = err };
    const bool ok = parse(&ps, n_bytes, name);
    *out = ok ? ps.net : NULL;
    return ok;
}
