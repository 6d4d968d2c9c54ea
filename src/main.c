/* main.c - tidepool's sub-commands. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    { "serve", tp_cli_serve, "serve models over HTTP" },
    { "run", tp_cli_run, "MODEL INPUT...: the same from the command line" },
    { "summary", tp_cli_summary, "MODEL: its layers, shapes, parameters, multiply-adds" },
    { "models", tp_cli_models, "what can be served" },
    { "health", tp_cli_health, "exit 0 when a running server is ready" },
    { "version", tp_cli_version, "version, instruction set, threads, libraries" },
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void usage(FILE *to)
{
    fprintf(to, "usage: tidepool COMMAND [ARGUMENTS]      (tidepool COMMAND --help tells more)\n");
    for (int i = 0; i < N_COMMANDS; i++) fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].help);
}

int main(int argc, char **argv)
{
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))) {
        usage(stdout);
        return TP_EXIT_DONE;
    }
    for (int i = 0; argc > 1 && i < N_COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name)) return commands[i].run(argc - 1, argv + 1);
    if (argc > 1) fprintf(stderr, "tidepool: no command '%s'\n", argv[1]);
    usage(stderr);
    return TP_EXIT_USAGE;
}
