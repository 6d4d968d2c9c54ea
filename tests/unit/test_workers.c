/* test_workers.c - the threads that compute: every job once, never more threads busy than there
 * are, a lone job gets them all, and none is left behind. */
#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ops/parallel.h"
#include "service/workers.h"

enum { SIDE = 48, N_SIZES = 5 };
static const int sizes[N_SIZES] = { 1, 2, 3, 8, 16 };            /* threads */

static struct tp_limits limits;
static struct tp_models models;
static struct tp_buf body;           /* of every job */
static int n_threads_at_start;       /* of this process, before any test */

struct task {                        /* a job and what became of it */
    struct tp_job job;
    atomic_int n_done;
    sem_t *hold;                     /* done() waits for it; NULL: it does not */
    int pause_us;
};

static int count_threads(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int start(void **state)
{
    (void)state;
    n_threads_at_start = count_threads();
    struct tp_err err = { 0 };
    limits = tp_limits_default();
    tp_parallel_set_grain(1 << 12);  /* these small maps are computed by several threads */
    tp_buf_printf(&body, "{\"tensor\":{\"shape\":[1,%d,%d,1],\"data\":[0", SIDE, SIDE);
    for (int i = 1; i < SIDE * SIDE; i++) tp_buf_printf(&body, ",%d", i * 31 % 101);
    tp_buf_text(&body, "]}}");
    return body.failed || !tp_models_init(&models, NULL, &limits, &err);
}

static int stop(void **state)
{
    (void)state;
    tp_buf_fini(&body);
    tp_models_fini(&models);
    return 0;
}

static void done(struct tp_job *job)
{
    struct task *t = job->owner;
    if (t->hold) sem_wait(t->hold);
    if (t->pause_us) usleep((useconds_t)t->pause_us);
    atomic_fetch_add(&t->n_done, 1);
}

static void task_init(struct task *t)
{
    struct tp_err err = { 0 };
    *t = (struct task){ 0 };
    tp_job_init(&t->job, &limits);
    t->job.served = tp_models_get(&models, "edges", &err);
    tp_models_put(t->job.served);    /* served as long as the tests run */
    t->job.options = (struct tp_options){ .layers = "filters,pool", .pool = "sum" };
    tp_buf_bytes(&t->job.body, body.data, body.n_bytes);
    t->job.done = done;
    t->job.owner = t;
}

static struct tp_workers *started(int n_threads, int depth)
{
    struct tp_workers *w;
    struct tp_err err = { 0 };
    if (!tp_workers_new(&w, n_threads, depth, &err)) fail_msg("%s", err.message);
    return w;
}

static void submit(struct tp_workers *w, struct task *t)
{
    while (!tp_workers_reserve(w)) usleep(100);
    tp_workers_submit(w, &t->job);
}

static void submit_and_wait(struct tp_workers *w, struct task *t)
{
    submit(w, t);
    tp_workers_drain(w);
    assert_int_equal(atomic_load(&t->n_done), 1);
}

/* Of a job that went well: the answer without its timing, which differs. */
static size_t answer_bytes(const struct tp_job *job)
{
    if (job->err.code) fail_msg("%s", job->err.message);
    const char *end = memmem(job->reply.data, job->reply.n_bytes, ",\"timing_ms\"", 12);
    assert_non_null(end);
    return (size_t)(end - job->reply.data);
}

static void check_same_answer(const struct tp_job *a, const struct tp_job *b)
{
    assert_int_equal(answer_bytes(a), answer_bytes(b));
    assert_memory_equal(a->reply.data, b->reply.data, answer_bytes(a));
}

/* ---- all of them, at once -------------------------------------------------------------------- */

enum { N_SUBMITTERS = 4, N_EACH = 12, N_TASKS = N_SUBMITTERS * N_EACH };

struct submitter { struct tp_workers *w; struct task *tasks; pthread_t thread; };

static void *submit_all(void *arg)
{
    struct submitter *s = arg;
    for (int i = 0; i < N_EACH; i++) submit(s->w, &s->tasks[i]);
    return NULL;
}

struct event { double ms; int change; };

static int by_time(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    return x->ms < y->ms ? -1 : x->ms > y->ms ? 1 : x->change - y->change;
}

/* The largest number of threads that jobs held at one time, by what the jobs themselves measured (a
 * little less than the time in which they really had them). */
static int most_busy(const struct task *tasks)
{
    struct event events[2 * N_TASKS];
    for (int i = 0; i < N_TASKS; i++) {
        const struct tp_job *job = &tasks[i].job;
        const struct tp_timing *t = &job->timing;
        double begin = job->submitted_ms + t->queue;
        double end = begin + t->decode + t->infer + t->encode - 1e-6;  /* no rounding may overlap */
        events[2 * i] = (struct event){ begin, job->n_threads };
        events[2 * i + 1] = (struct event){ end, -job->n_threads };
    }
    qsort(events, 2 * N_TASKS, sizeof *events, by_time);
    int busy = 0, most = 0;
    for (int i = 0; i < 2 * N_TASKS; i++) {
        busy += events[i].change;
        if (busy > most) most = busy;
    }
    return most;
}

static void check_stress(int n_threads)
{
    struct tp_workers *w = started(n_threads, 5);
    struct task *tasks = calloc(N_TASKS, sizeof *tasks);
    struct submitter submitters[N_SUBMITTERS];
    for (int i = 0; i < N_TASKS; i++) task_init(&tasks[i]);
    for (int i = 0; i < N_SUBMITTERS; i++) {
        submitters[i] = (struct submitter){ .w = w, .tasks = &tasks[i * N_EACH] };
        assert_int_equal(pthread_create(&submitters[i].thread, NULL, submit_all, &submitters[i]),
                         0);
    }
    for (int i = 0; i < N_SUBMITTERS; i++) pthread_join(submitters[i].thread, NULL);
    tp_workers_drain(w);
    for (int i = 0; i < N_TASKS; i++) {
        assert_int_equal(atomic_load(&tasks[i].n_done), 1);
        assert_in_range(tasks[i].job.n_threads, 1, n_threads);
        check_same_answer(&tasks[0].job, &tasks[i].job);
    }
    if (most_busy(tasks) > n_threads)
        fail_msg("%d of %d threads busy", most_busy(tasks), n_threads);
    for (int i = 0; i < N_TASKS; i++) tp_job_fini(&tasks[i].job);
    free(tasks);
    tp_workers_free(w);
}

static void every_job_is_done_once_on_no_more_threads_than_there_are(void **state)
{
    (void)state;
    for (int i = 0; i < N_SIZES; i++) check_stress(sizes[i]);
}

static void a_lone_job_gets_all_threads(void **state)
{
    (void)state;
    static const int more[] = { 1, 2, 3, 8, 16, 20 };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        struct tp_workers *w = started(more[i], 1);
        for (int round = 0; round < 3; round++) {
            struct task t;
            task_init(&t);
            submit_and_wait(w, &t);
            assert_int_equal(t.job.n_threads, more[i]);
            assert_true(t.job.timing.queue >= 0);
            answer_bytes(&t.job);
            tp_job_fini(&t.job);
        }
        tp_workers_free(w);
    }
}

