/* test_roi.c - pooling of boxes, against torchvision, against the definitions in double precision,
 * and with boxes that nobody should send. */
#include "pool_golden.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const enum tp_pool_op kinds[] = { TP_OP_MAX, TP_OP_AVG, TP_OP_MIN, TP_OP_SUM, TP_OP_LP,
                                         TP_OP_GEM, TP_OP_STD };
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static struct tp_node roi_node(enum tp_pool_op kind, int rows, int columns, float scale)
{
    struct tp_node nd = { .name = "r", .type = "RoiAlign", .op = &tp_op_roi, .n_inputs = 3 };
    nd.attr.roi = (struct tp_roi_attr){
        .kind = kind, .bins = { rows, columns }, .scale = { scale, scale }, .p = 3,
        .sampling_ratio = 2, .half_pixel = true,
    };
    return nd;
}

static float *guarded_copy(const float *data, int n)
{
    float *p = guarded((size_t)n * sizeof *p);
    memcpy(p, data, (size_t)n * sizeof *p);
    return p;
}

/* ---- the definitions ------------------------------------------------------------------------- */

struct gathered { double sum, most, least, sum2, lp, gem; int64_t n; };

static void gather(struct gathered *g, double x, double p)
{
    if (!g->n || x > g->most || isnan(x)) g->most = x;
    if (!g->n || x < g->least || isnan(x)) g->least = x;
    g->sum += x;
    g->sum2 += x * x;
    g->lp += pow(fabs(x), p);
    g->gem += pow(x < (double)1e-6f ? (double)1e-6f : x, p);
    g->n++;
}

static double settle(const struct gathered *g, enum tp_pool_op kind, double p)
{
    const double n = (double)g->n, mean = g->sum / n;
    if (!g->n) return 0;
    switch (kind) {
    case TP_OP_MAX: return g->most;
    case TP_OP_MIN: return g->least;
    case TP_OP_SUM: return g->sum;
    case TP_OP_AVG: return mean;
    case TP_OP_LP: return pow(g->lp, 1 / p);
    case TP_OP_GEM: return pow(g->gem / n, 1 / p);
    case TP_OP_STD: return sqrt(fmax(g->sum2 / n - mean * mean, 0));
    }
    return NAN;
}

/* A map's channel at a place between pixels. by_neighbour: the largest weighted neighbour. */
static double between(const struct tp_shape *in, const float *map, double y, double x, bool most)
{
    const double h = (double)in->dim[1], w = (double)in->dim[2];
    if (y < -1 || y > h || x < -1 || x > w) return 0;
    y = fmin(fmax(y, 0), h - 1);
    x = fmin(fmax(x, 0), w - 1);
    double sum = 0, best = -INFINITY;
    for (int i = 0; i < 4; i++) {
        const double ny = fmin(floor(y) + i / 2, h - 1), nx = fmin(floor(x) + i % 2, w - 1);
        const double wy = i / 2 ? y - floor(y) : 1 - (y - floor(y));
        const double wx = i % 2 ? x - floor(x) : 1 - (x - floor(x));
        const double v = wy * wx * (double)map[((int64_t)ny * in->dim[2] + (int64_t)nx) *
                                               in->dim[3]];
        sum += v;
        best = fmax(best, v);
    }
    return most ? best : sum;
}

struct line { double start, bin; int n; };

static struct line line_of(const struct tp_roi_attr *a, int axis, float from, float to, int index)
{
    const float offset = a->half_pixel ? 0.5f : 0;
    const float start = from * a->scale[axis] - offset;
    float size = to * a->scale[axis] - offset - start;
    if (!a->half_pixel && size < 1) size = 1;
    const float bin = size / (float)a->bins[axis];
    return (struct line){ (double)start + index * (double)bin, (double)bin,
                          a->sampling_ratio ? a->sampling_ratio : (int)ceilf(bin) };
}

static double pool_one(const struct tp_roi_attr *a, const struct tp_shape *in, const float *map,
                       const float *box, const int bin[2])
{
    const struct line y = line_of(a, 0, box[1], box[3], bin[0]);
    const struct line x = line_of(a, 1, box[0], box[2], bin[1]);
    struct gathered g = { 0 };
    for (int i = 0; i < y.n; i++)
        for (int j = 0; j < x.n; j++)
            gather(&g, between(in, map, y.start + (i + 0.5) * y.bin / y.n,
                               x.start + (j + 0.5) * x.bin / x.n, a->by_neighbour), (double)a->p);
    return settle(&g, a->kind, (double)a->p);
}

static int clip(double x, int64_t most) { return (int)fmin(fmax(x, 0), (double)most); }

