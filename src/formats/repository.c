/* repository.c - the model repository's documents. */
#include "formats/repository.h"

#include <string.h>

#include "formats/json.h"
#include "formats/oip.h"

enum { MAX_TEXT_BYTES = 64 << 10, PARSE_BYTES = 1 << 20 };

/* ---- reading --------------------------------------------------------------------------------- */

struct reading {
    struct tp_json doc;
    struct tp_err *err;
};

/* Reads the object at the key; the fallback where there is none, or null. */
static bool read_bool(struct reading *r, const json_t *object, const char *key, bool *out)
{
    const json_t *v = json_object_get(object, key);
    if (!v || json_is_null(v)) return true;
    *out = json_is_true(v);
    return json_is_boolean(v) ||
           tp_fail(r->err, TP_INVALID_ARGUMENT, "body: %s must be true or false, not %s", key,
                   tp_json_kind(&r->doc, v));
}

static bool read_ready(struct reading *r, void *ready_only)
{
    return read_bool(r, r->doc.root, "ready", ready_only);
}

/* The object "parameters", or NULL. */
static bool find_parameters(struct reading *r, const json_t **parameters)
{
    const json_t *v = json_object_get(r->doc.root, "parameters");
    *parameters = json_is_object(v) ? v : NULL;
    return !v || json_is_object(v) || json_is_null(v) ||
           tp_fail(r->err, TP_INVALID_ARGUMENT, "body: parameters must be an object, not %s",
                   tp_json_kind(&r->doc, v));
}

static bool refuse_contents(struct reading *r, void *unused)
{
    const json_t *parameters;
    const char *key;
    json_t *value;
    (void)unused;
    if (!find_parameters(r, &parameters)) return false;
    json_object_foreach((json_t *)parameters, key, value)
        if (!strcmp(key, "config") || !strncmp(key, "file:", strlen("file:")))
            return tp_fail(r->err, TP_INVALID_ARGUMENT, "body: parameters: '%.48s' cannot be sent: "
                           "models come from the folder of --models; put the model's file there, "
                           "then load it without that parameter", key);
    return true;
}

static bool check_dependents(struct reading *r, void *dependents)
{
    const json_t *parameters;
    return find_parameters(r, &parameters) &&
           read_bool(r, parameters, "unload_dependents", dependents);
}

/* The document is an object of this one key. */
static bool check_root(struct reading *r, const char *known)
{
    const char *key;
    json_t *value;
    if (!json_is_object(r->doc.root))
        return tp_fail(r->err, TP_INVALID_JSON, "body: expected nothing or an object {\"%s\": "
                       "...}, got %s", known, tp_json_kind(&r->doc, r->doc.root));
    json_object_foreach(r->doc.root, key, value)
        if (strcmp(key, known))
            return tp_fail(r->err, TP_INVALID_ARGUMENT,
                           "body: unknown field '%.48s'; this request has %s alone", key, known);
    return true;
}

/* Reads a document whose only key is `known` by read(r, out). */
static bool read_body(const char *text, size_t n_bytes, const char *known,
                      bool (*read)(struct reading *r, void *out), void *out, struct tp_err *err)
{
    struct reading r = { .err = err };
    struct tp_arena arena;
    if (n_bytes == 0) return true;
    if (n_bytes > MAX_TEXT_BYTES)
        return tp_fail(err, TP_TOO_LARGE, "body: %zu bytes; of this request at most %d are read",
                       n_bytes, MAX_TEXT_BYTES);
    tp_arena_init(&arena, PARSE_BYTES);
    bool ok = tp_json_parse(&r.doc, text, n_bytes, &arena, "body", 1, err);
    if (ok) {
        ok = check_root(&r, known) && read(&r, out);
        tp_json_fini(&r.doc);
    }
    tp_arena_fini(&arena);
    return ok;
}

bool tp_repository_read_index(const char *text, size_t n_bytes, bool *ready_only,
                              struct tp_err *err)
{
    *ready_only = false;
    return read_body(text, n_bytes, "ready", read_ready, ready_only, err);
}

bool tp_repository_read_load(const char *text, size_t n_bytes, struct tp_err *err)
{
    return read_body(text, n_bytes, "parameters", refuse_contents, NULL, err);
}

bool tp_repository_read_unload(const char *text, size_t n_bytes, struct tp_err *err)
{
    bool dependents;
    return read_body(text, n_bytes, "parameters", check_dependents, &dependents, err);
}

/* ---- writing --------------------------------------------------------------------------------- */

void tp_repository_write_line(struct tp_buf *b, const struct tp_index_line *line)
{
    static const char *const states[] = {
        [TP_MODEL_READY] = "READY", [TP_MODEL_LOADING] = "LOADING",
        [TP_MODEL_UNLOADING] = "UNLOADING", [TP_MODEL_UNAVAILABLE] = "UNAVAILABLE",
    };
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, line->name);
    tp_buf_printf(b, ",\"version\":\"" TP_MODEL_VERSION "\",\"state\":\"%s\",\"reason\":",
                  states[line->state]);
    tp_json_quote(b, line->reason);
    tp_buf_text(b, "}");
}

/* "<before><n>"; what int64 cannot hold is its largest. */
static void write_count(struct tp_buf *b, const char *before, uint64_t n)
{
    tp_buf_text(b, before);
    tp_buf_int(b, n > INT64_MAX ? INT64_MAX : (int64_t)n);
}

static void write_duration(struct tp_buf *b, const char *before, struct tp_duration d)
{
    tp_buf_text(b, before);
    write_count(b, "\":{\"count\":", d.count);
    write_count(b, ",\"ns\":", d.ns);
    tp_buf_text(b, "}");
}

static void write_durations(struct tp_buf *b, const struct tp_figures *f)
{
    const struct tp_duration none = { 0, 0 };
    write_duration(b, ",\"inference_stats\":{\"success", f->success);
    write_duration(b, ",\"fail", f->fail);
    write_duration(b, ",\"queue", f->queue);
    write_duration(b, ",\"compute_input", f->input);
    write_duration(b, ",\"compute_infer", f->infer);
    write_duration(b, ",\"compute_output", f->output);
    write_duration(b, ",\"cache_hit", none);       /* there is no cache of answers */
    write_duration(b, ",\"cache_miss", none);
    tp_buf_text(b, "}");
}

static void write_batch(struct tp_buf *b, const struct tp_batch_figures *f)
{
    write_count(b, "{\"batch_size\":", (uint64_t)f->size);
    write_duration(b, ",\"compute_input", f->input);
    write_duration(b, ",\"compute_infer", f->infer);
    write_duration(b, ",\"compute_output", f->output);
    tp_buf_text(b, "}");
}

void tp_repository_write_figures(struct tp_buf *b, const char *name, const struct tp_figures *f,
                                 size_t n_bytes)
{
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, name);
    write_count(b, ",\"version\":\"" TP_MODEL_VERSION "\",\"last_inference\":",
                (uint64_t)f->last_ms);
    write_count(b, ",\"inference_count\":", f->n_images);
    write_count(b, ",\"execution_count\":", f->n_requests);
    write_durations(b, f);
    tp_buf_text(b, ",\"response_stats\":{},\"batch_stats\":[");
    for (int i = 0; i < f->n_batches; i++) {
        if (i) tp_buf_text(b, ",");
        write_batch(b, &f->batches[i]);
    }
    tp_buf_text(b, "],\"memory_usage\":[");
    if (n_bytes) write_count(b, "{\"type\":\"CPU\",\"id\":0,\"byte_size\":", n_bytes);
    tp_buf_text(b, n_bytes ? "}]}" : "]}");
}
