/* test_resample.c - resizing: PIL's to the bit, PyTorch's without antialiasing within a level. */
#include "image_files.h"

#include <math.h>

#include "ops/parallel.h"
#include "ops/resample.h"

static const char *const filters[] = { "nearest", "bilinear", "bicubic" };

/* The source of resample.txt, ending at a guard page. */
static uint8_t *random_source(size_t n)
{
    uint8_t *p = guarded(n);
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(next_random(&state) >> 8);
    return p;
}

/* Resizes into memory that ends at a guard page: out is the caller's to guarded_free(). */
static uint8_t *resize_span(const uint8_t *in, int in_h, int in_w, int channels, int out_h,
                            int out_w, double span_h, double span_w, enum tp_resample_filter filter,
                            bool antialias, int n_threads)
{
    uint8_t *out = guarded((size_t)out_h * (size_t)out_w * (size_t)channels);
    struct tp_resample_part all = { 0, 0, out_h, out_w, span_h, span_w };
    struct tp_arena arena;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, 16 << 20);
    if (!tp_resample_part(out, &all, out_h, out_w, in, in_h, in_w, channels, filter, antialias,
                          n_threads, &arena, &err))
        fail_msg("%s", err.message);
    tp_arena_fini(&arena);
    return out;
}

static uint8_t *resize(const uint8_t *in, int in_h, int in_w, int channels, int out_h, int out_w,
                       enum tp_resample_filter filter, bool antialias)
{
    return resize_span(in, in_h, in_w, channels, out_h, out_w, 0, 0, filter, antialias, 1);
}

struct size_case { int in_h, in_w, channels, out_h, out_w; enum tp_resample_filter filter;
                   double span_h, span_w; unsigned long long hash; };

static int read_cases(struct size_case *cases, int max)
{
    struct file list = file_read("resample.txt");
    int n = 0;
    for (char *line = strtok((char *)list.bytes, "\n"); line; line = strtok(NULL, "\n")) {
        struct size_case *c = &cases[n++];
        char name[16];
        assert_true(n <= max);
        assert_int_equal(sscanf(line, "%d %d %d %d %d %15s %lf %lf %llx", &c->in_h, &c->in_w,
                                &c->channels, &c->out_h, &c->out_w, name, &c->span_h, &c->span_w,
                                &c->hash), 9);
        for (int f = 0; f < 3; f++)
            if (!strcmp(name, filters[f])) c->filter = (enum tp_resample_filter)f;
    }
    free(list.bytes);
    return n;
}

static void check_case(const struct size_case *c, int n_threads)
{
    size_t in_bytes = (size_t)c->in_h * (size_t)c->in_w * (size_t)c->channels;
    size_t out_bytes = (size_t)c->out_h * (size_t)c->out_w * (size_t)c->channels;
    uint8_t *in = random_source(in_bytes);
    uint8_t *out = resize_span(in, c->in_h, c->in_w, c->channels, c->out_h, c->out_w, c->span_h,
                               c->span_w, c->filter, true, n_threads);
    if (fnv(out, out_bytes) != c->hash)
        fail_msg("%dx%dx%d (%gx%g of it) to %dx%d %s, %d threads, %s: not what PIL gives", c->in_h,
                 c->in_w, c->channels, c->span_h, c->span_w, c->out_h, c->out_w, filters[c->filter],
                 n_threads, tp_kernels_get()->name);
    guarded_free(out);
    guarded_free(in);
}

static void results_are_pils_to_the_bit_on_every_table_and_number_of_threads(void **state)
{
    (void)state;
    struct size_case cases[256];
    int n = read_cases(cases, 256);
    assert_int_equal(n, 162);
    tp_parallel_set_grain(1);
    for (int table = 0; tp_kernels_list(table); table++) {
        tp_kernels_use(tp_kernels_list(table));
        for (int i = 0; i < n; i++)
            for (int threads = 1; threads <= (i % 8 ? 1 : 3); threads++)
                check_case(&cases[i], threads);
    }
    tp_parallel_set_grain(1 << 18);
}

/* ---- without antialiasing: PyTorch's definition, naive, in double ---------------------------- */

static double cubic_weight(double x)         /* a = -0.75 */
{
    x = fabs(x);
    if (x <= 1) return 1.25 * x * x * x - 2.25 * x * x + 1;
    return -0.75 * x * x * x + 3.75 * x * x - 6 * x + 3;
}

static double tap_weight(bool cubic, double distance)
{
    return cubic ? cubic_weight(distance) : 1 - fabs(distance);
}

static double interpolate(const uint8_t *in, int h, int w, int channels, int out_h, int out_w,
                          int y, int x, int c, bool cubic)
{
    double sy = (y + 0.5) * h / out_h - 0.5, sx = (x + 0.5) * w / out_w - 0.5, sum = 0;
    if (!cubic && sy < 0) sy = 0;
    if (!cubic && sx < 0) sx = 0;
    int y0 = (int)floor(sy) - cubic, x0 = (int)floor(sx) - cubic, n = cubic ? 4 : 2;
    for (int i = y0; i < y0 + n; i++)
        for (int j = x0; j < x0 + n; j++) {
            int r = i < 0 ? 0 : i > h - 1 ? h - 1 : i, q = j < 0 ? 0 : j > w - 1 ? w - 1 : j;
            sum += in[(r * w + q) * channels + c] * tap_weight(cubic, i - sy) *
                   tap_weight(cubic, j - sx);
        }
    return fmin(255, fmax(0, sum));
}

/* The 8-bit intermediate rounds (half a level) and clips; a cubic's negative taps stretch that,
 * so it is held to 1.3 on smooth data, which does not clip. */
