/* kernels.h - the inner loops, one table of them per instruction set.
 *
 * One source (table.c and the family headers it includes) is compiled once per instruction set, in
 * GCC vector extensions; each object exports one const table, and tp_kernels_get() answers the one
 * that was chosen at start. A kernel has no threads, no malloc, no errno and no opinion: its caller
 * has checked every size. Kernels never read or write beyond what their arguments describe (tests
 * put data against a guard page). Maps are channels last: a pixel is `channels` floats in a row. */
#ifndef TP_KERNELS_H
#define TP_KERNELS_H

#include "base/err.h"

/* ---- activations: elementwise, fused wherever a result is in registers or in cache ----------- */

enum tp_act_kind {
    TP_ACT_LINEAR,
    TP_ACT_CLAMP,          /* min(max(x, alpha), beta): relu, relu6, ONNX Clip; NaN stays NaN */
    TP_ACT_LEAKY_RELU,     /* x < 0 ? alpha x : x */
    TP_ACT_RELU,           /* Keras's full ReLU: slope alpha, max_value beta, threshold gamma */
    TP_ACT_ELU,            /* x < 0 ? alpha (e^x - 1) : x */
    TP_ACT_SIGMOID,
    TP_ACT_TANH,
    TP_ACT_HARD_SIGMOID,   /* clamp(alpha x + beta, 0, 1); Keras 3: alpha 1/6, beta 1/2 */
    TP_ACT_HARD_SWISH,     /* x * clamp(x/6 + 1/2, 0, 1) */
    TP_ACT_SWISH,          /* x * sigmoid(x) */
    TP_ACT_GELU,           /* x * (1 + erf(x / sqrt 2)) / 2 */
    TP_ACT_ABS,
    TP_ACT_SQUARE,
    TP_ACT_SQRT,
    TP_ACT_SELU,           /* beta (x > 0 ? x : alpha (e^x - 1)) */
    TP_ACT_CELU,           /* max(x, 0) + min(0, alpha (e^(x / alpha) - 1)) */
    TP_ACT_THRESHOLDED_RELU, /* x > alpha ? x : 0 */
    TP_ACT_SOFTPLUS,       /* ln(e^x + 1) */
    TP_ACT_SOFTSIGN,       /* x / (1 + |x|) */
    TP_ACT_ERF,
    TP_ACT_GELU_TANH,      /* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */
    TP_ACT_MISH,           /* x tanh(softplus(x)) */
    TP_ACT_NEG,
    TP_ACT_EXP,
    TP_ACT_LOG,
    TP_ACT_POW,            /* x^alpha, as C's powf */
    TP_ACT_RECIPROCAL,
    TP_ACT_FLOOR,
    TP_ACT_CEIL,
    TP_ACT_ROUND,          /* halves to even */
    TP_ACT_TRUNC,          /* towards zero */
    TP_ACT_SIGN,           /* -1, 0, 1; NaN stays NaN */
    TP_ACT_NOT,            /* x == 0 ? 1 : 0 */
    TP_N_ACT_KINDS,
};

struct tp_act {
    enum tp_act_kind kind;
    float alpha, beta, gamma;
};

enum tp_binary_kind {
    TP_BINARY_ADD, TP_BINARY_SUB, TP_BINARY_MUL, TP_BINARY_MAX,
    TP_BINARY_PRELU,       /* a < 0 ? a * b : a */
    TP_BINARY_MIN, TP_BINARY_DIV,
    TP_BINARY_POW,         /* as C's powf */
    TP_BINARY_MOD,         /* the remainder that has the divisor's sign */
    TP_BINARY_EQUAL, TP_BINARY_LESS, TP_BINARY_LESS_EQUAL,           /* 1 or 0 */
    TP_BINARY_AND, TP_BINARY_OR, TP_BINARY_XOR,                      /* of x != 0 */
    TP_N_BINARY_KINDS,
};

