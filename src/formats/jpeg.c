/* jpeg.c - JPEG files through libjpeg-turbo, by its libjpeg face.
 *
 * Why not its TurboJPEG face: as Debian 12 ships it (2.1.5) that one limits scans to 500 at
 * best, has no ceiling for memory, and stops at every warning or at none. Here: at most 100
 * scans, libjpeg's own memory bounded, and lost data, but not every oddity, is an error that
 * names the byte.
 *
 * Gray from a colour file is the luma of the decoded RGB, to be PIL's convert("L") to the bit.
 * Only a reduced decoding, which is an approximation anyway, takes the file's own Y.
 *
 * libjpeg reports errors by longjmp: everything that must survive one lives in struct session,
 * which belongs to the frame above setjmp; nothing is owned by a frame that can be jumped over. */
#include "formats/jpeg.h"
#include "formats/exif.h"
#include "formats/libraries.h"

#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

enum {
    MAX_SCANS = 100,                 /* encoders write about 10; each costs a pass over the image */
    FULL = 8,                        /* libjpeg decodes at 1/8 to 8/8 */
    BASE_MEMORY_BYTES = 64 << 10,    /* libjpeg's own, and */
    COLUMN_MEMORY_BYTES = 256,       /* of each: its rows on their way, 4 components */
    SLACK_MEMORY_BYTES = 64 << 20,   /* what it may take beyond that before it is told to stop */
};

struct session {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    const uint8_t *bytes;
    size_t n_bytes;
    const struct tp_image_options *options;
    struct tp_image *out;
    struct tp_arena *arena;
    size_t charged_bytes;            /* of it, for libjpeg's own memory */
    struct tp_err *err;
};

