/* test_metrics.c - counters and histograms, and the text that tells of them. */
#include "check.h"

#include <pthread.h>
#include <string.h>

#include "service/metrics.h"

static const char *const paths[] = { "/a", "/b/{m}", "/a" };
static struct tp_metrics *m;
static struct tp_models models;

static int setup(void **state)
{
    struct tp_err err = { 0 };
    const struct tp_limits limits = tp_limits_default();
    (void)state;
    if (!tp_models_init(&models, NULL, &limits, &err)) return 1;
    return tp_metrics_new(&m, paths, 3, &err) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    tp_metrics_free(m);
    tp_models_fini(&models);
    return 0;
}

/* The text, NUL-terminated. */
static struct tp_buf text_of(const char *version)
{
    struct tp_buf b = { 0 };
    tp_metrics_write(m, &b, &(struct tp_gauges){ .queue_depth = 7, .version = version,
                                                 .cpu = "base" }, &models);
    tp_buf_bytes(&b, "", 1);
    assert_false(b.failed);
    return b;
}

static void check_has(const char *line)
{
    struct tp_buf b = text_of("1");
    if (!strstr(b.data, line)) fail_msg("no '%s' in %s", line, b.data);
    tp_buf_fini(&b);
}

static void requests_are_counted_by_pattern_and_status(void **state)
{
    (void)state;
    tp_metrics_count(m, 0, 200, 1, NULL);
    tp_metrics_count(m, 2, 200, 1, NULL);        /* the same path once more */
    tp_metrics_count(m, 1, 503, 1, NULL);
    tp_metrics_count(m, -1, 404, 1, NULL);
    tp_metrics_count(m, -1, 299, 1, NULL);
    tp_metrics_count(m, 1, 0, 1, NULL);
    check_has("\ntidepool_requests_total{route=\"/a\",code=\"200\"} 2\n");
    check_has("\ntidepool_requests_total{route=\"/b/{m}\",code=\"503\"} 1\n");
    check_has("\ntidepool_requests_total{route=\"/b/{m}\",code=\"none\"} 1\n");
    check_has("\ntidepool_requests_total{route=\"other\",code=\"404\"} 1\n");
    check_has("\ntidepool_requests_total{route=\"other\",code=\"other\"} 1\n");
}

static void a_bucket_holds_what_is_at_most_its_bound(void **state)
{
    (void)state;
    const double ms[] = { 0, 0.05, 0.0500001, 60000, 60001 };
    for (int i = 0; i < 5; i++) tp_metrics_count(m, 0, 200, ms[i], NULL);
    check_has("_duration_seconds_bucket{route=\"/a\",le=\"5e-05\"} 2\n");
    check_has("_duration_seconds_bucket{route=\"/a\",le=\"0.0001\"} 3\n");
    check_has("_duration_seconds_bucket{route=\"/a\",le=\"60\"} 4\n");
    check_has("_duration_seconds_bucket{route=\"/a\",le=\"+Inf\"} 5\n");
    check_has("_duration_seconds_count{route=\"/a\"} 5\n");
    check_has("_duration_seconds_sum{route=\"/a\"} 120.0011\n");
}

static void stages_and_reasons_stand_there_from_the_start(void **state)
{
    (void)state;
    check_has("tidepool_stage_duration_seconds_count{stage=\"infer\"} 0\n");
    check_has("tidepool_rejected_total{reason=\"client_gone\"} 0\n");
    tp_metrics_count(m, 0, 200, 9, &(struct tp_timing){ .infer = 8 });
    tp_metrics_reject(m, TP_REJECT_CLIENT_GONE);
    tp_metrics_reject(m, TP_REJECT_NONE);
    check_has("tidepool_stage_duration_seconds_bucket{stage=\"infer\",le=\"0.005\"} 0\n");
    check_has("tidepool_stage_duration_seconds_bucket{stage=\"infer\",le=\"0.01\"} 1\n");
    check_has("tidepool_stage_duration_seconds_sum{stage=\"infer\"} 0.008\n");
    check_has("tidepool_rejected_total{reason=\"client_gone\"} 1\n");
    check_has("tidepool_queue_depth 7\n");
    check_has("tidepool_images_total{model=\"line-detector\"} 0\n");
    check_has("tidepool_models{state=\"loading\"} 0\n");
}

static void every_reason_has_a_name(void **state)
{
    (void)state;
    assert_null(tp_metrics_reject_name(TP_REJECT_NONE));
    for (int i = 1; i < TP_REJECT_COUNT; i++) assert_non_null(tp_metrics_reject_name(i));
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    struct tp_buf b = text_of("a\\b\"c\nd");
    assert_non_null(strstr(b.data, "{version=\"a\\\\b\\\"c\\nd\",cpu=\"base\"} 1\n"));
    tp_buf_fini(&b);
}

static void *count_many(void *unused)
{
    for (int i = 0; i < 10000; i++) tp_metrics_count(m, 0, 200, 1, NULL);
    return unused;
}

static void nothing_is_lost_between_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, count_many, NULL);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    check_has("tidepool_requests_total{route=\"/a\",code=\"200\"} 40000\n");
    check_has("tidepool_request_duration_seconds_sum{route=\"/a\"} 40\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(requests_are_counted_by_pattern_and_status),
        TEST(a_bucket_holds_what_is_at_most_its_bound),
        TEST(stages_and_reasons_stand_there_from_the_start),
        TEST(every_reason_has_a_name),
        TEST(label_values_are_escaped),
        TEST(nothing_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
