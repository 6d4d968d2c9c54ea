/* model_open.c - models from built-ins, texts, files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "formats/builtin.h"
#include "formats/file.h"
#include "formats/labels.h"
#include "formats/onnx.h"
#include "formats/pipeline.h"
#include "formats/weights.h"

enum { PATH_BYTES = 4096 };

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

/* Where a model lies: NAME.onnx and NAME.json with NAME.preprocess.json and NAME.labels.txt beside
 * them, or a folder NAME holding model.onnx or pipeline.json, preprocess.json and labels.txt. */
struct place {
    char folder[PATH_BYTES], file[PATH_BYTES], name[PATH_BYTES];
    char preprocess[PATH_BYTES + 32], labels[PATH_BYTES + 32];
    bool onnx;
};

/* Reads a file beside the model, when it is there. */
static bool read_beside(struct tp_model *m, int dir, const char *file,
                        bool (*read)(struct tp_model *m, const struct tp_file *f,
                                     struct tp_err *err),
                        struct tp_err *err)
{
    struct tp_file f;
    struct tp_err local = { 0 };
    if (!tp_file_map(&f, dir, file, &local)) {
        if (local.code == TP_NOT_FOUND) return true;
        *err = local;
        return false;
    }
    bool ok = read(m, &f, err) || tp_fail_in(err, "%s", file);
    ok = tp_file_is_whole(&f, file, err) && ok;
    tp_file_unmap(&f);
    return ok;
}

static bool read_preprocess(struct tp_model *m, const struct tp_file *f, struct tp_err *err)
{
    return tp_preprocess_parse(&m->preprocess, f->bytes, f->n_bytes, err);
}

static bool read_labels(struct tp_model *m, const struct tp_file *f, struct tp_err *err)
{
    return tp_labels_parse(m, f->bytes, f->n_bytes, err);
}

/* A pipeline, whose weights may lie in files beside it. */
static bool read_pipeline(struct tp_model **out, int dir, const struct tp_file *f,
                          const struct place *p, const struct tp_limits *limits,
                          struct tp_err *err)
{
    struct tp_graph *g = NULL;
    struct tp_weights weights;
    struct tp_weight_source source = tp_weights_init(&weights, dir);
    bool ok = tp_pipeline_parse(&g, f->bytes, f->n_bytes, p->name, &source, limits, err);
    const bool whole = tp_weights_are_whole(&weights, err);
    tp_weights_fini(&weights);
    ok = ok && tp_model_new(out, g, err);
    return whole && ok;
}

/* A network; once the model is made, neither the file nor its external data are needed. */
static bool read_onnx(struct tp_model **out, int dir, const struct tp_file *f,
                      const struct place *p, const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_onnx_files files = { 0 };
    struct tp_net *net;
    bool ok = tp_onnx_parse(&net, f->bytes, f->n_bytes, p->name, dir, &files, limits, err);
    if (ok && net->input < 0) {
        tp_net_free(net);
        ok = tp_fail(err, TP_INVALID_MODEL, "the network has no input; those with one are served");
    }
    ok = ok && tp_model_new_net(out, net, limits, err);
    ok = tp_onnx_is_whole(&files, err) && ok;
    tp_onnx_close(&files);
    return ok;
}

/* Opens the model of *p, whose folder is open as `dir`. */
static bool open_place(struct tp_model **out, int dir, const struct place *p,
                       const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_file f;
    if (!tp_file_map(&f, dir, p->file, err)) return false;
    bool ok = (p->onnx ? read_onnx : read_pipeline)(out, dir, &f, p, limits, err) ||
              tp_fail_in(err, "%s", p->file);
    ok = tp_file_is_whole(&f, p->file, err) && ok;
    tp_file_unmap(&f);
    if (ok && read_beside(*out, dir, p->preprocess, read_preprocess, err) &&
        read_beside(*out, dir, p->labels, read_labels, err)) return true;
    tp_model_free(*out);
    *out = NULL;
    return false;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && !strcmp(text + n - m, end);
}

