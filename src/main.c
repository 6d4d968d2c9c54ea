/* main.c - tidepool's sub-commands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/cpu.h"
#include "cli/cli.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    bool computes;
    const char *help;
} commands[] = {
    { "serve", tp_cli_serve, true, "serve models over HTTP" },
    { "run", tp_cli_run, true, "MODEL INPUT...: the same from the command line" },
    { "summary", tp_cli_summary, false, "MODEL: its layers, shapes, parameters, multiply-adds" },
    { "bench", tp_cli_bench, true, "MODEL: its time by step, beside what the machine can do" },
    { "models", tp_cli_models, false, "what can be served" },
    { "health", tp_cli_health, false, "exit 0 when a running server is ready" },
    { "version", tp_cli_version, false, "version, instruction set, threads, libraries" },
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void usage(FILE *to)
{
    fprintf(to, "usage: tidepool COMMAND [ARGUMENTS]      (tidepool COMMAND --help tells more)\n");
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].help);
}

/* libgomp reads from the environment, before main(), for how long idle threads spin. By default
 * that is milliseconds: where something else wants a processor too (a second worker, a neighbour) a
 * network of 25 layers took 20 to 120 ms; with a spin of some 20 us, 0.7 to 5. So the program
 * starts itself once more with that, unless the user has said otherwise; under a quota, which
 * counts what is spun, with no spin at all. Failing to is no failure. */
static void settle_openmp(char **argv)
{
    struct tp_cgroup g;
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY")) return;
    tp_cgroup_open(&g, NULL, NULL);
    const double quota = tp_cgroup_cpus(&g);
    const bool spin = quota <= 0 || quota >= tp_cpu_allowed(NULL, 0);
    const int failed = spin ? setenv("GOMP_SPINCOUNT", "10000", 1)
                            : setenv("OMP_WAIT_POLICY", "passive", 1);
    if (!failed) execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    if (argc > 1 &&
        (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))) {
        usage(stdout);
        return TP_EXIT_DONE;
    }
    for (int i = 0; argc > 1 && i < N_COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name)) {
            if (commands[i].computes) settle_openmp(argv);
            return commands[i].run(argc - 1, argv + 1);
        }
    if (argc > 1) fprintf(stderr, "tidepool: no command '%s'\n", argv[1]);
    usage(stderr);
    return TP_EXIT_USAGE;
}
