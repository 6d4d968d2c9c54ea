/* model_net.c - models made of networks from ONNX files: what they are called, which sizes they
 * take, which layers they have. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/lower.h"
#include "formats/model.h"

enum { OPEN_SIDE = 224, MORE_PIXELS = 32, WARNED_BYTES = 4096 };

/* ---- names ----------------------------------------------------------------------------------- */

/* "/layer1/layer1.0/conv1/Conv", a scope and an operator, is module "layer1.0.conv1" for who wrote
 * it: a part that goes on from the one before it ("layer1.0" from "layer1") takes its place.
 * Returns the lengths of the paths of all modules that the node is in, outermost first. */
static int module_path(const char *name, char *path, size_t room, size_t *ends, int most)
{
    const char *last = strrchr(name, '/'), *part = *name == '/' ? name + 1 : name;
    size_t at = 0, previous = 0;     /* where the last part begins in the path */
    int n = 0;
    *path = '\0';
    if (!last || strlen(name) >= room) return 0;
    while (part < last && n < most) {
        const size_t length = strcspn(part, "/");
        const size_t own = at - previous;
        const bool goes_on = n > 0 && length > own && !memcmp(part, path + previous, own) &&
                             part[own] == '.';
        if (goes_on) {
            at = previous;
        } else if (n > 0) {
            path[at++] = '.';
            previous = at;
        }
        memcpy(path + at, part, length);
        at += length;
        ends[n++] = at;
        part += length + 1;
    }
    path[at] = '\0';
    return n;
}

/* A module seen so far, the value that it made last, and its node where it is but one. */
struct module { const char *path; int value; const struct tp_net_node *only; };

struct modules {
    struct tp_model *m;
    struct module *list;
    int n, capacity;
    struct tp_names names;           /* places in the list */
};

static struct module *find_or_add(struct modules *ms, const char *path, size_t length)
{
    char text[512];
    if (length >= sizeof text) return NULL;
    memcpy(text, path, length);
    text[length] = '\0';
    const int at = tp_names_find(&ms->names, text);
    if (at >= 0) return &ms->list[at];
    if (ms->n == ms->capacity) return NULL;
    struct module *module = &ms->list[ms->n];
    *module = (struct module){ .path = tp_arena_strndup(&ms->m->arena, text, length),
                               .value = -1 };
    if (!module->path || !tp_names_add(&ms->names, module->path, ms->n)) return NULL;
    ms->n++;
    return module;
}

/* The weight that value v is, behind any number of Identity nodes; -1: it follows the input. */
static int weight_of(const struct tp_net *net, int v, const bool *constant)
{
    if (v < 0 || !constant[v]) return -1;
    for (int from; (from = net->values[v].producer) >= 0; v = net->nodes[from].inputs[0])
        if (strcmp(net->nodes[from].op, "Identity") || net->nodes[from].inputs[0] < 0) break;
    return v;
}

/* Whether two nodes may be two calls of one module: the same operator over the same weights. */
static bool same_module(const struct tp_net *net, const struct tp_net_node *a,
                        const struct tp_net_node *b, const bool *constant)
{
    bool same = a && b && !strcmp(a->op, b->op) && a->n_inputs == b->n_inputs;
    for (int i = 0; same && i < a->n_inputs; i++)
        same = weight_of(net, a->inputs[i], constant) == weight_of(net, b->inputs[i], constant);
    return same;
}

/* PyTorch writes the second call of a module "relu" as a scope "relu_1". A hook on the module sees
 * its last call, and so does its name here; only where both read the same weights, or none, so that
 * two modules are not taken for one. */
static void repeat_call(struct modules *ms, const struct module *module, size_t length,
                        const bool *constant)
{
    const char *path = module->path;
    size_t digits = length;
    while (digits > 0 && path[digits - 1] >= '0' && path[digits - 1] <= '9') digits--;
    if (digits == length || digits < 2 || path[digits - 1] != '_') return;
    char text[512];
    memcpy(text, path, digits - 1);
    text[digits - 1] = '\0';
    const int at = tp_names_find(&ms->names, text);
    if (at < 0 || !same_module(ms->m->net, module->only, ms->list[at].only, constant)) return;
    ms->list[at].value = module->value;
}

