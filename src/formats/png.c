/* png.c - PNG files through libspng.
 *
 * libspng's defaults know no limits, so all are set before anything is decoded. Every checksum
 * counts, also those of chunks that could be left out: a wrong one means that the file was
 * damaged. Rows are decoded one by one and blended on the way, so alpha costs one row; only an
 * interlaced file with transparency is held whole with 4 bytes a pixel.
 *
 * 16 bits become 8 by dropping the low byte, as PIL does it for colour. (For 16-bit gray PIL
 * goes through 32-bit integers and clips at 255, which leaves nearly all white; here gray is as
 * colour.) */
#include "formats/png.h"
#include "formats/exif.h"
#include "formats/libraries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <spng.h>

#include "base/buf.h"

enum {
    MAX_CHUNK_BYTES = 4 << 20,       /* one colour profile, text or EXIF, unfolded */
    MAX_CACHE_BYTES = 6 << 20,       /* all of them: a bomb of that costs some 5 ms */
    LEVEL = 2,                       /* zlib's, of what is written: a third of its default's time
                                        for 7% more bytes (edges of a photo as a mosaic) */
};

bool tp_png_sniff(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 8 && !memcmp(bytes, "\x89PNG\r\n\x1a\n", 8);
}

static bool refuse(int code, const char *where, size_t n_bytes, struct tp_err *err)
{
    switch (code) {
    case SPNG_EMEM:
        return tp_fail(err, TP_NO_MEMORY, "PNG: out of memory %s", where);
    case SPNG_IO_EOF: case SPNG_EIDAT_TOO_SHORT:
        return tp_fail(err, TP_INVALID_IMAGE, "PNG: truncated %s: the file of %zu bytes ends "
                       "before the image does", where, n_bytes);
    case SPNG_ECHUNK_LIMITS:
        return tp_fail(err, TP_TOO_LARGE, "PNG: metadata larger than %d MiB a chunk, %d MiB in "
                       "all or 1000 chunks; save the file without it", MAX_CHUNK_BYTES >> 20,
                       MAX_CACHE_BYTES >> 20);
    default:
        return tp_fail(err, TP_INVALID_IMAGE, "PNG: broken %s: %s", where, spng_strerror(code));
    }
}

/* ---- how to decode --------------------------------------------------------------------------- */

struct session {
    spng_ctx *c;
    struct spng_ihdr header;
    size_t n_bytes;
    enum spng_format format;
    size_t pixel_bytes;              /* of that format */
    struct tp_arena *arena;
    struct tp_err *err;
};

static bool open_file(struct session *s, const uint8_t *bytes, int64_t max_pixels)
{
    uint32_t side = max_pixels < INT32_MAX ? (uint32_t)max_pixels : INT32_MAX;
    int code = SPNG_EMEM;
    s->c = spng_ctx_new(0);
    if (s->c) code = spng_set_png_buffer(s->c, bytes, s->n_bytes);
    if (!code) code = spng_set_crc_action(s->c, SPNG_CRC_ERROR, SPNG_CRC_ERROR);
    if (!code) code = spng_set_chunk_limits(s->c, MAX_CHUNK_BYTES, MAX_CACHE_BYTES);
    if (!code) code = spng_get_ihdr(s->c, &s->header);
    if (code) return refuse(code, "in its header", s->n_bytes, s->err);
    if (!tp_image_check_size(s->header.width, s->header.height, max_pixels, s->err)) return false;
    code = spng_set_image_limits(s->c, side, side);
    return code ? refuse(code, "in its header", s->n_bytes, s->err) : true;
}

/* Reads everything before the pixels, then picks the leanest format that loses nothing. */
static bool choose_format(struct session *s, bool gray)
{
    struct spng_trns trns;
    int code = spng_get_trns(s->c, &trns);
    if (code && code != SPNG_ECHUNKAVAIL)
        return refuse(code, "before its pixels", s->n_bytes, s->err);
    bool alpha = !code || s->header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ||
                 s->header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA;
    bool plain_gray = s->header.color_type == SPNG_COLOR_TYPE_GRAYSCALE && s->header.bit_depth <= 8;
    s->format = alpha ? SPNG_FMT_RGBA8 : gray && plain_gray ? SPNG_FMT_G8 : SPNG_FMT_RGB8;
    s->pixel_bytes = alpha ? 4 : s->format == SPNG_FMT_G8 ? 1 : 3;
    return true;
}

static int read_orientation(struct session *s)
{
    struct spng_exif exif;
    if (spng_get_exif(s->c, &exif)) return 1;
    return tp_exif_orientation((const uint8_t *)exif.data, exif.length);
}

/* ---- pixels ---------------------------------------------------------------------------------- */

/* Rows of an interlaced image come in 7 passes, each filling in some of their pixels: `pixels`
 * holds the image in the format decoded. Otherwise rows come once, in order, and those with
 * alpha are blended into `pixels` from a row of their own. */
