/* test_workers.c - the threads that compute: every job once, never more threads busy than there
 * are, a lone job gets them all, and none is left behind. */
#include "check.h"

#include <dirent.h>
#include <math.h>
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

static struct tp_workers *started_with(const struct tp_workers_options *options)
{
    struct tp_workers *w;
    struct tp_err err = { 0 };
    if (!tp_workers_new(&w, options, &err)) fail_msg("%s", err.message);
    return w;
}

static struct tp_workers *started(int n_threads, int depth)
{
    return started_with(&(struct tp_workers_options){ n_threads, depth, 0, NULL });
}

static bool reserve(struct tp_workers *w, struct task *t)
{
    return tp_workers_reserve(w, &t->job).place == TP_PLACE_FREE;
}

static void submit(struct tp_workers *w, struct task *t)
{
    while (!reserve(w, t)) usleep(100);
    tp_workers_submit(w, &t->job);
}

static void drain(struct tp_workers *w) { assert_true(tp_workers_drain(w, INFINITY)); }

static void submit_and_wait(struct tp_workers *w, struct task *t)
{
    submit(w, t);
    drain(w);
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
    drain(w);
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
    struct task tasks[2 + DEPTH], more;
    sem_t hold;
    task_init(&more);
    sem_init(&hold, 0, 0);
    for (int i = 0; i < 2 + DEPTH; i++) {
        task_init(&tasks[i]);
        tasks[i].hold = &hold;
    }
    submit(w, &tasks[0]);            /* its done() holds the only worker */
    submit(w, &tasks[1]);   /* taken by that worker, or the last in the queue before it is */
    while (!reserve(w, &tasks[2])) usleep(100);
    for (int i = 1; i < DEPTH - 1; i++) assert_true(reserve(w, &tasks[2 + i]));
    while (!reserve(w, &tasks[1 + DEPTH])) usleep(100);      /* job 1 has left the queue */
    assert_false(reserve(w, &more));
    tp_workers_submit(w, &tasks[2].job);
    assert_false(reserve(w, &more));               /* a place used is not a place free */
    for (int i = 3; i < 2 + DEPTH; i++) tp_workers_submit(w, &tasks[i].job);
    assert_int_equal(tp_workers_reserve(w, &more.job).place, TP_PLACE_NONE);
    assert_int_equal(tp_workers_ask(w, 0).place, TP_PLACE_NONE);
    tp_job_fini(&more.job);
    for (int i = 0; i < 2 + DEPTH; i++) sem_post(&hold);
    drain(w);
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
    struct task t;
    task_init(&t);
    assert_false(reserve(w, &t));
    tp_job_fini(&t.job);
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
    drain(w);
    double last = 0;
    for (int i = 0; i < N; i++) {
        double begin = tasks[i].job.submitted_ms + tasks[i].job.timing.queue;
        assert_true(begin > last);
        last = begin;
        tp_job_fini(&tasks[i].job);
    }
    tp_workers_free(w);
}

/* ---- what is short, what is late, what has no memory ----------------------------------------- */

static sem_t asked, answered;        /* a job at work asks whether it is wanted; it may go on */

/* At its first question, before it is begun; later ones come between its layers. */
static bool wait_once(struct tp_job *job, struct tp_err *err)
{
    (void)err;
    job->wanted = NULL;
    sem_post(&asked);
    sem_wait(&answered);
    return true;
}

/* From here on its memory is counted, but for the body that it has already. */
static void account(struct task *t, struct tp_budget *budget)
{
    tp_job_account(&t->job, budget);
    t->job.body.share = NULL;
}

/* The task is at work and waits for sem_post(&answered). */
static void occupy_counted(struct tp_workers *w, struct task *t, struct tp_budget *budget)
{
    sem_init(&asked, 0, 0);
    sem_init(&answered, 0, 0);
    task_init(t);
    account(t, budget);
    t->job.wanted = wait_once;
    submit(w, t);
    sem_wait(&asked);
}

static void occupy(struct tp_workers *w, struct task *t) { occupy_counted(w, t, NULL); }

static double begin_of(const struct task *t)
{
    return t->job.submitted_ms + t->job.timing.queue;
}

static void submit_as(struct tp_workers *w, struct task *t, double ms, size_t n_bytes)
{
    task_init(t);
    assert_true(reserve(w, t));
    t->job.estimate.ms = ms;
    t->job.estimate.known = true;
    t->job.estimate.n_bytes = n_bytes;
    tp_workers_submit(w, &t->job);
}

