/* bench.c - how fast a network is here, and what holds it up. */
#include "cli/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "cli/cli.h"
#include "ops/parallel.h"

enum { MAX_RUNS = 100000, MAX_BOUND_CPUS = 1024 };

/* Starts the team, each member bound to a processor of its own where this process has as many
 * threads' worth to itself (see service/workers.c). A lone thread is left to the kernel, which
 * moves it away from a neighbour. */
static void start_threads(struct tp_bench_ask *ask)
{
    int cpus[MAX_BOUND_CPUS];
    const int most = tp_cpu_count(), n_allowed = tp_cpu_allowed(cpus, MAX_BOUND_CPUS);
    if (!ask->n_threads || ask->n_threads > most) ask->n_threads = most;
    const bool bind = n_allowed == most && ask->n_threads > 1 && ask->n_threads <= MAX_BOUND_CPUS;
    tp_parallel_warm(ask->n_threads, bind ? cpus : NULL);
}

/* What tests/bench/compare.js speaks: a line that the network is ready, with its input in its own
 * layout; then for each line k of standard input one line, the milliseconds of k runs. */
static bool take_turns(const struct tp_bench_net *net, struct tp_err *err)
{
    const struct tp_shape *s = tp_plan_input_shape(net->plan);
    const struct tp_shape own = net->model->channels_first
                                    ? TP_SHAPE4(s->dim[0], s->dim[3], s->dim[1], s->dim[2])
                                    : *s;
    char line[64];
    printf("ready %s\n", TP_SHAPE(&own));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        char *end;
        const long n = strtol(line, &end, 10);
        if (end == line || *end != '\n' || n < 1 || n > MAX_RUNS)
            return tp_fail(err, TP_INVALID_ARGUMENT,
                           "standard input: expected lines with a number of runs from 1 to %d",
                           MAX_RUNS);
        for (long i = 0; i < n; i++) printf("%s%.6f", i ? " " : "", tp_bench_net_run(net));
        printf("\n");
        fflush(stdout);
    }
    return true;
}

static bool report(struct tp_bench_net *net, const struct tp_bench_ask *ask, bool json,
                   struct tp_err *err)
{
    struct tp_bench bench = { .net = net, .runs = ask->runs };
    struct tp_buf text = { 0 };
    if (!tp_bench_machine_measure(&bench.machine, net->n_threads, err) ||
        !tp_bench_net_measure(net, ask->runs, &bench.whole, &bench.steps, err))
        return false;
    if (json) tp_bench_print_json(&text, &bench);
    else tp_bench_print_table(&text, &bench);
    bool ok = tp_buf_ok(&text, "the table", err);
    if (ok && (fwrite(text.data, 1, text.n_bytes, stdout) != text.n_bytes || fflush(stdout)))
        ok = tp_fail(err, TP_IO, "stdout: %s", strerror(errno));
    tp_buf_fini(&text);
    return ok;
}

int tp_cli_bench(int argc, char **argv)
{
    struct tp_bench_ask ask = { .runs = 30, .limits = tp_limits_default() };
    struct tp_bench_net net;
    struct tp_err err = { 0 };
    bool json = false, turns = false;
    const struct tp_flag flags[] = {
        { "threads", TP_FLAG_INT, &ask.n_threads, 1, 1024, "N", "default: all processors" },
        { "runs", TP_FLAG_INT, &ask.runs, 1, MAX_RUNS, "N",
          "of which median and minimum are told, default 30" },
        { "size", TP_FLAG_TEXT, &ask.size, 0, 0, "HxW",
          "of the input; default: the model's own, 224 where that is open" },
        { "layers", TP_FLAG_TEXT, &ask.layers, 0, 0, "A,B",
          "what is computed, default: the outputs" },
        { "json", TP_FLAG_SWITCH, &json, 0, 0, "", "as JSON, with more digits" },
        { "turns", TP_FLAG_SWITCH, &turns, 0, 0, "",
          "runs on demand, for comparisons: see tests/bench/compare.js" },
        { "models", TP_FLAG_TEXT, &ask.folder, 0, 0, "DIR",
          "folder of models beside the built-in ones" },
        TP_LIMIT_FLAGS(ask.limits),
    };
    const struct tp_cli_command command = {
        "bench", "MODEL ", flags, sizeof flags / sizeof *flags, 1, 1,
    };
    int n_words, status;
    if (!tp_cli_begin(&command, argc, argv, &n_words, &status)) return status;
    ask.model = argv[1];
    if (!tp_init(&err)) return tp_cli_fail("bench", &err);
    start_threads(&ask);
    bool ok = tp_bench_net_init(&net, &ask, &err) &&
              (turns ? take_turns(&net, &err) : report(&net, &ask, json, &err));
    tp_bench_net_fini(&net);
    return ok ? TP_EXIT_DONE : tp_cli_fail("bench", &err);
}
