/* pipeline.c - pipelines: from a document to a graph. Layers may be listed in any order; they are
 * named, sorted so that each comes after what it reads, and then read one by one, so that every
 * reader knows the shapes of its inputs. */
#include "formats/pipeline.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "formats/pipeline_layers.h"

enum { NETWORK_INPUT = -1, LISTED_NAMES_BYTES = 250, MAX_CYCLE_NAMES = 8 };

enum visit { UNSEEN, OPEN, DONE };

struct entry {                       /* one element of "layers" */
    const json_t *object;
    const struct tp_layer_class *class;
    const char *name;
    int *inputs;                     /* entries, or NETWORK_INPUT */
    int n_inputs;
    int node;                        /* its place in the graph */
    enum visit visit;
    int next;                        /* input to visit next */
};

struct reader {
    const struct tp_json *doc;
    struct tp_fields root;
    const struct tp_weight_source *weights;
    const struct tp_limits *limits;
    struct tp_arena scratch;         /* everything here that is not the graph's */
    struct entry *entries;
    int n_entries;
    struct tp_names names;           /* of entries */
    int *order;                      /* entries, each after what it reads */
    struct tp_graph *graph;
};

/* ---- the input ------------------------------------------------------------------------------- */

/* The sizes without the batch, TP_ANY for null. (An array of only numbers is a span of the text,
 * one with nulls in it is Jansson's.) */
static bool read_sizes(const struct tp_fields *f, struct tp_shape *shape, struct tp_err *err)
{
    static const char *const need = "[height, width, channels] or [features], null for any size";
    const json_t *v = tp_fields_get(f, "shape");
    int64_t sizes[TP_MAX_RANK];
    bool open[TP_MAX_RANK] = { false };
    int n = 0;
    if (!v) return tp_fields_missing(f, "shape", need, err);
    if (tp_json_span(f->doc, v)) {
        if (!tp_fields_ints(f, "shape", sizes, TP_MAX_RANK, &n, err)) return false;
    } else if (json_array_size(v) <= TP_MAX_RANK) {
        n = (int)json_array_size(v);
    }
    if (n != 1 && n != 3) return tp_fields_wrong(f, "shape", need, err);
    for (int i = 0; i < n; i++) {
        const json_t *size = json_array_get(v, (size_t)i);           /* NULL in a span */
        open[i] = json_is_null(size);
        if (size && !open[i] && !tp_fields_whole(size, &sizes[i]))
            return tp_fields_wrong(f, "shape", need, err);
        if (!open[i] && sizes[i] < 1)
            return tp_fail(err, TP_INVALID_MODEL, "input: shape has %lld; every size must be at "
                           "least 1, or null for any", (long long)sizes[i]);
        shape->dim[i] = open[i] ? TP_ANY : sizes[i];
    }
    shape->rank = n;
    return true;
}

static bool read_input(const struct reader *r, struct tp_shape *input, struct tp_err *err)
{
    const json_t *v = tp_fields_get(&r->root, "input");
    const struct tp_fields f = { r->doc, v, "input" };
    struct tp_shape sizes = { 0 }, least;
    if (!v) return tp_fields_missing(&r->root, "input", "{\"shape\": [height, width, channels]}",
                                     err);
    if (!json_is_object(v)) return tp_fields_wrong(&r->root, "input", "an object", err);
    if (!tp_fields_known(&f, "it", "shape", "", err) || !read_sizes(&f, &sizes, err)) return false;
    least = sizes;
    for (int i = 0; i < least.rank; i++)
        if (least.dim[i] == TP_ANY) least.dim[i] = 1;
    if (!tp_shape_check(&least, r->limits->max_elements, "input: shape", err)) return false;
    *input = (struct tp_shape){ .rank = sizes.rank + 1, .dim = { TP_ANY } };
    memcpy(input->dim + 1, sizes.dim, (size_t)sizes.rank * sizeof *sizes.dim);
    return true;
}

/* ---- the layers' names ----------------------------------------------------------------------- */

