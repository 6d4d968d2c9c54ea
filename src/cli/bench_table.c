/* bench_table.c - what was measured, as a table and as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/bench.h"
#include "formats/json.h"

enum { MOST_NAME = 24, NOTE_BYTES = 64, SHAPE_BYTES = 160 };

/* One line of either: a step, or the whole. */
struct line {
    const char *name, *op, *algorithm;
    struct tp_shape shape;
    struct tp_bench_times times;
    double of_all;                   /* its part of the sum of all steps' medians */
    int64_t macs, bytes;
};

/* Per ms at the median; 0 where the clock saw no time pass. */
static double per_ms(const struct line *l, int64_t n)
{
    return l->times.median_ms > 0 ? (double)n / l->times.median_ms : 0;
}

/* A multiply-add is two operations; 10^6 in a ms are 10^9 in a second. */
static double gflops(const struct line *l) { return 2e-6 * per_ms(l, l->macs); }
static double gbs(const struct line *l) { return 1e-6 * per_ms(l, l->bytes); }

static double share_of_peak(const struct line *l, const struct tp_bench *bench)
{
    return gflops(l) * 1e6 / bench->machine.peak;
}

static double share_of_bandwidth(const struct line *l, const struct tp_bench *bench)
{
    return gbs(l) * 1e6 / bench->machine.bandwidth;
}

static double sum_of_medians(const struct tp_bench *bench)
{
    double sum = 0;
    for (int i = 0; i < tp_plan_n_steps(bench->net->plan); i++) sum += bench->steps[i].median_ms;
    return sum;
}

static struct line step_line(const struct tp_bench *bench, int step, double all_ms)
{
    const struct tp_step_info info = tp_plan_step(bench->net->plan, step);
    return (struct line){
        .name = bench->net->names[step], .op = info.op,
        .algorithm = info.algorithm, .shape = info.shape, .times = bench->steps[step],
        .of_all = all_ms > 0 ? bench->steps[step].median_ms / all_ms : 0,
        .macs = info.macs, .bytes = info.bytes,
    };
}

