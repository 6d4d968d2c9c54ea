/* table.c - the table of kernels, compiled once per instruction set.
 *
 * The "parameters", set by the Makefile:
 *   TP_TABLE   name of the exported table, tp_kernels_avx2
 *   TP_NAME    its name as users write it, "avx2"
 * Everything else follows from the compiler's own macros in vec.h. */
#include "kernels/kernels.h"
#include "kernels/vec.h"

#include "kernels/gemm.h"
#include "kernels/depthwise.h"
#include "kernels/depthwise_row.h"
#include "kernels/grouped.h"
#include "kernels/pool.h"
#include "kernels/reduce.h"
#include "kernels/activate.h"
#include "kernels/binary.h"
#include "kernels/softmax.h"
#include "kernels/lerp.h"
#include "kernels/resample.h"
#include "kernels/peak.h"
#include "kernels/winograd.h"
#include "kernels/text.h"
#include "kernels/decimal.h"

extern const struct tp_kernels TP_TABLE;

const struct tp_kernels TP_TABLE = {
    .name = TP_NAME,
    .mr = MR,
    .nr = NR,
    .gemm = gemm,
    .gemm_row = gemm_row,
    .winograd = {
        { winograd_in_2, winograd_weights_2, winograd_out_2, winograd_out_max_2 },
        { winograd_in_4, winograd_weights_4, winograd_out_4, winograd_out_max_4 },
    },
    .depthwise = depthwise,
    .grouped = grouped,
    .depthwise_3 = depthwise_3,
    .depthwise_5 = depthwise_5,
    .pool_max = pool_max,
    .pool_min = pool_min,
    .pool_sum = pool_sum,
    .pool_lp = pool_lp,
    .reduce = { [TP_REDUCE_MAX] = reduce_max, [TP_REDUCE_MIN] = reduce_min,
                [TP_REDUCE_SUM] = reduce_sum },
    .activate = activate,
    .binary = {
        [TP_BINARY_ADD] = binary_add, [TP_BINARY_SUB] = binary_sub, [TP_BINARY_MUL] = binary_mul,
        [TP_BINARY_MAX] = binary_max, [TP_BINARY_PRELU] = binary_prelu,
        [TP_BINARY_MIN] = binary_min, [TP_BINARY_DIV] = binary_div, [TP_BINARY_POW] = binary_pow,
        [TP_BINARY_MOD] = binary_mod, [TP_BINARY_EQUAL] = binary_equal,
        [TP_BINARY_LESS] = binary_less, [TP_BINARY_LESS_EQUAL] = binary_less_equal,
        [TP_BINARY_AND] = binary_and, [TP_BINARY_OR] = binary_or, [TP_BINARY_XOR] = binary_xor,
    },
    .affine = affine,
    .softmax = softmax,
    .log_softmax = log_softmax,
    .lerp = lerp,
    .resample_row = resample_row,
    .resample_columns = resample_columns,
    .read_numbers = read_numbers,
    .decimals = decimals,
    .peak = peak,
};
