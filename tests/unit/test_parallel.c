/* test_parallel.c - the one parallel loop: all items, each once, on as many threads as pay. */
#include "check.h"
#include "base/cpu.h"
#include "ops/parallel.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { MOST_ITEMS = 1000 };

struct tally {
    int done[MOST_ITEMS];            /* how often each item was done */
    int n_calls, n_elsewhere;        /* of which on another thread than the caller's */
    pthread_t caller;
};

static void count(const void *ctx, int64_t begin, int64_t end)
{
    struct tally *t = *(struct tally *const *)ctx;
    __atomic_add_fetch(&t->n_calls, 1, __ATOMIC_RELAXED);
    if (!pthread_equal(pthread_self(), t->caller))
        __atomic_add_fetch(&t->n_elsewhere, 1, __ATOMIC_RELAXED);
    for (int64_t i = begin; i < end; i++) __atomic_add_fetch(&t->done[i], 1, __ATOMIC_RELAXED);
}

static void run(struct tally *t, int n_threads, int64_t n, int64_t work)
{
    memset(t, 0, sizeof *t);
    t->caller = pthread_self();
    tp_parallel_for(n_threads, n, work, count, &t);
}

static void every_item_is_done_exactly_once(void **state)
{
    (void)state;
    struct tally t;
    tp_parallel_set_grain(1);
    for (int threads = 1; threads <= 7; threads++)
        for (int n = 0; n < 40; n++) {
            run(&t, threads, n, 1000000);
            for (int i = 0; i < MOST_ITEMS; i++) assert_int_equal(t.done[i], i < n);
        }
    run(&t, 3, MOST_ITEMS, 1000000);
    for (int i = 0; i < MOST_ITEMS; i++) assert_int_equal(t.done[i], 1);
}

static void no_thread_comes_without_an_item(void **state)
{
    (void)state;
    struct tally t;
    tp_parallel_set_grain(1);
    run(&t, 8, 3, 1000000);
    assert_int_equal(t.n_calls, 3);
    run(&t, 3, 1000, 1000000);
    assert_int_equal(t.n_calls, 3);
    run(&t, 3, 0, 1000000);
    assert_int_equal(t.n_calls, 0);
}

static void small_work_stays_on_the_callers_thread(void **state)
{
    (void)state;
    struct tally t;
    tp_parallel_set_grain(1000);
    run(&t, 4, 100, 1999);
    assert_int_equal(t.n_calls, 1);
    assert_int_equal(t.n_elsewhere, 0);
    run(&t, 4, 100, 2000);
    assert_int_equal(t.n_calls, 2);
    run(&t, 4, 100, 1 << 20);
    assert_int_equal(t.n_calls, 4);
}

static void one_thread_is_a_plain_call(void **state)
{
    (void)state;
    struct tally t;
    tp_parallel_set_grain(1);
    for (int threads = -1; threads <= 1; threads++) {
        run(&t, threads, 100, 1000000);
        assert_int_equal(t.n_calls, 1);
        assert_int_equal(t.n_elsewhere, 0);
    }
}

static void a_warmed_team_is_used(void **state)
{
    (void)state;
    struct tally t;
    tp_parallel_set_grain(1);
    tp_parallel_warm(3, NULL);
    run(&t, 3, 3, 1000000);
    assert_int_equal(t.n_calls, 3);
    assert_int_equal(t.n_elsewhere, 2);
}

/* The processor each item's thread may run on, -1 where it may choose. */
static void note_processor(const void *ctx, int64_t begin, int64_t end)
{
    int *at = *(int *const *)ctx, cpu;
    for (int64_t i = begin; i < end; i++) at[i] = tp_cpu_allowed(&cpu, 1) == 1 ? cpu : -1;
}

struct bound { int team[2], at[2]; };

/* In a thread of its own, which may stay bound (and must not assert). */
static void *warm_bound(void *arg)
{
    struct bound *b = arg;
    int *at = b->at;
    tp_parallel_warm(2, b->team);
    tp_parallel_for(2, 2, 1000000, note_processor, &at);
    return NULL;
}

