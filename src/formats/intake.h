/* intake.h - what the readers of all protocols share: files, texts and numbers become a request's
 * sources and words. All of them fill in->err when they return false; `where` starts the message.
 */
#ifndef TP_INTAKE_H
#define TP_INTAKE_H

#include "formats/json.h"
#include "formats/request.h"

/* One more tensor, of the shape that was sent; its data lives as long as the request. */
bool tp_intake_tensor(struct tp_intake *in, const struct tp_tensor *t) TP_MUST_USE;

/* An image file or a .npy array. Its bytes are not copied. */
bool tp_intake_file(struct tp_intake *in, const char *where, const void *bytes,
                    size_t n_bytes) TP_MUST_USE;

/* Bytes that are nothing but float32, little-endian: as many inputs of the model (which is there)
 * as they make. Its size must be known but for the batch. */
bool tp_intake_raw(struct tp_intake *in, const char *where, const void *bytes,
                   size_t n_bytes) TP_MUST_USE;

/* Parses JSON, whose document the request then owns. */
bool tp_intake_document(struct tp_intake *in, struct tp_json **doc, const void *text,
                        size_t n_bytes, const char *what) TP_MUST_USE;

/* A file in base64 or as a data: URI. */
bool tp_intake_base64(struct tp_intake *in, const struct tp_json *doc, const json_t *v,
                      const char *where) TP_MUST_USE;

/* The numbers of an array, shaped as it is nested. */
bool tp_intake_numbers(struct tp_intake *in, const struct tp_json *doc, const json_t *v,
                       const char *where, struct tp_tensor *t) TP_MUST_USE;

/* A JSON value as the word that the query string would have. `where` and `key` start the message.
 */
bool tp_intake_word(struct tp_intake *in, const struct tp_json *doc, const char *where,
                    const char *key, const json_t *v, const char **word) TP_MUST_USE;

#endif
