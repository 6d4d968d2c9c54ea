/* image_files.h - what the tests of image formats share: reading tests/data/images/, checksums,
 * decoding that must or must not succeed, and files damaged in every way. */
#ifndef IMAGE_FILES_H
#define IMAGE_FILES_H

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/image.h"

#define IMAGES "tests/data/images/"

struct file { uint8_t *bytes; size_t n; };

static inline struct file file_read(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, IMAGES "%s", name);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s: cannot be opened (tests run from the project root)", path);
    fseek(f, 0, SEEK_END);
    struct file out = { NULL, (size_t)ftell(f) };
    rewind(f);
    out.bytes = malloc(out.n + 1);
    assert_non_null(out.bytes);
    assert_int_equal(fread(out.bytes, 1, out.n, f), out.n);
    out.bytes[out.n] = 0;            /* text files are read as strings */
    fclose(f);
    return out;
}

/* A copy whose end is the end of mapped memory. Release with guarded_free(). */
static inline uint8_t *guarded_copy(const uint8_t *bytes, size_t n)
{
    uint8_t *p = guarded(n);
    if (n) memcpy(p, bytes, n);
    return p;
}

static inline uint64_t fnv(const uint8_t *p, size_t n)       /* FNV-1a, 64 bits */
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001B3u;
    return h;
}

static inline uint64_t image_fnv(const struct tp_image *im)
{
    return fnv(im->pixels, (size_t)im->width * (size_t)im->height * (size_t)im->channels);
}

enum { TEST_MAX_PIXELS = 1 << 20 };

/* Decodes from memory that ends at a guard page; `arena` is initialised here. */
static inline bool try_decode(struct tp_image *im, const uint8_t *bytes, size_t n, bool gray,
                              int least_side, int full[2], struct tp_arena *arena,
                              struct tp_err *err)
{
    struct tp_image_options options = { gray, least_side, TEST_MAX_PIXELS };
    uint8_t *copy = guarded_copy(bytes, n);
    tp_arena_init(arena, 64 << 20);
    *err = (struct tp_err){ 0 };
    bool ok = tp_image_decode(im, copy, n, &options, full, arena, err);
    guarded_free(copy);
    return ok;
}

static inline struct tp_image must_decode(const char *name, bool gray, int least_side, int full[2],
                                          struct tp_arena *arena)
{
    struct file f = file_read(name);
    struct tp_image im;
    struct tp_err err;
    if (!try_decode(&im, f.bytes, f.n, gray, least_side, full, arena, &err))
        fail_msg("%s: %s", name, err.message);
    free(f.bytes);
    return im;
}

/* The bytes are refused with this code and a message that holds `part`. */
static inline void must_refuse(const char *what, const uint8_t *bytes, size_t n, enum tp_code code,
                               const char *part)
{
    struct tp_arena arena;
    struct tp_image im;
    struct tp_err err;
    if (try_decode(&im, bytes, n, false, 0, NULL, &arena, &err)) fail_msg("%s: was decoded", what);
    if (err.code != code || !strstr(err.message, part))
        fail_msg("%s: got %s \"%s\"; wanted %s and \"%s\"", what, tp_code_name(err.code),
                 err.message, tp_code_name(code), part);
    tp_arena_fini(&arena);
}

static inline void must_refuse_file(const char *name, enum tp_code code, const char *part)
{
    struct file f = file_read(name);
    must_refuse(name, f.bytes, f.n, code, part);
    free(f.bytes);
}

/* Every prefix, but for those that lack at most the last `spare` bytes, is refused as an image
 * that is broken or not one. */
static inline void must_refuse_prefixes(const char *name, size_t spare)
{
    struct file f = file_read(name);
    struct tp_arena arena;
    struct tp_image im;
    struct tp_err err;
    for (size_t n = 0; n < f.n - spare; n++) {
        if (try_decode(&im, f.bytes, n, false, 0, NULL, &arena, &err))
            fail_msg("%s: its first %zu of %zu bytes were decoded", name, n, f.n);
        if (err.code != TP_INVALID_IMAGE && err.code != TP_UNSUPPORTED_FORMAT)
            fail_msg("%s: its first %zu bytes: %s", name, n, err.message);
        assert_true(strlen(err.message) > 0);
        tp_arena_fini(&arena);
    }
    free(f.bytes);
}

