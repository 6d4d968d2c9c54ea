/* npy.h - NumPy's .npy arrays (format versions 1 to 3). */
#ifndef TP_NPY_H
#define TP_NPY_H

#include "base/arena.h"
#include "base/tensor.h"

enum tp_npy_type { TP_NPY_FLOAT32, TP_NPY_UINT8 };

struct tp_npy {
    enum tp_npy_type type;
    struct tp_shape shape;           /* row-major, as stored unless fortran */
    const void *data;                /* inside the caller's bytes; may be unaligned */
    size_t data_bytes;
};

bool tp_npy_sniff(const void *bytes, size_t n_bytes);

/* Reads the header and checks that the data is all there, neither more nor less. Little-endian
 * float32 ("<f4") and uint8 ("|u1") in C order; anything else is refused by name. */
bool tp_npy_parse(struct tp_npy *out, const void *bytes, size_t n_bytes, int64_t max_elements,
                  struct tp_err *err) TP_MUST_USE;

/* Appends a float32 tensor as a version 1.0 file. */
struct tp_buf;
void tp_npy_write(struct tp_buf *b, const struct tp_tensor *t);

#endif
