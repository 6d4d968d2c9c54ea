/* test_exif.c - the orientation in EXIF metadata, whole and broken. */
#include "check.h"

#include <string.h>

#include "formats/exif.h"

enum { N = 26, ENTRY = 10, VALUE = 18 };

static const uint8_t big[N] = "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0";
static const uint8_t little[N] = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0";

static int read_guarded(const uint8_t *bytes, size_t n)
{
    uint8_t *p = guarded(n);
    if (n) memcpy(p, bytes, n);
    int orientation = tp_exif_orientation(p, n);
    guarded_free(p);
    return orientation;
}

static void both_byte_orders_are_read(void **state)
{
    (void)state;
    assert_int_equal(read_guarded(big, N), 6);
    assert_int_equal(read_guarded(little, N), 6);
}

static void the_exif_prefix_may_be_there(void **state)
{
    (void)state;
    uint8_t bytes[6 + N] = "Exif\0";
    memcpy(bytes + 6, little, N);
    assert_int_equal(read_guarded(bytes, sizeof bytes), 6);
}

static void the_entry_may_follow_others(void **state)
{
    (void)state;
    uint8_t bytes[N + 12] = { 0 };
    memcpy(bytes, big, ENTRY);
    bytes[9] = 2;
    bytes[ENTRY] = 0x01;             /* tag 0x010F first */
    bytes[ENTRY + 1] = 0x0F;
    memcpy(bytes + ENTRY + 12, big + ENTRY, 12);
    assert_int_equal(read_guarded(bytes, sizeof bytes), 6);
}

static void values_outside_1_to_8_mean_upright(void **state)
{
    (void)state;
    uint8_t bytes[N];
    for (int v = 0; v < 256; v++) {
        memcpy(bytes, big, N);
        bytes[VALUE + 1] = (uint8_t)v;
        assert_int_equal(read_guarded(bytes, N), v >= 1 && v <= 8 ? v : 1);
    }
}

static void another_type_means_upright(void **state)
{
    (void)state;
    uint8_t bytes[N];
    memcpy(bytes, big, N);
    bytes[ENTRY + 3] = 4;            /* LONG */
    assert_int_equal(read_guarded(bytes, N), 1);
}

static void truncation_means_upright(void **state)
{
    (void)state;
    for (size_t n = 0; n < ENTRY + 12; n++) assert_int_equal(read_guarded(big, n), 1);
}

static void offsets_and_counts_beyond_the_end_mean_upright(void **state)
{
    (void)state;
    uint8_t bytes[N];
    for (uint32_t offset = 0; offset < 300; offset++) {
        memcpy(bytes, big, N);
        bytes[4] = offset & 1 ? 0xFF : 0;
        bytes[6] = (uint8_t)(offset >> 8);
        bytes[7] = (uint8_t)offset;
        if (offset != 8) assert_int_equal(read_guarded(bytes, N), 1);
    }
    memcpy(bytes, big, N);
    bytes[8] = bytes[9] = 0xFF;      /* 65535 entries, the wanted one first: still found */
    assert_int_equal(read_guarded(bytes, N), 6);
    bytes[ENTRY] = 0;                /* ... and without it, the end is the end */
    assert_int_equal(read_guarded(bytes, N), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_byte_orders_are_read),
        cmocka_unit_test(the_exif_prefix_may_be_there),
        cmocka_unit_test(the_entry_may_follow_others),
        cmocka_unit_test(values_outside_1_to_8_mean_upright),
        cmocka_unit_test(another_type_means_upright),
        cmocka_unit_test(truncation_means_upright),
        cmocka_unit_test(offsets_and_counts_beyond_the_end_mean_upright),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