static void a_job_that_fails_is_done_as_well(void **state)
{
    (void)state;
    struct tp_workers *w = started(2, 2);
    struct task t;
    task_init(&t);
    t.job.options.layers = "nope";
    submit_and_wait(w, &t);
    assert_int_equal(t.job.err.code, TP_NOT_FOUND);
    tp_job_fini(&t.job);
    task_init(&t);                   /* and the next one works */
    submit_and_wait(w, &t);
    answer_bytes(&t.job);
    tp_job_fini(&t.job);
    tp_workers_free(w);
}

/* ---- the queue ------------------------------------------------------------------------------- */

static void the_queue_holds_as_many_as_it_is_deep(void **state)
{
    (void)state;
    enum { DEPTH = 3 };
    struct tp_workers *w = started(1, DEPTH);
    struct task tasks[2 + DEPTH];
    sem_t hold;
    sem_init(&hold, 0, 0);
    for (int i = 0; i < 2 + DEPTH; i++) {
        task_init(&tasks[i]);
        tasks[i].hold = &hold;
    }
    submit(w, &tasks[0]);            /* its done() holds the only worker */
    submit(w, &tasks[1]);   /* taken by that worker, or the last in the queue before it is */
    while (!tp_workers_reserve(w)) usleep(100);
    for (int i = 1; i < DEPTH - 1; i++) assert_true(tp_workers_reserve(w));
    while (!tp_workers_reserve(w)) usleep(100);    /* job 1 has left the queue */
    assert_false(tp_workers_reserve(w));
    tp_workers_submit(w, &tasks[2].job);
    assert_false(tp_workers_reserve(w));           /* a place used is not a place free */
    for (int i = 3; i < 2 + DEPTH; i++) tp_workers_submit(w, &tasks[i].job);
    assert_false(tp_workers_reserve(w));
    for (int i = 0; i < 2 + DEPTH; i++) sem_post(&hold);
    tp_workers_drain(w);
    for (int i = 0; i < 2 + DEPTH; i++) {
        assert_int_equal(atomic_load(&tasks[i].n_done), 1);
        tp_job_fini(&tasks[i].job);
    }
    struct task t;
    task_init(&t);
    submit_and_wait(w, &t);
    tp_job_fini(&t.job);
    tp_workers_free(w);
    sem_destroy(&hold);
}

