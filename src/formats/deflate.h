/* deflate.h - content codings of HTTP: gzip and deflate (RFC 9110, 8.4.1), through libdeflate. */
#ifndef TP_DEFLATE_H
#define TP_DEFLATE_H

#include "base/buf.h"

enum tp_coding { TP_IDENTITY, TP_GZIP, TP_DEFLATE };

/* What a Content-Encoding header says; NULL and "" are identity. One coding at most. */
bool tp_coding_read(const char *content_encoding, enum tp_coding *out,
                    struct tp_err *err) TP_MUST_USE;

/* The whole body as it was before. Fails, leaving *out empty, when it is longer than limit_bytes,
 * cut short, damaged, or followed by other bytes. gzip may have several members; deflate is zlib's
 * format, or the bare one that some clients send. What is allocated grows with what comes out, to
 * at most twice the limit. */
bool tp_inflate(struct tp_buf *out, const void *bytes, size_t n_bytes, enum tp_coding coding,
                size_t limit_bytes, struct tp_err *err) TP_MUST_USE;

/* A body as it was before it was compressed, in its place; its limit_bytes hold for both. */
bool tp_inflate_body(struct tp_buf *body, const char *content_encoding,
                     struct tp_err *err) TP_MUST_USE;

/* Appends the bytes compressed, as gzip or deflate. */
bool tp_deflate(struct tp_buf *out, const void *bytes, size_t n_bytes, enum tp_coding coding,
                struct tp_err *err) TP_MUST_USE;

#endif
