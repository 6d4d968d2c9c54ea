/* fuzz_image.c - libFuzzer entry over image files and what is made of them. The first byte chooses
 * the preprocessing; the rest is the file. Build (clang):
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -fopenmp -D_GNU_SOURCE -Iinclude -Isrc \
 *         tests/fuzz/fuzz_image.c <libtidepool's sources> -ljansson -ljpeg -lspng -lwebp -lm
 *   ./a.out -max_len=8192 corpus tests/data/images */
#include "formats/preprocess.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const struct tp_limits limits = { .max_pixels = 1 << 18, .max_elements = 1 << 18 };
    struct tp_preprocess p = { .filter = TP_RESAMPLE_BILINEAR, .scale = 1, .std = { 1, 1, 1 } };
    struct tp_err err = { 0 };
    struct tp_arena arena;
    struct tp_tensor t;
    if (!n_bytes) return 0;
    p.mode = (enum tp_resize_mode)(data[0] & 3);
    p.color = (enum tp_color)((data[0] >> 2 & 3) % 3);
    p.filter = (enum tp_resample_filter)((data[0] >> 4 & 3) % 3);
    p.antialias = data[0] & 64;
    p.exact_decode = data[0] & 128;
    p.size[0] = 24;
    p.size[1] = 17;
    if (p.mode != TP_RESIZE_LETTERBOX) p.crop[0] = p.crop[1] = 20;
    tp_arena_init(&arena, 32 << 20);
    bool ok = tp_preprocess_image(&p, &t, data + 1, n_bytes - 1, &limits, 1, NULL, &arena, &err);
    if (ok != (err.code == TP_OK) || (!ok && !err.message[0])) abort();
    for (int64_t i = 0; ok && i < tp_shape_elements(&t.shape); i++)
        if (!(t.data[i] >= 0 && t.data[i] <= 255)) abort();
    tp_arena_fini(&arena);
    return 0;
}
