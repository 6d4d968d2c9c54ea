/* fuzz_safetensors.c - libFuzzer entry: any bytes as a safetensors file. The first 8 bytes are set
 * to a length that fits, most of the time. Built like fuzz_json.c, with src/formats/safetensors.c.
 */
#include <stdlib.h>
#include <string.h>

#include "formats/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "a", "b", "w", "conv.kernel" };
    struct tp_safetensors *st;
    struct tp_arena arena;
    struct tp_err err = { 0 };
    uint8_t *copy = malloc(size ? size : 1);
    if (size) memcpy(copy, data, size);
    if (size > 8 && copy[7] != 0xFF) {
        const uint8_t *header_end = memchr(copy + 8, '\0', size - 8);
        uint64_t n = header_end ? (uint64_t)(header_end - copy) - 8 : size - 8;
        memcpy(copy, &n, sizeof n);
    }
    tp_arena_init(&arena, 64 << 20);
    if (tp_safetensors_parse(&st, copy, size, &arena, &err)) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            struct tp_tensor t;
            struct tp_err missing = { 0 };
            if (tp_safetensors_read(st, names[i], &t, &arena, &missing) &&
                tp_shape_elements(&t.shape) > (int64_t)size) abort();
        }
    } else if (err.code == TP_OK) {
        abort();
    }
    tp_arena_fini(&arena);
    free(copy);
    return 0;
}
