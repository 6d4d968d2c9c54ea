/* npy.h - NumPy's .npy arrays (format versions 1 to 3). */
#ifndef TP_NPY_H
#define TP_NPY_H

#include "base/arena.h"
#include "base/tensor.h"

enum tp_npy_type { TP_NPY_FLOAT32, TP_NPY_UINT8, TP_NPY_FLOAT16, TP_NPY_FLOAT64 };

struct tp_npy {
    enum tp_npy_type type;
    struct tp_shape shape;           /* row-major, as stored unless fortran */
    const void *data;                /* inside the caller's bytes; may be unaligned */
    size_t data_bytes;
};

bool tp_npy_sniff(const void *bytes, size_t n_bytes);

/* Reads the header and checks that the data is all there, neither more nor less. Little-endian
 * float32 ("<f4"), float16 ("<f2") and float64 ("<f8") and uint8 ("|u1") in C order; anything else
 * is refused by name. */
bool tp_npy_parse(struct tp_npy *out, const void *bytes, size_t n_bytes, int64_t max_elements,
                  struct tp_err *err) TP_MUST_USE;

/* The values of any of these types as float32, float64 rounded to it (infinity beyond its end).
 * out: tp_shape_elements(&npy->shape). */
void tp_npy_floats(const struct tp_npy *npy, float *out);

/* Appends what stands before the data of a version 1.0 file: a multiple of 64 bytes, at most
 * TP_NPY_HEAD_BYTES. */
enum { TP_NPY_HEAD_BYTES = 256 };
struct tp_buf;
void tp_npy_begin(struct tp_buf *b, const char *descr, const struct tp_shape *s);

/* Appends a float32 tensor as a whole file. */
void tp_npy_write(struct tp_buf *b, const struct tp_tensor *t);

#endif
