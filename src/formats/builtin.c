/* builtin.c - the models that need no file. A built-in is the text of a pipeline, so it takes the
 * same road as a user's file, and can be read as an example of one. */
#include "formats/builtin.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/floats.h"

/* ---- line-detector --------------------------------------------------------------------------- */

static const char line_detector[] =
    "{\"name\": \"line-detector\",\n"
    " \"description\": \"Finds vertical lines in an 8x8 image: one 3x3 filter, ReLU, max "
    "pooling.\",\n"
    " \"input\": {\"shape\": [8, 8, 1]},\n"
    " \"layers\": [\n"
    "  {\"type\": \"Conv2D\", \"name\": \"conv\", \"filters\": 1, \"kernel_size\": [3, 3],\n"
    "   \"activation\": \"relu\",\n"
    "   \"kernel\": [[[[0]], [[1]], [[0]]], [[[0]], [[1]], [[0]]], [[[0]], [[1]], [[0]]]],\n"
    "   \"bias\": [0]},\n"
    "  {\"type\": \"MaxPooling2D\", \"name\": \"pool\", \"pool_size\": [2, 2]}]}\n";

static void write_line_detector(struct tp_buf *b) { tp_buf_text(b, line_detector); }

/* ---- edges ----------------------------------------------------------------------------------- */

/* Sobel's operator along x and y and the Laplacian of four neighbours, each followed by its
 * negative: ReLU keeps one polarity, so both are there. [6, 3, 3] */
enum { N_EDGES = 6 };
static const float edge_bank[N_EDGES][3][3] = {
    { { -1, 0, 1 }, { -2, 0, 2 }, { -1, 0, 1 } },        /* dark to light, left to right */
    { { 1, 0, -1 }, { 2, 0, -2 }, { 1, 0, -1 } },
    { { -1, -2, -1 }, { 0, 0, 0 }, { 1, 2, 1 } },        /* dark to light, top to bottom */
    { { 1, 2, 1 }, { 0, 0, 0 }, { -1, -2, -1 } },
    { { 0, 1, 0 }, { 1, -4, 1 }, { 0, 1, 0 } },          /* dark on light */
    { { 0, -1, 0 }, { -1, 4, -1 }, { 0, -1, 0 } },
};

static void write_edges(struct tp_buf *b)
{
    float kernel[3][3][1][N_EDGES];
    const struct tp_tensor t = { TP_SHAPE4(3, 3, 1, N_EDGES), &kernel[0][0][0][0] };
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++)
            for (int i = 0; i < N_EDGES; i++) kernel[y][x][0][i] = edge_bank[i][y][x];
    tp_buf_text(b, "{\"name\": \"edges\",\n"
                   " \"description\": \"Edges of a grayscale image of any size: Sobel's operator "
                   "left to right and top to bottom and the Laplacian, each in both polarities; "
                   "ReLU; max pooling.\",\n"
                   " \"input\": {\"shape\": [null, null, 1]},\n"
                   " \"layers\": [\n"
                   "  {\"type\": \"Conv2D\", \"name\": \"filters\", \"filters\": 6, "
                   "\"kernel_size\": 3, \"padding\": \"same\", \"use_bias\": false,\n"
                   "   \"kernel\": ");
    tp_floats_write(b, &t, true, 0, 1);
    tp_buf_text(b, "},\n"
                   "  {\"type\": \"ReLU\", \"name\": \"relu\"},\n"
                   "  {\"type\": \"MaxPooling2D\", \"name\": \"pool\", \"pool_size\": 2, "
                   "\"padding\": \"same\"}]}\n");
}

/* ---- gist ------------------------------------------------------------------------------------ */

enum { N_SCALES = 4, N_ORIENTATIONS = 8, SIDE = 11, RADIUS = SIDE / 2 };

/* The wave's frequency, cycles per pixel, at every scale of the pyramid, and the deviation of its
 * Gaussian in pixels: one octave of bandwidth needs deviation * frequency = sqrt(ln 2 / 2) / pi *
 * (2 + 1) / (2 - 1) = 0.5622. */
static const double frequency = 0.3, deviation = 0.5622 / 0.3;

/* Scales `filter` to unit norm. */
static void normalize(double filter[SIDE][SIDE])
{
    double sum = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) sum += filter[y][x] * filter[y][x];
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) filter[y][x] /= sqrt(sum);
}

/* A Gabor pair in quadrature: a Gaussian times the cosine and times the sine of a plane wave that
 * runs along the orientation. The cosine's mean is taken out of it (weighted by the Gaussian), so
 * that even light gives nothing; the sine has none. */
static void gabor_pair(int orientation, double even[SIDE][SIDE], double odd[SIDE][SIDE])
{
    double angle = M_PI * orientation / N_ORIENTATIONS, sum = 0, mass = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double dx = x - RADIUS, dy = y - RADIUS;
            double phase = 2 * M_PI * frequency * (dx * cos(angle) + dy * sin(angle));
            double weight = exp(-(dx * dx + dy * dy) / (2 * deviation * deviation));
            even[y][x] = weight * cos(phase);
            odd[y][x] = weight * sin(phase);
            sum += even[y][x];
            mass += weight;
        }
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double dx = x - RADIUS, dy = y - RADIUS;
            even[y][x] -= sum / mass * exp(-(dx * dx + dy * dy) / (2 * deviation * deviation));
        }
    normalize(even);
    normalize(odd);
}

