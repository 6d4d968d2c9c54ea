/* cli.c - what the sub-commands share. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

int tp_cli_fail(const char *command, const struct tp_err *err)
{
    fprintf(stderr, "tidepool %s: %s\n", command, err->message);
    return TP_EXIT_FAILED;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return true;
    return false;
}

static void print_help(const struct tp_cli_command *c)
{
    printf("usage: tidepool %s %s[flags]\n", c->name, c->usage);
    tp_flags_print(c->flags, c->n_flags);
    if (c->n_flags) printf("Every flag --foo-bar is also TIDEPOOL_FOO_BAR in the environment.\n");
}

static bool check_words(const struct tp_cli_command *c, char **argv, int n, struct tp_err *err)
{
    if (n < c->least_words)
        return tp_fail(err, TP_INVALID_ARGUMENT,
                       "an argument is missing; usage: tidepool %s %s[flags]", c->name, c->usage);
    if (n > c->most_words)
        return tp_fail(err, TP_INVALID_ARGUMENT,
                       "unexpected argument '%s'; usage: tidepool %s %s[flags]",
                       argv[c->most_words + 1], c->name, c->usage);
    return true;
}

bool tp_cli_begin(const struct tp_cli_command *c, int argc, char **argv, int *n_words, int *status)
{
    struct tp_err err = { 0 };
    *status = TP_EXIT_DONE;
    if (wants_help(argc, argv)) {
        print_help(c);
        return false;
    }
    if (tp_flags_read(c->flags, c->n_flags, argc, argv, n_words, &err) &&
        check_words(c, argv, *n_words, &err)) return true;
    tp_cli_fail(c->name, &err);
    *status = TP_EXIT_USAGE;
    return false;
}
