/* library_user.c - a program outside of the project: the call order of tidepool.h, built against an
 * installed copy by scripts/check-install.sh. Prints the tutorial's pooled map and its maximum. */
#include <stdio.h>
#include <stdlib.h>
#include <tidepool.h>

int main(void)
{
    struct tp_err err = { 0 };
    const struct tp_limits limits = tp_limits_default();
    const struct tp_shape input = { .rank = 4, .dim = { 1, 8, 8, 1 } };
    const struct tp_tap taps[] = {
        { .layer = "pool" },
        { .layer = "conv", .pooling = { .kind = TP_POOL_MAX, .form = TP_POOL_GLOBAL } },
    };
    struct tp_model *model = NULL;
    struct tp_plan *plan = NULL;
    float image[64], pooled[9], most[1], *const outputs[] = { pooled, most };
    for (int i = 0; i < 64; i++) image[i] = i % 8 == 3 || i % 8 == 4;

    if (!tp_init(&err) || !tp_model_open(&model, "line-detector", NULL, &limits, &err) ||
        !tp_plan_new(&plan, model, &input, taps, 2, &limits, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    size_t n_bytes = (tp_plan_workspace_bytes(plan) + 63) / 64 * 64;
    void *workspace = aligned_alloc(64, n_bytes ? n_bytes : 64);
    if (!workspace) return 1;
    tp_plan_run(plan, image, outputs, workspace, 1);
    for (int i = 0; i < 9; i++) printf("%g ", (double)pooled[i]);
    printf("%s %g\n", tp_plan_output_name(plan, 1), (double)most[0]);
    free(workspace);
    tp_plan_free(plan);
    tp_model_free(model);
    return 0;
}
