/* dispatch.c - which table of kernels this processor runs. */
#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
extern const struct tp_kernels tp_kernels_base, tp_kernels_avx2, tp_kernels_avx512;
static const struct tp_kernels *const tables[] = {
    &tp_kernels_base, &tp_kernels_avx2, &tp_kernels_avx512,
};
#elif defined(__aarch64__)
extern const struct tp_kernels tp_kernels_neon;
static const struct tp_kernels *const tables[] = { &tp_kernels_neon };
#else
extern const struct tp_kernels tp_kernels_base;
static const struct tp_kernels *const tables[] = { &tp_kernels_base };
#endif

enum { N_TABLES = sizeof tables / sizeof *tables };

static const struct tp_kernels *chosen;

/* Tables are ordered weakest first, and each needs all that the one before needs. */
static int runnable(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 1;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) return 2;
#endif
    return N_TABLES;
}

bool tp_kernels_init(struct tp_err *err)
{
    const char *wanted = getenv("TIDEPOOL_CPU");
    int n = runnable();
    chosen = tables[n - 1];
    if (!wanted || !*wanted) return true;
    for (int i = 0; i < N_TABLES; i++) {
        if (strcmp(wanted, tables[i]->name)) continue;
        if (i >= n)
            return tp_fail(err, TP_INVALID_ARGUMENT, "TIDEPOOL_CPU=%s: this processor cannot run "
                           "it; the best it can is %s", wanted, tables[n - 1]->name);
        chosen = tables[i];
        return true;
    }
    return tp_fail(err, TP_INVALID_ARGUMENT, "TIDEPOOL_CPU=%s: no such instruction set here; "
                   "there are: %s%s%s", wanted, tables[0]->name, N_TABLES > 1 ? ", avx2" : "",
                   N_TABLES > 2 ? ", avx512" : "");
}

const struct tp_kernels *tp_kernels_get(void)
{
    return chosen ? chosen : tables[0];
}

const struct tp_kernels *tp_kernels_list(int index)
{
    return index >= 0 && index < runnable() ? tables[index] : NULL;
}

void tp_kernels_use(const struct tp_kernels *k)
{
    chosen = k;
}
