/* canvas.c - a rectangle of palette indices to paint on. */
#include "formats/canvas.h"

#include <stddef.h>
#include <string.h>

#include "formats/font.h"

static int clip(int x, int most) { return x < 0 ? 0 : x < most ? x : most; }

void tp_canvas_fill(const struct tp_canvas *c, int x, int y, int width, int height, uint8_t color)
{
    const int left = clip(x, c->width), right = clip(x + width, c->width);
    const int bottom = clip(y + height, c->height);
    for (int row = clip(y, c->height); row < bottom && left < right; row++)
        memset(c->pixels + (size_t)row * (size_t)c->width + left, color, (size_t)(right - left));
}

/* The glyph of the character at *text, which moves on. */
static const uint8_t *next_glyph(const char **text)
{
    unsigned char c = (unsigned char)*(*text)++;
    if (c >= 0x80)
        while (((unsigned char)**text & 0xC0) == 0x80) ++*text;      /* the rest of it in UTF-8 */
    return tp_font[(c >= TP_FONT_FIRST && c <= TP_FONT_LAST ? c : '?') - TP_FONT_FIRST];
}

int tp_canvas_text_width(const char *text, int scale)
{
    int n = 0;
    for (; *text; n++) next_glyph(&text);
    return n ? scale * (n * TP_CANVAS_ADVANCE - 1) : 0;
}

void tp_canvas_text(const struct tp_canvas *c, int x, int y, int scale, const char *text,
                    uint8_t color)
{
    for (; *text && x < c->width; x += scale * TP_CANVAS_ADVANCE) {
        const uint8_t *rows = next_glyph(&text);
        for (int row = 0; row < TP_FONT_HEIGHT; row++)
            for (int column = 0; column < TP_FONT_WIDTH; column++)
                if (rows[row] >> (TP_FONT_WIDTH - 1 - column) & 1)
                    tp_canvas_fill(c, x + column * scale, y + row * scale, scale, scale, color);
    }
}
