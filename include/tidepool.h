/* tidepool.h - pooled feature maps of convolutional networks.
 *
 * Call order:
 *
 *     struct tp_err err = { 0 };
 *     struct tp_limits limits = tp_limits_default();
 *     struct tp_model *model;
 *     struct tp_plan *plan;
 *     struct tp_tap tap = { .layer = "pool", .pooling = { .kind = TP_POOL_MAX } };
 *
 *     tp_init(&err);                                            once; picks the kernels
 *     tp_model_open(&model, "line-detector", NULL, &limits, &err);
 *     tp_plan_new(&plan, model, &input_shape, &tap, 1, &limits, &err);
 *     tp_plan_run(plan, input, outputs, workspace, n_threads);  as often as wanted; cannot fail
 *     tp_plan_free(plan);
 *     tp_model_free(model);
 *
 * Every function that can fail returns bool and fills the caller's tp_err when it returns false;
 * the first error wins, so one `struct tp_err` may be passed along a chain of calls. Nothing here
 * prints or exits. Tensors are float32, row-major, channels last: a map is [n, height, width,
 * channels]. Objects may be shared by threads once made; making and freeing is the owner's. */
#ifndef TIDEPOOL_H
#define TIDEPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TP_VERSION "0.1.0"

enum { TP_MAX_RANK = 8, TP_MAX_CHANNELS = 1 << 20, TP_MESSAGE_BYTES = 512 };

/* ---- errors ---------------------------------------------------------------------------------- */

enum tp_code {
    TP_OK = 0,
    TP_INVALID_ARGUMENT,    /* a parameter, flag or field has a value that cannot be meant */
    TP_INVALID_JSON,        /* the text is not JSON, or not the JSON that was asked for */
    TP_INVALID_IMAGE,       /* the file starts like an image and is broken further on */
    TP_INVALID_SHAPE,       /* sizes that do not fit together */
    TP_INVALID_MODEL,       /* a pipeline or model file that cannot be run */
    TP_NOT_FOUND,           /* no such model, layer or file */
    TP_TOO_LARGE,           /* beyond one of struct tp_limits */
    TP_UNSUPPORTED_FORMAT,  /* bytes of a kind that is not read here */
    TP_UNAVAILABLE,         /* not now: full, draining or loading */
    TP_DEADLINE,            /* there was not time enough */
    TP_CANCELLED,           /* nobody waits for it any more */
    TP_IO,                  /* the operating system refused a file or socket */
    TP_NO_MEMORY,
    TP_INTERNAL,            /* our fault */
};

struct tp_err {
    enum tp_code code;
    char message[TP_MESSAGE_BYTES];  /* names what, where, and what would be right */
};

/* ---- tensors --------------------------------------------------------------------------------- */

enum { TP_ANY = -1 };                /* a dimension that the model leaves open */

struct tp_shape {
    int rank;
    int64_t dim[TP_MAX_RANK];
};

struct tp_tensor {
    struct tp_shape shape;
    float *data;                     /* [shape], row-major */
};

/* ---- limits: checked before anything is allocated -------------------------------------------- */

struct tp_limits {
    size_t max_body_bytes;           /* of one request or model text */
    int64_t max_pixels;              /* of one image, before it is decoded */
    int64_t max_elements;            /* of one tensor */
    int max_batch;                   /* images in one request */
    int max_layers;                  /* of one pipeline */
    size_t max_workspace_bytes;      /* of one plan */
    int64_t max_operations;          /* of one run: multiply-adds, window taps, elements moved */
    size_t max_output_bytes;         /* of one answer */
    int max_threads;                 /* that opening a model uses */
};

struct tp_limits tp_limits_default(void);

/* ---- what is asked of a layer ---------------------------------------------------------------- */

enum tp_padding {
    TP_PADDING_VALID,                /* Keras "valid": no padding */
    TP_PADDING_SAME,   /* Keras "same" (ONNX SAME_UPPER): an odd pixel goes bottom right */
    TP_PADDING_EXPLICIT,             /* as `pads` says */
};