static bool read_entry(struct reader *r, int index, struct tp_err *err)
{
    struct entry *e = &r->entries[index];
    char where[32];
    const char *type;
    snprintf(where, sizeof where, "layers[%d]", index);
    e->object = json_array_get(tp_fields_get(&r->root, "layers"), (size_t)index);
    const struct tp_fields f = { r->doc, e->object, where };
    if (!json_is_object(e->object))
        return tp_fail(err, TP_INVALID_MODEL, "%s must be an object with a \"type\", not %s", where,
                       tp_json_kind(r->doc, e->object));
    if (!tp_fields_name(&f, "name", &e->name, err) || !tp_fields_text(&f, "type", NULL, &type, err))
        return false;
    e->class = tp_pipeline_layers_find(type);
    if (!e->class) return tp_pipeline_layers_fail(e->name ? e->name : where, type, err);
    if (!e->name) return true;                           /* gets one when all others are known */
    int other = tp_names_find(&r->names, e->name);
    if (other >= 0)
        return tp_fail(err, TP_INVALID_MODEL, "%s: name '%s' is taken by layers[%d]; each layer "
                       "needs its own", where, e->name, other);
    if (!tp_names_add(&r->names, e->name, index)) return tp_arena_fail(&r->scratch, err);
    return true;
}

static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

/* MaxPooling2D to max_pooling2d, PReLU to p_re_lu, as Keras does. to: 2 bytes for each of type. */
static void snake_case(char *to, const char *type)
{
    for (const char *p = type; *p; p++) {
        if (p > type && is_upper(*p) && (is_lower(p[1]) || is_lower(p[-1]))) *to++ = '_';
        *to++ = is_upper(*p) ? (char)(*p - 'A' + 'a') : *p;
    }
    *to = '\0';
}

/* The first of "conv2d", "conv2d_1", ... that is free. `counts` has an element per class and only
 * grows, so all names together are found in linear time. */
static bool give_name(struct reader *r, int index, int *counts, struct tp_err *err)
{
    struct entry *e = &r->entries[index];
    int *count = &counts[e->class - tp_pipeline_layers_get(0)];
    char base[64], name[80];
    snake_case(base, e->class->type);
    do {
        if (*count) snprintf(name, sizeof name, "%s_%d", base, *count);
        else snprintf(name, sizeof name, "%s", base);
        ++*count;
    } while (tp_names_find(&r->names, name) >= 0);
    e->name = tp_arena_strndup(&r->scratch, name, strlen(name));
    if (!e->name || !tp_names_add(&r->names, e->name, index))
        return tp_arena_fail(&r->scratch, err);
    return true;
}

static bool read_entries(struct reader *r, struct tp_err *err)
{
    const json_t *v = tp_fields_get(&r->root, "layers");
    if (!v) return tp_fields_missing(&r->root, "layers", "a list of layers", err);
    if (!json_is_array(v)) return tp_fields_wrong(&r->root, "layers", "a list of layers", err);
    size_t n = json_array_size(v);
    if (!n) return tp_fail(err, TP_INVALID_MODEL, "pipeline: layers is empty; give at least one");
    if (n > (size_t)r->limits->max_layers)
        return tp_fail(err, TP_TOO_LARGE, "pipeline: %zu layers; at most %d are allowed", n,
                       r->limits->max_layers);
    int n_classes = 0;
    while (tp_pipeline_layers_get(n_classes)) n_classes++;
    int *counts = tp_arena_zalloc(&r->scratch, (size_t)n_classes, sizeof *counts);
    r->entries = tp_arena_zalloc(&r->scratch, n, sizeof *r->entries);
    if (!counts || !r->entries) return tp_arena_fail(&r->scratch, err);
    r->n_entries = (int)n;
    for (int i = 0; i < r->n_entries; i++)
        if (!read_entry(r, i, err)) return false;
    for (int i = 0; i < r->n_entries; i++)
        if (!r->entries[i].name && !give_name(r, i, counts, err)) return false;
    return true;
}

/* ---- who reads whom -------------------------------------------------------------------------- */

static bool fail_unknown(const struct reader *r, const char *where, const char *field,
                         const char *name, struct tp_err *err)
{
    struct tp_buf names = { 0 };
    int left_out = 0;
    for (int i = 0; i < r->n_entries; i++) {
        const char *known = r->entries[i].name;
        if (names.n_bytes + strlen(known) > LISTED_NAMES_BYTES) left_out++;
        else tp_buf_printf(&names, "%s%s", names.n_bytes ? ", " : "", known);
    }
    if (left_out) tp_buf_printf(&names, " and %d more", left_out);
    tp_fail(err, TP_INVALID_MODEL, "%s: %s has '%.64s', which is no layer; there are %.*s", where,
            field, name, (int)names.n_bytes, names.data ? names.data : "");
    tp_buf_fini(&names);
    return false;
}