static void short_jobs_overtake_long_ones_in_the_queue(void **state)
{
    (void)state;
    struct tp_workers *w = started(1, 8);
    struct task at_work, tasks[3];
    occupy(w, &at_work);
    at_work.job.lend = NULL;         /* nobody overtakes that one here */
    submit_as(w, &tasks[0], 5000, 0);
    submit_as(w, &tasks[1], 1000, 0);
    submit_as(w, &tasks[2], 0.001, 0);
    sem_post(&answered);
    drain(w);
    assert_true(begin_of(&tasks[2]) < begin_of(&tasks[1]));
    assert_true(begin_of(&tasks[1]) < begin_of(&tasks[0]));
    for (int i = 0; i < 3; i++) tp_job_fini(&tasks[i].job);
    tp_job_fini(&at_work.job);
    tp_workers_free(w);
}

static void a_short_job_runs_between_the_layers_of_a_long_one(void **state)
{
    (void)state;
    for (int n_threads = 1; n_threads <= 2; n_threads++) {
        struct tp_workers *w = started(n_threads, 8);
        struct task at_work, quick, alone;
        task_init(&alone);
        submit_and_wait(w, &alone);
        occupy(w, &at_work);
        at_work.job.estimate.ms = 1e6;
        submit_as(w, &quick, 0.001, 0);
        sem_post(&answered);
        drain(w);
        assert_true(at_work.job.lent_ms > 0);
        check_same_answer(&quick.job, &alone.job);
        check_same_answer(&at_work.job, &alone.job);
        tp_job_fini(&quick.job);
        tp_job_fini(&at_work.job);
        tp_job_fini(&alone.job);
        tp_workers_free(w);
    }
}

static void who_waited_in_vain_is_told_while_another_job_is_at_work(void **state)
{
    (void)state;
    struct tp_workers *w = started(1, 8);
    struct task at_work, late;
    occupy(w, &at_work);
    task_init(&late);
    assert_true(reserve(w, &late));
    late.job.estimate.ms = 1e6;      /* not short: it would be let pass */
    late.job.timeout_ms = 1;
    late.job.deadline_ms = tp_clock_ms() + 1;
    tp_workers_submit(w, &late.job);
    usleep(3000);
    sem_post(&answered);
    drain(w);
    assert_int_equal(late.job.err.code, TP_DEADLINE);
    assert_non_null(strstr(late.job.err.message, "in the queue"));
    assert_int_equal(late.n_done, 1);
    assert_int_equal(late.job.body.n_bytes, 0);
    answer_bytes(&at_work.job);
    tp_job_fini(&late.job);
    tp_job_fini(&at_work.job);
    tp_workers_free(w);
}

static void tell_slowly(struct tp_job *job)
{
    struct task *t = job->owner;
    usleep(20000);
    atomic_fetch_add(&t->n_done, 1);
}

/* Two are ending, one is told that it expired, and the last of the three to be handed back finds
 * somebody who waits for memory, and nothing else at work. */
static void who_waits_for_memory_goes_on_after_one_that_expired(void **state)
{
    (void)state;
    struct tp_budget budget;
    struct task before, ending[2], late, next;
    sem_t hold[2];
    tp_budget_init(&budget, 100 << 20);
    struct tp_workers *w = started_with(&(struct tp_workers_options){ 2, 8, 0, &budget });
    assert_true(tp_budget_take(&budget, 90 << 20));          /* an answer that nobody reads */
    occupy_counted(w, &before, &budget);           /* with both threads: the two come one each */
    for (int i = 0; i < 2; i++) {
        sem_init(&hold[i], 0, 0);
        task_init(&ending[i]);
        account(&ending[i], &budget);
        ending[i].hold = &hold[i];
        submit(w, &ending[i]);
    }
    sem_post(&answered);
    while (!atomic_load(&before.n_done) || tp_workers_load(w).n_queued) usleep(100);
    usleep(20000);                   /* both are done but for being handed back */
    task_init(&late);
    task_init(&next);
    account(&late, &budget);
    account(&next, &budget);
    late.job.done = tell_slowly;
    assert_true(reserve(w, &late) && reserve(w, &next));
    late.job.timeout_ms = 1;
    late.job.deadline_ms = tp_clock_ms() + 1;
    late.job.estimate.n_bytes = next.job.estimate.n_bytes = 50 << 20;    /* not beside another */
    tp_workers_submit(w, &late.job);
    tp_workers_submit(w, &next.job);
    usleep(3000);
    sem_post(&hold[0]);
    usleep(5000);                    /* late is being told */
    sem_post(&hold[1]);
    assert_true(tp_workers_drain(w, tp_clock_ms() + 20000));
    assert_int_equal(late.job.err.code, TP_DEADLINE);
    answer_bytes(&next.job);
    for (int i = 0; i < 2; i++) {
        tp_job_fini(&ending[i].job);
        sem_destroy(&hold[i]);
    }
    tp_job_fini(&before.job);
    tp_job_fini(&late.job);
    tp_job_fini(&next.job);
    tp_workers_free(w);
}

