/* models.c - what can be served. */
#include <inttypes.h>
#include <stdio.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/tensor.h"
#include "cli/cli.h"
#include "service/models.h"

static void print_model(void *ctx, const struct tp_model *m)
{
    const struct tp_shape input = tp_model_own_input(m);
    (void)ctx;
    printf("%-24s %-8s %-22s %6d %12" PRId64 "\n", m->name, m->builtin ? "builtin" : "file",
           TP_SHAPE(&input), m->n_layers, m->n_parameters);
}

int tp_cli_models(int argc, char **argv)
{
    const char *folder = NULL;
    struct tp_limits limits = tp_limits_default();
    struct tp_err err = { 0 };
    struct tp_models models;
    const struct tp_flag flags[] = {
        { "models", TP_FLAG_TEXT, &folder, 0, 0, "DIR",
          "folder of models beside the built-in ones" },
    };
    const struct tp_cli_command command = { "models", "", flags, 1, 0, 0 };
    int n_words, status;
    if (!tp_cli_begin(&command, argc, argv, &n_words, &status)) return status;
    if (!tp_init(&err) || !tp_models_init(&models, folder, &limits, &err))
        return tp_cli_fail("models", &err);
    printf("%-24s %-8s %-22s %6s %12s\n", "model", "source", "input", "layers", "parameters");
    tp_log_setup(TP_LOG_WARN, false);                /* the list itself tells what was loaded */
    tp_models_load(&models, tp_cpu_count());
    tp_models_each(&models, print_model, NULL);
    tp_models_fini(&models);
    return TP_EXIT_DONE;
}