/* A window that slides over [height, width]; index 0 is height, 1 is width. */
struct tp_window {
    int kernel[2];
    int strides[2];
    int dilations[2];
    int pads[4];                     /* top, left, bottom, right; read when padding is EXPLICIT */
    enum tp_padding padding;
    bool ceil_mode;                  /* ONNX ceil_mode: a last, partly outside window counts */
};

/* What becomes of the k values x of a window, bin or map. AVG, LP, GEM and STD leave out what
 * padding adds (Keras, PyTorch's count_include_pad=False). */
enum tp_pool_kind {
    TP_POOL_NONE,
    TP_POOL_MAX, TP_POOL_AVG, TP_POOL_MIN, TP_POOL_SUM,
    TP_POOL_LP,                      /* (sum |x|^p)^(1/p): ONNX LpPool; PyTorch's for x >= 0 */
    TP_POOL_GEM,                     /* (mean max(x, 1e-6)^p)^(1/p): Radenovic, Tolias, Chum,
                                        "Fine-tuning CNN Image Retrieval with No Human Annotation",
                                        TPAMI 2019, eq. 3, with the epsilon of its authors' code */
    TP_POOL_STD,                     /* sqrt(mean (x - mean)^2): of the k values, not of a sample */
};

enum tp_pool_form {
    TP_POOL_GLOBAL,                  /* one value per map: [n, h, w, c] becomes [n, c] */
    TP_POOL_WINDOW,                  /* as `window` says */
    TP_POOL_GRID,                    /* [n, grid[0], grid[1], c]; bin i of b over a length of l is
                                        [floor(i l / b), ceil((i + 1) l / b)): PyTorch's
                                        AdaptiveAvgPool2d */
    TP_POOL_PYRAMID,                 /* square grids of every level: [n, c * (l0^2 + l1^2 + ..)],
                                        level by level, each channel by channel, row by row (He et
                                        al., "Spatial Pyramid Pooling", 2014: its concatenation) */
    TP_POOL_ROIS,                    /* [n_boxes, grid[0], grid[1], c]: RoIAlign (He et al., "Mask
                                        R-CNN", 2017) with aligned=true, sampling_ratio 2; `kind` is
                                        over the four samples of a bin */
};

enum { TP_MAX_LEVELS = 16 };

struct tp_pooling {
    enum tp_pool_kind kind;
    enum tp_pool_form form;
    struct tp_window window;         /* WINDOW */
    int grid[2];                     /* GRID, ROIS: height, width */
    int n_levels, levels[TP_MAX_LEVELS];         /* PYRAMID */
    int n_boxes;                     /* ROIS: a multiple of n, image by image */
    const float *boxes;              /* [n_boxes, 4]: x0, y0, x1, y1 in pixels of the model's input,
                                        the caller's until the plan is made */
    float p;                         /* LP, GEM: at least 1 */
};

/* One answer that is wanted: a layer by name (NULL: the model's first output), pooled. A layer of
 * an ONNX model is named by a tensor, a node or a module (see tp_layer_info). */
struct tp_tap {
    const char *layer;
    struct tp_pooling pooling;
    bool channels_first;             /* a map comes out as [n, c, h, w] */
    bool normalize;                  /* every image (with ROIS: box) divided by its L2 norm, if
                                        that is above 1e-12; after pooling */
    bool argmax;                     /* MAX but not ROIS: one more output, right behind this one,
                                        with the place (y * w + x) of each maximum in its map */
    bool joined;                     /* no output of its own: as vectors per image, behind the tap
                                        before it, whose `normalize` then counts for the whole */
};

/* ---- models: read-only once made, shared by threads ------------------------------------------ */

struct tp_model;