/* Element i of a list of layers' names, as an entry; NETWORK_INPUT when `allow_input`. */
static bool read_reference(const struct reader *r, const struct tp_fields *f, const char *key,
                           int i, bool allow_input, int *entry, struct tp_err *err)
{
    const json_t *v = json_array_get(tp_fields_get(f, key), (size_t)i);
    if (!json_is_string(v) || tp_json_span(r->doc, v))
        return tp_fail(err, TP_INVALID_MODEL, "%s: %s[%d] must be a layer's name, not %s", f->where,
                       key, i, tp_json_kind(r->doc, v));
    const char *name = json_string_value(v);
    *entry = tp_names_find(&r->names, name);
    if (*entry >= 0) return true;
    *entry = NETWORK_INPUT;
    return (allow_input && !strcmp(name, "input")) || fail_unknown(r, f->where, key, name, err);
}

static bool read_inputs(struct reader *r, int index, struct tp_err *err)
{
    struct entry *e = &r->entries[index];
    const struct tp_fields f = { r->doc, e->object, e->name };
    const json_t *v = tp_fields_get(&f, "inputs");
    size_t n = v ? json_array_size(v) : 1;
    if (v && !json_is_array(v))
        return tp_fields_wrong(&f, "inputs", "a list of layers' names", err);
    if (n < 1 || n > TP_PIPELINE_MAX_INPUTS)
        return tp_fail(err, TP_INVALID_MODEL, "%s: inputs has %zu names; it must have 1 to %d",
                       e->name, n, TP_PIPELINE_MAX_INPUTS);
    e->n_inputs = (int)n;
    e->inputs = tp_arena_alloc(&r->scratch, n * sizeof *e->inputs);
    if (!e->inputs) return tp_arena_fail(&r->scratch, err);
    e->inputs[0] = index - 1;                            /* the layer before; in front, the input */
    for (int i = 0; v && i < e->n_inputs; i++)
        if (!read_reference(r, &f, "inputs", i, true, &e->inputs[i], err)) return false;
    return true;
}

/* stack[first..last] each read the next, and the last reads the first again. */
static bool fail_cycle(const struct reader *r, const int *stack, int first, int last,
                       struct tp_err *err)
{
    struct tp_buf names = { 0 };
    for (int i = first; i <= last && i < first + MAX_CYCLE_NAMES; i++)
        tp_buf_printf(&names, "%.40s reads ", r->entries[stack[i]].name);
    if (last - first >= MAX_CYCLE_NAMES) tp_buf_text(&names, "... reads ");
    tp_fail(err, TP_INVALID_MODEL, "layers: there is a cycle: %.*s%.40s; a layer can only read "
            "what does not depend on it", (int)names.n_bytes, names.data ? names.data : "",
            r->entries[stack[first]].name);
    tp_buf_fini(&names);
    return false;
}

/* Appends to `order` everything that entry `root` needs, and then root: a depth-first walk. */
static bool sort_from(struct reader *r, int root, int *stack, int *n_order, struct tp_err *err)
{
    int depth = 0;
    stack[depth++] = root;
    r->entries[root].visit = OPEN;
    while (depth) {
        struct entry *e = &r->entries[stack[depth - 1]];
        if (e->next == e->n_inputs) {
            e->visit = DONE;
            r->order[(*n_order)++] = stack[--depth];
            continue;
        }
        int input = e->inputs[e->next++];
        if (input == NETWORK_INPUT || r->entries[input].visit == DONE) continue;
        if (r->entries[input].visit == OPEN) {
            int first = depth - 1;
            while (stack[first] != input) first--;
            return fail_cycle(r, stack, first, depth - 1, err);
        }
        r->entries[input].visit = OPEN;
        stack[depth++] = input;
    }
    return true;
}

static bool sort(struct reader *r, struct tp_err *err)
{
    size_t bytes = (size_t)r->n_entries * sizeof(int);
    int *stack = tp_arena_alloc(&r->scratch, bytes);
    int n_order = 0;
    r->order = tp_arena_alloc(&r->scratch, bytes);
    if (!stack || !r->order) return tp_arena_fail(&r->scratch, err);
    for (int i = 0; i < r->n_entries; i++)
        if (!read_inputs(r, i, err)) return false;
    for (int i = 0; i < r->n_entries; i++)
        if (r->entries[i].visit == UNSEEN && !sort_from(r, i, stack, &n_order, err)) return false;
    return true;
}

/* ---- into the graph -------------------------------------------------------------------------- */