static double pool_whole(const struct tp_roi_attr *a, const struct tp_shape *in, const float *map,
                         const float *box, const int bin[2])
{
    int begin[2], end[2];
    struct gathered g = { 0 };
    for (int axis = 0; axis < 2; axis++) {
        const double from = (double)roundf(box[1 - axis] * a->scale[axis]);
        const double to = (double)roundf(box[3 - axis] * a->scale[axis]);
        const float size = (float)fmax(to - from + 1, 1) / (float)a->bins[axis];
        begin[axis] = clip((double)floorf((float)bin[axis] * size) + from, in->dim[axis + 1]);
        end[axis] = clip((double)ceilf((float)(bin[axis] + 1) * size) + from, in->dim[axis + 1]);
    }
    for (int y = begin[0]; y < end[0]; y++)
        for (int x = begin[1]; x < end[1]; x++)
            gather(&g, (double)map[(y * in->dim[2] + x) * in->dim[3]], (double)a->p);
    return settle(&g, a->kind, (double)a->p);
}

/* Every image number must be one of the map. */
static void check_boxes(const struct tp_node *nd, struct tp_shape map, int n, const float *boxes,
                        const float *images)
{
    const struct tp_roi_attr *a = &nd->attr.roi;
    const struct tp_shape in[3] = { map, TP_SHAPE2(n, 4), { 1, { n } } };
    const int64_t c = map.dim[3], n_out = n * a->bins[0] * a->bins[1] * c;
    float *inputs[3] = { guarded_random(tp_shape_elements(&map), 6), guarded_copy(boxes, 4 * n),
                         guarded_copy(images, n) };
    double *want = malloc((size_t)n_out * sizeof *want);
    for (int64_t i = 0; i < n_out; i++) {
        const int bin[2] = { (int)(i / c / a->bins[1] % a->bins[0]), (int)(i / c % a->bins[1]) };
        const int64_t box = i / c / a->bins[1] / a->bins[0];
        const float *from = inputs[0] + (int64_t)images[box] * map.dim[1] * map.dim[2] * c + i % c;
        want[i] = (a->quantized ? pool_whole : pool_one)(a, &map, from, boxes + 4 * box, bin);
    }
    check_node_against(nd, in, inputs, want, 5e-6);
    free(want);
    for (int i = 0; i < 3; i++) guarded_free(inputs[i]);
}

/* Boxes of which most reach beyond a map of that size somewhere. */
static void check_random(const struct tp_node *nd, struct tp_shape map, uint32_t seed)
{
    enum { N = 7 };
    float boxes[4 * N], images[N];
    uint32_t state = seed;
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < 2; k++) {
            const float unit = (float)map.dim[2 - k] / nd->attr.roi.scale[1 - k] / 16777216.0f;
            boxes[4 * i + k] = ((float)(next_random(&state) >> 8) * 1.3f - 4e6f) * unit;
            boxes[4 * i + 2 + k] = boxes[4 * i + k] + (float)(next_random(&state) >> 8) * unit;
        }
        images[i] = (float)(next_random(&state) % (uint32_t)map.dim[0]);
    }
    check_boxes(nd, map, N, boxes, images);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void boxes_are_torchvisions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof roi_goldens / sizeof *roi_goldens; i++) {
        struct tp_node nd = roi_node(TP_OP_AVG, roi_goldens[i].bins[0], roi_goldens[i].bins[1],
                                     roi_goldens[i].scale);
        if (roi_goldens[i].quantized) nd.attr.roi.kind = TP_OP_MAX;
        nd.attr.roi.quantized = roi_goldens[i].quantized;
        nd.attr.roi.sampling_ratio = roi_goldens[i].sampling_ratio;
        nd.attr.roi.half_pixel = roi_goldens[i].half_pixel;
        const struct tp_shape in[3] = { golden_shape(roi_goldens[i].shape),
                                        TP_SHAPE2(N_ROI_BOXES, 4), { 1, { N_ROI_BOXES } } };
        float *inputs[3] = {
            golden_map(roi_goldens[i].shape, ROI_SEED + (uint32_t)i, roi_goldens[i].special),
            guarded_copy(roi_boxes, 4 * N_ROI_BOXES), guarded_copy(roi_images, N_ROI_BOXES),
        };
        check_golden(&nd, in, inputs, roi_goldens[i].want, 2e-6);
        for (int k = 0; k < 3; k++) guarded_free(inputs[k]);
    }
}

static void every_kind_of_samples_is_exact(void **state)
{
    (void)state;
    for (int i = 0; i < N_KINDS; i++)
        for (int ratio = 0; ratio <= 3; ratio++)
            for (int half_pixel = 0; half_pixel < 2; half_pixel++) {
                struct tp_node nd = roi_node(kinds[i], 3, 2, 0.25f);
                nd.attr.roi.sampling_ratio = ratio;
                nd.attr.roi.half_pixel = half_pixel;
                nd.attr.roi.scale[1] = 0.6f;
                check_random(&nd, TP_SHAPE4(2, 9, 14, 3), (uint32_t)(7 * i + ratio + 1));
            }
}

