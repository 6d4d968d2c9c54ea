/* tally.c - which tests must pass, and the tables at the end. */
#include "tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/net.h"

struct tally_row {
    char name[SCAN_NAME];
    int passed, refused, failed;
};

/* What every test must pass of, given element types that are read: the operators that the service
 * promises. Others may pass too, or are refused. */
static const char *const promised[] = {
    "Abs", "Add", "ArgMax", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Celu", "Clip",
    "Concat", "Constant", "ConstantOfShape", "Conv", "ConvTranspose", "DepthToSpace", "Div",
    "Dropout", "Elu", "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "Gelu", "Gemm",
    "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity",
    "InstanceNormalization", "LRN", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax",
    "LpPool", "MatMul", "Max", "MaxPool", "MaxRoiPool", "MaxUnpool", "Mean", "Min", "Mish", "Mul",
    "Neg", "PRelu", "Pad", "Pow", "Range", "Reciprocal", "ReduceL2", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceSum", "Relu", "Reshape", "Resize", "RoiAlign", "Selu", "Shape", "Sigmoid",
    "Slice", "Softmax", "Softplus", "Softsign", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub",
    "Sum", "Tanh", "ThresholdedRelu", "Tile", "Transpose", "Unsqueeze", "Upsample", "Where",
};

static const enum tp_onnx_type promised_types[] = {
    TP_ONNX_FLOAT, TP_ONNX_FLOAT16, TP_ONNX_DOUBLE, TP_ONNX_INT64, TP_ONNX_INT32, TP_ONNX_INT8,
    TP_ONNX_UINT8, TP_ONNX_BOOL,
};

static bool is_promised(const char *op)
{
    for (size_t i = 0; i < sizeof promised / sizeof *promised; i++)
        if (!strcmp(promised[i], op)) return true;
    return false;
}

static uint32_t other_types(const struct scan *scan)
{
    uint32_t others = scan->types & ~UINT32_C(1);
    for (size_t i = 0; i < sizeof promised_types / sizeof *promised_types; i++)
        others &= ~(UINT32_C(1) << promised_types[i]);
    return others;
}

static const char *unpromised(const struct scan *scan)
{
    for (int i = 0; i < scan->n_ops; i++)
        if (!is_promised(scan->ops[i])) return scan->ops[i];
    return NULL;
}

/* The operator's own name within "domain.Op", as messages tell it. */
static bool is_named(const char *op, const char *message)
{
    const char *dot = strrchr(op, '.');
    return strstr(message, dot ? dot + 1 : op);
}

static const char *no_tensor(const struct scan *scan)
{
    for (int i = 0; i < scan->n_inputs; i++)
        if (!scan->inputs[i].is_tensor) return "values that are sequences or optional";
    for (int i = 0; i < scan->n_outputs; i++)
        if (!scan->outputs[i].is_tensor) return "values that are sequences or optional";
    return NULL;
}

/* Reasons for which a test of promised operators and types may be refused. */
static const char *excuse(const struct suite_result *r, const struct scan *scan)
{
    /* Statistics of the batch and random masks belong to training; a server has the trained net. */
    if (scan->training || strstr(r->why, "training")) return "training mode";
    /* Promised are nearest and linear. */
    if (scan->cubic) return "cubic interpolation";
    /* There is nothing to answer: a map without pixels or a batch without images. */
    if (r->empty) return "empty tensors (a size of 0)";
    return NULL;
}

const char *tally_reason(struct suite_result *out, const struct scan *scan)
{
    static char reason[SCAN_NAME + 64];
    const uint32_t types = other_types(scan);
    const char *op = unpromised(scan), *why = no_tensor(scan);
    if (!out->why[0]) {
        out->verdict = SUITE_FAILED;
        strcpy(out->why, "refused without a message");
        return NULL;
    }
    if (why) return why;
    if (types) {
        snprintf(reason, sizeof reason, "element type %s",
                 tp_onnx_type_name((enum tp_onnx_type)__builtin_ctz(types)));
        return reason;
    }
    if ((why = excuse(out, scan))) return why;
    if (op && strchr(op, '.') && strstr(out->why, "opset_import"))
        return "no operators of ONNX's own (its opset_import is of another domain)";
    for (int i = 0; op && i < scan->n_ops; i++) {
        if (is_promised(scan->ops[i]) || !is_named(scan->ops[i], out->why)) continue;
        snprintf(reason, sizeof reason, "operator %s is not there", scan->ops[i]);
        return reason;
    }
    out->verdict = SUITE_FAILED;
    char message[sizeof out->why];
    strcpy(message, out->why);
    snprintf(out->why, sizeof out->why, "%s%s: %.500s",
             op ? "the message does not name " : "refused", op ? op : "", message);
    return NULL;
}

static struct tally_row *row(struct tally_row **rows, int *n, const char *name)
{
    for (int i = 0; i < *n; i++)
        if (!strcmp((*rows)[i].name, name)) return &(*rows)[i];
    struct tally_row *more = realloc(*rows, (size_t)(*n + 1) * sizeof **rows);
    if (!more) abort();
    *rows = more;
    more[*n] = (struct tally_row){ 0 };
    snprintf(more[*n].name, sizeof more[*n].name, "%s", name);
    return &more[(*n)++];
}

void tally_add(struct tally *t, const char (*ops)[SCAN_NAME], int n_ops,
               const struct suite_result *result, const char *reason)
{
    const enum suite_verdict v = result->verdict;
    for (int i = 0; i < n_ops; i++) {
        struct tally_row *r = row(&t->ops, &t->n_ops, ops[i]);
        *(v == SUITE_PASSED ? &r->passed : v == SUITE_REFUSED ? &r->refused : &r->failed) += 1;
    }
    *(v == SUITE_PASSED ? &t->n_passed : v == SUITE_REFUSED ? &t->n_refused : &t->n_failed) += 1;
    t->n_all_bound += v == SUITE_PASSED && result->all_bound;
    t->n_fed += result->n_fed;
    if (reason) row(&t->reasons, &t->n_reasons, reason)->refused++;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tally_row *)a)->name, ((const struct tally_row *)b)->name);
}

void tally_print(struct tally *t)
{
    if (t->n_ops) qsort(t->ops, (size_t)t->n_ops, sizeof *t->ops, by_name);
    if (t->n_reasons) qsort(t->reasons, (size_t)t->n_reasons, sizeof *t->reasons, by_name);
    printf("# %-34s %7s %8s %7s\n", "operator (* promised)", "passed", "refused", "failed");
    for (int i = 0; i < t->n_ops; i++)
        printf("# %c %-32s %7d %8d %7d\n", is_promised(t->ops[i].name) ? '*' : ' ', t->ops[i].name,
               t->ops[i].passed, t->ops[i].refused, t->ops[i].failed);
    printf("#\n# refused, by reason\n");
    for (int i = 0; i < t->n_reasons; i++)
        printf("# %7d  %s\n", t->reasons[i].refused, t->reasons[i].name);
    printf("#\n# %d passed (%d only with every input's value known; %d inputs took a turn as the "
           "one that is fed), %d refused, %d failed\n",
           t->n_passed, t->n_all_bound, t->n_fed, t->n_refused, t->n_failed);
}

void tally_free(struct tally *t)
{
    free(t->ops);
    free(t->reasons);
}
