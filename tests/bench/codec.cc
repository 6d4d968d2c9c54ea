/* codec.cc - the tensor text codec beside simdjson, Jansson and std::to_chars.
 *
 * usage: codec [gauss|relu|double]...      without a name: all. `make bench` builds and runs it.
 *
 * 802,816 floats, what a 56 x 56 map of 256 channels holds: random normal numbers ("gauss"), the
 * same behind ReLU ("relu"), printed as the shortest text of a float or ("double") as JavaScript
 * and Python print them; nanoseconds for each. Reading is from the body of a request, {"tensor":
 * ...}, to floats in their place. All are run in turn, and the least of each counts; what is
 * written into is there and warm. Then the heap that reading takes: of tensors, and of what is made
 * to be dear. */
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <malloc.h>
#include <random>
#include <string>
#include <vector>

#include <jansson.h>
#include <simdjson.h>
#include <unistd.h>

extern "C" {
#include "base/arena.h"
#include "base/buf.h"
#include "base/cpu.h"
#include "formats/floats.h"
#include "formats/json.h"
#include "kernels/kernels.h"
#include "ops/parallel.h"
}

enum { CHANNELS = 256, SIDE = 56, N = CHANNELS * SIDE * SIDE, ROUNDS = 40, SLOW_ROUNDS = 4 };

static double now_ms()
{
    using namespace std::chrono;
    return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] static void die(const char *why)
{
    std::fprintf(stderr, "codec: %s\n", why);
    std::exit(1);
}

/* ---- the others ------------------------------------------------------------------------------ */

static char *put_number(char *to, char *end, float x) { return std::to_chars(to, end, x).ptr; }
static char *put_number(char *to, char *end, double x) { return std::to_chars(to, end, x).ptr; }

/* [CHANNELS][SIDE][SIDE] nested, or flat. */
template <class T> static char *put_array(char *to, char *end, const std::vector<float> &x,
                                          bool nested)
{
    *to++ = '[';
    if (nested) *to++ = '[';
    for (int c = 0; c < CHANNELS; c++) {
        if (c) *to++ = ',';
        if (nested) *to++ = '[';
        for (int y = 0; y < SIDE; y++) {
            if (y) *to++ = ',';
            if (nested) *to++ = '[';
            for (int i = 0; i < SIDE; i++) {
                if (i) *to++ = ',';
                to = put_number(to, end, (T)x[(size_t)((c * SIDE + y) * SIDE + i)]);
            }
            if (nested) *to++ = ']';
        }
        if (nested) *to++ = ']';
    }
    if (nested) *to++ = ']';
    *to++ = ']';
    return to;
}

static void simdjson_row(simdjson::ondemand::array row, float *&to)
{
    for (auto v : row) *to++ = (float)v.get_double().value();
}

static void read_simdjson(simdjson::ondemand::parser &parser, const simdjson::padded_string &text,
                          bool nested, float *to)
{
    auto doc = parser.iterate(text);
    auto tensor = doc["tensor"].get_array().value();
    if (!nested) return simdjson_row(tensor, to);
    for (auto image : tensor)
        for (auto channel : image.get_array())
            for (auto row : channel.get_array()) simdjson_row(row.get_array().value(), to);
}

static float *jansson_numbers(const json_t *v, float *to)
{
    if (json_is_number(v)) {
        *to = (float)json_number_value(v);
        return to + 1;
    }
    for (size_t i = 0; i < json_array_size(v); i++) to = jansson_numbers(json_array_get(v, i), to);
    return to;
}

static void read_jansson(const std::string &text, float *to)
{
    json_error_t error;
    json_t *root = json_loadb(text.data(), text.size(), JSON_REJECT_DUPLICATES, &error);
    if (!root) die(error.text);
    jansson_numbers(json_object_get(root, "tensor"), to);
    json_decref(root);
}

static json_t *jansson_row(const float *x, int n)
{
    json_t *row = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(row, json_real((double)x[i]));
    return row;
}

