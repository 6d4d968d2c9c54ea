/* exif.c - which way up a photograph is: one number out of EXIF metadata (CIPA DC-008, TIFF 6.0).
 * Only the first directory is read, entry by entry, so hostile offsets lead nowhere. */
#include "formats/exif.h"

#include <stdbool.h>
#include <string.h>

enum {
    TIFF_HEADER_BYTES = 8, ENTRY_BYTES = 12, PREFIX_BYTES = 6,
    TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, UPRIGHT = 1,
};

static unsigned read_16(const uint8_t *p, bool big)
{
    return big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static uint32_t read_32(const uint8_t *p, bool big)
{
    uint32_t first = read_16(p, big), second = read_16(p + 2, big);
    return big ? first << 16 | second : second << 16 | first;
}

int tp_exif_orientation(const uint8_t *exif, size_t n_bytes)
{
    if (n_bytes >= PREFIX_BYTES && !memcmp(exif, "Exif\0\0", PREFIX_BYTES)) {
        exif += PREFIX_BYTES;
        n_bytes -= PREFIX_BYTES;
    }
    if (n_bytes < TIFF_HEADER_BYTES) return UPRIGHT;
    bool big = exif[0] == 'M';
    if (memcmp(exif, big ? "MM" : "II", 2) || read_16(exif + 2, big) != 42) return UPRIGHT;
    size_t at = read_32(exif + 4, big);
    if (at > n_bytes - 2) return UPRIGHT;
    unsigned n_entries = read_16(exif + at, big);
    at += 2;
    for (unsigned i = 0; i < n_entries && n_bytes - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES) {
        const uint8_t *entry = exif + at;    /* tag, type, count, value */
        if (read_16(entry, big) != TAG_ORIENTATION) continue;
        unsigned value = read_16(entry + 8, big);
        bool valid = read_16(entry + 2, big) == TYPE_SHORT && value >= 1 && value <= 8;
        return valid ? (int)value : UPRIGHT;
    }
    return UPRIGHT;
}
