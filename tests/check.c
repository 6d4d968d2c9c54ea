/* check.c - what all unit tests share. */
#include "check.h"
#include "ref.h"
#include "ops/parallel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HEADER_BYTES = 64 };   /* keeps base and length of the mapping, in front of the data */

struct mapping { void *base; size_t n_bytes; };

/* The data's address is found again through a page in front of it, since the data itself must end
 * at a page's end and may start anywhere. */
void *guarded(size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (n_bytes + HEADER_BYTES + page - 1) / page * page;
    char *base =
        mmap(NULL, body + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(base != MAP_FAILED);
    assert_int_equal(mprotect(base + body, page, PROT_NONE), 0);
    char *data = base + body - n_bytes;
    struct mapping m = { base, body + page };
    memset(data, 0xFF, n_bytes);          /* as floats: NaN */
    memcpy(data - sizeof m, &m, sizeof m);
    return data;
}

void guarded_free(void *p)
{
    struct mapping m;
    if (!p) return;
    memcpy(&m, (char *)p - sizeof m, sizeof m);
    munmap(m.base, m.n_bytes);
}

uint32_t next_random(uint32_t *state)
{
    uint32_t x = *state ? *state : 2463534242u;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

float *guarded_random(int64_t n, uint32_t seed)
{
    float *p = guarded((size_t)n * sizeof *p);
    uint32_t state = seed * 2654435761u + 1;
    for (int64_t i = 0; i < n; i++) p[i] = (float)(next_random(&state) >> 8) / 8388608.0f - 1.0f;
    return p;
}

void check_near(const char *what, const float *got, const double *want, int64_t n, double tolerance)
{
    double largest = 1;
    for (int64_t i = 0; i < n; i++)
        if (isfinite(want[i]) && fabs(want[i]) > largest) largest = fabs(want[i]);
    for (int64_t i = 0; i < n; i++) {
        if (isnan(want[i]) && isnan(got[i])) continue;
        if ((double)got[i] == want[i]) continue;
        if (fabs(got[i] - want[i]) <= tolerance * largest) continue;
        fail_msg("%s: element %lld is %.9g, expected %.9g (within %g of %g)", what, (long long)i,
                 (double)got[i], want[i], tolerance, largest);
    }
}

float *check_node_once(const struct tp_node *node, const struct tp_kernels *k,
                       const struct tp_shape *in, float *const *inputs, const struct tp_shape *out,
                       int n_threads)
{
    struct tp_node nd = *node;
    struct tp_err err = { 0 };
    struct tp_arena arena;
    tp_arena_init(&arena, SIZE_MAX);
    if (nd.op->prepare && !nd.op->prepare(&nd, out, k, &arena, &err))
        fail_msg("prepare: %s", err.message);
    struct tp_step st = {
        .node = &nd, .k = k, .in = in, .out = *out,
        .out_step = out->rank ? out->dim[out->rank - 1] : 1,
    };
    if (nd.op->plan && !nd.op->plan(&st, &arena, &err)) fail_msg("plan: %s", err.message);

    int64_t n = tp_shape_elements(out);
    float *result = guarded((size_t)n * sizeof *result);
    char *scratch = aligned_alloc(64, (st.scratch_bytes + 127) / 64 * 64);
    memset(scratch, 0xFF, st.scratch_bytes);
    struct tp_io io = { (const float *const *)inputs, result, scratch, n_threads };
    nd.op->run(&st, &io);
    free(scratch);
    tp_arena_fini(&arena);
    return result;
}

/* The shape that comes out, of inputs that must fit. */
static struct tp_shape shape_out(const struct tp_node *nd, const struct tp_shape *in)
{
    struct tp_err err = { 0 };
    struct tp_shape out;
    if (!nd->op->shape(nd, in, &out, &err)) fail_msg("shape: %s", err.message);
    return out;
}

void check_node_against(const struct tp_node *nd, const struct tp_shape *in, float *const *inputs,
                        const double *want, double tolerance)
{
    const struct tp_shape out = shape_out(nd, in);
    const int64_t n = tp_shape_elements(&out);
    const struct tp_kernels *k;
    tp_parallel_set_grain(1);        /* small test maps, yet all the threads that are asked for */
    for (int t = 0; (k = tp_kernels_list(t)); t++) {
        char what[96];
        snprintf(what, sizeof what, "%s (%s)", nd->op->name, k->name);
        float *one = check_node_once(nd, k, in, inputs, &out, 1);
        check_near(what, one, want, n, tolerance);
        for (int threads = 3; threads <= 4; threads++) {
            float *many = check_node_once(nd, k, in, inputs, &out, threads);
            if (memcmp(one, many, (size_t)n * sizeof *one))
                fail_msg("%s: %d threads give other bits than one", what, threads);
            guarded_free(many);
        }
        guarded_free(one);
    }
}

void check_node(const struct tp_node *nd, const struct tp_shape *in, float *const *inputs,
                double tolerance)
{
    const struct tp_shape out = shape_out(nd, in);
    double *want = ref_node(nd, in, inputs, &out);
    check_node_against(nd, in, inputs, want, tolerance);
    free(want);
}

void check_node_random(const struct tp_node *nd, const struct tp_shape *in, double tolerance)
{
    int n_inputs = nd->n_inputs;
    float **inputs = calloc((size_t)n_inputs, sizeof *inputs);
    for (int i = 0; i < n_inputs; i++)
        inputs[i] = guarded_random(tp_shape_elements(&in[i]), (uint32_t)i + 1);
    check_node(nd, in, inputs, tolerance);
    for (int i = 0; i < n_inputs; i++) guarded_free(inputs[i]);
    free(inputs);
}

void check_node_refused(const struct tp_node *nd, const struct tp_shape *in, const char *part)
{
    struct tp_err err = { 0 };
    struct tp_shape out;
    if (nd->op->shape(nd, in, &out, &err)) fail_msg("accepted, output %s", TP_SHAPE(&out));
    if (!strstr(err.message, part)) fail_msg("message '%s' lacks '%s'", err.message, part);
}
