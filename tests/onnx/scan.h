/* scan.h - what an ONNX file says of itself, read without the reader that is under test: which
 * operators, element types and values a test is about, so that its refusal can be judged. */
#ifndef SCAN_H
#define SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCAN_VALUES = 24, SCAN_OPS = 64, SCAN_NAME = 160 };

struct scan_value {
    char name[SCAN_NAME];
    bool is_tensor;                  /* not a sequence, optional or map */
    int type;                        /* TensorProto.DataType; 0 where it is none */
};

struct scan {
    struct scan_value inputs[SCAN_VALUES], outputs[SCAN_VALUES];
    int n_inputs, n_outputs;         /* inputs that no initializer fills */
    char ops[SCAN_OPS][SCAN_NAME];   /* of the graph's nodes, each once; "domain.Op" for others'
                                        domains */
    int n_ops, n_nodes;
    uint32_t types;                  /* one bit per TensorProto.DataType that occurs */
    bool cubic, training;            /* attributes mode="cubic", training_mode=1 */
};

/* False when the bytes are not a ModelProto, or more than fits above. */
bool scan_model(struct scan *out, const void *bytes, size_t n_bytes);

#endif
