/* model.c - models from built-ins, files and folders, and what the library's users see of them. */
#include "formats/model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "formats/builtin.h"
#include "formats/file.h"
#include "formats/pipeline.h"
#include "formats/weights.h"

enum { PATH_BYTES = 4096 };

struct tp_limits tp_limits_default(void)
{
    return (struct tp_limits){
        .max_body_bytes = 64u << 20,
        .max_pixels = 50000000,
        .max_elements = 1 << 28,
        .max_batch = 64,
        .max_layers = 4096,
        .max_workspace_bytes = (size_t)1 << 30,
        .max_operations = (int64_t)1 << 41,      /* 64 images through VGG-16: some 10 s on 2 cores */
        .max_output_bytes = (size_t)256 << 20,
    };
}

bool tp_init(struct tp_err *err) { return tp_kernels_init(err); }

const char *tp_cpu_name(void) { return tp_kernels_get()->name; }

bool tp_model_new(struct tp_model **out, struct tp_graph *graph, struct tp_err *err)
{
    struct tp_model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m) {
        tp_graph_free(graph);
        return tp_fail(err, TP_NO_MEMORY, "out of memory");
    }
    m->graph = graph;
    m->preprocess = tp_preprocess_default(&graph->shapes[0]);
    m->layers = tp_arena_zalloc(&graph->arena, (size_t)graph->n_nodes, sizeof *m->layers);
    if (!m->layers) {
        tp_arena_fail(&graph->arena, err);
        tp_model_free(m);
        return false;
    }
    for (int i = 0; i < graph->n_nodes; i++)
        if (!graph->nodes[i].hidden) m->layers[m->n_layers++] = i;
    *out = m;
    return true;
}

void tp_model_free(struct tp_model *m)
{
    if (!m) return;
    tp_graph_free(m->graph);
    free(m);
}

bool tp_model_parse(struct tp_model **out, const char *json, size_t n_bytes,
                    const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_graph *g;
    *out = NULL;
    return tp_pipeline_parse(&g, json, n_bytes, "pipeline", NULL, limits, err) &&
           tp_model_new(out, g, err);
}

static bool open_builtin(struct tp_model **out, const char *name, const struct tp_buf *pipeline,
                         const struct tp_buf *preprocess, const struct tp_limits *limits,
                         struct tp_err *err)
{
    if (!tp_buf_ok(pipeline, name, err) || !tp_buf_ok(preprocess, name, err) ||
        !tp_model_parse(out, pipeline->data, pipeline->n_bytes, limits, err))
        return false;
    (*out)->builtin = true;
    if (tp_preprocess_parse(&(*out)->preprocess, preprocess->data, preprocess->n_bytes, err))
        return true;
    tp_model_free(*out);
    *out = NULL;
    return false;
}

/* Reads preprocess.json beside the model when there is one. */
static bool read_preprocess(struct tp_model *m, int dir, const char *file, struct tp_err *err)
{
    struct tp_file f;
    struct tp_err local = { 0 };
    if (!tp_file_map(&f, dir, file, &local)) {
        if (local.code == TP_NOT_FOUND) return true;
        *err = local;
        return false;
    }
    bool ok = tp_preprocess_parse(&m->preprocess, f.bytes, f.n_bytes, err) || tp_fail_in(err, "%s", file);
    tp_file_unmap(&f);
    return ok;
}

/* Opens `file` of the folder `dir`. Weights that it names lie beside it. */
static bool open_pipeline(struct tp_model **out, int dir, const char *file, const char *name,
                          const char *preprocess, const struct tp_limits *limits,
                          struct tp_err *err)
{
    struct tp_file f;
    struct tp_graph *g = NULL;
    if (!tp_file_map(&f, dir, file, err)) return false;
    struct tp_weights weights;
    struct tp_weight_source source = tp_weights_init(&weights, dir);
    bool ok = tp_pipeline_parse(&g, f.bytes, f.n_bytes, name, &source, limits, err) ||
              tp_fail_in(err, "%s", file);
    tp_weights_fini(&weights);
    tp_file_unmap(&f);
    if (!ok || !tp_model_new(out, g, err)) return false;
    if (read_preprocess(*out, dir, preprocess, err)) return true;
    tp_model_free(*out);
    *out = NULL;
    return false;
}

