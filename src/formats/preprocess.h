/* preprocess.h - from an image file to the tensor that a model is fed: preprocess.json. */
#ifndef TP_PREPROCESS_H
#define TP_PREPROCESS_H

#include "formats/image.h"
#include "base/tensor.h"
#include "ops/resample.h"

enum tp_resize_mode { TP_RESIZE_NONE, TP_RESIZE_SHORTEST, TP_RESIZE_EXACT, TP_RESIZE_LETTERBOX };
enum tp_color { TP_RGB, TP_BGR, TP_GRAY };

enum { TP_PREPROCESS_MAX_SIDE = 65535 };

struct tp_preprocess {
    enum tp_resize_mode mode;
    int size[2];                     /* height, width; SHORTEST reads only size[0] */
    enum tp_resample_filter filter;
    bool antialias;
    int crop[2];                     /* height, width of the centre crop; 0: none */
    float scale;                     /* pixel * scale, then (x - mean[c]) / std[c] */
    float mean[3], std[3];           /* in the order of the channels that come out */
    enum tp_color color;
    bool exact_decode;               /* never let the JPEG decoder reduce */
};

/* The preset for a model whose input is [n, h, w, c] (TP_ANY where open):
 *   c = 1: gray; c = 3: RGB; scale 1/255; h and w fixed: resized to them; open: no resize. */
struct tp_preprocess tp_preprocess_default(const struct tp_shape *input);

/* The preset for an ONNX model: torchvision's ImageNet evaluation where the input has three
 * channels (shortest side to 256/224 of the crop, bilinear with antialias, centre crop, 1/255,
 * ImageNet's mean and standard deviation; 224 where the size is open), else the one above. */
struct tp_preprocess tp_preprocess_imagenet(const struct tp_shape *input);

/* Reads preprocess.json over the preset in *p: keys that are absent keep it, and *p stays as it was
 * when reading fails. "resize" without "mode" means what torchvision's Resize means: a number is
 * the shortest side, [height, width] is exact. "resize" and "crop" may be null: none. */
bool tp_preprocess_parse(struct tp_preprocess *p, const char *json, size_t n_bytes,
                         struct tp_err *err) TP_MUST_USE;

/* Decodes and prepares one image. *out: [1, h, w, c] in `arena`. source_size (may be NULL): width
 * and height of the upright image in the file. Uses up to n_threads threads. */
bool tp_preprocess_image(const struct tp_preprocess *p, struct tp_tensor *out, const void *bytes,
                         size_t n_bytes, const struct tp_limits *limits, int n_threads,
                         int source_size[2], struct tp_arena *arena,
                         struct tp_err *err) TP_MUST_USE;

/* The same from pixels that are there already (a uint8 .npy array). */
bool tp_preprocess_pixels(const struct tp_preprocess *p, struct tp_tensor *out,
                          const struct tp_image *image, const struct tp_limits *limits,
                          int n_threads, struct tp_arena *arena, struct tp_err *err) TP_MUST_USE;

/* How pixels of an upright image become pixels of the model's input: an edge at x goes to
 * x * scale + shift; [0] is down, [1] across. What was cropped away lies outside of the input. */
struct tp_preprocess_map { double scale[2], shift[2]; };

/* The map for an image of that width and height, which tp_preprocess_image() has prepared. */
struct tp_preprocess_map tp_preprocess_locate(const struct tp_preprocess *p, int width, int height);

/* Appends *p as preprocess.json. */
struct tp_buf;
void tp_preprocess_print(struct tp_buf *b, const struct tp_preprocess *p);

#endif