static void note_module(struct modules *ms, const char *path, size_t length,
                        const struct tp_net_node *nd, bool innermost, const bool *constant)
{
    struct module *module = find_or_add(ms, path, length);
    if (!module) return;
    module->only = innermost && module->value < 0 ? nd : NULL;
    module->value = nd->outputs[0];
    if (module->only) repeat_call(ms, module, length, constant);
}

/* "['', 'layer1', 'layer1.0', 'conv2d_1']": paths, outermost first, and what the node itself was
 * called; "relu@1" is the second call of a module. */
static void note_scopes(struct modules *ms, const struct tp_net_node *nd, const bool *constant)
{
    const char *p = nd->scopes, *path = NULL;
    size_t length = 0;
    for (const char *end; (p = strpbrk(p, "'\"")) && (end = strchr(p + 1, *p)); p = end + 1) {
        if (length) note_module(ms, path, length, nd, false, constant);
        path = p + 1;
        length = (size_t)(end - path);
        const char *call = memchr(path, '@', length);
        if (call && call + 1 + strspn(call + 1, "0123456789") == end)
            length = (size_t)(call - path);
    }
}

static void note_modules(struct modules *ms, const struct tp_net_node *nd, const bool *constant)
{
    enum { MOST = 32 };
    char path[512];
    size_t ends[MOST];
    if (nd->scopes) {
        note_scopes(ms, nd, constant);
        return;
    }
    const int n = module_path(nd->name, path, sizeof path, ends, MOST);
    for (int i = 0; i < n; i++) note_module(ms, path, ends[i], nd, i == n - 1, constant);
}

static bool add_name(struct tp_model *m, const char *name, int value)
{
    if (tp_names_find(&m->net->tensors, name) >= 0 || tp_names_find(&m->names, name) >= 0)
        return true;
    return tp_names_add(&m->names, name, value);
}

/* A node's name and a module's, where they are not taken by a tensor. */
static bool make_names(struct tp_model *m, const bool *constant, struct modules *ms)
{
    struct tp_net *net = m->net;
    *ms = (struct modules){ .m = m, .names.arena = &m->arena, .capacity = 4 * net->n_nodes };
    ms->list = tp_arena_zalloc(&m->arena, (size_t)ms->capacity + 1, sizeof *ms->list);
    m->names.arena = &m->arena;
    if (!ms->list) return false;
    for (int i = 0; i < net->n_nodes; i++) {
        const struct tp_net_node *nd = &net->nodes[i];
        if (!nd->n_outputs || nd->outputs[0] < 0 ) continue;
        if (*nd->name && !add_name(m, nd->name, nd->outputs[0])) return false;
        if (!constant[nd->outputs[0]]) note_modules(ms, nd, constant);
    }
    for (int i = 0; i < ms->n; i++)
        if (ms->list[i].value >= 0 && !add_name(m, ms->list[i].path, ms->list[i].value))
            return false;
    return true;
}

int tp_model_value(const struct tp_model *m, const char *name)
{
    const int tensor = tp_names_find(&m->net->tensors, name);
    return tensor >= 0 ? tensor : tp_names_find(&m->names, name);
}

/* ---- layers ---------------------------------------------------------------------------------- */

/* Numbers that training finds: tensors of floats, of a batch normalization only scale and shift. A
 * Resize's scales are none, nor a Clip's bounds. */
static int64_t count_parameters(const struct tp_net_node *nd, const struct tp_lower_notes *notes)
{
    const int most = !strcmp(nd->op, "BatchNormalization") ? 3 : nd->n_inputs;
    int64_t n = 0;
    if (!strcmp(nd->op, "Resize") || !strcmp(nd->op, "Upsample") || !strcmp(nd->op, "Clip"))
        return 0;
    for (int i = 0; i < nd->n_inputs && i < most; i++) {
        const int v = nd->inputs[i];
        if (v >= 0 && notes->constant[v] && notes->shapes[v].rank > 0 &&
            tp_onnx_type_is_float(notes->types[v])) n += tp_shape_elements(&notes->shapes[v]);
    }
    return n;
}

/* PyTorch's exporter folds a batch normalization into the convolution before it and names the new
 * weights after the operator; the scale per channel is then no number of its own any more. */
static int64_t count_unfolded(const struct tp_net *net, const struct tp_net_node *nd,
                              const struct tp_lower_notes *notes)
{
    if (strcmp(nd->op, "Conv") || nd->n_inputs != 3 || nd->inputs[1] < 0) return 0;
    if (strncmp(net->values[nd->inputs[1]].name, "onnx::Conv_", 11)) return 0;
    return notes->shapes[nd->inputs[1]].dim[0];
}