/* "a/b/net.json" to its folder, its file and the name "net" ("net" too for net/pipeline.json). */
static void split_path(const char *path, char folder[PATH_BYTES], char file[PATH_BYTES],
                       char name[PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    snprintf(folder, PATH_BYTES, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (slash == path) snprintf(folder, PATH_BYTES, "/");
    snprintf(file, PATH_BYTES, "%s", slash ? slash + 1 : path);
    const char *base = file;
    if (!strcmp(file, "pipeline.json") && slash) {
        const char *parent = strrchr(folder, '/');
        base = parent ? parent + 1 : folder;
        if (!base[strspn(base, ".")]) base = file;               /* ".", ".." and "/" name nothing */
    }
    snprintf(name, PATH_BYTES, "%s", base);
    char *dot = strrchr(name, '.');
    if (dot && dot != name && base == file) *dot = '\0';
}

static bool open_path(struct tp_model **out, const char *path, const struct tp_limits *limits,
                      struct tp_err *err)
{
    char folder[PATH_BYTES], file[PATH_BYTES], name[PATH_BYTES], preprocess[PATH_BYTES + 32];
    struct stat st;
    if (strlen(path) > PATH_BYTES - 32)
        return tp_fail(err, TP_INVALID_ARGUMENT, "the model's path is too long");
    char whole[PATH_BYTES];
    bool is_dir = !stat(path, &st) && S_ISDIR(st.st_mode);
    size_t end = strlen(path);
    while (is_dir && end > 1 && path[end - 1] == '/') end--;     /* "net/" is net */
    snprintf(whole, sizeof whole, "%.*s%s", (int)end, path, is_dir ? "/pipeline.json" : "");
    split_path(whole, folder, file, name);
    if (!strcmp(file, "pipeline.json")) snprintf(preprocess, sizeof preprocess, "preprocess.json");
    else snprintf(preprocess, sizeof preprocess, "%s.preprocess.json", name);

    size_t length = strlen(file);
    if (length < 5 || strcmp(file + length - 5, ".json"))
        return tp_fail(err, TP_UNSUPPORTED_FORMAT, "%s: not a kind of model file that is read here; "
                       "a pipeline's name ends in .json", path);
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return tp_fail(err, TP_NOT_FOUND, "%s: %s", path, strerror(errno));
    bool ok = open_pipeline(out, dir, file, name, preprocess, limits, err);
    close(dir);
    return ok;
}

static bool fail_unknown(const char *name, const char *folder, struct tp_err *err)
{
    char names[128] = "";
    for (int i = 0; tp_builtin_name(i); i++) {
        size_t n = strlen(names);
        snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", tp_builtin_name(i));
    }
    if (folder)
        return tp_fail(err, TP_NOT_FOUND, "no model '%.64s': it is neither built in (%s) nor in %s",
                       name, names, folder);
    return tp_fail(err, TP_NOT_FOUND, "no model '%.64s': built in are %s; a file's path ends in .json",
                   name, names);
}

bool tp_model_open(struct tp_model **out, const char *name, const char *folder,
                   const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_buf pipeline = { 0 }, preprocess = { 0 };
    *out = NULL;
    if (strchr(name, '/') || (strlen(name) > 5 && !strcmp(name + strlen(name) - 5, ".json")))
        return open_path(out, name, limits, err);
    if (folder && name[0] != '.') {                /* a file of that name wins over a built-in */
        static const char *const forms[] = { "%s/%s.json", "%s/%s/pipeline.json" };
        for (int i = 0; i < 2; i++) {
            char path[PATH_BYTES];
            int n = snprintf(path, sizeof path, i ? forms[1] : forms[0], folder, name);
            if (n > 0 && (size_t)n < sizeof path && !access(path, F_OK))
                return open_path(out, path, limits, err);
        }
    }
    bool ok = tp_builtin_text(name, &pipeline, &preprocess)
                  ? open_builtin(out, name, &pipeline, &preprocess, limits, err)
                  : fail_unknown(name, folder, err);
    tp_buf_fini(&pipeline);
    tp_buf_fini(&preprocess);
    return ok;
}

/* ---- folders ----------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && !strcmp(text + n - m, end);
}

/* Whether the folder's entry `file` is a model; fills *e then. */
static bool is_model(int dir, const char *file, struct tp_model_entry *e)
{
    static const struct { const char *inside, *suffix; bool readable; } forms[] = {
        { "pipeline.json", ".json", true }, { "model.onnx", ".onnx", false },
    };
    size_t length = strlen(file);
    if (file[0] == '.' || length >= sizeof e->name || ends_with(file, ".preprocess.json")) return false;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t cut = 0;
        snprintf(e->path, sizeof e->path, "%.240s/%s", file, forms[i].inside);
        if (ends_with(file, forms[i].suffix)) {
            cut = strlen(forms[i].suffix);
            snprintf(e->path, sizeof e->path, "%s", file);
        } else if (length > 240 || faccessat(dir, e->path, F_OK, 0)) {
            continue;
        }
        snprintf(e->name, sizeof e->name, "%.*s", (int)(length - cut), file);
        e->readable = forms[i].readable;
        return true;
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    const struct tp_model_entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->path, y->path);   /* NAME.json before NAME/pipeline.json */
}

bool tp_model_list(struct tp_model_entry **entries, int *n_entries, const char *folder,
                   struct tp_err *err)
{
    struct tp_model_entry *list = NULL, e;
    int n = 0;
    DIR *d = opendir(folder);
    if (!d) return tp_fail(err, TP_NOT_FOUND, "models' folder %s: %s", folder, strerror(errno));
    for (struct dirent *file; (file = readdir(d));) {
        if (!is_model(dirfd(d), file->d_name, &e)) continue;
        struct tp_model_entry *more = realloc(list, ((size_t)n + 1) * sizeof *list);
        if (!more) {
            free(list);
            closedir(d);
            return tp_fail(err, TP_NO_MEMORY, "out of memory");
        }
        list = more;
        list[n++] = e;
    }
    closedir(d);
    if (n) qsort(list, (size_t)n, sizeof *list, by_name);
    *entries = list;
    *n_entries = n;
    return true;
}

/* ---- what is in it ------------------------------------------------------------------------------- */

const char *tp_model_name(const struct tp_model *m) { return m->graph->name; }
struct tp_shape tp_model_input_shape(const struct tp_model *m) { return m->graph->shapes[0]; }
int tp_model_n_layers(const struct tp_model *m) { return m->n_layers; }

/* Multiply-adds of one node for one image, TP_ANY when a size is open. */
static int64_t node_macs(const struct tp_graph *g, int index)
{
    const struct tp_node *nd = &g->nodes[index];
    if (!nd->op->macs) return 0;
    struct tp_shape in = g->shapes[nd->inputs[0]], out = g->shapes[index];
    in.dim[0] = out.dim[0] = 1;
    if (!tp_shape_known(&in) || !tp_shape_known(&out)) return TP_ANY;
    return nd->op->macs(nd, &in, &out);
}

struct tp_layer_info tp_model_layer(const struct tp_model *m, int index)
{
    int node = m->layers[index];
    const struct tp_node *nd = &m->graph->nodes[node];
    struct tp_layer_info info = {
        .name = nd->name, .type = nd->type, .shape = m->graph->shapes[node],
        .n_parameters = nd->n_parameters, .n_macs = node_macs(m->graph, node),
    };
    /* A layer that became several nodes (SeparableConv2D) is counted where its name is. */
    for (int i = node - 1; i > 0 && m->graph->nodes[i].hidden; i--) {
        int64_t macs = node_macs(m->graph, i);
        info.n_parameters += m->graph->nodes[i].n_parameters;
        info.n_macs = info.n_macs < 0 || macs < 0 ? TP_ANY : info.n_macs + macs;
    }
    return info;
}

int64_t tp_model_parameters(const struct tp_model *m)
{
    int64_t sum = 0;
    for (int i = 0; i < m->n_layers; i++) sum += tp_model_layer(m, i).n_parameters;
    return sum;
}

int64_t tp_model_macs(const struct tp_model *m)
{
    int64_t sum = 0;
    for (int i = 0; i < m->n_layers; i++) {
        int64_t macs = tp_model_layer(m, i).n_macs;
        if (macs < 0) return TP_ANY;
        sum += macs;
    }
    return sum;
}

bool tp_model_prepare_image(const struct tp_model *m, struct tp_tensor *out, const void *bytes,
                            size_t n_bytes, const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_arena arena;
    struct tp_tensor t;
    tp_arena_init(&arena, SIZE_MAX);
    bool ok = tp_preprocess_image(&m->preprocess, &t, bytes, n_bytes, limits, 1, NULL, &arena, err);
    if (ok) {
        size_t size = (size_t)tp_shape_elements(&t.shape) * sizeof(float);
        *out = (struct tp_tensor){ .shape = t.shape, .data = malloc(size) };
        ok = out->data != NULL || tp_fail(err, TP_NO_MEMORY, "out of memory");
        if (ok) memcpy(out->data, t.data, size);
    }
    tp_arena_fini(&arena);
    return ok;
}

bool tp_plan_new(struct tp_plan **out, const struct tp_model *m, const struct tp_shape *input,
                 const struct tp_tap *taps, int n_taps, const struct tp_limits *limits,
                 struct tp_err *err)
{
    return tp_plan_make(out, m->graph, input, taps, n_taps, limits, err);
}