/* "a/b/net.json" to its folder, its file and the name "net" ("net" too for net/pipeline.json). */
static void split_path(const char *path, struct place *p)
{
    const char *slash = strrchr(path, '/');
    snprintf(p->folder, PATH_BYTES, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (slash == path) snprintf(p->folder, PATH_BYTES, "/");
    snprintf(p->file, PATH_BYTES, "%s", slash ? slash + 1 : path);
    const char *base = p->file;
    const bool own = !strcmp(p->file, "pipeline.json") || !strcmp(p->file, "model.onnx");
    if (own && slash) {
        const char *parent = strrchr(p->folder, '/');
        base = parent ? parent + 1 : p->folder;
        if (!base[strspn(base, ".")]) base = p->file;    /* ".", ".." and "/" name nothing */
    }
    snprintf(p->name, PATH_BYTES, "%s", base);
    char *dot = strrchr(p->name, '.');
    if (dot && dot != p->name && base == p->file) *dot = '\0';
    snprintf(p->preprocess, sizeof p->preprocess, own ? "preprocess.json" : "%s.preprocess.json",
             p->name);
    snprintf(p->labels, sizeof p->labels, own ? "labels.txt" : "%s.labels.txt", p->name);
    p->onnx = ends_with(p->file, ".onnx");
}

/* By stat(): access() is no call that the service's sandbox leaves. */
static bool is_there(const char *path)
{
    struct stat st;
    return !stat(path, &st);
}

static bool open_path(struct tp_model **out, const char *path, const struct tp_limits *limits,
                      struct tp_err *err)
{
    struct place p;
    struct stat st;
    char whole[PATH_BYTES];
    if (strlen(path) > PATH_BYTES - 32)
        return tp_fail(err, TP_INVALID_ARGUMENT, "the model's path is too long");
    bool is_dir = !stat(path, &st) && S_ISDIR(st.st_mode);
    size_t end = strlen(path);
    while (is_dir && end > 1 && path[end - 1] == '/') end--;     /* "net/" is net */
    snprintf(whole, sizeof whole, "%.*s%s", (int)end, path, is_dir ? "/model.onnx" : "");
    if (is_dir && !is_there(whole))
        snprintf(whole, sizeof whole, "%.*s/pipeline.json", (int)end, path);
    if (is_dir && !is_there(whole))
        return tp_fail(err, TP_NOT_FOUND, "%s: holds neither model.onnx nor pipeline.json: %s",
                       path, strerror(errno));
    split_path(whole, &p);
    if (!p.onnx && !ends_with(p.file, ".json"))
        return tp_fail(err, TP_UNSUPPORTED_FORMAT,
                       "%s: not a kind of model file that is read here; the name of a network ends "
                       "in .onnx, that of a pipeline in .json", path);
    int dir = open(p.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return tp_fail(err, TP_NOT_FOUND, "%s: %s", path, strerror(errno));
    bool ok = open_place(out, dir, &p, limits, err);
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
    return tp_fail(err, TP_NOT_FOUND,
                   "no model '%.64s': built in are %s; a file's path ends in .onnx or .json", name,
                   names);
}

bool tp_model_open(struct tp_model **out, const char *name, const char *folder,
                   const struct tp_limits *limits, struct tp_err *err)
{
    struct tp_buf pipeline = { 0 }, preprocess = { 0 };
    *out = NULL;
    if (strchr(name, '/') || ends_with(name, ".json") || ends_with(name, ".onnx"))
        return open_path(out, name, limits, err);
    if (folder && name[0] != '.') {                /* a file of that name wins over a built-in */
        static const char *const forms[] = { ".json", ".onnx", "/model.onnx", "/pipeline.json" };
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
            char path[PATH_BYTES];
            int n = snprintf(path, sizeof path, "%s/%s%s", folder, name, forms[i]);
            if (n > 0 && (size_t)n < sizeof path && is_there(path))
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