static json_t *jansson_array(const float *x, bool nested)
{
    if (!nested) return jansson_row(x, N);
    json_t *image = json_array(), *batch = json_array();
    for (int c = 0; c < CHANNELS; c++) {
        json_t *channel = json_array();
        for (int y = 0; y < SIDE; y++, x += SIDE)
            json_array_append_new(channel, jansson_row(x, SIDE));
        json_array_append_new(image, channel);
    }
    json_array_append_new(batch, image);
    return batch;
}

/* ---- ours ------------------------------------------------------------------------------------ */

static void must(bool ok, const tp_err &err)
{
    if (!ok) die(err.message);
}

static size_t read_ours(const std::string &text, int n_threads, float *to)
{
    struct tp_arena arena;
    struct tp_json doc;
    struct tp_err err = {};
    struct tp_shape shape;
    tp_arena_init(&arena, (size_t)1 << 30);
    must(tp_json_parse(&doc, text.data(), text.size(), &arena, "body", n_threads, &err), err);
    const struct tp_json_span *span = tp_json_span(&doc, json_object_get(doc.root, "tensor"));
    if (!span || tp_json_span_count(span) != N) die("not the numbers that were written");
    must(tp_json_span_shape(&doc, span, "tensor", &shape, &err), err);
    must(tp_json_span_floats(&doc, span, "tensor", to, &err), err);
    tp_json_fini(&doc);
    size_t used = arena.total_bytes;
    tp_arena_fini(&arena);
    return used;
}

static void write_ours(struct tp_buf *b, const std::vector<float> &x, bool nested, int n_threads)
{
    const struct tp_tensor t = { { 4, { 1, CHANNELS, SIDE, SIDE } }, (float *)x.data() };
    b->n_bytes = 0;
    tp_floats_write(b, &t, nested, 0, n_threads);
    if (b->failed) die("out of memory");
}

/* ---- in turn --------------------------------------------------------------------------------- */

struct runner {
    const char *name;
    std::function<void()> run;
    double best_ms;
};

static void race(std::vector<runner> &all)
{
    for (runner &r : all) r.best_ms = 1e9;
    for (int round = 0; round < ROUNDS; round++)
        for (runner &r : all) {
            if (round >= SLOW_ROUNDS && r.best_ms > 100) continue;
            double begin = now_ms();
            r.run();
            r.best_ms = std::min(r.best_ms, now_ms() - begin);
        }
}

/* The last two are ours, on one thread and on two; what they are held against comes before. */
static void report(const char *what, const char *text, bool nested, double bytes,
                   std::vector<runner> &all)
{
    race(all);
    double ours = all[all.size() - 2].best_ms;
    std::printf("%-8s %-8s %-6s", what, text, nested ? "nested" : "flat");
    for (runner &r : all) std::printf("  %s %.2f", r.name, r.best_ms * 1e6 / N);
    std::printf("  | times");
    for (size_t i = 0; i + 2 < all.size(); i++)
        std::printf("  %s %.2f", all[i].name, all[i].best_ms / ours);
    std::printf("  two %.2f  | %.2f GB/s\n", ours / all.back().best_ms, bytes / ours * 1e-6);
    std::fflush(stdout);
}

template <class T> static void measure(const char *name, const std::vector<float> &x, bool nested,
                                       bool writing)
{
    std::vector<char> room((size_t)N * 32);
    char *behind = put_array<T>(room.data(), room.data() + room.size(), x, nested);
    std::string text = "{\"tensor\":" + std::string(room.data(), behind) + "}";
    simdjson::padded_string padded(text);
    simdjson::ondemand::parser parser;
    std::vector<float> got(N);
    auto check = [&](const char *who) {
        if (std::memcmp(got.data(), x.data(), N * sizeof(float)))
            std::printf("%s read other numbers\n", who);
        std::fill(got.begin(), got.end(), 0.f);
    };
    read_simdjson(parser, padded, nested, got.data());
    check("simdjson");
    read_ours(text, 1, got.data());
    check("one");
    read_ours(text, 2, got.data());
    check("two");
    std::vector<runner> readers = {
        { "simdjson", [&] { read_simdjson(parser, padded, nested, got.data()); }, 0 },
        { "jansson", [&] { read_jansson(text, got.data()); }, 0 },
        { "one", [&] { read_ours(text, 1, got.data()); }, 0 },
        { "two", [&] { read_ours(text, 2, got.data()); }, 0 },
    };
    report("read", name, nested, (double)text.size(), readers);
    if (!writing) return;

    struct tp_buf b = {};
    json_t *tree = jansson_array(x.data(), nested);
    std::vector<runner> writers = {
        { "to_chars", [&] { put_array<float>(room.data(), room.data() + room.size(), x, nested); },
          0 },
        { "dump", [&] { std::free(json_dumps(tree, JSON_COMPACT)); }, 0 },
        { "build+dump", [&] {
            json_t *v = jansson_array(x.data(), nested);
            std::free(json_dumps(v, JSON_COMPACT));
            json_decref(v);
        }, 0 },
        { "one", [&] { write_ours(&b, x, nested, 1); }, 0 },
        { "two", [&] { write_ours(&b, x, nested, 2); }, 0 },
    };
    write_ours(&b, x, nested, 1);
    report("write", name, nested, (double)b.n_bytes, writers);
    json_decref(tree);
    tp_buf_fini(&b);
}