static void every_kind_of_whole_pixels_is_exact(void **state)
{
    (void)state;
    for (int i = 0; i < N_KINDS; i++)
        for (int bins = 1; bins <= 7; bins += 3) {
            struct tp_node nd = roi_node(kinds[i], bins, 8 - bins, 0.3f);
            nd.attr.roi.quantized = true;
            check_random(&nd, TP_SHAPE4(3, 11, 6, 4), (uint32_t)(5 * i + bins));
        }
}

static void the_maximum_may_be_of_weighted_neighbours(void **state)
{
    (void)state;
    for (int ratio = 0; ratio <= 3; ratio++) {
        struct tp_node nd = roi_node(TP_OP_MAX, 3, 4, 0.5f);
        nd.attr.roi.by_neighbour = true;
        nd.attr.roi.sampling_ratio = ratio;
        check_random(&nd, TP_SHAPE4(2, 10, 9, 5), (uint32_t)ratio + 40);
    }
}

static void every_number_of_channels_is_exact(void **state)
{
    (void)state;
    for (int c = 1; c <= 300; c += c < 40 ? 1 : 87) {
        const struct tp_node nd = roi_node(kinds[c % N_KINDS], 2, 2, 1);
        check_random(&nd, TP_SHAPE4(1, 5, 6, c), (uint32_t)c);
    }
}

static void boxes_on_their_heads_are_sampled_backwards(void **state)
{
    (void)state;
    const float boxes[8] = { 9, 12.5f, -4, -3, 7.3f, 1, 2.1f, 6 }, images[2] = { 0, 0 };
    for (int ratio = 0; ratio <= 3; ratio++)
        for (int half_pixel = 0; half_pixel < 2; half_pixel++) {
            struct tp_node nd = roi_node(TP_OP_STD, 2, 3, 0.9f);
            nd.attr.roi.sampling_ratio = ratio;
            nd.attr.roi.half_pixel = half_pixel;
            check_boxes(&nd, TP_SHAPE4(1, 7, 8, 2), 2, boxes, images);
        }
}

static void a_box_much_larger_than_the_map_is_exact(void **state)
{
    (void)state;
    const float boxes[8] = { -300, -150, 420, 333, -2, -500, 3, 510 }, images[2] = { 0, 0 };
    for (int i = 0; i < N_KINDS; i++) {
        struct tp_node nd = roi_node(kinds[i], 2, 1, 1);
        nd.attr.roi.sampling_ratio = 0;
        check_boxes(&nd, TP_SHAPE4(1, 4, 5, 2), 2, boxes, images);
    }
}

/* One run of a box; the result is checked to be `want` everywhere, or finite when that is NaN. */
static void check_wild(const struct tp_node *nd, const float box[4], float image, float want)
{
    const struct tp_shape in[3] = { TP_SHAPE4(2, 5, 7, 3), TP_SHAPE2(1, 4), { 1, { 1 } } };
    const struct tp_roi_attr *a = &nd->attr.roi;
    float *map = guarded_random(tp_shape_elements(&in[0]), 2), *boxes = guarded_copy(box, 4);
    float *images = guarded_copy(&image, 1);
    const int n = a->bins[0] * a->bins[1] * 3;
    float *out = guarded((size_t)n * sizeof *out);
    struct tp_step st = { .node = nd, .k = tp_kernels_get(), .in = in };
    struct tp_err err = { 0 };
    assert_true(nd->op->shape(nd, in, &st.out, &err));
    const struct tp_io io = { (const float *const[3]){ map, boxes, images }, out, NULL, 1 };
    nd->op->run(&st, &io);
    for (int i = 0; i < n; i++)
        if (isnan(want)) assert_true(isfinite(out[i]));
        else assert_float_equal(out[i], want, 0);
    guarded_free(map);
    guarded_free(boxes);
    guarded_free(images);
    guarded_free(out);
}

static void any_box_whatever_gives_a_finite_answer(void **state)
{
    (void)state;
    const float odd[] = { NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX, 1e9f, -1e9f, 2.2e6f, 0,
                          -0.0f, 1e-45f, 3.7f, -1, 7 };
    enum { N = sizeof odd / sizeof *odd };
    uint32_t random = 5;
    for (int i = 0; i < 3000; i++) {
        float box[4];
        for (int k = 0; k < 4; k++) box[k] = odd[next_random(&random) % N];
        struct tp_node nd = roi_node(kinds[i % N_KINDS], 1 + i % 2, 3, i % 3 ? 0.5f : 2);
        nd.attr.roi.sampling_ratio = i % 4 ? i % 3 : 0;
        nd.attr.roi.half_pixel = i % 5 < 3;
        nd.attr.roi.quantized = i % 11 < 3;
        bool is_sound = true;
        for (int k = 0; k < 4; k++) is_sound = is_sound && !isnan(box[k]);
        check_wild(&nd, box, (float)(i % 2), is_sound ? NAN : 0);
    }
}