static void a_wait_beyond_the_bound_or_the_deadline_is_not_begun(void **state)
{
    (void)state;
    struct tp_workers *w = started_with(&(struct tp_workers_options){ 1, 8, 1000, NULL });
    struct task at_work, waiting, more;
    occupy(w, &at_work);
    submit_as(w, &waiting, 800, 0);
    task_init(&more);
    more.job.timeout_ms = 100;
    more.job.deadline_ms = tp_clock_ms() + 100;
    assert_int_equal(tp_workers_reserve(w, &more.job).place, TP_PLACE_FREE);     /* it overtakes */
    tp_workers_submit(w, &more.job);
    assert_int_equal(tp_workers_ask(w, 0).place, TP_PLACE_FREE);
    struct task second, third;
    submit_as(w, &second, 800, 0);
    assert_true(tp_workers_load(w).wait_ms >= 1600);
    task_init(&third);
    third.job.pace = &(struct tp_pace){ .factor = 1e9 };         /* long, so it overtakes nobody */
    const struct tp_wait wait = tp_workers_reserve(w, &third.job);
    assert_int_equal(wait.place, TP_PLACE_LONG);
    assert_true(wait.ms >= 1600);
    sem_post(&answered);
    drain(w);
    tp_job_fini(&at_work.job);
    tp_job_fini(&waiting.job);
    tp_job_fini(&more.job);
    tp_job_fini(&second.job);
    tp_job_fini(&third.job);
    tp_workers_free(w);
}

static void a_job_waits_for_memory_that_another_one_has(void **state)
{
    (void)state;
    enum { MIB = 1 << 20 };
    struct tp_budget budget;
    struct task at_work, large, small;
    tp_budget_init(&budget, 100 * (size_t)MIB);
    struct tp_workers *w = started_with(&(struct tp_workers_options){ 2, 8, 0, &budget });
    occupy_counted(w, &at_work, &budget);
    assert_true(tp_share_reserve(&at_work.job.share, 80 * (size_t)MIB));
    task_init(&large);
    task_init(&small);
    account(&large, &budget);
    account(&small, &budget);
    assert_true(reserve(w, &large));
    large.job.estimate.n_bytes = 50 * (size_t)MIB;
    tp_workers_submit(w, &large.job);
    assert_true(reserve(w, &small));
    tp_workers_submit(w, &small.job);
    usleep(20000);
    assert_int_equal(atomic_load(&large.n_done), 0);
    sem_post(&answered);
    drain(w);
    answer_bytes(&large.job);
    answer_bytes(&small.job);
    assert_true(begin_of(&large) >= begin_of(&at_work) + 20);
    tp_job_fini(&large.job);
    tp_job_fini(&small.job);
    tp_job_fini(&at_work.job);
    tp_workers_free(w);
    assert_int_equal(tp_budget_taken(&budget), 0);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void draining_gives_up_when_its_time_is_over(void **state)
{
    (void)state;
    struct tp_workers *w = started(1, 2);
    struct task t;
    occupy(w, &t);
    assert_false(tp_workers_drain(w, tp_clock_ms() + 5));
    sem_post(&answered);
    assert_true(tp_workers_drain(w, INFINITY));
    tp_job_fini(&t.job);
    tp_workers_free(w);
}

static void draining_waits_for_what_was_accepted(void **state)
{
    (void)state;
    enum { N = 8 };
    struct tp_workers *w = started(2, N);
    struct task tasks[N];
    drain(w);             /* nothing to wait for */
    for (int i = 0; i < N; i++) {
        task_init(&tasks[i]);
        tasks[i].pause_us = 3000;    /* done() itself is waited for */
        submit(w, &tasks[i]);
    }
    drain(w);
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
                if (round == 1) drain(w);
            }
            drain(w);
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
        cmocka_unit_test(short_jobs_overtake_long_ones_in_the_queue),
        cmocka_unit_test(a_short_job_runs_between_the_layers_of_a_long_one),
        cmocka_unit_test(who_waited_in_vain_is_told_while_another_job_is_at_work),
        cmocka_unit_test(who_waits_for_memory_goes_on_after_one_that_expired),
        cmocka_unit_test(a_wait_beyond_the_bound_or_the_deadline_is_not_begun),
        cmocka_unit_test(a_job_waits_for_memory_that_another_one_has),
        cmocka_unit_test(draining_gives_up_when_its_time_is_over),
        cmocka_unit_test(draining_waits_for_what_was_accepted),
        cmocka_unit_test(freeing_finishes_what_is_queued),
        cmocka_unit_test(threads_neither_grow_in_number_nor_stay_behind),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
