/* summary.c - a model's layer table. */
#include <stdio.h>

#include "cli/cli.h"
#include "formats/describe.h"

int tp_cli_summary(int argc, char **argv)
{
    const char *folder = NULL;
    bool json = false;
    struct tp_limits limits = tp_limits_default();
    struct tp_err err = { 0 };
    struct tp_model *model;
    const struct tp_flag flags[] = {
        { "models", TP_FLAG_TEXT, &folder, 0, 0, "DIR",
          "folder of models beside the built-in ones" },
        { "json", TP_FLAG_SWITCH, &json, 0, 0, "", "as GET /v1/models/{m} answers it" },
    };
    const struct tp_cli_command command = {
        "summary", "MODEL ", flags, sizeof flags / sizeof *flags, 1, 1,
    };
    int n_words, status;
    if (!tp_cli_begin(&command, argc, argv, &n_words, &status)) return status;
    if (!tp_init(&err) || !tp_model_open(&model, argv[1], folder, &limits, &err))
        return tp_cli_fail("summary", &err);
    struct tp_buf text = { 0 };
    if (json) tp_describe_model(&text, model);
    else tp_describe_table(&text, model);
    bool ok = tp_buf_ok(&text, "summary", &err);
    if (ok) fwrite(text.data, 1, text.n_bytes, stdout);
    tp_buf_fini(&text);
    tp_model_free(model);
    return ok ? TP_EXIT_DONE : tp_cli_fail("summary", &err);
}