/* ---- heap ------------------------------------------------------------------------------------ */

static struct { json_malloc_t alloc; json_free_t free; size_t used, most; } counted;

static void *count_alloc(size_t n_bytes)
{
    void *p = counted.alloc(n_bytes);
    if (p) counted.used += malloc_usable_size(p);
    counted.most = std::max(counted.most, counted.used);
    return p;
}

static void count_free(void *p)
{
    if (p) counted.used -= malloc_usable_size(p);
    counted.free(p);
}

/* Bytes that one of text takes at most: Jansson's and the arena's. */
static void report_heap(const char *what, const std::string &text)
{
    struct tp_arena arena;
    struct tp_json doc;
    struct tp_err err = {};
    tp_arena_init(&arena, (size_t)1 << 30);
    counted.used = counted.most = 0;
    bool ok = tp_json_parse(&doc, text.data(), text.size(), &arena, "body", 1, &err);
    std::printf("heap     %-17s %.2f bytes for a byte of text, %s\n", what,
                (double)(counted.most + arena.total_bytes) / (double)text.size(),
                ok ? "read" : err.code == TP_TOO_LARGE ? "refused" : err.message);
    tp_json_fini(&doc);
    tp_arena_fini(&arena);
}

static std::string repeated(const char *begin, const char *unit, const char *end)
{
    std::string text = begin;
    while (text.size() < 8 << 20) text += unit;
    return text + end;
}

static void measure_heap()
{
    json_get_alloc_funcs(&counted.alloc, &counted.free);
    json_set_alloc_funcs(count_alloc, count_free);
    report_heap("tensor", repeated("{\"tensor\":[", "0.12345678,", "1]}"));
    report_heap("tensor of 1,1,...", repeated("{\"tensor\":[", "1,", "1]}"));
    report_heap("{},{},...", repeated("[", "{},", "{}]"));
    report_heap("[],[],...", repeated("[", "[],", "[]]"));
    json_set_alloc_funcs(counted.alloc, counted.free);
}

int main(int argc, char **argv)
{
    struct tp_err err = {};
    int cpus[2];
    if (!std::getenv("GOMP_SPINCOUNT") && !setenv("GOMP_SPINCOUNT", "10000", 1))
        execv("/proc/self/exe", argv);           /* as the server does */
    must(tp_kernels_init(&err), err);
    tp_parallel_warm(2, tp_cpu_allowed(cpus, 2) >= 2 ? cpus : NULL);
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> gauss(N), relu(N);
    for (float &v : gauss) v = normal(random);
    for (size_t i = 0; i < N; i++) relu[i] = std::max(gauss[i], 0.f);
    std::printf("%d floats, ns a number; kernels: %s\n", N, tp_kernels_get()->name);
    for (int nested = 0; nested < 2; nested++) {
        auto wanted = [&](const char *name) {
            for (int i = 1; i < argc; i++)
                if (!std::strcmp(argv[i], name)) return true;
            return argc < 2;
        };
        if (wanted("gauss")) measure<float>("gauss", gauss, nested, true);
        if (wanted("relu")) measure<float>("relu", relu, nested, true);
        if (wanted("double")) measure<double>("double", gauss, nested, false);
    }
    measure_heap();
}
