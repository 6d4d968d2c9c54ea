/* json_rows.h - an array of numbers in a JSON text: checked, measured and converted in one go. */
#ifndef TP_JSON_ROWS_H
#define TP_JSON_ROWS_H

#include "formats/json_scan.h"

enum {
    TP_JSON_LEVELS = TP_JSON_MAX_DEPTH + 2,
    TP_JSON_PART_LEVEL = 16          /* at which a part begins: so many may close around it */
};

static const uint32_t TP_JSON_UNKNOWN = UINT32_MAX;

/* One array of numbers while it is scanned; level 0 is around it. Or a part of one, from behind
 * some comma on, which is scanned without knowing how deep that comma stands: its level is called
 * TP_JSON_PART_LEVEL. */
struct tp_json_rows {
    const struct tp_json_scan *doc;  /* whose err is filled; NULL: a part, which only has `fault` */
    const char *text, *end;
    const char *stop;                /* a value that is due from there on is not scanned */
    int outer;                       /* arrays and objects around level 0 */
    float *to, *to_end;              /* where numbers go, while there is room */
    bool wide;                       /* see struct tp_text */

    bool at_value;                   /* where it stopped, a value was due, not a comma */
    int depth, deepest;
    int floor;                       /* arrays up to this level were open before the part */
    int leaf;                        /* the level at which numbers stand; 0: none seen */
    uint32_t n_numbers, n_opened;
    uint32_t beyond_byte;            /* of the first that float32 cannot hold; 0: none */
    uint8_t fault;                   /* the first, as in struct tp_json_span */
    uint32_t fault_byte, fault_length;
    uint32_t length[TP_JSON_LEVELS]; /* so far, of the open array at that level */
    uint32_t wanted[TP_JSON_LEVELS]; /* of the first array that was closed there */
    const char *begin[TP_JSON_LEVELS];
    struct {                         /* when the array that was open before the part closed: */
        uint32_t length;             /* that of its end, which is in the part */
        uint32_t n_numbers, n_opened;
        const char *behind;
    } closed[TP_JSON_PART_LEVEL + 1];
};

/* Scans numbers and brackets from p on, where a value is due. Returns the byte behind the last
 * bracket (depth is 0 then), or the first that is out of place or at `stop`; NULL with an error. */
const char *tp_json_rows_scan(struct tp_json_rows *r, const char *p);

/* Begins a part at a value that is due. */
void tp_json_rows_part(struct tp_json_rows *part, const char *text, const char *end);

/* Appends a part to what was scanned up to its first byte. Returns the byte up to which it could
 * be, or NULL (*r is as it was) where it does not fit: whoever scans on from there finds out why.
 */
const char *tp_json_rows_append(struct tp_json_rows *r, const struct tp_json_rows *part,
                                const char *part_end);

#endif