/* The sizes that two inputs of different sizes have in common. */
static struct tp_shape common(const struct tp_shape *a, const struct tp_shape *b, bool one_by_one)
{
    struct tp_shape s = *a;
    for (int i = 0; i < s.rank; i++)
        if (a->rank != b->rank || a->dim[i] != b->dim[i]) s.dim[i] = TP_ANY;
    if (one_by_one && s.rank > 0) s.dim[0] = TP_ANY;
    return s;
}

static int64_t per_image(const struct tp_shape *input, int64_t macs)
{
    return input->rank ? macs / input->dim[0] : macs;
}

struct sizes {                       /* what a network was lowered for, and what was learned */
    struct tp_shape input;
    struct tp_lower_notes notes;
};

static bool make_layers(struct tp_model *m, const struct sizes *one, const struct sizes *two,
                        const struct modules *ms)
{
    const struct tp_net *net = m->net;
    int room = 1;
    for (int i = 0; i < net->n_nodes; i++) room += net->nodes[i].n_outputs;
    m->layers = tp_arena_zalloc(&m->arena, (size_t)room, sizeof *m->layers);
    const char **module = tp_arena_zalloc(&m->arena, (size_t)net->n_values + 1, sizeof *module);
    if (!m->layers || !module) return false;
    for (int i = 0; i < ms->n; i++) {                /* the outermost that ends there */
        const int v = ms->list[i].value;
        if (v >= 0 && (!module[v] || strlen(ms->list[i].path) < strlen(module[v])) &&
            tp_model_value(m, ms->list[i].path) == v) module[v] = ms->list[i].path;
    }
    for (int i = 0; i < net->n_nodes; i++) {
        const struct tp_net_node *nd = &net->nodes[i];
        const int64_t macs = per_image(&one->input, one->notes.macs[i]);
        const bool open = macs != per_image(&two->input, two->notes.macs[i]);
        for (int o = 0; o < nd->n_outputs; o++) {
            const int v = nd->outputs[o];
            if (v < 0 || one->notes.constant[v]) continue;
            m->layers[m->n_layers++] = (struct tp_layer_info){
                .name = net->values[v].name, .type = nd->op, .node = *nd->name ? nd->name : NULL,
                .module = module[v], .why = nd->why,
                .shape = nd->why ? (struct tp_shape){ .rank = -1 }
                                 : common(&one->notes.shapes[v], &two->notes.shapes[v],
                                          m->one_by_one),
                .n_parameters = o ? 0 : count_parameters(nd, &one->notes),
                .n_macs = o ? 0 : open ? TP_ANY : macs,
            };
            m->n_parameters += m->layers[m->n_layers - 1].n_parameters;
            m->n_unfolded += o ? 0 : count_unfolded(net, nd, &one->notes);
        }
    }
    return true;
}

