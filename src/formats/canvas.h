/* canvas.h - a rectangle of palette indices to paint on. What lies outside of it is cut off. */
#ifndef TP_CANVAS_H
#define TP_CANVAS_H

#include <stdint.h>

struct tp_canvas {
    uint8_t *pixels;                 /* [height, width] */
    int width, height;
};

void tp_canvas_fill(const struct tp_canvas *c, int x, int y, int width, int height, uint8_t color);

enum { TP_CANVAS_ADVANCE = 6, TP_CANVAS_LINE = 7 };          /* of one character, times the scale */

/* The text's width: of one scale, without the gap behind the last character. */
int tp_canvas_text_width(const char *text, int scale);

/* One line with its upper left corner at (x, y). A character that is not in ASCII is a '?'. */
void tp_canvas_text(const struct tp_canvas *c, int x, int y, int scale, const char *text,
                    uint8_t color);

#endif
