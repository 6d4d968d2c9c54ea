/* test_preprocess.c - from an image file to the tensor: geometry, colours, values, limits. */
#include "image_files.h"

#include <math.h>

#include "formats/preprocess.h"

static const struct tp_limits limits = { .max_pixels = 1 << 20, .max_elements = 1 << 20 };

static struct tp_preprocess plain(enum tp_color color)
{
    return (struct tp_preprocess){ .filter = TP_RESAMPLE_BILINEAR, .antialias = true, .scale = 1,
                                   .std = { 1, 1, 1 }, .color = color };
}

static struct tp_tensor prepare(const struct tp_preprocess *p, const char *name, int size[2],
                                struct tp_arena *arena)
{
    struct file f = file_read(name);
    struct tp_tensor t;
    struct tp_err err = { 0 };
    tp_arena_init(arena, 64 << 20);
    if (!tp_preprocess_image(p, &t, f.bytes, f.n, &limits, 1, size, arena, &err))
        fail_msg("%s: %s", name, err.message);
    free(f.bytes);
    return t;
}

/* Every line of preprocess.txt: torchvision's and Ultralytics' geometry over PIL's resize. */
static void geometry_and_pixels_are_torchvisions_to_the_bit(void **state)
{
    (void)state;
    struct file list = file_read("preprocess.txt");
    int n = 0;
    for (char *line = strtok((char *)list.bytes, "\n"); line; line = strtok(NULL, "\n"), n++) {
        char name[64], json[256];
        int height, width;
        unsigned long long hash;
        assert_int_equal(sscanf(line, "%63[^\t]\t%255[^\t]\t%d\t%d\t%llx", name, json, &height,
                                &width, &hash), 5);
        struct tp_preprocess p = plain(TP_RGB);
        struct tp_err err = { 0 };
        if (!tp_preprocess_parse(&p, json, strlen(json), &err)) fail_msg("%s", err.message);
        struct tp_arena arena;
        struct tp_tensor t = prepare(&p, name, NULL, &arena);
        int channels = p.color == TP_GRAY ? 1 : 3;
        if (t.shape.rank != 4 || t.shape.dim[0] != 1 || t.shape.dim[1] != height ||
            t.shape.dim[2] != width || t.shape.dim[3] != channels)
            fail_msg("%s %s: wrong shape, wanted %dx%d", name, json, height, width);
        size_t bytes = (size_t)height * (size_t)width * (size_t)channels;
        uint8_t *levels = tp_arena_alloc(&arena, bytes);
        for (size_t i = 0; i < bytes; i++) levels[i] = (uint8_t)t.data[i];
        if (fnv(levels, bytes) != hash) fail_msg("%s %s: other pixels", name, json);
        tp_arena_fini(&arena);
    }
    assert_int_equal(n, 96);
    free(list.bytes);
}

static void values_are_scaled_then_normalised_per_channel_that_comes_out(void **state)
{
    (void)state;
    struct tp_preprocess p = plain(TP_RGB), raw = plain(TP_RGB);
    struct tp_arena a, b;
    p.color = TP_BGR;
    p.scale = 1.0f / 255;
    for (int c = 0; c < 3; c++) {
        p.mean[c] = 0.1f * (float)(c + 1);
        p.std[c] = 0.2f + 0.1f * (float)c;
    }
    struct tp_tensor got = prepare(&p, "photo.png", NULL, &a);
    struct tp_tensor pixels = prepare(&raw, "photo.png", NULL, &b);
    for (int i = 0; i < 47 * 61; i++)
        for (int c = 0; c < 3; c++) {
            double want = ((double)pixels.data[3 * i + 2 - c] / 255 - 0.1 * (c + 1)) /
                          (0.2 + 0.1 * c);
            assert_true(fabs((double)got.data[3 * i + c] - want) < 1e-5);
        }
    tp_arena_fini(&a);
    tp_arena_fini(&b);
}

static void source_size_is_that_of_the_upright_file(void **state)
{
    (void)state;
    struct tp_preprocess p = plain(TP_RGB);
    struct tp_arena arena;
    int size[2];
    p.mode = TP_RESIZE_EXACT;
    p.size[0] = p.size[1] = 3;
    prepare(&p, "turn6.png", size, &arena);      /* stored 7x5 */
    assert_int_equal(size[0], 5);
    assert_int_equal(size[1], 7);
    tp_arena_fini(&arena);
    prepare(&p, "y420.jpg", size, &arena);       /* decoded at a reduced size */
    assert_int_equal(size[0], 41);
    assert_int_equal(size[1], 30);
    tp_arena_fini(&arena);
}