enum tp_reduce_kind { TP_REDUCE_MAX, TP_REDUCE_MIN, TP_REDUCE_SUM, TP_N_REDUCE_KINDS };

/* ---- a tile of a matrix product -------------------------------------------------------------- */

/* c[r][j] = clamp(scale[j] * sum_k a(r, k) b[k][j] + shift[j] + residual[r][j], lo, hi)
 * for r < m <= mr, j < n <= nr. k runs over n_seg segments of seg_len contiguous floats: that is
 * how a convolution reads its input without im2col (a segment is one row of the window). Each
 * c[r][j] is summed in the order of k whatever m is, so results do not depend on how rows were
 * grouped. */
struct tp_tile {
    const float *a;                  /* row r, segment s starts at a + r * lda + seg[s] */
    ptrdiff_t lda;
    const ptrdiff_t *seg;
    int n_seg, seg_len;
    const float *b;                  /* one packed panel: [n_seg * seg_len][nr], vector-aligned */
    float *c;                        /* row r starts at c + r * ldc */
    ptrdiff_t ldc;
    int m, n;
    const float *scale, *shift;      /* n floats each; NULL: 1 and 0 */
    const float *residual;           /* row r starts at residual + r * ldr; NULL: none */
    ptrdiff_t ldr;
    float lo, hi;                    /* -INFINITY, INFINITY: no clamp */
    const float *ahead;              /* floats that are wanted next, ahead_step of them for each k:
                                        fetched into the second-level cache meanwhile. Any address
                                        will do; b where nothing is wanted */
    ptrdiff_t ahead_step;
};

enum { TP_ROW_PANELS = 4 };

/* ---- 3x3 convolution by Winograd's method ---------------------------------------------------- */

/* m x m outputs are made of (m + 2) x (m + 2) inputs: both are turned into as many planes, and a
 * plane's outputs are the product of its inputs with its weights. */
struct tp_winograd_out {
    const float *m;                  /* plane i at m + i * plane; nr floats can be read of each */
    ptrdiff_t plane;
    float *out;                      /* pixel (y, x) at out + y * row + x * pixel */
    ptrdiff_t row, pixel;
    int rows, columns;               /* of the m x m pixels that are in the map; at least 1 */
    int n;                           /* channels, at most nr */
    const float *scale, *shift;      /* as a tile's */
    const float *residual;           /* with out's steps */
    float lo, hi;
};

struct tp_winograd {
    /* v + i * plane becomes plane i of a tile; pixels: its (m + 2)^2 pixels, row by row. channels
     * is at least a vector's length (16 is enough). */
    void (*in)(float *v, ptrdiff_t plane, const float *const *pixels, int channels);

    /* u + i * plane becomes plane i of nr kernels, whose tap t is at g + t * tap. */
    void (*weights)(float *u, ptrdiff_t plane, const float *g, ptrdiff_t tap);

    void (*out)(const struct tp_winograd_out *w);

    /* The same with the maxima of 2x2 pixels: those from (y, x) on, both even, become the one at
     * out + y / 2 * row + x / 2 * pixel. Where one of the four is beside the map there is none. No
     * residual. */
    void (*out_max)(const struct tp_winograd_out *w);
};

/* ---- windows over maps ----------------------------------------------------------------------- */

/* A run of n_pixels output pixels of which pixel i reads, for every tap t, the input pixel at
 * in + i * in_step + taps[t]. Callers cut rows so that all pixels of a span have the same taps:
 * padding is a tap that is not there. */
struct tp_span {
    float *out;                      /* pixel i at out + i * out_step */
    ptrdiff_t out_step;
    const float *in;
    ptrdiff_t in_step;
    const ptrdiff_t *taps;
    int n_taps;                      /* at least 1 */
    int n_pixels;
    int channels;
};

/* ---- resizing images: bytes in, fixed-point weights, bytes out ------------------------------- */

enum { TP_RESAMPLE_BITS = 22,        /* of a weight behind the point */
       TP_RESAMPLE_PAD = 24 };  /* k_step of a row is a multiple of it: whole steps for any table */