static void an_image_that_is_not_there_gives_zeros(void **state)
{
    (void)state;
    const float odd[] = { -1, 2, -0.5f, NAN, INFINITY, -INFINITY, 1e30f };
    const float box[4] = { 1, 1, 5, 4 };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        for (int kind = 0; kind < N_KINDS; kind++) {
            struct tp_node nd = roi_node(kinds[kind], 2, 2, 1);
            nd.attr.roi.quantized = i % 2;
            check_wild(&nd, box, odd[i], 0);
        }
}

static void nan_stays_with_the_bins_that_see_it(void **state)
{
    (void)state;
    const float box[4] = { 0, 0, 8, 8 }, image = 0;
    for (int i = 0; i < N_KINDS; i++)
        for (int quantized = 0; quantized < 2; quantized++) {
            struct tp_node nd = roi_node(kinds[i], 2, 2, 1);
            const struct tp_shape in[3] = { TP_SHAPE4(1, 8, 8, 1), TP_SHAPE2(1, 4), { 1, { 1 } } };
            float *map = guarded_random(64, 2), out[4];
            struct tp_step st = { .node = &nd, .k = tp_kernels_get(), .in = in,
                                  .out = TP_SHAPE4(1, 2, 2, 1) };
            const struct tp_io io = { (const float *const[3]){ map, box, &image }, out, NULL, 1 };
            nd.attr.roi.quantized = quantized;
            map[1 * 8 + 5] = NAN;        /* top right */
            nd.op->run(&st, &io);
            for (int k = 0; k < 4; k++) assert_int_equal(isnan(out[k]), k == 1);
            guarded_free(map);
        }
}

static void what_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    struct tp_shape in[3] = { TP_SHAPE4(1, 5, 5, 2), TP_SHAPE2(3, 4), { 1, { 3 } } };
    struct tp_node nd = roi_node(TP_OP_AVG, 2, 2, 1);
    struct tp_shape out;
    struct tp_err err = { 0 };
    assert_true(nd.op->shape(&nd, in, &out, &err));
    assert_true(tp_shape_equal(&out, &TP_SHAPE4(3, 2, 2, 2)));
    in[2].dim[0] = 2;
    check_node_refused(&nd, in, "one number for each of the boxes");
    in[2].dim[0] = TP_ANY;
    assert_true(nd.op->shape(&nd, in, &out, &err));
    in[1].dim[1] = 5;
    check_node_refused(&nd, in, "[boxes, 4]");
    in[1].dim[1] = 4;
    in[0] = TP_SHAPE4(1, 1, 2000000, 1);
    check_node_refused(&nd, in, "the map's width is 2000000");
    in[0] = TP_SHAPE2(1, 5);
    check_node_refused(&nd, in, "needs a map");
    in[0] = TP_SHAPE4(1, 5, 5, 2);
    nd.attr.roi.bins[1] = 0;
    check_node_refused(&nd, in, "bins 2x0");
    nd.attr.roi.bins[1] = 2, nd.attr.roi.scale[0] = -1;
    check_node_refused(&nd, in, "height is -1");
    nd.attr.roi.scale[0] = 1, nd.attr.roi.sampling_ratio = 257;
    check_node_refused(&nd, in, "sampling ratio 257");
    nd.attr.roi.sampling_ratio = 2, nd.attr.roi.kind = TP_OP_GEM, nd.attr.roi.p = NAN;
    check_node_refused(&nd, in, "at least 1");
    nd.attr.roi.p = 1, nd.attr.roi.by_neighbour = true;
    check_node_refused(&nd, in, "only the maximum");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boxes_are_torchvisions),
        cmocka_unit_test(every_kind_of_samples_is_exact),
        cmocka_unit_test(every_kind_of_whole_pixels_is_exact),
        cmocka_unit_test(the_maximum_may_be_of_weighted_neighbours),
        cmocka_unit_test(every_number_of_channels_is_exact),
        cmocka_unit_test(boxes_on_their_heads_are_sampled_backwards),
        cmocka_unit_test(a_box_much_larger_than_the_map_is_exact),
        cmocka_unit_test(any_box_whatever_gives_a_finite_answer),
        cmocka_unit_test(an_image_that_is_not_there_gives_zeros),
        cmocka_unit_test(nan_stays_with_the_bins_that_see_it),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