bool tp_jpeg_sniff(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void report(struct session *s)
{
    char text[JMSG_LENGTH_MAX];
    size_t left = s->c.src ? s->c.src->bytes_in_buffer : 0;
    size_t at = left < s->n_bytes ? s->n_bytes - left : 0;
    switch (s->errors.msg_code) {
    case JERR_IMAGE_TOO_BIG:
        tp_fail(s->err, TP_TOO_LARGE, "JPEG: %ux%u has a side longer than the %ld pixels that can "
                "be decoded (--max-pixels, %lld, limits the whole)", s->c.image_width,
                s->c.image_height, JPEG_MAX_DIMENSION, (long long)s->options->max_pixels);
        return;
    case JERR_OUT_OF_MEMORY: case JERR_NO_BACKING_STORE:
        tp_fail(s->err, TP_TOO_LARGE, "JPEG: decoding %ux%u in several scans needs more memory "
                "than one request may use; send a smaller or a baseline (not progressive) file",
                s->c.image_width, s->c.image_height);
        return;
    case JWRN_JPEG_EOF: case JERR_INPUT_EMPTY: case JERR_INPUT_EOF:
        tp_fail(s->err, TP_INVALID_IMAGE, "JPEG: truncated: the file ends at byte %zu, before its "
                "end of image", s->n_bytes);
        return;
    default: break;
    }
    s->errors.format_message((j_common_ptr)&s->c, text);
    switch (s->errors.msg_code) {
    case JERR_SOF_UNSUPPORTED: case JERR_BAD_PRECISION: case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL: case JERR_FRACT_SAMPLE_NOTIMPL: case JERR_CCIR601_NOTIMPL:
    case JERR_NOT_COMPILED:
        tp_fail(s->err, TP_UNSUPPORTED_FORMAT, "JPEG: %s; baseline and progressive files of 8 bits "
                "in gray, YCbCr, RGB, CMYK and YCCK are read", text);
        return;
    default:
        tp_fail(s->err, TP_INVALID_IMAGE, "JPEG: broken near byte %zu of %zu: %s", at, s->n_bytes,
                text);
    }
}

static void on_error(j_common_ptr c)
{
    struct session *s = c->client_data;
    report(s);
    longjmp(s->failed, 1);
}

/* level < 0 is a warning. Those that leave every pixel as it was written are let pass: a new JFIF
 * revision, an unknown Adobe transform, a broken colour profile, spare bytes between segments. */
static void on_message(j_common_ptr c, int level)
{
    if (level >= 0) return;
    switch (c->err->msg_code) {
    case JWRN_JFIF_MAJOR: case JWRN_ADOBE_XFORM: case JWRN_BOGUS_ICC: case JWRN_EXTRANEOUS_DATA:
        return;
    default:
        on_error(c);
    }
}

static void print_nothing(j_common_ptr c)
{
    (void)c;
}

/* A scan may hold next to no data and still cost a pass over the whole image. */
static void on_progress(j_common_ptr c)
{
    struct session *s = c->client_data;
    if (s->c.input_scan_number <= MAX_SCANS) return;
    tp_fail(s->err, TP_INVALID_IMAGE, "JPEG: more than %d scans; encoders write about 10",
            MAX_SCANS);
    longjmp(s->failed, 1);
}

/* ---- what the header says -------------------------------------------------------------------- */

/* The first APP1 segment with EXIF. Segments are walked here and not saved by libjpeg, which
 * keeps a list of all of them that it searches from the front for each. */
static int find_orientation(const uint8_t *p, size_t n)
{
    enum { APP1 = 0xE1, SOS = 0xDA };
    size_t at = 2;
    while (n - at >= 4 && p[at] == 0xFF) {
        size_t length = (size_t)p[at + 2] << 8 | p[at + 3];
        unsigned marker = p[at + 1];
        if (marker == 0xFF) {        /* fill byte */
            at++;
            continue;
        }
        if (marker == SOS || length < 2 || length > n - at - 2) break;
        if (marker == APP1 && length >= 8 && !memcmp(p + at + 4, "Exif\0", 5))
            return tp_exif_orientation(p + at + 4, length - 2);
        at += 2 + length;
    }
    return 1;
}

/* The least m/8 that leaves both sides at least `least` long. 7/8 is left out: it has no SIMD
 * code and takes longer than 8/8 (measured on 18 megapixels: 212 against 198 ms; 6/8: 165, 4/8:
 * 86, 1/8: 45). */
static unsigned choose_scale(unsigned width, unsigned height, int least)
{
    uint64_t side = width < height ? width : height;
    unsigned m = 1;
    if (least <= 0) return FULL;
    while (m < FULL && (side * m + FULL - 1) / FULL < (uint64_t)least) m++;
    return m == FULL - 1 ? FULL : m;
}

static bool read_header(struct session *s)
{
    struct jpeg_decompress_struct *c = &s->c;
    jpeg_create_decompress(c);
    c->progress = &s->progress;
    jpeg_mem_src(c, s->bytes, s->n_bytes);
    jpeg_read_header(c, TRUE);
    if (!tp_image_check_size(c->image_width, c->image_height, s->options->max_pixels, s->err))
        return false;
    if (c->data_precision != 8)
        return tp_fail(s->err, TP_UNSUPPORTED_FORMAT, "JPEG: %d bits a sample; 8 are read",
                       c->data_precision);
    c->scale_num = choose_scale(c->image_width, c->image_height, s->options->least_side);
    c->scale_denom = FULL;
    bool from_y = s->options->gray && (c->jpeg_color_space == JCS_GRAYSCALE ||
                  (c->jpeg_color_space == JCS_YCbCr && c->scale_num < FULL));
    bool four = c->jpeg_color_space == JCS_CMYK || c->jpeg_color_space == JCS_YCCK;
    c->out_color_space = from_y ? JCS_GRAYSCALE : four ? JCS_CMYK : JCS_RGB;
    jpeg_calc_output_dimensions(c);
    *s->out = (struct tp_image){ NULL, (int)c->output_width, (int)c->output_height,
                                 from_y ? 1 : 3 };
    return true;
}

/* ---- pixels ---------------------------------------------------------------------------------- */

/* What libjpeg will take from malloc(), counted as the arena's: rows, and of files in several scans
 * the coefficients of the whole image. */
static bool take_memory(struct session *s)
{
    struct jpeg_decompress_struct *c = &s->c;
    uint64_t need = BASE_MEMORY_BYTES + (uint64_t)c->image_width * COLUMN_MEMORY_BYTES;
    for (int i = 0; i < c->num_components && jpeg_has_multiple_scans(c); i++) {
        const jpeg_component_info *part = &c->comp_info[i];
        need += (uint64_t)part->width_in_blocks * part->height_in_blocks * sizeof(JBLOCK);
    }
    if (!tp_arena_charge(s->arena, need)) return tp_arena_fail(s->arena, s->err);
    s->charged_bytes = need;
    c->mem->max_memory_to_use = (long)(need + SLACK_MEMORY_BYTES);
    return true;
}

/* One row of ink, stored inverted as Adobe does it (255: none), to RGB as PIL rounds it. */
static void cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, int n_pixels)
{
    for (int i = 0; i < n_pixels; i++, rgb += 3, cmyk += 4)
        for (int c = 0; c < 3; c++) {
            unsigned light = cmyk[3], x = (255u - cmyk[c]) * light + 128;
            unsigned ink = ((x >> 8) + x) >> 8;              /* x / 255 */
            rgb[c] = (uint8_t)(ink < light ? light - ink : 0);
        }
}