/* Fast: near the exact result, not equal to it. The shape follows the file's size, not the
 * reduced. */
static void fast_decoding_is_close_and_of_the_same_shape(void **state)
{
    (void)state;
    struct tp_preprocess p = plain(TP_RGB);
    struct tp_arena a, b;
    p.mode = TP_RESIZE_SHORTEST;
    for (p.size[0] = 2; p.size[0] < 8; p.size[0]++) {
        p.exact_decode = false;
        struct tp_tensor fast = prepare(&p, "y444_progressive.jpg", NULL, &a);
        p.exact_decode = true;
        struct tp_tensor exact = prepare(&p, "y444_progressive.jpg", NULL, &b);
        assert_true(tp_shape_equal(&fast.shape, &exact.shape));
        double sum = 0;
        int64_t n = tp_shape_elements(&fast.shape);
        for (int64_t i = 0; i < n; i++) sum += fabs((double)(fast.data[i] - exact.data[i]));
        assert_true(sum > 0 && sum / (double)n < 2.5);
        tp_arena_fini(&a);
        tp_arena_fini(&b);
    }
}

static void filters_that_read_single_pixels_get_the_image_in_full(void **state)
{
    (void)state;
    struct tp_arena a, b;
    for (int k = 0; k < 2; k++) {
        struct tp_preprocess p = plain(TP_GRAY);
        p.mode = TP_RESIZE_EXACT;
        p.size[0] = p.size[1] = 4;
        if (k) p.filter = TP_RESAMPLE_NEAREST;
        else p.antialias = false;
        struct tp_tensor fast = prepare(&p, "y420.jpg", NULL, &a);
        p.exact_decode = true;
        struct tp_tensor exact = prepare(&p, "y420.jpg", NULL, &b);
        assert_memory_equal(fast.data, exact.data, 16 * sizeof(float));
        tp_arena_fini(&a);
        tp_arena_fini(&b);
    }
}

static void pixels_are_prepared_as_files_are(void **state)
{
    (void)state;
    static const enum tp_color colors[] = { TP_RGB, TP_BGR, TP_GRAY };
    for (int k = 0; k < 3; k++) {
        struct tp_preprocess p = plain(colors[k]);
        struct tp_arena a, b;
        struct tp_err err = { 0 };
        struct tp_tensor t;
        p.mode = TP_RESIZE_SHORTEST;
        p.size[0] = 20;
        p.crop[0] = p.crop[1] = 18;
        struct tp_tensor want = prepare(&p, "photo.png", NULL, &a);
        struct tp_image im = must_decode("photo.png", false, 0, NULL, &b);
        assert_true(tp_preprocess_pixels(&p, &t, &im, &limits, 1, &b, &err));
        assert_true(tp_shape_equal(&t.shape, &want.shape));
        assert_memory_equal(t.data, want.data,
                            (size_t)tp_shape_elements(&want.shape) * sizeof(float));
        tp_arena_fini(&a);
        tp_arena_fini(&b);
    }
}

static void gray_pixels_fill_all_three_channels(void **state)
{
    (void)state;
    uint8_t two[2] = { 7, 200 };
    struct tp_image im = { two, 2, 1, 1 };
    struct tp_preprocess p = plain(TP_RGB);
    struct tp_arena arena;
    struct tp_err err = { 0 };
    struct tp_tensor t;
    tp_arena_init(&arena, 1 << 20);
    assert_true(tp_preprocess_pixels(&p, &t, &im, &limits, 1, &arena, &err));
    for (int i = 0; i < 6; i++) assert_int_equal((int)t.data[i], two[i / 3]);
    tp_arena_fini(&arena);
}

/* Sizes that would explode are refused before anything of that size is allocated. */
static void enlargements_are_limited(void **state)
{
    (void)state;
    uint8_t line[65000];
    static const struct { int w, h; enum tp_resize_mode mode; int size[2], crop[2]; } cases[] = {
        { 65000, 1, TP_RESIZE_SHORTEST, { 256 }, { 224, 224 } },
        { 1, 65000, TP_RESIZE_SHORTEST, { 256 }, { 224, 224 } },
        { 65000, 1, TP_RESIZE_SHORTEST, { 65535 }, { 0 } },
        { 1, 1, TP_RESIZE_EXACT, { 65535, 65535 }, { 0 } },
        { 1, 1, TP_RESIZE_LETTERBOX, { 65535, 65535 }, { 0 } },
        { 1, 1, TP_RESIZE_NONE, { 0 }, { 65535, 65535 } },
    };
    memset(line, 9, sizeof line);
    for (int i = 0; i < 6; i++) {
        struct tp_preprocess p = plain(TP_RGB);
        struct tp_image im = { line, cases[i].w, cases[i].h, 1 };
        struct tp_arena arena;
        struct tp_err err = { 0 };
        struct tp_tensor t;
        p.mode = cases[i].mode;
        memcpy(p.size, cases[i].size, sizeof p.size);
        memcpy(p.crop, cases[i].crop, sizeof p.crop);
        tp_arena_init(&arena, 1 << 20);
        assert_false(tp_preprocess_pixels(&p, &t, &im, &limits, 1, &arena, &err));
        assert_int_equal(err.code, TP_TOO_LARGE);
        assert_int_equal(arena.total_bytes, 0);
        tp_arena_fini(&arena);
    }
}