struct tp_layer_info {
    const char *name, *type;         /* owned by the model; the name of an ONNX layer is its
                                        tensor's */
    const char *node;                /* ONNX: its node's name, where it has one; else NULL */
    const char *module;              /* ONNX: the module that ends here ("layer3.0"), or NULL */
    struct tp_shape shape;           /* in the model's own layout; TP_ANY where it follows the
                                        input; rank -1 where it cannot be computed: see `why` */
    const char *why;                 /* ONNX: why it cannot be computed, or NULL */
    int64_t n_parameters;
    int64_t n_macs;                  /* multiply-adds per image; TP_ANY while a size is open */
};

/* Picks the kernels for this processor (TIDEPOOL_CPU=base|avx2|avx512 overrides). Call it once,
 * before threads; fails when the override names an instruction set that is not there. */
bool tp_init(struct tp_err *err);

/* The instruction set in use: "base", "avx2", "avx512" or "neon". */
const char *tp_cpu_name(void);

/* Opens a built-in (line-detector, edges, gist), a model of `folder` (may be NULL), or a path: to a
 * network's .onnx, a pipeline's .json, or a folder holding model.onnx or pipeline.json. *out is the
 * caller's, freed with tp_model_free(). */
bool tp_model_open(struct tp_model **out, const char *name, const char *folder,
                   const struct tp_limits *limits, struct tp_err *err);

/* Reads a pipeline (see api/pipeline.schema.json) from `n_bytes` of JSON, which may be released on
 * return. Files that it names are not read: weights must stand inline. */
bool tp_model_parse(struct tp_model **out, const char *json, size_t n_bytes,
                    const struct tp_limits *limits, struct tp_err *err);

void tp_model_free(struct tp_model *model);

const char *tp_model_name(const struct tp_model *model);
struct tp_shape tp_model_input_shape(const struct tp_model *model);   /* [n, h, w, c], n = TP_ANY */
int tp_model_n_layers(const struct tp_model *model);
struct tp_layer_info tp_model_layer(const struct tp_model *model, int index);

/* Decodes a JPEG, PNG or WebP file and prepares it as the model's preprocess.json says. Appends
 * nothing on failure. *out: [1, h, w, c], data from malloc(), the caller's to free(). */
bool tp_model_prepare_image(const struct tp_model *model, struct tp_tensor *out, const void *bytes,
                            size_t n_bytes, const struct tp_limits *limits, struct tp_err *err);

/* ---- plans: a model, an input shape and taps, laid out in one workspace ---------------------- */

struct tp_plan;

/* Works out every size and fails here if anything does not fit, so that running cannot fail. The
 * plan borrows the model, which must outlive it. *out is freed with tp_plan_free(). */
bool tp_plan_new(struct tp_plan **out, const struct tp_model *model, const struct tp_shape *input,
                 const struct tp_tap *taps, int n_taps, const struct tp_limits *limits,
                 struct tp_err *err);
void tp_plan_free(struct tp_plan *plan);

size_t tp_plan_workspace_bytes(const struct tp_plan *plan);
int tp_plan_n_outputs(const struct tp_plan *plan);
struct tp_shape tp_plan_output_shape(const struct tp_plan *plan, int index);
const char *tp_plan_output_name(const struct tp_plan *plan, int index);

/* Which tap an output is of (of joined ones: the first), and whether it is that one's argmax. */
int tp_plan_output_tap(const struct tp_plan *plan, int index);
bool tp_plan_output_is_argmax(const struct tp_plan *plan, int index);

/* Runs the plan. input: [the plan's input shape]; outputs[i]: room for output i; workspace: at
 * least tp_plan_workspace_bytes(), 64-byte aligned, used by one run at a time. Neither fails nor
 * allocates; the results are the same bits for any n_threads >= 1. */
void tp_plan_run(const struct tp_plan *plan, const float *input, float *const outputs[],
                 void *workspace, int n_threads);

#ifdef __cplusplus
}
#endif
#endif