static void a_queue_of_no_depth_takes_nothing(void **state)
{
    (void)state;
    struct tp_workers *w = started(1, 0);
    assert_false(tp_workers_reserve(w));
    tp_workers_free(w);
}

static void jobs_start_in_the_order_of_the_queue(void **state)
{
    (void)state;
    enum { N = 10 };
    struct tp_workers *w = started(1, N);
    struct task tasks[N];
    for (int i = 0; i < N; i++) {
        task_init(&tasks[i]);
        submit(w, &tasks[i]);
    }
    tp_workers_drain(w);
    double last = 0;
    for (int i = 0; i < N; i++) {
        double begin = tasks[i].job.submitted_ms + tasks[i].job.timing.queue;
        assert_true(begin > last);
        last = begin;
        tp_job_fini(&tasks[i].job);
    }
    tp_workers_free(w);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void draining_waits_for_what_was_accepted(void **state)
{
    (void)state;
    enum { N = 8 };
    struct tp_workers *w = started(2, N);
    struct task tasks[N];
    tp_workers_drain(w);             /* nothing to wait for */
    for (int i = 0; i < N; i++) {
        task_init(&tasks[i]);
        tasks[i].pause_us = 3000;    /* done() itself is waited for */
        submit(w, &tasks[i]);
    }
    tp_workers_drain(w);
    for (int i = 0; i < N; i++) {
        assert_int_equal(atomic_load(&tasks[i].n_done), 1);
        tp_job_fini(&tasks[i].job);
    }
    tp_workers_free(w);
}

static void freeing_finishes_what_is_queued(void **state)
{
    (void)state;
    enum { N = 10 };
    tp_workers_free(NULL);
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        struct tp_workers *w = started(n_threads, N);
        struct task tasks[N];
        for (int i = 0; i < N; i++) {
            task_init(&tasks[i]);
            submit(w, &tasks[i]);
        }
        tp_workers_free(w);
        for (int i = 0; i < N; i++) {
            assert_int_equal(atomic_load(&tasks[i].n_done), 1);
            answer_bytes(&tasks[i].job);
            tp_job_fini(&tasks[i].job);
        }
    }
}

/* A thread that has been joined, or whose team has been told to end, may still be listed for a
 * moment. */
static void wait_for_threads(int n)
{
    for (int i = 0; i < 2000 && count_threads() != n; i++) usleep(1000);
    assert_int_equal(count_threads(), n);
}

static void threads_neither_grow_in_number_nor_stay_behind(void **state)
{
    (void)state;
    enum { N = 12 };
    wait_for_threads(n_threads_at_start);          /* those of earlier tests are gone */
    for (int i = 0; i < N_SIZES; i++) {
        struct tp_workers *w = started(sizes[i], N);
        const int during = count_threads();
        assert_true(during > n_threads_at_start);
        for (int round = 0; round < 3; round++) {
            struct task tasks[N];
            for (int j = 0; j < N; j++) {
                task_init(&tasks[j]);
                submit(w, &tasks[j]);
                if (round == 1) tp_workers_drain(w);
            }
            tp_workers_drain(w);
            for (int j = 0; j < N; j++) tp_job_fini(&tasks[j].job);
            assert_int_equal(count_threads(), during);
        }
        tp_workers_free(w);
        wait_for_threads(n_threads_at_start);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_is_done_once_on_no_more_threads_than_there_are),
        cmocka_unit_test(a_lone_job_gets_all_threads),
        cmocka_unit_test(a_job_that_fails_is_done_as_well),
        cmocka_unit_test(the_queue_holds_as_many_as_it_is_deep),
        cmocka_unit_test(a_queue_of_no_depth_takes_nothing),
        cmocka_unit_test(jobs_start_in_the_order_of_the_queue),
        cmocka_unit_test(draining_waits_for_what_was_accepted),
        cmocka_unit_test(freeing_finishes_what_is_queued),
        cmocka_unit_test(threads_neither_grow_in_number_nor_stay_behind),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