static bool read_rows(struct session *s, uint8_t *pixels, bool whole)
{
    size_t row_bytes = s->header.width * s->pixel_bytes;
    bool blend = s->pixel_bytes == 4 && !whole;
    size_t out_bytes = s->header.width * (blend ? 3 : s->pixel_bytes);
    uint8_t *row = blend ? tp_arena_alloc(s->arena, row_bytes) : NULL;
    struct spng_row_info info;
    char where[64];
    if (blend && !row) return tp_arena_fail(s->arena, s->err);
    int flags = SPNG_DECODE_PROGRESSIVE | (s->pixel_bytes == 4 ? SPNG_DECODE_TRNS : 0);
    int code = spng_decode_image(s->c, NULL, 0, (int)s->format, flags);
    if (code) return refuse(code, "before its pixels", s->n_bytes, s->err);
    while (!code) {
        code = spng_get_row_info(s->c, &info);
        if (code) break;
        uint8_t *to = pixels + info.row_num * out_bytes;
        code = spng_decode_row(s->c, blend ? row : to, row_bytes);
        if (blend && (!code || code == SPNG_EOI)) tp_image_over_white(to, row, s->header.width);
    }
    if (code == SPNG_EOI) {
        code = spng_decode_chunks(s->c);     /* on to IEND: a file cut short has none */
        return code ? refuse(code, "behind its pixels", s->n_bytes, s->err) : true;
    }
    snprintf(where, sizeof where, "at row %u of %u", info.row_num, s->header.height);
    return refuse(code, where, s->n_bytes, s->err);
}

static bool decode(struct session *s, struct tp_image *out, int *orientation, bool gray)
{
    if (!choose_format(s, gray)) return false;
    bool alpha = s->pixel_bytes == 4, whole = alpha && s->header.interlace_method;
    size_t n_pixels = (size_t)s->header.width * s->header.height;
    size_t n_bytes = n_pixels * (whole ? 4 : alpha ? 3 : s->pixel_bytes);
    uint8_t *pixels = tp_arena_alloc(s->arena, n_bytes);
    if (!pixels) return tp_arena_fail(s->arena, s->err);
    *orientation = read_orientation(s);
    if (!read_rows(s, pixels, whole)) return false;
    if (whole) tp_image_over_white(pixels, pixels, (int64_t)n_pixels);
    *out = (struct tp_image){ pixels, (int)s->header.width, (int)s->header.height,
                              s->pixel_bytes == 1 ? 1 : 3 };
    return true;
}

bool tp_png_decode(struct tp_image *out, const uint8_t *bytes, size_t n_bytes,
                   const struct tp_image_options *options, int full_size[2], int *orientation,
                   struct tp_arena *arena, struct tp_err *err)
{
    struct session s = { .n_bytes = n_bytes, .arena = arena, .err = err };
    bool ok = open_file(&s, bytes, options->max_pixels) &&
              decode(&s, out, orientation, options->gray);
    full_size[0] = (int)s.header.width;
    full_size[1] = (int)s.header.height;
    spng_ctx_free(s.c);
    return ok;
}

/* ---- encoding -------------------------------------------------------------------------------- */

struct tp_png {
    spng_ctx *c;
    struct tp_buf *b;
    size_t row_bytes;
};

static int append(spng_ctx *c, void *user, void *bytes, size_t n_bytes)
{
    struct tp_buf *b = user;
    (void)c;
    tp_buf_bytes(b, bytes, n_bytes);
    return b->failed ? SPNG_IO_ERROR : 0;
}

static bool fail_writing(const struct tp_png *png, int code, struct tp_err *err)
{
    if (!tp_buf_ok(png->b, "PNG", err)) return false;
    return tp_fail(err, code == SPNG_EMEM ? TP_NO_MEMORY : TP_INTERNAL, "PNG: not written: %s",
                   spng_strerror(code));
}

bool tp_png_begin(struct tp_png **out, struct tp_buf *b, int width, int height,
                  const uint32_t colors[256], struct tp_err *err)
{
    struct spng_ihdr header = {
        .width = (uint32_t)width, .height = (uint32_t)height, .bit_depth = 8,
        .color_type = SPNG_COLOR_TYPE_INDEXED,
    };
    struct spng_plte palette = { .n_entries = 256 };
    struct tp_png *png = calloc(1, sizeof *png);
    if (!png) return tp_fail(err, TP_NO_MEMORY, "PNG: out of memory");
    for (int i = 0; i < 256; i++)
        palette.entries[i] = (struct spng_plte_entry){
            .red = colors[i] >> 16 & 255, .green = colors[i] >> 8 & 255, .blue = colors[i] & 255,
        };
    *png = (struct tp_png){ spng_ctx_new(SPNG_CTX_ENCODER), b, (size_t)width };
    int code = png->c ? spng_set_png_stream(png->c, append, b) : SPNG_EMEM;
    if (!code) code = spng_set_ihdr(png->c, &header);
    if (!code) code = spng_set_plte(png->c, &palette);
    if (!code) code = spng_set_option(png->c, SPNG_IMG_COMPRESSION_LEVEL, LEVEL);
    if (!code) code = spng_set_option(png->c, SPNG_FILTER_CHOICE, SPNG_FILTER_CHOICE_NONE);
    if (!code)
        code = spng_encode_image(png->c, NULL, 0, SPNG_FMT_PNG,
                                 SPNG_ENCODE_PROGRESSIVE | SPNG_ENCODE_FINALIZE);
    if (!code) {
        *out = png;
        return true;
    }
    fail_writing(png, code, err);
    tp_png_end(png);
    return false;
}

bool tp_png_row(struct tp_png *png, const uint8_t *row, struct tp_err *err)
{
    int code = spng_encode_row(png->c, row, png->row_bytes);
    return !code || code == SPNG_EOI || fail_writing(png, code, err);
}

void tp_png_end(struct tp_png *png)
{
    if (!png) return;
    spng_ctx_free(png->c);
    free(png);
}

const char *tp_png_library(void) { return spng_version_string(); }
