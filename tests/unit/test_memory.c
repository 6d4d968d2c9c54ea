/* test_memory.c - one workspace shared by blocks whose lives differ. */
#include "check.h"

#include <string.h>

#include "graph/memory.h"

enum { MOST = 60, STEPS = 40 };

static size_t rounded(size_t n_bytes)
{
    return (n_bytes + TP_BLOCK_ALIGN - 1) / TP_BLOCK_ALIGN * TP_BLOCK_ALIGN;
}

static size_t place(struct tp_block *blocks, int n)
{
    struct tp_arena arena;
    struct tp_err err = { 0 };
    size_t total;
    tp_arena_init(&arena, SIZE_MAX);
    if (!tp_memory_place(blocks, n, &total, &arena, &err)) fail_msg("%s", err.message);
    tp_arena_fini(&arena);
    return total;
}

/* Bytes needed during one step: no placement takes less than the most of these. */
static size_t live_bytes(const struct tp_block *blocks, int n, int step)
{
    size_t sum = 0;
    for (int i = 0; i < n; i++)
        if (blocks[i].first <= step && step <= blocks[i].last) sum += blocks[i].n_bytes;
    return sum;
}

static void check_placed(const struct tp_block *blocks, int n, size_t total)
{
    size_t sum = 0;
    for (int i = 0; i < n; i++) {
        const struct tp_block *a = &blocks[i];
        sum += rounded(a->n_bytes);
        assert_int_equal(a->offset % TP_BLOCK_ALIGN, 0);
        assert_true(a->offset + a->n_bytes <= total);
        for (int j = 0; j < i; j++) {
            const struct tp_block *b = &blocks[j];
            if (a->last < b->first || b->last < a->first) continue;
            if (a->offset < b->offset + b->n_bytes && b->offset < a->offset + a->n_bytes)
                fail_msg("blocks %d (%zu bytes at %zu) and %d (%zu at %zu) overlap", i, a->n_bytes,
                         a->offset, j, b->n_bytes, b->offset);
        }
    }
    assert_int_equal(total % TP_BLOCK_ALIGN, 0);
    assert_true(total <= sum);
    for (int s = 0; s <= STEPS; s++) assert_true(total >= live_bytes(blocks, n, s));
}

static int random_blocks(struct tp_block *blocks, uint32_t *state)
{
    int n = 1 + (int)(next_random(state) % MOST);
    size_t largest = (size_t)1 << (next_random(state) % 20);
    for (int i = 0; i < n; i++) {
        int first = (int)(next_random(state) % STEPS);
        int life = (int)(next_random(state) % (next_random(state) % 4 ? 4 : STEPS));
        blocks[i] = (struct tp_block){
            .n_bytes = 1 + next_random(state) % largest, .first = first,
            .last = first + life < STEPS ? first + life : STEPS,
        };
    }
    return n;
}

static void blocks_that_live_together_never_overlap(void **state)
{
    (void)state;
    struct tp_block blocks[MOST];
    uint32_t random = 1;
    for (int round = 0; round < 2000; round++) {
        int n = random_blocks(blocks, &random);
        check_placed(blocks, n, place(blocks, n));
    }
}

static void the_same_blocks_lie_at_the_same_places_every_time(void **state)
{
    (void)state;
    struct tp_block once[MOST], again[MOST];
    uint32_t random = 5;
    int n = random_blocks(once, &random);
    for (int i = 0; i < n; i++) once[i].n_bytes = 64 + 64 * (size_t)(i % 3);    /* many alike */
    memcpy(again, once, sizeof again);
    assert_int_equal(place(once, n), place(again, n));
    for (int i = 0; i < n; i++) assert_int_equal(once[i].offset, again[i].offset);
}

static void blocks_of_different_times_share_one_place(void **state)
{
    (void)state;
    struct tp_block blocks[] = {
        { .n_bytes = 100, .first = 0, .last = 1 }, { .n_bytes = 1000, .first = 2, .last = 3 },
        { .n_bytes = 10, .first = 4, .last = 4 },
    };
    assert_int_equal(place(blocks, 3), 1024);
    for (int i = 0; i < 3; i++) assert_int_equal(blocks[i].offset, 0);
}

/* A chain: each step reads what the one before made, so two neighbours live at a time. */
static void a_chain_takes_two_blocks(void **state)
{
    (void)state;
    struct tp_block blocks[STEPS];
    for (int i = 0; i < STEPS; i++)
        blocks[i] = (struct tp_block){ .n_bytes = 4096, .first = i, .last = i + 1 };
    assert_int_equal(place(blocks, STEPS), 2 * 4096);
}

static void a_block_fills_the_gap_that_fits_it(void **state)
{
    (void)state;
    struct tp_block blocks[] = {
        { .n_bytes = 640, .first = 0, .last = 9 }, { .n_bytes = 576, .first = 0, .last = 2 },
        { .n_bytes = 512, .first = 0, .last = 9 }, { .n_bytes = 320, .first = 3, .last = 9 },
        { .n_bytes = 256, .first = 3, .last = 9 },
    };
    assert_int_equal(place(blocks, 5), 640 + 576 + 512);
    assert_int_equal(blocks[3].offset, 640);
    assert_int_equal(blocks[4].offset, 640 + 320);
}

static void nothing_to_place_takes_nothing(void **state)
{
    (void)state;
    assert_int_equal(place(NULL, 0), 0);
}

static void check_refused(struct tp_block *blocks, int n, size_t arena_bytes, enum tp_code code)
{
    struct tp_arena arena;
    struct tp_err err = { 0 };
    size_t total;
    tp_arena_init(&arena, arena_bytes);
    assert_false(tp_memory_place(blocks, n, &total, &arena, &err));
    assert_int_equal(err.code, code);
    tp_arena_fini(&arena);
}

static void more_than_the_address_space_is_refused(void **state)
{
    (void)state;
    const size_t quarter = SIZE_MAX / 4;
    struct tp_block blocks[3] = { { .n_bytes = SIZE_MAX } };
    check_refused(blocks, 1, SIZE_MAX, TP_TOO_LARGE);
    for (int i = 0; i < 3; i++)
        blocks[i] = (struct tp_block){ .n_bytes = quarter - 3 - (size_t)i };
    check_refused(blocks, 2, SIZE_MAX, TP_TOO_LARGE);
    check_refused(blocks, 3, SIZE_MAX, TP_TOO_LARGE);
    for (int i = 0; i < 3; i++) blocks[i].n_bytes = quarter / 2;
    check_refused(blocks, 3, SIZE_MAX, TP_TOO_LARGE);
}

static void no_room_to_think_is_an_error(void **state)
{
    (void)state;
    struct tp_block blocks[STEPS] = { { .n_bytes = 64 } };
    check_refused(blocks, STEPS, 64, TP_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_that_live_together_never_overlap),
        cmocka_unit_test(the_same_blocks_lie_at_the_same_places_every_time),
        cmocka_unit_test(blocks_of_different_times_share_one_place),
        cmocka_unit_test(a_chain_takes_two_blocks),
        cmocka_unit_test(a_block_fills_the_gap_that_fits_it),
        cmocka_unit_test(nothing_to_place_takes_nothing),
        cmocka_unit_test(more_than_the_address_space_is_refused),
        cmocka_unit_test(no_room_to_think_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