static void a_bound_team_stays_on_its_processors(void **state)
{
    (void)state;
    pthread_t thread;
    int cpus[2];
    if (tp_cpu_allowed(cpus, 2) < 2) skip();   /* one processor: nothing to tell apart */
    struct bound b = { { cpus[1], cpus[0] }, { -1, -1 } };
    tp_parallel_set_grain(1);
    assert_int_equal(pthread_create(&thread, NULL, warm_bound, &b), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(b.at[0], b.team[0]);
    assert_int_equal(b.at[1], b.team[1]);
}

/* ---- teams ----------------------------------------------------------------------------------- */

struct loops {
    struct tally t;
    int n_threads, n_loops;
    int pause_us;                    /* between loops: so long that the others go to sleep */
};

static void run_loops(void *ctx)
{
    struct loops *l = ctx;
    struct tally *t = &l->t;
    t->caller = pthread_self();
    for (int i = 0; i < l->n_loops; i++) {
        tp_parallel_for(l->n_threads, 1 + i % MOST_ITEMS, 1000000, count, &t);
        if (l->pause_us && i % 8 == 0) usleep((unsigned)l->pause_us);
    }
}

/* Item i is in every loop but the first i of each round. */
static void check_loops(const struct loops *l)
{
    for (int i = 0; i < MOST_ITEMS; i++) {
        int want = 0;
        for (int loop = 0; loop < l->n_loops; loop++) want += i < 1 + loop % MOST_ITEMS;
        assert_int_equal(l->t.done[i], want);
    }
}

static void a_teams_loops_do_every_item_exactly_once(void **state)
{
    (void)state;
    tp_parallel_set_grain(1);
    for (int threads = 1; threads <= 5; threads++)
        for (int pause = 0; pause <= 2000; pause += 2000) {
            struct loops l = { .n_threads = threads, .n_loops = pause ? 60 : 2500,
                               .pause_us = pause };
            tp_parallel_team(threads, 1000000, run_loops, &l);
            check_loops(&l);
            if (threads == 1) assert_int_equal(l.t.n_elsewhere, 0);
            else assert_true(l.t.n_elsewhere > 0);
        }
}

static void a_loop_for_other_threads_than_the_teams_is_done_by_those_there_are(void **state)
{
    (void)state;
    tp_parallel_set_grain(1);
    for (int threads = 1; threads <= 6; threads += 5) {
        struct loops l = { .n_threads = threads, .n_loops = 50 };
        tp_parallel_team(3, 1000000, run_loops, &l);
        check_loops(&l);
    }
}

static void little_work_wakes_no_team(void **state)
{
    (void)state;
    tp_parallel_set_grain(1000);
    struct loops l = { .n_threads = 3, .n_loops = 1 };
    tp_parallel_team(3, 1999, run_loops, &l);
    check_loops(&l);
    tp_parallel_set_grain(1);
}

/* Within somebody's own parallel region OpenMP gives no further threads. */
static void a_team_of_one_does_all_itself(void **state)
{
    (void)state;
    tp_parallel_set_grain(1);
    static struct loops all[2];
#pragma omp parallel for num_threads(2) schedule(static, 1)
    for (int i = 0; i < 2; i++) {
        all[i] = (struct loops){ .n_threads = 3, .n_loops = 20 };
        tp_parallel_team(3, 1000000, run_loops, &all[i]);
    }
    for (int i = 0; i < 2; i++) {
        check_loops(&all[i]);
        assert_int_equal(all[i].t.n_elsewhere, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_is_done_exactly_once),
        cmocka_unit_test(a_teams_loops_do_every_item_exactly_once),
        cmocka_unit_test(a_loop_for_other_threads_than_the_teams_is_done_by_those_there_are),
        cmocka_unit_test(little_work_wakes_no_team),
        cmocka_unit_test(a_team_of_one_does_all_itself),
        cmocka_unit_test(no_thread_comes_without_an_item),
        cmocka_unit_test(small_work_stays_on_the_callers_thread),
        cmocka_unit_test(one_thread_is_a_plain_call),
        cmocka_unit_test(a_warmed_team_is_used),
        cmocka_unit_test(a_bound_team_stays_on_its_processors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
