/* utf8.c - text that may go into JSON and logs as it is. */
#include "base/utf8.h"

#include <stdbool.h>

size_t tp_utf8_bytes(const char *text, size_t n_bytes)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n = 0;
    if (!n_bytes) return 0;
    if (*p < 0x80) return 1;
    if (*p >= 0xC2 && *p < 0xE0) n = 2;
    else if (*p >= 0xE0 && *p < 0xF0) n = 3;
    else if (*p >= 0xF0 && *p < 0xF5) n = 4;
    if (n > n_bytes) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    const bool overlong = (*p == 0xE0 && p[1] < 0xA0) || (*p == 0xF0 && p[1] < 0x90);
    const bool surrogate = *p == 0xED && p[1] > 0x9F;
    const bool beyond = *p == 0xF4 && p[1] > 0x8F;
    return overlong || surrogate || beyond ? 0 : n;
}
