/* test_estimate.c - what a job will cost: told from its header, corrected by its forerunners. */
#include "builtin_models.h"
#include "image_files.h"

#include "service/job.h"

static struct tp_pace pace;

static struct tp_job job_of(const void *bytes, size_t n_bytes)
{
    struct tp_job job;
    struct tp_err err = { 0 };
    tp_job_init(&job, &limits);
    job.served = tp_models_get(&models, "edges", &err);
    tp_models_put(job.served);
    tp_buf_bytes(&job.body, bytes, n_bytes);
    pace = (struct tp_pace){ 0 };
    job.pace = &pace;
    return job;
}

/* A PNG's first 29 bytes. */
static struct tp_job png_of(uint8_t width_high, uint8_t height_high)
{
    const uint8_t png[] = { 0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13, 'I', 'H', 'D', 'R',
                            0, 0, width_high, 0, 0, 0, height_high, 0, 8, 2, 0, 0, 0 };
    return job_of(png, sizeof png);
}

static void more_pixels_cost_more_of_both(void **state)
{
    (void)state;
    struct tp_job small = png_of(1, 1), large = png_of(4, 4);
    const struct tp_estimate a = tp_estimate_make(&small), b = tp_estimate_make(&large);
    assert_true(b.ms > 15 * a.ms && b.n_bytes >= 16 * a.n_bytes);
    assert_true(b.n_bytes >= 3 * 1024 * 1024);
    tp_job_fini(&small);
    tp_job_fini(&large);
}

static void an_image_that_will_be_refused_costs_nothing(void **state)
{
    (void)state;
    struct tp_job job = png_of(255, 255);
    assert_true(tp_estimate_make(&job).ms == 0);
    assert_int_equal(tp_estimate_make(&job).n_bytes, 0);
    tp_job_fini(&job);
}

static void text_that_may_hold_images_is_given_more_memory_than_a_tensor(void **state)
{
    (void)state;
    static const char image[] = "{\"image\":\"aaaaaaaaaaaaaaaa\"}";
    static const char tensor[] = "{\"tensor\":{\"data\":[1,2,3]}}";
    struct tp_job a = job_of(image, 28), b = job_of(tensor, 28);
    assert_true(tp_estimate_make(&a).n_bytes > 2 * tp_estimate_make(&b).n_bytes);
    tp_job_fini(&a);
    tp_job_fini(&b);
}

static void estimates_come_near_what_jobs_take(void **state)
{
    (void)state;
    struct tp_job job = png_of(4, 4);
    for (int i = 0; i < 30; i++) {
        job.estimate = tp_estimate_make(&job);
        tp_estimate_learn(&job, 500, job.estimate.input_bytes + 7000);
    }
    const struct tp_estimate e = tp_estimate_make(&job);
    assert_true(e.ms > 499 && e.ms < 501);
    assert_int_equal(e.n_bytes, e.input_bytes + 7000);
    job.estimate = e;
    tp_estimate_learn(&job, 100, 0);   /* one that was quick and small changes little */
    assert_true(tp_estimate_make(&job).ms > 390);
    assert_true(tp_estimate_make(&job).n_bytes > e.input_bytes + 6000);
    tp_job_fini(&job);
}

static void a_job_that_ran_teaches_its_pace(void **state)
{
    (void)state;
    struct tp_seat seat = { 0 };
    struct file f = file_read("rgb.jpg");
    struct tp_job job = job_of(f.bytes, f.n);
    job.estimate = tp_estimate_make(&job);
    job.n_threads = 1;
    if (!tp_job_run(&job, &seat)) fail_msg("%s", job.err.message);
    assert_true(pace.factor > 0);
    assert_true(pace.rest_bytes > 0);
    tp_job_fini(&job);
    tp_seat_fini(&seat);
    free(f.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_pixels_cost_more_of_both),
        cmocka_unit_test(an_image_that_will_be_refused_costs_nothing),
        cmocka_unit_test(text_that_may_hold_images_is_given_more_memory_than_a_tensor),
        cmocka_unit_test(estimates_come_near_what_jobs_take),
        cmocka_unit_test(a_job_that_ran_teaches_its_pace),
    };
    return cmocka_run_group_tests(tests, start_models, stop_models);
}
