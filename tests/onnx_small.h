/* onnx_small.h - for tests of the ONNX reader: a file that has a bit of everything; refusals. */
#ifndef ONNX_SMALL_H
#define ONNX_SMALL_H

#include "onnx_of.h"

/* x [d0, 3] -> Gemm(w) -> Relu -> y, with attributes of every kind. */
static inline struct onnx_of small_model(void)
{
    struct onnx_of m = { .opset = 13 };
    onnx_input(&m, "x", TP_ONNX_FLOAT, DIMS(-1, 3));
    onnx_floats(&m, "w", DIMS(3, 2), (const float[]){ 1, 2, 3, 4, 5, 6 });
    onnx_node(&m, "Gemm", "x w -", "h");
    onnx_node_name(&m, "/fc/Gemm");
    onnx_attr_float(&m, "alpha", 0.5f);
    onnx_attr_int(&m, "transB", 1);
    onnx_node(&m, "Odd", "h", "- y");
    onnx_attr_text(&m, "mode", "linear");
    onnx_attr_ints(&m, "pads", DIMS(1, -2));
    onnx_attr_floats(&m, "scales", (const float[]){ 1, 2.5f }, 2);
    onnx_attr_tensor(&m, "value", TP_ONNX_INT64, DIMS(1), (const int64_t[]){ 9 }, 8);
    onnx_output(&m, "y");
    return m;
}

static inline void check_refused(struct onnx_of *m, enum tp_code code, const char *message)
{
    struct tp_net *net = (struct tp_net *)m;         /* must be NULL afterwards */
    struct tp_err err = { 0 };
    if (onnx_try(m, &net, &err)) fail_msg("accepted; expected: %s", message);
    assert_null(net);
    assert_string_equal(err.message, message);
    assert_int_equal(err.code, code);
    onnx_fini(m);
}

#endif