/* All nodes that cannot be run, those first that are not there themselves. */
static bool make_warning(struct tp_model *m, struct tp_err *err)
{
    struct tp_buf text = { 0 };
    const char *first = NULL;
    int n = 0;
    for (int i = 0; i < m->net->n_nodes; i++) {
        const char *why = m->net->nodes[i].why;
        if (!why) continue;
        if (!first) first = why;
        n++;
        if (why == m->net->nodes[i].cause && text.n_bytes < WARNED_BYTES)
            tp_buf_printf(&text, "%s%s", text.n_bytes ? "; " : "", why);
    }
    bool ok = n == 0 || n < m->net->n_nodes || tp_fail(err, TP_INVALID_MODEL, "%s", first);
    if (ok && n) {
        m->warning = tp_arena_printf(&m->arena, "%d of %d nodes cannot be run: %.*s", n,
                                     m->net->n_nodes, (int)text.n_bytes,
                                     text.data ? text.data : "");
        ok = m->warning || tp_arena_fail(&m->arena, err);
    }
    tp_buf_fini(&text);
    return ok;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static bool make_notes(struct tp_model *m, struct tp_lower_notes *notes, struct tp_err *err)
{
    const size_t values = (size_t)m->net->n_values + 1, nodes = (size_t)m->net->n_nodes + 1;
    notes->shapes = tp_arena_zalloc(&m->arena, values, sizeof *notes->shapes);
    notes->constant = tp_arena_zalloc(&m->arena, values, sizeof *notes->constant);
    notes->types = tp_arena_zalloc(&m->arena, values, sizeof *notes->types);
    notes->macs = tp_arena_zalloc(&m->arena, nodes, sizeof *notes->macs);
    return (notes->shapes && notes->constant && notes->types && notes->macs) ||
           tp_arena_fail(&m->arena, err);
}

/* `images` images of a size that the file allows; open sides are `more` pixels longer than what
 * images are cropped to. */
static struct tp_shape some_shape(const struct tp_net *net, int64_t images, int64_t more)
{
    struct tp_shape s = net->input_shape;
    const int channels = net->channels_last ? 3 : 1;
    for (int i = 0; i < s.rank; i++) {
        if (i == 0 && (s.dim[0] == TP_ANY || s.dim[0] == 1)) s.dim[0] = images;
        if (s.dim[i] == TP_ANY) s.dim[i] = i == channels ? (s.rank == 4 ? 3 : 1) : OPEN_SIDE + more;
    }
    return s;
}

/* Whether all that depends on the input grows with the batch: else images run one by one. */
static bool grows(const struct tp_net *net, const struct sizes *one, const struct sizes *two)
{
    for (int v = 0; v < net->n_values; v++) {
        const struct tp_shape *a = &one->notes.shapes[v], *b = &two->notes.shapes[v];
        if (one->notes.constant[v] || a->rank < 1) continue;
        if (a->rank != b->rank || b->dim[0] != 2 * a->dim[0]) return false;
    }
    return true;
}

/* Lowers the net for another size and batch, to see what stays. */
static bool compare_sizes(struct tp_model *m, const struct sizes *one, struct sizes *two,
                          const struct tp_limits *limits, struct tp_err *err)
{
    const bool batches = one->input.rank > 0 && one->input.dim[0] == 1;
    if (!make_notes(m, &two->notes, err)) return false;
    for (int images = batches ? 2 : 1; images >= 1; images--)
        for (int more = MORE_PIXELS; more >= 0; more -= MORE_PIXELS) {
            struct tp_err ignored = { 0 };
            two->input = some_shape(m->net, images, more);
            if (!tp_lower_note(m->net, &two->input, &two->notes, limits, &ignored)) continue;
            if (images == 2 && !grows(m->net, one, two)) continue;
            m->one_by_one = batches && images == 1;
            return true;
        }
    *two = *one;
    m->one_by_one = batches;
    return true;
}

/* Packed weights take as much as they do in the file, 3x3 kernels up to four times as much in
 * Winograd's form, and a little for panels that are not full: one block for all of them, on large
 * pages (ResNet-50: 25,000 page faults less). What is not used is never touched. */
static void make_room(struct tp_net *net)
{
    size_t sum = 0;
    for (int i = 0; i < net->n_values; i++) {
        const struct tp_net_tensor *w = net->values[i].weight;
        if (!w) continue;
        const bool square = w->shape.rank == 4 && w->shape.dim[2] == 3 && w->shape.dim[3] == 3;
        sum += (size_t)w->n_elements * sizeof(float) * (square ? 4 : 1);
    }
    if (!tp_arena_reserve(&net->arena, sum + sum / 16)) return;      /* then in smaller blocks */
}

static bool learn(struct tp_model *m, const struct tp_limits *limits, struct tp_err *err)
{
    struct sizes one = { .input = some_shape(m->net, 1, 0) }, two = { 0 };
    struct modules ms;
    make_room(m->net);
    if (!make_notes(m, &one.notes, err) ||
        !tp_lower_first(m->net, &one.input, &one.notes, limits, err) ||
        !compare_sizes(m, &one, &two, limits, err) || !make_warning(m, err)) return false;
    if (!make_names(m, one.notes.constant, &ms) || !make_layers(m, &one, &two, &ms))
        return tp_arena_fail(&m->arena, err);
    return tp_lower_release(m->net, err);
}

/* Whether the node turns [n, h, w, c] to [n, c, h, w]. */
static bool turns(const struct tp_net_node *nd)
{
    static const int64_t order[4] = { 0, 3, 1, 2 };
    const struct tp_net_attr *perm = tp_net_attr(nd, "perm");
    return !strcmp(nd->op, "Transpose") && perm && perm->kind == TP_ATTR_INTS && perm->n == 4 &&
           !memcmp(perm->ints, order, sizeof order);
}

/* Networks that were Keras's or TensorFlow's take [n, h, w, c], and the first that they do is to
 * turn it. */
static bool has_channels_last(const struct tp_net *net)
{
    int n = 0;
    for (int i = 0; i < net->n_nodes; i++)
        for (int j = 0; j < net->nodes[i].n_inputs; j++) {
            if (net->nodes[i].inputs[j] != net->input) continue;
            if (!turns(&net->nodes[i])) return false;
            n++;
        }
    return n > 0 && net->input >= 0 && net->input_shape.rank == 4;
}

bool tp_model_new_net(struct tp_model **out, struct tp_net *net, const struct tp_limits *limits,
                      struct tp_err *err)
{
    struct tp_model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) {
        tp_net_free(net);
        return tp_fail(err, TP_NO_MEMORY, "out of memory");
    }
    tp_arena_init(&m->arena, SIZE_MAX);
    m->net = net;
    m->name = net->name;
    net->channels_last = has_channels_last(net);
    m->channels_first = net->input_shape.rank == 4 && !net->channels_last;
    m->input = tp_lower_input(net, &net->input_shape);
    if (m->input.rank && m->input.dim[0] == 1) m->input.dim[0] = TP_ANY;
    m->input_name = net->input >= 0 ? net->values[net->input].name : "";
    m->preprocess = tp_preprocess_imagenet(&m->input);
    m->outputs = tp_arena_zalloc(&m->arena, (size_t)net->n_outputs + 1, sizeof *m->outputs);
    bool ok = m->outputs || tp_arena_fail(&m->arena, err);
    for (int i = 0; ok && i < net->n_outputs; i++)
        m->outputs[m->n_outputs++] = net->values[net->outputs[i]].name;
    if (ok && learn(m, limits, err)) *out = m;
    else tp_model_free(m);
    return *out != NULL;
}