static bool read_rows(struct session *s)
{
    struct jpeg_decompress_struct *c = &s->c;
    size_t row_bytes = (size_t)s->out->width * (size_t)s->out->channels;
    bool four = c->out_color_space == JCS_CMYK;
    uint8_t *ink = four ? tp_arena_alloc(s->arena, (size_t)s->out->width * 4) : NULL;
    s->out->pixels = tp_arena_alloc(s->arena, row_bytes * (size_t)s->out->height);
    if (!s->out->pixels || (four && !ink)) return tp_arena_fail(s->arena, s->err);
    if (!take_memory(s)) return false;
    jpeg_start_decompress(c);
    while (c->output_scanline < c->output_height) {
        uint8_t *to = s->out->pixels + c->output_scanline * row_bytes;
        JSAMPROW row = four ? ink : to;
        jpeg_read_scanlines(c, &row, 1);
        if (four) cmyk_to_rgb(to, ink, s->out->width);
    }
    jpeg_finish_decompress(c);       /* on to the end-of-image marker: a file cut short has none */
    return true;
}

/* The frame that libjpeg jumps back to; it has no variables of its own. */
static bool decode(struct session *s)
{
    if (setjmp(s->failed)) return false;
    return read_header(s) && read_rows(s);
}

bool tp_jpeg_decode(struct tp_image *out, const uint8_t *bytes, size_t n_bytes,
                    const struct tp_image_options *options, int full_size[2], int *orientation,
                    struct tp_arena *arena, struct tp_err *err)
{
    struct session s = { .bytes = bytes, .n_bytes = n_bytes, .options = options, .out = out,
                         .arena = arena, .err = err };
    s.c.err = jpeg_std_error(&s.errors);
    s.c.client_data = &s;            /* jpeg_create_decompress() keeps both */
    s.errors.error_exit = on_error;
    s.errors.emit_message = on_message;
    s.errors.output_message = print_nothing;
    s.progress.progress_monitor = on_progress;
    bool ok = decode(&s);
    full_size[0] = (int)s.c.image_width;
    full_size[1] = (int)s.c.image_height;
    *orientation = ok ? find_orientation(bytes, n_bytes) : 1;
    jpeg_destroy_decompress(&s.c);
    tp_arena_credit(arena, s.charged_bytes);
    return ok;
}

/* The library tells its version only to the compiler: 2001005 is 2.1.5. */
const char *tp_jpeg_library(void)
{
#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)
#ifdef LIBJPEG_TURBO_VERSION
    return "libjpeg-turbo " TEXT_OF(LIBJPEG_TURBO_VERSION);
#else
    return "libjpeg " TEXT_OF(JPEG_LIB_VERSION);
#endif
}
