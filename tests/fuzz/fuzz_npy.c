/* fuzz_npy.c - libFuzzer entry: any bytes as a .npy file, to float32, and back. Built like
 * fuzz_json.c, from src/formats/npy.c and src/base/*.c. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "formats/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tp_npy npy, again;
    struct tp_err err = { 0 };
    if (!tp_npy_parse(&npy, data, size, 1 << 24, &err)) {
        if (err.code == TP_OK) abort();
        return 0;
    }
    if ((const uint8_t *)npy.data + npy.data_bytes != data + size) abort();

    struct tp_buf b = { 0 };
    const size_t n_bytes = (size_t)tp_shape_elements(&npy.shape) * sizeof(float);
    const struct tp_tensor t = { npy.shape, malloc(n_bytes) };
    if (!t.data) return 0;
    tp_npy_floats(&npy, t.data);
    tp_npy_write(&b, &t);
    if (!tp_npy_parse(&again, b.data, b.n_bytes, 1 << 24, &err)) abort();
    if (again.type != TP_NPY_FLOAT32 || again.data_bytes != n_bytes ||
        memcmp(again.data, t.data, n_bytes)) abort();
    if (npy.type == TP_NPY_FLOAT32 && memcmp(npy.data, t.data, n_bytes)) abort();
    free(t.data);
    tp_buf_fini(&b);
    return 0;
}
