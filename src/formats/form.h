/* form.h - the forms of an answer, by name and by media type, and those that are not JSON: .npy,
 * safetensors, raw bytes, and the maps as a picture. */
#ifndef TP_FORM_H
#define TP_FORM_H

#include "formats/answer.h"
#include "formats/head.h"
#include "formats/narrow.h"

enum tp_form { TP_FORM_JSON, TP_FORM_NPY, TP_FORM_SAFETENSORS, TP_FORM_BINARY, TP_FORM_PNG,
               TP_N_FORMS };

const char *tp_form_name(enum tp_form form);     /* "npy", as the word `format` has it */
const char *tp_form_type(enum tp_form form);     /* "application/x-npy" */
const char *tp_form_suffix(enum tp_form form);   /* ".npy" */
const char *tp_form_datatype(enum tp_dtype type);            /* "FP16" */

/* Of a form's name; fails with the names there are. */
bool tp_form_read(const char *name, enum tp_form *form, struct tp_err *err) TP_MUST_USE;

/* Of "fp32", "fp16" or "uint8". */
bool tp_form_read_dtype(const char *name, enum tp_dtype *type, struct tp_err *err) TP_MUST_USE;

/* Of a media type without parameters, in any case; "*" and "/" wildcards are the caller's. False:
 * no form has it. */
bool tp_form_of_type(const char *type, size_t n_bytes, enum tp_form *form);

/* Whether the form can hold the answer; false before the network has run, as no value is read: only
 * names, shapes, layouts and whether there is an argmax. */
bool tp_form_check(const struct tp_answer *a, enum tp_form form, enum tp_dtype type,
                   struct tp_err *err) TP_MUST_USE;

/* Appends the answer, which tp_form_check() let pass, in a form other than JSON, whose writer is
 * tp_answer_begin(). *head receives the media type, and X-Tensor-Shape, -Datatype and -Layout
 * where the form holds one tensor, X-Tensor-Scale-Shape where it is uint8. */
bool tp_form_write(struct tp_buf *b, struct tp_head *head, const struct tp_answer *a,
                   enum tp_form form, enum tp_dtype type, int n_threads,
                   struct tp_err *err) TP_MUST_USE;

#endif