/* The even filters of all orientations, then the odd ones. */
static void write_gabor_kernel(struct tp_buf *b)
{
    float kernel[SIDE][SIDE][1][2 * N_ORIENTATIONS];
    const struct tp_shape shape = TP_SHAPE4(SIDE, SIDE, 1, 2 * N_ORIENTATIONS);
    const struct tp_tensor t = { shape, &kernel[0][0][0][0] };
    double even[SIDE][SIDE], odd[SIDE][SIDE];
    for (int i = 0; i < N_ORIENTATIONS; i++) {
        gabor_pair(i, even, odd);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                kernel[y][x][0][i] = (float)even[y][x];
                kernel[y][x][0][i + N_ORIENTATIONS] = (float)odd[y][x];
            }
    }
    tp_floats_write(b, &t, true, 0, 1);
}

/* 1x1: output i is the sum of even i and odd i. */
static void write_pair_kernel(struct tp_buf *b)
{
    float kernel[2 * N_ORIENTATIONS][N_ORIENTATIONS] = { { 0 } };
    const struct tp_shape shape = TP_SHAPE4(1, 1, 2 * N_ORIENTATIONS, N_ORIENTATIONS);
    const struct tp_tensor t = { shape, &kernel[0][0] };
    for (int i = 0; i < N_ORIENTATIONS; i++)
        kernel[i][i] = kernel[i + N_ORIENTATIONS][i] = 1;
    tp_floats_write(b, &t, true, 0, 1);
}

/* The image at half the size, the pairs' responses, their magnitude, its mean in 4x4 cells. */
static void write_scale(struct tp_buf *b, int scale)
{
    char image[32] = "input";
    if (scale > 2) snprintf(image, sizeof image, "scale%d/image", scale - 1);
    if (scale > 1) {
        tp_buf_printf(b, "  {\"type\": \"AveragePooling2D\", \"name\": \"scale%d/image\", "
                         "\"inputs\": [\"%s\"], \"pool_size\": 2, \"padding\": \"same\"},\n",
                      scale, image);
        snprintf(image, sizeof image, "scale%d/image", scale);
    }
    tp_buf_printf(b, "  {\"type\": \"Conv2D\", \"name\": \"scale%d/gabor\", \"inputs\": [\"%s\"], "
                     "\"filters\": %d, \"kernel_size\": %d, \"padding\": \"same\", \"use_bias\": "
                     "false,\n   \"kernel\": ", scale, image, 2 * N_ORIENTATIONS, SIDE);
    write_gabor_kernel(b);
    tp_buf_printf(b, "},\n  {\"type\": \"Activation\", \"name\": \"scale%d/square\", "
                     "\"activation\": \"square\"},\n"
                     "  {\"type\": \"Conv2D\", \"name\": \"scale%d/energy\", \"filters\": %d, "
                     "\"kernel_size\": 1, \"use_bias\": false,\n   \"kernel\": ",
                  scale, scale, N_ORIENTATIONS);
    write_pair_kernel(b);
    tp_buf_printf(b, "},\n  {\"type\": \"Activation\", \"name\": \"scale%d/magnitude\", "
                     "\"activation\": \"sqrt\"},\n"
                     "  {\"type\": \"AdaptiveAveragePooling2D\", \"name\": \"scale%d/grid\", "
                     "\"output_size\": [4, 4]},\n", scale, scale);
}

/* The GIST of a scene: how much of which orientation at which scale is where, in 4 * 4 * 4 * 8 =
 * 512 numbers. Source: A. Oliva and A. Torralba, Modeling the Shape of the Scene: A Holistic
 * Representation of the Spatial Envelope, IJCV 42(3), 2001. Their bank of filters is laid out over
 * frequencies; here one bank runs over an image halved from scale to scale, which is the same an
 * octave apart. */
static void write_gist(struct tp_buf *b)
{
    tp_buf_text(b, "{\"name\": \"gist\",\n"
                   " \"description\": \"The GIST descriptor of a scene after Oliva and Torralba "
                   "(2001): the mean magnitude of Gabor filters of 8 orientations at 4 scales in "
                   "the cells of a 4x4 grid, 512 numbers.\",\n"
                   " \"input\": {\"shape\": [null, null, 1]},\n"
                   " \"layers\": [\n");
    for (int scale = 1; scale <= N_SCALES; scale++) write_scale(b, scale);
    tp_buf_text(b, "  {\"type\": \"Concatenate\", \"name\": \"grids\", \"inputs\": [");
    for (int scale = 1; scale <= N_SCALES; scale++)
        tp_buf_printf(b, "%s\"scale%d/grid\"", scale > 1 ? ", " : "", scale);
    tp_buf_text(b, "]},\n  {\"type\": \"Flatten\", \"name\": \"gist\"}]}\n");
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*write)(struct tp_buf *pipeline);
    const char *preprocess;
} builtins[] = {
    { "line-detector", write_line_detector,
      "{\"resize\": {\"mode\": \"exact\", \"size\": [8, 8]}, \"scale\": 0.00392156862745098, "
      "\"color\": \"gray\"}\n" },
    { "edges", write_edges,
      "{\"resize\": {\"mode\": \"none\"}, \"scale\": 0.00392156862745098, \"color\": \"gray\"}\n" },
    { "gist", write_gist,
      "{\"resize\": {\"mode\": \"exact\", \"size\": [128, 128]}, \"scale\": 0.00392156862745098, "
      "\"color\": \"gray\", \"decode\": \"fast\"}\n" },
};
enum { N_BUILTINS = sizeof builtins / sizeof *builtins };

const char *tp_builtin_name(int index)
{
    return index >= 0 && index < N_BUILTINS ? builtins[index].name : NULL;
}

bool tp_builtin_text(const char *name, struct tp_buf *pipeline, struct tp_buf *preprocess)
{
    for (int i = 0; i < N_BUILTINS; i++) {
        if (strcmp(builtins[i].name, name)) continue;
        builtins[i].write(pipeline);
        tp_buf_text(preprocess, builtins[i].preprocess);
        return true;
    }
    return false;
}