static bool build_layer(struct reader *r, struct entry *e, struct tp_err *err)
{
    int *inputs = e->inputs;
    for (int i = 0; i < e->n_inputs; i++)                /* entries to nodes; 0 is the input */
        inputs[i] = inputs[i] == NETWORK_INPUT ? 0 : r->entries[inputs[i]].node;
    const struct tp_layer layer = {
        .fields = { r->doc, e->object, e->name },
        .weights = { r->weights, r->limits, &r->graph->arena },
        .graph = r->graph,
        .name = e->name, .type = e->class->type,
        .inputs = inputs, .n_inputs = e->n_inputs,
    };
    if (!tp_pipeline_layers_read(e->class, &layer, err)) return false;
    e->node = r->graph->n_nodes - 1;
    return true;
}

static bool read_outputs(struct reader *r, struct tp_err *err)
{
    const json_t *v = tp_fields_get(&r->root, "outputs");
    struct tp_graph *g = r->graph;
    if (!v) return true;                                 /* the graph finds what no layer reads */
    size_t n = json_array_size(v);
    if (!json_is_array(v))
        return tp_fields_wrong(&r->root, "outputs", "a list of layers' names", err);
    if (n < 1 || n > (size_t)r->n_entries)
        return tp_fail(err, TP_INVALID_MODEL, "pipeline: outputs has %zu names; it must have 1 to "
                       "%d, the number of layers", n, r->n_entries);
    bool *seen = tp_arena_zalloc(&r->scratch, (size_t)r->n_entries, sizeof *seen);
    g->outputs = tp_arena_alloc(&g->arena, n * sizeof *g->outputs);
    if (!seen || !g->outputs) return tp_arena_fail(&g->arena, err);
    for (int i = 0; i < (int)n; i++) {
        int entry;
        if (!read_reference(r, &r->root, "outputs", i, false, &entry, err)) return false;
        if (seen[entry])
            return tp_fail(err, TP_INVALID_MODEL, "pipeline: outputs has '%s' twice",
                           r->entries[entry].name);
        seen[entry] = true;
        g->outputs[g->n_outputs++] = r->entries[entry].node;
    }
    return true;
}

static bool read_pipeline(struct reader *r, const char *default_name, struct tp_err *err)
{
    const char *name, *description;
    struct tp_shape input;
    if (!json_is_object(r->root.object))
        return tp_fail(err, TP_INVALID_MODEL, "pipeline: it must be an object, not %s",
                       tp_json_kind(r->doc, r->root.object));
    if (!tp_fields_known(&r->root, "it", "name, description, input, layers, outputs", "", err) ||
        !tp_fields_name(&r->root, "name", &name, err) ||
        !tp_fields_text(&r->root, "description", "", &description, err) ||
        !read_input(r, &input, err) || !read_entries(r, err) || !sort(r, err) ||
        !tp_graph_new(&r->graph, name ? name : default_name, &input, err))
        return false;
    for (int i = 0; i < r->n_entries; i++)
        if (!build_layer(r, &r->entries[r->order[i]], err)) return false;
    return read_outputs(r, err) && tp_graph_finish(r->graph, tp_kernels_get(), err);
}

bool tp_pipeline_read(struct tp_graph **out, const struct tp_json *doc, const json_t *value,
                      const char *default_name, const struct tp_weight_source *weights,
                      const struct tp_limits *limits, struct tp_err *err)
{
    struct reader r = {
        .doc = doc, .root = { doc, value, "pipeline" }, .weights = weights, .limits = limits,
    };
    tp_arena_init(&r.scratch, SIZE_MAX);
    r.names.arena = &r.scratch;
    bool ok = read_pipeline(&r, default_name, err);
    tp_arena_fini(&r.scratch);
    if (!ok) tp_graph_free(r.graph);
    *out = ok ? r.graph : NULL;
    return ok;
}

bool tp_pipeline_parse(struct tp_graph **out, const char *text, size_t n_bytes,
                       const char *default_name, const struct tp_weight_source *weights,
                       const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_json doc;
    struct tp_arena spans;
    *out = NULL;
    if (n_bytes > limits->max_body_bytes)
        return tp_fail(err, TP_TOO_LARGE, "pipeline: %zu bytes; at most %zu are allowed", n_bytes,
                       limits->max_body_bytes);
    tp_arena_init(&spans, SIZE_MAX);
    bool ok = tp_json_parse(&doc, text, n_bytes, &spans, "pipeline", 1, err);
    if (ok) {
        ok = tp_pipeline_read(out, &doc, doc.root, default_name, weights, limits, err);
        tp_json_fini(&doc);
    }
    tp_arena_fini(&spans);
    return ok;
}
