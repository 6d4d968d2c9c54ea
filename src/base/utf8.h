/* utf8.h - text that may go into JSON and logs as it is. */
#ifndef TP_UTF8_H
#define TP_UTF8_H

#include <stddef.h>

/* Length of the UTF-8 sequence at p (RFC 3629: neither overlong, nor a surrogate, nor beyond
 * U+10FFFF), 0 when it is none. At most n_bytes are read; in text that ends with a NUL, which no
 * sequence goes on behind, that may be any number from 4 on. */
size_t tp_utf8_bytes(const char *p, size_t n_bytes);

#endif
