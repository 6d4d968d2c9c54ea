/* test_stats.c - what models have done. */
#include "check.h"

#include <pthread.h>

#include "service/stats.h"

static struct tp_figures read_back(struct tp_stats *s)
{
    struct tp_figures f;
    tp_stats_read(s, &f);
    return f;
}

static void check_duration(struct tp_duration d, uint64_t count, uint64_t ns)
{
    assert_int_equal(d.count, count);
    assert_int_equal(d.ns, ns);
}

static const struct tp_timing timing = { .queue = 0.5, .decode = 2, .infer = 10, .encode = 0.001 };

static void answered_requests_are_counted_with_their_images_and_stages(void **state)
{
    (void)state;
    struct tp_stats *s = tp_stats_new();
    tp_stats_record(s, &timing, 1, true, 1000);
    tp_stats_record(s, &timing, 64, true, 3000);
    tp_stats_record(s, &timing, 64, true, 2000);   /* a slower thread's */
    const struct tp_figures f = read_back(s);
    assert_int_equal(f.n_images, 129);
    assert_int_equal(f.n_requests, 3);
    assert_int_equal(f.last_ms, 3000);
    check_duration(f.success, 3, 3 * 12501000);
    check_duration(f.fail, 0, 0);
    check_duration(f.queue, 3, 3 * 500000);
    check_duration(f.input, 3, 3 * 2000000);
    check_duration(f.infer, 3, 3 * 10000000);
    check_duration(f.output, 3, 3 * 1000);
    assert_int_equal(f.n_batches, 2);
    assert_int_equal(f.batches[0].size, 1);
    check_duration(f.batches[0].infer, 1, 10000000);
    assert_int_equal(f.batches[1].size, 64);
    check_duration(f.batches[1].input, 2, 2 * 2000000);
    check_duration(f.batches[1].output, 2, 2 * 1000);
    tp_stats_put(s);
}

static void of_failed_requests_the_time_is_counted(void **state)
{
    (void)state;
    struct tp_stats *s = tp_stats_new();
    tp_stats_record(s, &timing, 3, false, 1000);
    const struct tp_figures f = read_back(s);
    check_duration(f.fail, 1, 12501000);
    check_duration(f.success, 0, 0);
    check_duration(f.queue, 0, 0);
    assert_int_equal(f.n_images + f.n_requests, 0);
    assert_int_equal(f.last_ms, 0);
    assert_int_equal(f.n_batches, 0);
    tp_stats_put(s);
}

static void so_many_batch_sizes_are_told_apart_in_their_order(void **state)
{
    (void)state;
    struct tp_stats *s = tp_stats_new();
    for (int i = 0; i < 200; i++) tp_stats_record(s, &timing, 1 + i * 37 % 200, true, 1);
    for (int i = 0; i < 200; i++) tp_stats_record(s, &timing, 1 + i * 37 % 200, true, 1);
    const struct tp_figures f = read_back(s);
    assert_int_equal(f.n_requests, 400);
    assert_int_equal(f.n_images, 200 * 201);
    assert_int_equal(f.n_batches, TP_FIGURES_BATCHES);
    for (int i = 0; i < f.n_batches; i++) {
        assert_true(i == 0 || f.batches[i].size > f.batches[i - 1].size);
        assert_int_equal(f.batches[i].infer.count, 2);       /* what is kept stays whole */
    }
    tp_stats_put(s);
}

static void times_that_cannot_be_count_as_none(void **state)
{
    (void)state;
    const struct tp_timing odd = { .queue = -1, .decode = 0.0 / 0.0, .infer = 1e300, .encode = 1 };
    struct tp_stats *s = tp_stats_new();
    tp_stats_record(s, &odd, 0, true, 5);
    tp_stats_record(s, &odd, -1, true, 5);
    const struct tp_figures f = read_back(s);
    check_duration(f.success, 2, 2000000);
    assert_int_equal(f.n_images, 0);
    assert_int_equal(f.n_batches, 0);
    tp_stats_put(s);
}

static void without_anyone_who_counts_nothing_happens(void **state)
{
    (void)state;
    tp_stats_record(NULL, &timing, 1, true, 1);
    assert_int_equal(read_back(NULL).n_requests, 0);
    assert_null(tp_stats_hold(NULL));
    tp_stats_put(NULL);
    assert_true(tp_stats_now_ms() > 1600000000000);          /* after 2020 */
}

enum { USERS = 4, RECORDS = 20000 };

static void *record(void *arg)
{
    struct tp_stats *s = arg;
    for (int i = 0; i < RECORDS; i++) tp_stats_record(s, &timing, 1 + i % 3, true, i);
    tp_stats_put(s);
    return NULL;
}

static void many_threads_count_together(void **state)
{
    (void)state;
    struct tp_stats *s = tp_stats_new();
    pthread_t users[USERS];
    for (int i = 0; i < USERS; i++)
        assert_int_equal(pthread_create(&users[i], NULL, record, tp_stats_hold(s)), 0);
    for (int i = 0; i < 100; i++) {
        const struct tp_figures f = read_back(s);
        assert_int_equal(f.success.count, f.n_requests);
        assert_int_equal(f.success.ns, f.n_requests * 12501000);
    }
    for (int i = 0; i < USERS; i++) assert_int_equal(pthread_join(users[i], NULL), 0);
    assert_int_equal(read_back(s).n_requests, USERS * RECORDS);
    tp_stats_put(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answered_requests_are_counted_with_their_images_and_stages),
        cmocka_unit_test(of_failed_requests_the_time_is_counted),
        cmocka_unit_test(so_many_batch_sizes_are_told_apart_in_their_order),
        cmocka_unit_test(times_that_cannot_be_count_as_none),
        cmocka_unit_test(without_anyone_who_counts_nothing_happens),
        cmocka_unit_test(many_threads_count_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