static struct line whole_line(const struct tp_bench *bench)
{
    struct line whole = {
        .name = "all", .op = "", .times = bench->whole, .of_all = 1,
        .macs = tp_plan_macs(bench->net->plan),
    };
    for (int i = 0; i < tp_plan_n_steps(bench->net->plan); i++)
        whole.bytes += tp_plan_step(bench->net->plan, i).bytes;
    return whole;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* "112x112x64": one image's. */
static void shape_text(char *to, size_t room, const struct tp_shape *s)
{
    size_t n = 0;
    *to = '\0';
    for (int i = 1; i < s->rank && n < room; i++)
        n += (size_t)snprintf(to + n, room - n, "%s%" PRId64, i > 1 ? "x" : "", s->dim[i]);
}

/* The end of a name that is too long, from the start of a character on. */
static void write_name(struct tp_buf *b, const char *name, int width)
{
    const size_t n = strlen(name);
    if (n <= (size_t)width) {
        tp_buf_printf(b, "%-*s", width, name);
        return;
    }
    const char *end = name + n - (size_t)width + 2;
    while ((*end & 0xC0) == 0x80) end++;
    tp_buf_printf(b, "..%-*s", width - 2, end);
}

/* "  12.3  45", or dots where there was nothing to do. */
static void write_rate(struct tp_buf *b, double rate, double share)
{
    if (rate > 0) tp_buf_printf(b, " %7.1f %4.0f", rate, 100 * share);
    else tp_buf_printf(b, " %7s %4s", ".", ".");
}

/* The same in all rows: "12.345", "1.2345", "0.00123" for networks that take longer and shorter. */
static int decimals(const struct tp_bench *bench)
{
    return bench->whole.median_ms < 0.1 ? 5 : bench->whole.median_ms < 10 ? 4 : 3;
}

static void write_row(struct tp_buf *b, const struct tp_bench *bench, const struct line *l,
                      int width)
{
    const int d = decimals(bench);
    char how[NOTE_BYTES], shape[SHAPE_BYTES];
    snprintf(how, sizeof how, "%s%s%s", l->op, l->algorithm ? " " : "",
             l->algorithm ? l->algorithm : "");
    shape_text(shape, sizeof shape, &l->shape);
    write_name(b, l->name, width);
    tp_buf_printf(b, " %-20s %-12s %8.*f %8.*f %5.1f", how, shape, d, l->times.median_ms, d,
                  l->times.min_ms, 100 * l->of_all);
    write_rate(b, gflops(l), share_of_peak(l, bench));
    write_rate(b, gbs(l), share_of_bandwidth(l, bench));
    tp_buf_text(b, "\n");
}

static void write_head(struct tp_buf *b, const struct tp_bench *bench, int width)
{
    const int n = bench->net->n_threads;
    const struct tp_shape *input = tp_plan_input_shape(bench->net->plan);
    char shape[SHAPE_BYTES];
    shape_text(shape, sizeof shape, input);
    tp_buf_printf(b, "%s %s: %s kernels, %d thread%s, peak %.1f GFLOP/s, memory %.1f GB/s, "
                  "%d run%s\n\n", bench->net->model->name, shape, tp_cpu_name(), n,
                  n > 1 ? "s" : "", bench->machine.peak * 1e-6, bench->machine.bandwidth * 1e-6,
                  bench->runs, bench->runs > 1 ? "s" : "");
    tp_buf_printf(b, "%-*s %-20s %-12s %8s %8s %5s %7s %4s %7s %4s\n", width, "layer",
                  "computed by",
                  "output", "median", "min ms", "%", "GFLOP/s", "%", "GB/s", "%");
}

void tp_bench_print_table(struct tp_buf *b, const struct tp_bench *bench)
{
    const int n = tp_plan_n_steps(bench->net->plan);
    const double all_ms = sum_of_medians(bench);
    int width = 5;
    for (int i = 0; i < n; i++) {
        const int length = (int)strlen(bench->net->names[i]);
        if (length > width) width = length < MOST_NAME ? length : MOST_NAME;
    }
    write_head(b, bench, width);
    for (int i = 0; i < n; i++) {
        const struct line l = step_line(bench, i, all_ms);
        write_row(b, bench, &l, width);
    }
    const struct line whole = whole_line(bench);
    write_row(b, bench, &whole, width);
    tp_buf_text(b, "\nGFLOP/s: two for each multiply-add of the plain form; Winograd needs fewer, "
                "and may be above the peak.\nGB/s: inputs, weights and output once; above 100 % is "
                "what the caches hold.\n");
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void write_shape(struct tp_buf *b, const struct tp_shape *s)
{
    for (int i = 0; i < s->rank; i++) tp_buf_printf(b, "%s%" PRId64, i ? "," : "[", s->dim[i]);
    tp_buf_text(b, s->rank ? "]" : "[]");
}

/* Without the braces. */
static void write_numbers(struct tp_buf *b, const struct tp_bench *bench, const struct line *l)
{
    tp_buf_printf(b, "\"median_ms\":%.6f,\"min_ms\":%.6f,\"macs\":%" PRId64 ",\"bytes\":%" PRId64
                  ",\"gflops\":%.4f,\"share_of_peak\":%.5f,\"gbs\":%.4f,"
                  "\"share_of_bandwidth\":%.5f", l->times.median_ms, l->times.min_ms, l->macs,
                  l->bytes, gflops(l), share_of_peak(l, bench), gbs(l),
                  share_of_bandwidth(l, bench));
}

static void write_step(struct tp_buf *b, const struct tp_bench *bench, const struct line *l)
{
    tp_buf_text(b, "{\"name\":");
    tp_json_quote(b, l->name);
    tp_buf_printf(b, ",\"op\":\"%s\",\"algorithm\":", l->op);
    if (l->algorithm) tp_json_quote(b, l->algorithm);
    else tp_buf_text(b, "null");
    tp_buf_text(b, ",\"shape\":");
    write_shape(b, &l->shape);
    tp_buf_printf(b, ",\"share_of_time\":%.5f,", l->of_all);
    write_numbers(b, bench, l);
    tp_buf_text(b, "}");
}

void tp_bench_print_json(struct tp_buf *b, const struct tp_bench *bench)
{
    const struct line whole = whole_line(bench);
    const double all_ms = sum_of_medians(bench);
    tp_buf_text(b, "{\"model\":");
    tp_json_quote(b, bench->net->model->name);
    tp_buf_text(b, ",\"input\":");
    write_shape(b, tp_plan_input_shape(bench->net->plan));
    tp_buf_printf(b, ",\"kernels\":\"%s\",\"threads\":%d,\"runs\":%d,\"peak_gflops\":%.4f,"
                  "\"bandwidth_gbs\":%.4f,", tp_cpu_name(), bench->net->n_threads, bench->runs,
                  bench->machine.peak * 1e-6, bench->machine.bandwidth * 1e-6);
    write_numbers(b, bench, &whole);
    tp_buf_text(b, ",\"steps\":[");
    for (int i = 0; i < tp_plan_n_steps(bench->net->plan); i++) {
        const struct line l = step_line(bench, i, all_ms);
        tp_buf_text(b, i ? ",\n" : "\n");
        write_step(b, bench, &l);
    }
    tp_buf_text(b, "]}\n");
}