/* Output pixel i of a row is the sum of input pixels first[i] .. first[i] + count[i] - 1. Each
 * tap's weight stands once for every channel, at k[i * k_step + t * channels + c]; zeros fill up
 * k_step. */
struct tp_row_taps {
    int n;                           /* output pixels */
    const int *first, *count;
    const int32_t *k;
    int k_step;
};

/* ---- rows of a convolution with one filter per channel --------------------------------------- */

/* One row of output pixels, channels [begin, end) of each, at least a vector's length of them, from
 * the rows of the window that lie in the map. Columns beside the map are zeros. */
struct tp_depthwise_row {
    float *out;                      /* pixel x at out + x * channels */
    int n_pixels, channels, begin, end;
    const float *in;                 /* the map's pixel x in the first of the rows, at
                                        in + x * channels */
    ptrdiff_t row;                   /* from one of the rows to the next */
    int n_rows;                      /* at most the kernel's */
    int width, left;                 /* of the map; zeros in front of it */
    int stride;                      /* 1 or 2, between the windows of neighbouring pixels */
    const float *weights;            /* [n_rows, kernel, channels] */
    const float *scale, *shift;      /* as a tile's, by channel */
    float lo, hi;
};

/* ---- numbers in a text ----------------------------------------------------------------------- */

enum { TP_TEXT_BYTES = 64,           /* that can be read from where numbers begin */
       TP_TEXT_BYTES_BEFORE = 40 };  /* and in front of it */

/* Numbers of JSON, to be converted. What is unusual is left to the caller: exponents, more than 31
 * digits, blanks in front of a comma, what is too near a tie between two floats. */
struct tp_text {
    const char *p;                   /* where a number is due, perhaps behind blanks */
    const char *last;                /* the last place from which TP_TEXT_BYTES can be read */
    float *out, *out_end;            /* of which the last three are not always used */
    bool wide;                       /* a number of more than 15 digits has been met */
};

enum { TP_DECIMALS = 64,             /* at most at a time */
       TP_DECIMAL_ODD = 1 << 20 };

/* Decimals of nine digits, 0.d12345678 * 10^point: the first digit, and the others as bytes, of
 * which the lowest comes first. */
struct tp_decimals {
    uint64_t first[TP_DECIMALS], others[TP_DECIMALS];
    int64_t point[TP_DECIMALS];      /* TP_DECIMAL_ODD: not known */
};

struct tp_kernels {
    const char *name;                /* "base", "avx2", "avx512", "neon" */
    int mr, nr;   /* the product's tile: rows, columns (= width of a packed panel) */

    void (*gemm)(const struct tp_tile *t);

    /* The same for one row (m == 1) and TP_ROW_PANELS whole panels (n == TP_ROW_PANELS * nr), one
     * behind the other in memory. */
    void (*gemm_row)(const struct tp_tile *t);

    struct tp_winograd winograd[2];  /* m = 2, m = 4 */

    /* out = clamp(scale[c] * sum_t weights[index[t] * channels + c] * tap t + shift[c], lo, hi);
     * scale and shift may be NULL. index has n_taps entries; here n_taps may be 0. */
    void (*depthwise)(const struct tp_span *s, const float *weights, const int *index,
                      const float *scale, const float *shift, float lo, float hi);

    /* out[o] = clamp(scale[o] * sum over t, i < group of
     *                weights[(index[t] * group + i) * channels + o] * tap t's channel
     *                o - o % group + i + shift[o], lo, hi);
     * group is 2, 4 or 8 and divides channels, of which there are at least 16. */
    void (*grouped)(const struct tp_span *s, int group, const float *weights, const int *index,
                    const float *scale, const float *shift, float lo, float hi);

    /* As depthwise, for windows without dilation, 3 and 5 pixels wide. */
    void (*depthwise_3)(const struct tp_depthwise_row *r);
    void (*depthwise_5)(const struct tp_depthwise_row *r);

