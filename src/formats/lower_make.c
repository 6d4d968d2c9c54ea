/* lower_make.c - operators whose result is known without running: constants, shapes, ranges. */
#include "formats/lowering.h"

#include <math.h>
#include <string.h>

static bool make_known(struct tp_lowering *l, enum tp_onnx_type type, int64_t n, bool is_scalar,
                       const double *values)
{
    double *data = tp_low_room(l, n, sizeof *data);
    const struct tp_shape s = { .rank = !is_scalar, .dim = { n } };
    if (!data) return false;
    memcpy(data, values, (size_t)n * sizeof *data);
    return tp_low_out_known(l, 0, type, &s, data);
}

bool tp_lower_constant(struct tp_lowering *l)
{
    const struct tp_net_attr *a = l->nd->n_attrs ? &l->nd->attrs[0] : NULL;
    const bool whole = a && (a->kind == TP_ATTR_INT || a->kind == TP_ATTR_INTS);
    const bool number = whole || (a && (a->kind == TP_ATTR_FLOAT || a->kind == TP_ATTR_FLOATS));
    if (l->nd->n_attrs != 1 || (!number && a->kind != TP_ATTR_TENSOR))
        return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "it must hold one tensor, number or list of "
                           "numbers");
    if (a->kind == TP_ATTR_TENSOR) {
        if (!tp_onnx_type_bytes(a->tensor.type))
            return tp_low_fail(l, TP_UNSUPPORTED_FORMAT, "its element type %s is not read",
                               tp_onnx_type_name(a->tensor.type));
        return tp_low_out_value(l, 0, &(struct tp_lowered){
            .made = true, .constant = true, .fixed = true, .type = a->tensor.type,
            .shape = a->tensor.shape, .tensor = &a->tensor, .node = -1,
        });
    }
    const bool is_scalar = a->kind == TP_ATTR_INT || a->kind == TP_ATTR_FLOAT;
    const int n = is_scalar ? 1 : a->n;
    double *values = tp_low_room(l, n, sizeof *values);
    if (!values) return false;
    for (int i = 0; i < n; i++)
        values[i] = whole ? (double)(is_scalar ? a->i : a->ints[i])
                          : (double)(is_scalar ? a->f : a->floats[i]);
    return make_known(l, whole ? TP_ONNX_INT64 : TP_ONNX_FLOAT, n, is_scalar, values);
}

bool tp_lower_shape(struct tp_lowering *l)
{
    struct tp_lowered *x = tp_low_in(l, 0);
    const int rank = x->shape.rank;
    int64_t start = tp_low_int(l, "start", 0), end = tp_low_int(l, "end", rank);
    double dims[TP_MAX_RANK];
    if (start < 0) start = start < -rank ? 0 : start + rank;
    if (end < 0) end = end < -rank ? 0 : end + rank;
    if (end > rank) end = rank;
    int64_t n = 0;
    for (int64_t a = start; a < end; a++) dims[n++] = (double)x->shape.dim[a];
    return make_known(l, TP_ONNX_INT64, n, false, dims);
}

bool tp_lower_size(struct tp_lowering *l)
{
    const struct tp_lowered *x = tp_low_in(l, 0);
    const double n = (double)tp_shape_elements(&x->shape);
    return make_known(l, TP_ONNX_INT64, 1, true, &n);
}

bool tp_lower_constant_of_shape(struct tp_lowering *l)
{
    const struct tp_net_attr *a = tp_low_attr(l, "value", TP_ATTR_TENSOR);
    const bool given = a && a->tensor.n_elements == 1 && tp_onnx_type_bytes(a->tensor.type);
    const double value = given ? tp_net_element(&a->tensor, 0) : 0;
    const enum tp_onnx_type type = given ? a->tensor.type : TP_ONNX_FLOAT;
    int64_t dims[TP_MAX_RANK];
    int n;
    if (a && !given) return tp_low_fail(l, TP_INVALID_MODEL, "its value must be one number");
    if (!tp_low_ints(l, NULL, 0, dims, TP_MAX_RANK, &n)) return false;
    struct tp_shape s = { .rank = n > 0 ? n : 0 };
    for (int i = 0; i < n; i++) {
        if (dims[i] < 0)
            return tp_low_fail(l, TP_INVALID_MODEL, "size %lld at place %d of its shape",
                               (long long)dims[i], i);
        s.dim[i] = dims[i];
    }
    const int64_t elements = tp_shape_elements(&s);
    if (elements < 0 || elements > l->limits->max_elements)
        return tp_low_fail(l, TP_TOO_LARGE, "%s has more elements than the limit of %lld",
                           TP_SHAPE(&s), (long long)l->limits->max_elements);
    if (elements <= TP_KNOWN_ELEMENTS) {
        double *data = tp_low_room(l, elements, sizeof *data);
        for (int64_t i = 0; data && i < elements; i++) data[i] = value;
        return data && tp_low_out_known(l, 0, type, &s, data);
    }
    float *data = tp_low_room(l, elements, sizeof *data);
    if (!data) return false;
    for (int64_t i = 0; i < elements; i++) data[i] = (float)value;
    return tp_low_out_value(l, 0, &(struct tp_lowered){
        .made = true, .constant = true, .fixed = true, .type = type, .shape = s, .floats = data,
        .node = -1,
    });
}

bool tp_lower_range(struct tp_lowering *l)
{
    double value[3];
    for (int i = 0; i < 3; i++) {
        struct tp_lowered *v = tp_low_in(l, i);
        const double *known = tp_low_known(l, v);
        if (!known || tp_shape_elements(&v->shape) != 1)
            return tp_low_fail(l, !v->constant ? TP_UNSUPPORTED_FORMAT : TP_INVALID_MODEL,
                               "start, limit and delta must be one constant each");
        value[i] = *known;
    }
    const double count = ceil((value[1] - value[0]) / value[2]);
    if (!(count <= (double)l->limits->max_elements) || value[2] == 0)
        return tp_low_fail(l, TP_INVALID_MODEL, "from %g to %g by %g", value[0], value[1],
                           value[2]);
    const int64_t n = count > 0 ? (int64_t)count : 0;
    double *data = tp_low_room(l, n, sizeof *data);
    for (int64_t i = 0; data && i < n; i++) data[i] = value[0] + (double)i * value[2];
    return data && tp_low_out_known(l, 0, tp_low_in(l, 0)->type,
                                    &(struct tp_shape){ 1, { n } }, data);
}