static void without_antialiasing_taps_are_pytorchs(void **state)
{
    (void)state;
    static const int sizes[][4] = { { 1, 1, 4, 6 }, { 2, 3, 9, 7 }, { 16, 20, 5, 7 },
                                    { 9, 9, 9, 4 }, { 30, 41, 100, 13 }, { 47, 31, 8, 90 } };
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 4; k++) {
            bool cubic = k & 1;
            int h = sizes[i][0], w = sizes[i][1], oh = sizes[i][2], ow = sizes[i][3];
            int c = k & 2 ? 3 : 1;
            uint8_t *in = guarded((size_t)(h * w * c));
            for (int j = 0; j < h * w * c; j++)
                in[j] = (uint8_t)(128 + 60 * sin(j / c % w * 0.9 + j % c) * cos(j / c / w * 0.7));
            uint8_t *out = resize(in, h, w, c, oh, ow,
                                  cubic ? TP_RESAMPLE_BICUBIC : TP_RESAMPLE_BILINEAR, false);
            for (int j = 0; j < oh * ow * c; j++) {
                double want = interpolate(in, h, w, c, oh, ow, j / c / ow, j / c % ow, j % c,
                                          cubic);
                if (fabs(out[j] - want) > (cubic ? 1.3 : 1.001))
                    fail_msg("%dx%dx%d to %dx%d, cubic %d: element %d is %d, wanted %g", h, w, c,
                             oh, ow, cubic, j, out[j], want);
            }
            guarded_free(out);
            guarded_free(in);
        }
}

static void a_part_is_the_same_bytes_as_the_whole(void **state)
{
    (void)state;
    static const struct tp_resample_part parts[] = {
        { 0, 0, 23, 19, 0, 0 }, { 0, 0, 1, 1, 0, 0 }, { 22, 18, 1, 1, 0, 0 },
        { 5, 0, 9, 19, 0, 0 }, { 0, 7, 23, 5, 37, 53 }, { 11, 3, 4, 13, 37, 53 },
    };
    enum { H = 37, W = 53, OH = 23, OW = 19 };
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 12; k++) {
            const struct tp_resample_part *p = &parts[i];
            int c = k & 1 ? 3 : 1;
            bool antialias = k & 2;
            enum tp_resample_filter filter = (enum tp_resample_filter)(k / 4);
            uint8_t *in = random_source(H * W * (size_t)c);
            uint8_t *all = resize(in, H, W, c, OH, OW, filter, antialias);
            uint8_t *part = guarded((size_t)p->height * (size_t)p->width * (size_t)c);
            struct tp_arena arena;
            struct tp_err err = { 0 };
            tp_arena_init(&arena, 1 << 20);
            assert_true(tp_resample_part(part, p, OH, OW, in, H, W, c, filter, antialias, 1, &arena,
                                         &err));
            for (int y = 0; y < p->height; y++)
                assert_memory_equal(part + y * p->width * c,
                                    all + ((p->top + y) * OW + p->left) * c,
                                    (size_t)(p->width * c));
            tp_arena_fini(&arena);
            guarded_free(part);
            guarded_free(all);
            guarded_free(in);
        }
}

static void an_equal_size_is_a_copy_also_of_a_part(void **state)
{
    (void)state;
    struct tp_resample_part part = { .top = 2, .left = 3, .height = 4, .width = 5 };
    uint8_t *in = random_source(9 * 11 * 3), *out = guarded(4 * 5 * 3);
    struct tp_arena arena;
    struct tp_err err = { 0 };
    tp_arena_init(&arena, 0);        /* and needs no memory */
    assert_true(tp_resample_part(out, &part, 9, 11, in, 9, 11, 3, TP_RESAMPLE_BICUBIC, true, 1,
                                 &arena, &err));
    for (int y = 0; y < 4; y++)
        assert_memory_equal(out + y * 15, in + ((2 + y) * 11 + 3) * 3, 15);
    guarded_free(out);
    guarded_free(in);
}

static void channels_do_not_mix(void **state)
{
    (void)state;
    uint8_t *in = random_source(20 * 30 * 3), *plane = guarded(20 * 30);
    uint8_t *out = resize(in, 20, 30, 3, 13, 17, TP_RESAMPLE_BICUBIC, true);
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 20 * 30; i++) plane[i] = in[3 * i + c];
        uint8_t *alone = resize(plane, 20, 30, 1, 13, 17, TP_RESAMPLE_BICUBIC, true);
        for (int i = 0; i < 13 * 17; i++) assert_int_equal(out[3 * i + c], alone[i]);
        guarded_free(alone);
    }
    guarded_free(out);
    guarded_free(plane);
    guarded_free(in);
}

static void a_full_arena_is_an_error(void **state)
{
    (void)state;
    uint8_t *in = random_source(100 * 100), *out = guarded(50 * 50);
    for (int filter = 0; filter < 3; filter++)
        for (size_t limit = 0; limit < 512; limit += 64) {
            struct tp_arena arena;
            struct tp_err err = { 0 };
            tp_arena_init(&arena, limit);
            assert_false(tp_resample(out, 50, 50, in, 100, 100, 1, (enum tp_resample_filter)filter,
                                     true, 1, &arena, &err));
            assert_int_equal(err.code, TP_TOO_LARGE);
            tp_arena_fini(&arena);
        }
    guarded_free(out);
    guarded_free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_pils_to_the_bit_on_every_table_and_number_of_threads),
        cmocka_unit_test(without_antialiasing_taps_are_pytorchs),
        cmocka_unit_test(a_part_is_the_same_bytes_as_the_whole),
        cmocka_unit_test(an_equal_size_is_a_copy_also_of_a_part),
        cmocka_unit_test(channels_do_not_mix),
        cmocka_unit_test(a_full_arena_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
