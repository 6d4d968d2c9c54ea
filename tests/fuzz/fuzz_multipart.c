/* fuzz_multipart.c - libFuzzer entry: the first line is the Content-Type, the rest the body. Built
 * like fuzz_json.c, from src/formats/multipart.c, base64.c (parts are decoded as base64 too) and
 * src/base. */
#include <stdlib.h>
#include <string.h>

#include "formats/base64.h"
#include "formats/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    if (!newline) return 0;
    struct tp_arena arena;
    struct tp_err err = { 0 };
    struct tp_part *parts;
    int n_parts;
    tp_arena_init(&arena, 16 << 20);
    const char *type = tp_arena_strndup(&arena, (const char *)data, (size_t)(newline - data));
    const uint8_t *body = newline + 1, *end = data + size;
    if (tp_multipart_parse(&parts, &n_parts, type, body, (size_t)(end - body), 16, &arena, &err)) {
        for (int i = 0; i < n_parts; i++) {
            const uint8_t *bytes;
            size_t n;
            struct tp_err ignored = { 0 };
            if (parts[i].data < body || parts[i].data + parts[i].n_bytes > end || !parts[i].name)
                abort();
            if (tp_base64_decode(&bytes, &n, (const char *)parts[i].data, parts[i].n_bytes, "part",
                                 &arena, &ignored) &&
                n > parts[i].n_bytes)
                abort();
        }
    } else if (err.code == TP_OK) {
        abort();
    }
    tp_arena_fini(&arena);
    return 0;
}
