/* bench.h - what the parts of `tidepool bench` share. */
#ifndef TP_BENCH_H
#define TP_BENCH_H

#include "base/arena.h"
#include "base/buf.h"
#include "formats/model.h"

/* What is to be measured. */
struct tp_bench_ask {
    const char *model, *folder, *layers, *size;      /* NULL: none given; the outputs; its own */
    int n_threads, runs;
    struct tp_limits limits;
};

/* A network with all that running it takes. */
struct tp_bench_net {
    struct tp_model *model;
    struct tp_plan *plan;
    struct tp_arena arena;
    const char **names;              /* of the steps, as a reader calls their layers */
    float *input, **outputs;
    void *workspace;
    int n_threads;
};

/* Opens the model, plans it, and fills its input with the same random numbers each time. Release
 * with tp_bench_net_fini(), also on failure. */
bool tp_bench_net_init(struct tp_bench_net *net, const struct tp_bench_ask *ask,
                       struct tp_err *err) TP_MUST_USE;
void tp_bench_net_fini(struct tp_bench_net *net);

/* One run; the milliseconds it took. */
double tp_bench_net_run(const struct tp_bench_net *net);

struct tp_bench_times { double median_ms, min_ms; };

/* Of the whole network, and of each step (from runs of their own, since looking at the clock takes
 * time too): `steps` is the net's arena's. */
bool tp_bench_net_measure(struct tp_bench_net *net, int runs, struct tp_bench_times *whole,
                          struct tp_bench_times **steps, struct tp_err *err) TP_MUST_USE;

/* What n threads of this machine can do at most, measured. */
struct tp_bench_machine {
    double peak;                     /* operations of multiply-adds in registers, per ms */
    double bandwidth;                /* bytes read from memory, per ms */
};
bool tp_bench_machine_measure(struct tp_bench_machine *machine, int n_threads,
                              struct tp_err *err) TP_MUST_USE;

/* All that was measured. */
struct tp_bench {
    const struct tp_bench_net *net;
    struct tp_bench_machine machine;
    struct tp_bench_times whole, *steps;
    int runs;
};

/* As a table for readers, as JSON for machines. */
void tp_bench_print_table(struct tp_buf *b, const struct tp_bench *bench);
void tp_bench_print_json(struct tp_buf *b, const struct tp_bench *bench);

#endif
