/* negotiate.h - which of our forms and codings a client likes best (RFC 9110, 12.5). */
#ifndef TP_NEGOTIATE_H
#define TP_NEGOTIATE_H

#include "formats/deflate.h"

/* The index of the media type that the Accept header wants most: by its q, which the most specific
 * range gives that matches; of equals the first. -1 when all are refused; 0 when nothing is said,
 * or nothing that can be read. */
int tp_negotiate_type(const char *accept, const char *const types[], int n);

/* The coding that Accept-Encoding wants most, gzip before deflate; identity where neither is named,
 * or where it is liked better than both. */
enum tp_coding tp_negotiate_coding(const char *accept_encoding);

#endif
