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
#include "formats/model.h"
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
    bool ok =
        tp_preprocess_parse(&m->preprocess, f.bytes, f.n_bytes, err) || tp_fail_in(err, "%s", file);
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
        if (!base[strspn(base, ".")]) base = file;   /* ".", ".." and "/" name nothing */
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
        return tp_fail(err, TP_UNSUPPORTED_FORMAT,
                       "%s: not a kind of model file that is read here; "
                       "a pipeline's name ends in .json",
                       path);
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
    return tp_fail(err, TP_NOT_FOUND,
                   "no model '%.64s': built in are %s; a file's path ends in .json", name, names);
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