static void one_pixel_can_be_enlarged(void **state)
{
    (void)state;
    struct tp_preprocess p = plain(TP_RGB);
    struct tp_arena arena;
    p.mode = TP_RESIZE_SHORTEST;
    p.size[0] = 256;
    p.crop[0] = p.crop[1] = 224;
    struct tp_tensor t = prepare(&p, "one.png", NULL, &arena);
    assert_int_equal(t.shape.dim[1], 224);
    for (int i = 3; i < 224 * 224 * 3; i++) assert_true(t.data[i] == t.data[i - 3]);
    tp_arena_fini(&arena);
}

static void edges_of_the_image_go_where_its_pixels_go(void **state)
{
    (void)state;
    static const struct {
        enum tp_resize_mode mode;
        int size[2], crop[2], width, height;
        double scale[2], shift[2];
    } cases[] = {
        { TP_RESIZE_NONE, { 0 }, { 0 }, 40, 30, { 1, 1 }, { 0, 0 } },
        { TP_RESIZE_NONE, { 0 }, { 10, 20 }, 40, 30, { 1, 1 }, { -10, -10 } },
        { TP_RESIZE_NONE, { 0 }, { 41, 45 }, 40, 30, { 1, 1 }, { 5, 2 } },
        { TP_RESIZE_EXACT, { 15, 80 }, { 0 }, 40, 30, { 0.5, 2 }, { 0, 0 } },
        { TP_RESIZE_SHORTEST, { 60, 0 }, { 0 }, 40, 30, { 2, 2 }, { 0, 0 } },
        /* 256 along the shorter side, then 224x224 of it. */
        { TP_RESIZE_SHORTEST, { 256, 0 }, { 224, 224 }, 640, 480,
          { 256 / 480.0, 341 / 640.0 }, { -16, -58 } },
        { TP_RESIZE_LETTERBOX, { 64, 64 }, { 0 }, 40, 30, { 1.6, 1.6 }, { 8, 0 } },
        { TP_RESIZE_LETTERBOX, { 65, 33 }, { 0 }, 33, 66, { 65 / 66.0, 32 / 33.0 }, { 0, 0 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_preprocess p = plain(TP_GRAY);
        p.mode = cases[i].mode;
        memcpy(p.size, cases[i].size, sizeof p.size);
        memcpy(p.crop, cases[i].crop, sizeof p.crop);
        struct tp_preprocess_map m = tp_preprocess_locate(&p, cases[i].width, cases[i].height);
        for (int axis = 0; axis < 2; axis++)
            if (fabs(m.scale[axis] - cases[i].scale[axis]) > 1e-12 ||
                m.shift[axis] != cases[i].shift[axis])
                fail_msg("case %zu, axis %d: %.9g, %g", i, axis, m.scale[axis], m.shift[axis]);
    }
}

/* A white rectangle in a black image: its size and centre, before and after. */
static void a_rectangle_is_found_where_the_map_says(void **state)
{
    (void)state;
    enum { WIDTH = 50, HEIGHT = 40, X0 = 20, Y0 = 12, X1 = 34, Y1 = 24 };
    static uint8_t pixels[WIDTH * HEIGHT];
    for (int y = Y0; y < Y1; y++) memset(pixels + y * WIDTH + X0, 255, X1 - X0);
    const struct tp_image image = { pixels, WIDTH, HEIGHT, 1 };
    static const struct { enum tp_resize_mode mode; int size[2], crop[2]; } cases[] = {
        { TP_RESIZE_NONE, { 0 }, { 0 } }, { TP_RESIZE_NONE, { 0 }, { 31, 40 } },
        { TP_RESIZE_NONE, { 0 }, { 63, 70 } }, { TP_RESIZE_EXACT, { 100, 60 }, { 0 } },
        { TP_RESIZE_EXACT, { 23, 31 }, { 0 } }, { TP_RESIZE_SHORTEST, { 67, 0 }, { 51, 70 } },
        { TP_RESIZE_LETTERBOX, { 90, 77 }, { 0 } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tp_preprocess p = plain(TP_GRAY);
        struct tp_arena arena;
        struct tp_tensor t;
        struct tp_err err = { 0 };
        tp_arena_init(&arena, 1 << 20);
        p.mode = cases[i].mode;
        memcpy(p.size, cases[i].size, sizeof p.size);
        memcpy(p.crop, cases[i].crop, sizeof p.crop);
        if (!tp_preprocess_pixels(&p, &t, &image, &limits, 1, &arena, &err))
            fail_msg("%s", err.message);
        struct tp_preprocess_map m = tp_preprocess_locate(&p, WIDTH, HEIGHT);
        double sum = 0, x_sum = 0, y_sum = 0;
        for (int64_t y = 0; y < t.shape.dim[1]; y++)
            for (int64_t x = 0; x < t.shape.dim[2]; x++) {
                double v = t.data[y * t.shape.dim[2] + x] / 255;
                if (p.mode == TP_RESIZE_LETTERBOX && (y < 14 || y >= 76)) v = 0;     /* its gray */
                sum += v;
                x_sum += v * ((double)x + 0.5);
                y_sum += v * ((double)y + 0.5);
            }
        double want = (X1 - X0) * m.scale[1] * (Y1 - Y0) * m.scale[0];
        if (fabs(sum - want) > 0.02 * want ||
            fabs(x_sum / sum - ((X0 + X1) / 2.0 * m.scale[1] + m.shift[1])) > 0.05 ||
            fabs(y_sum / sum - ((Y0 + Y1) / 2.0 * m.scale[0] + m.shift[0])) > 0.05)
            fail_msg("case %zu: %g of %g, centre %g, %g", i, sum, want, x_sum / sum, y_sum / sum);
        tp_arena_fini(&arena);
    }
}

static void the_preset_follows_the_models_input(void **state)
{
    (void)state;
    struct tp_shape open = TP_SHAPE4(TP_ANY, TP_ANY, TP_ANY, 1), fixed = TP_SHAPE4(TP_ANY, 8, 9, 3);
    struct tp_preprocess p = tp_preprocess_default(&open);
    assert_int_equal(p.color, TP_GRAY);
    assert_int_equal(p.mode, TP_RESIZE_NONE);
    assert_true(fabsf(p.scale * 255 - 1) < 1e-6f && p.mean[0] == 0 && p.std[2] == 1 && p.antialias);
    p = tp_preprocess_default(&fixed);
    assert_int_equal(p.color, TP_RGB);
    assert_int_equal(p.mode, TP_RESIZE_EXACT);
    assert_int_equal(p.size[0], 8);
    assert_int_equal(p.size[1], 9);
}

static void a_broken_file_leaves_the_decoders_message(void **state)
{
    (void)state;
    struct tp_preprocess p = plain(TP_RGB);
    struct tp_arena arena;
    struct tp_err err = { 0 };
    struct tp_tensor t;
    struct file f = file_read("y420.jpg");
    tp_arena_init(&arena, 1 << 20);
    assert_false(tp_preprocess_image(&p, &t, f.bytes, f.n - 50, &limits, 1, NULL, &arena, &err));
    assert_int_equal(err.code, TP_INVALID_IMAGE);
    assert_non_null(strstr(err.message, "truncated"));
    tp_arena_fini(&arena);
    free(f.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(geometry_and_pixels_are_torchvisions_to_the_bit),
        cmocka_unit_test(values_are_scaled_then_normalised_per_channel_that_comes_out),
        cmocka_unit_test(source_size_is_that_of_the_upright_file),
        cmocka_unit_test(fast_decoding_is_close_and_of_the_same_shape),
        cmocka_unit_test(filters_that_read_single_pixels_get_the_image_in_full),
        cmocka_unit_test(pixels_are_prepared_as_files_are),
        cmocka_unit_test(gray_pixels_fill_all_three_channels),
        cmocka_unit_test(enlargements_are_limited),
        cmocka_unit_test(one_pixel_can_be_enlarged),
        cmocka_unit_test(edges_of_the_image_go_where_its_pixels_go),
        cmocka_unit_test(a_rectangle_is_found_where_the_map_says),
        cmocka_unit_test(the_preset_follows_the_models_input),
        cmocka_unit_test(a_broken_file_leaves_the_decoders_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