    void (*pool_max)(const struct tp_span *s);   /* a NaN tap makes NaN, as in PyTorch */
    void (*pool_min)(const struct tp_span *s);
    void (*pool_sum)(const struct tp_span *s, float scale);    /* scale * sum of taps */
    void (*pool_lp)(const struct tp_span *s, float p);         /* (sum |tap|^p)^(1/p), p >= 1 */

    /* acc[c] = acc[c] (+, max, min) over n_pixels pixels, `step` floats apart. */
    void (*reduce[TP_N_REDUCE_KINDS])(float *acc, const float *in, ptrdiff_t step,
                                      int64_t n_pixels, int channels);

    /* out[i] = act(in[i]); out may be in. */
    void (*activate)(float *out, const float *in, int64_t n, const struct tp_act *act);

    /* out[i] = a[i * a_step] op b[i * b_step], steps 0 (one value for all) or 1; out may be a or
     * b. */
    void (*binary[TP_N_BINARY_KINDS])(float *out, const float *a, int a_step, const float *b,
                                      int b_step, int64_t n);

    /* out[i][c] = scale[c] * in[i][c] + shift[c] for n_pixels dense pixels; out may be in. */
    void (*affine)(float *out, const float *in, const float *scale, const float *shift,
                   int64_t n_pixels, int channels);

    /* out = exp(in - max) / sum exp(in - max) along axis: element (i, j) at i * step + j for i < n,
     * j < inner. step >= inner. out may be in. */
    void (*softmax)(float *out, const float *in, int64_t n, ptrdiff_t step, int64_t inner);

    /* out = in - max - ln(sum exp(in - max)), likewise. */
    void (*log_softmax)(float *out, const float *in, int64_t n, ptrdiff_t step, int64_t inner);

    /* out[i] = (1-wx)(1-wy) a + wx(1-wy) b + (1-wx)wy c + wx wy d for one pixel of bilinear
     * upsampling; a, b, c, d: the four neighbours' channels. */
    void (*lerp)(float *out, const float *a, const float *b, const float *c, const float *d,
                 float wx, float wy, int channels);

    /* One row of `in` (in_bytes long) to taps->n pixels of out; channels is 1 or 3. */
    void (*resample_row)(uint8_t *out, const uint8_t *in, ptrdiff_t in_bytes,
                         const struct tp_row_taps *taps, int channels);

    /* out[j] = sum_t in[t * in_step + j] * k[t], for n_bytes bytes. */
    void (*resample_columns)(uint8_t *out, const uint8_t *in, ptrdiff_t in_step, const int32_t *k,
                             int n_taps, ptrdiff_t n_bytes);

    /* Reads numbers as long as they are usual ones, each with the ',' or ']' behind it: up to the
     * first ']', or up to where something else comes. */
    void (*read_numbers)(struct tp_text *t);

    /* |x[i]| as the shortest decimals that read back to the same float; 0 is 0.000 * 10^1.
     * Infinities, NaN, denormals and what doubles cannot decide are left out. */
    void (*decimals)(struct tp_decimals *d, const float *x, int n);

    /* mr * nr multiply-adds that wait for nothing, n_rounds times. Starts from `numbers` ([nr], of
     * 1 to 2) and leaves others there. Returns the operations done: two of each multiply-add. */
    int64_t (*peak)(float *numbers, int64_t n_rounds);
};

/* Chooses this processor's table, or the one that TIDEPOOL_CPU names. Called once, before
 * threads. */
bool tp_kernels_init(struct tp_err *err);

/* The chosen table; the plainest one before tp_kernels_init(). */
const struct tp_kernels *tp_kernels_get(void);

/* Table `index` among those this processor can run, weakest first; NULL behind the last. For tests,
 * which walk all of them. */
const struct tp_kernels *tp_kernels_list(int index);

/* Makes `k` the chosen one (tests only; no thread may be running a plan). */
void tp_kernels_use(const struct tp_kernels *k);

#endif