/* ---- plans ----------------------------------------------------------------------------------- */

static bool find_wants(const struct tp_model *m, const struct tp_tap *taps, int n_taps,
                       struct tp_lower_want *found, struct tp_want *wants, struct tp_err *err)
{
    for (int i = 0; i < n_taps; i++) {
        const char *layer = taps[i].layer ? taps[i].layer : m->n_outputs ? m->outputs[0] : "";
        if (!tp_model_check_layer(m, layer, err)) return false;
        found[i].value = tp_model_value(m, layer);
        wants[i] = (struct tp_want){ .tap = &taps[i], .name = layer };
    }
    return true;
}

bool tp_model_plan_net(struct tp_plan **out, const struct tp_model *m, const struct tp_shape *input,
                       const struct tp_tap *taps, int n_taps, const struct tp_limits *limits,
                       struct tp_err *err)
{
    *out = NULL;
    if (n_taps < 1) return tp_fail(err, TP_INVALID_ARGUMENT, "layers: none asked for");
    if (!tp_shape_check(input, limits->max_elements, "input", err)) return false;
    if (m->net->input >= 0 && !tp_shape_fits(input, &m->input)) {
        const struct tp_shape given = tp_lower_file_order(m->net, input);
        return tp_fail(err, TP_INVALID_SHAPE, "input has shape %s; model '%s' takes %s",
                       TP_SHAPE(&given), m->name, TP_SHAPE(&m->net->input_shape));
    }
    struct tp_lower_want *found = calloc((size_t)n_taps, sizeof *found);
    struct tp_want *wants = calloc((size_t)n_taps, sizeof *wants);
    struct tp_shape each = *input;
    const int repeat = m->one_by_one && input->rank ? (int)input->dim[0] : 1;
    struct tp_graph *g;
    if (repeat > 1) each.dim[0] = 1;
    const struct tp_shape lowered = tp_lower_file_order(m->net, &each);
    bool ok = (found && wants) || tp_fail(err, TP_NO_MEMORY, "out of memory");
    ok = ok && find_wants(m, taps, n_taps, found, wants, err) &&
         tp_lower(&g, m->net, &lowered, found, n_taps, limits, err);
    for (int i = 0; ok && i < n_taps; i++) {
        wants[i].node = found[i].node;
        wants[i].channels_last = found[i].channels_last;
    }
    ok = ok && tp_plan_build(out, g, true, &each, wants, n_taps, repeat, limits, err);
    free(found);
    free(wants);
    return ok;
}
