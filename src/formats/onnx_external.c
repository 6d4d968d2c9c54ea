/* onnx_external.c - ONNX's external data: tensors' contents in files of their own. */
#include "formats/onnx_external.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "formats/file.h"

struct tp_onnx_file {
    struct tp_onnx_file *next;
    struct tp_file map;
    char path[];
};

static bool find_file(const struct tp_file **out, struct tp_onnx_files *files, int dir_fd,
                      const char *path, struct tp_err *err)
{
    struct tp_err why = { 0 };
    for (const struct tp_onnx_file *f = files->first; f; f = f->next) {
        *out = &f->map;
        if (!strcmp(f->path, path)) return true;
    }
    const size_t n = strlen(path) + 1;
    struct tp_onnx_file *f = calloc(1, sizeof *f + n);
    if (!f) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    memcpy(f->path, path, n);
    if (!tp_file_map_beneath(&f->map, dir_fd, path, &why)) {
        free(f);
        return tp_fail(err, TP_INVALID_MODEL, "external data %s", why.message);
    }
    f->next = files->first;
    files->first = f;
    *out = &f->map;
    return true;
}

/* "4096" to 4096; NULL is `otherwise`. */
static bool read_number(const char *text, uint64_t otherwise, const char *what, uint64_t *out,
                        struct tp_err *err)
{
    *out = text ? 0 : otherwise;
    bool ok = !text || *text;
    for (const char *p = text; p && *p && ok; p++)
        ok = *p >= '0' && *p <= '9' && !__builtin_mul_overflow(*out, (uint64_t)10, out) &&
             !__builtin_add_overflow(*out, (uint64_t)(*p - '0'), out);
    return ok || tp_fail(err, TP_INVALID_MODEL, "external data: %s '%.40s' is not a number", what,
                         text);
}

bool tp_onnx_external_find(const void **out, struct tp_onnx_files *files, int dir_fd,
                           const struct tp_onnx_external *external, uint64_t n_bytes,
                           struct tp_err *err)
{
    const struct tp_file *f;
    uint64_t offset, length, end;
    if (!external->location)
        return tp_fail(err, TP_INVALID_MODEL, "external data without a location");
    if (!read_number(external->offset, 0, "offset", &offset, err) ||
        !read_number(external->length, n_bytes, "length", &length, err)) return false;
    if (length != n_bytes)
        return tp_fail(err, TP_INVALID_MODEL, "external data '%.100s' of %" PRIu64 " bytes; %"
                       PRIu64 " are needed", external->location, length, n_bytes);
    if (dir_fd < 0)
        return tp_fail(err, TP_INVALID_MODEL, "external data '%.100s' cannot be read here",
                       external->location);
    if (!find_file(&f, files, dir_fd, external->location, err)) return false;
    if (__builtin_add_overflow(offset, length, &end) || end > f->n_bytes)
        return tp_fail(err, TP_INVALID_MODEL, "external data '%.100s' has %zu bytes; %" PRIu64
                       " at offset %" PRIu64 " are needed (is the file truncated?)",
                       external->location, f->n_bytes, length, offset);
    *out = f->bytes ? (const char *)f->bytes + offset : "";
    return true;
}

bool tp_onnx_is_whole(const struct tp_onnx_files *files, struct tp_err *err)
{
    for (const struct tp_onnx_file *f = files->first; f; f = f->next)
        if (!tp_file_is_whole(&f->map, f->path, err)) return false;
    return true;
}

void tp_onnx_close(struct tp_onnx_files *files)
{
    while (files->first) {
        struct tp_onnx_file *f = files->first;
        files->first = f->next;
        tp_file_unmap(&f->map);
        free(f);
    }
}