/* Flips bytes at random, `rounds` times: each result is an image or an error with a message. */
static inline void must_survive_flips(const char *name, int rounds, uint32_t seed)
{
    struct file f = file_read(name);
    uint8_t *bytes = malloc(f.n);
    struct tp_arena arena;
    struct tp_image im;
    struct tp_err err;
    assert_non_null(bytes);
    for (int i = 0; i < rounds; i++) {
        memcpy(bytes, f.bytes, f.n);
        for (int k = 0; k <= i % 4; k++)
            bytes[next_random(&seed) % f.n] ^= (uint8_t)(1u << (next_random(&seed) >> 8) % 8);
        bool ok = try_decode(&im, bytes, f.n, i & 1, i & 2 ? 4 : 0, NULL, &arena, &err);
        if (ok != (err.code == TP_OK) || (!ok && !err.message[0]))
            fail_msg("%s: round %d ends in neither an image nor a message", name, i);
        tp_arena_fini(&arena);
    }
    free(bytes);
    free(f.bytes);
}

/* A decoded file against NAME.png, which holds what PIL made of it: RGB within `tolerance`, gray as
 * the luma of the RGB to the bit. */
static inline void must_equal_twin(const char *name, int tolerance)
{
    struct tp_arena a, b, c;
    char twin[128];
    snprintf(twin, sizeof twin, "%s.png", name);
    struct tp_image got = must_decode(name, false, 0, NULL, &a);
    struct tp_image want = must_decode(twin, false, 0, NULL, &b);
    struct tp_image gray = must_decode(name, true, 0, NULL, &c);
    assert_int_equal(got.width, want.width);
    assert_int_equal(got.height, want.height);
    assert_int_equal(got.channels, 3);
    assert_int_equal(gray.channels, 1);
    for (int i = 0; i < got.width * got.height * 3; i++)
        if (abs(got.pixels[i] - want.pixels[i]) > tolerance)
            fail_msg("%s: byte %d is %d, PIL's is %d", name, i, got.pixels[i], want.pixels[i]);
    for (int i = 0; i < got.width * got.height; i++) {
        const uint8_t *p = got.pixels + 3 * i;
        assert_int_equal(gray.pixels[i],
                         (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16);
    }
    tp_arena_fini(&a);
    tp_arena_fini(&b);
    tp_arena_fini(&c);
}

/* The files of expected.txt whose names end in `suffix`, RGB and gray, to the bit. Returns how
 * many. */
static inline int must_equal_expected(const char *suffix)
{
    struct file list = file_read("expected.txt");
    int n = 0;
    for (char *line = strtok((char *)list.bytes, "\n"); line; line = strtok(NULL, "\n")) {
        char name[64];
        int width, height, full[2];
        unsigned long long hash[2];
        assert_int_equal(sscanf(line, "%63s %d %d %llx %llx", name, &width, &height, &hash[0],
                                &hash[1]), 5);
        if (strcmp(name + strlen(name) - strlen(suffix), suffix)) continue;
        for (int gray = 0; gray < 2; gray++) {
            struct tp_arena arena;
            struct tp_image im = must_decode(name, gray, 0, full, &arena);
            if (im.width != width || im.height != height || full[0] != width || full[1] != height)
                fail_msg("%s: %dx%d (full %dx%d), wanted %dx%d", name, im.width, im.height, full[0],
                         full[1], width, height);
            assert_int_equal(im.channels, gray ? 1 : 3);
            if (image_fnv(&im) != hash[gray]) fail_msg("%s: other %s pixels than PIL's", name,
                                                       gray ? "gray" : "RGB");
            tp_arena_fini(&arena);
        }
        n++;
    }
    free(list.bytes);
    return n;
}

#endif
