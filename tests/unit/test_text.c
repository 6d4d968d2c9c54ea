/* test_text.c - numbers in a text, by every table's kernel: strtof is the judge. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/float_read.h"
#include "kernels/kernels.h"

/* All numbers of a text, the kernel's and those that it leaves. */
static void check_numbers(const struct tp_kernels *k, char *text, size_t n_bytes, int n,
                          const float *want)
{
    float *got = guarded((size_t)n * sizeof *got);
    const char *end = text + n_bytes;
    struct tp_text t = { .p = text + TP_TEXT_BYTES_BEFORE, .last = end - TP_TEXT_BYTES, .out = got,
                         .out_end = got + n };
    int alone = 0;
    while (t.out < got + n) {
        const float *before = t.out;
        const char *p = t.p;
        k->read_numbers(&t);
        assert_in_range(t.out - before, 0, n);
        if (t.out > before) {
            assert_true(t.p[-1] == ',' || t.p[-1] == ']');
            while (t.p < end && *t.p == '[') t.p++;
            if (t.p[-1] == ']') t.p++;           /* "],", and then perhaps "[" */
            while (t.p < end && *t.p == '[') t.p++;
            continue;
        }
        assert_ptr_equal(t.p, p);
        while (*t.p == ' ' || *t.p == '\n') t.p++;
        t.p = tp_float_read(t.p, end, t.out++);
        assert_non_null(t.p);
        while (t.p < end && (*t.p == ']' || *t.p == ',' || *t.p == '[' || *t.p == ' ')) t.p++;
        alone++;
    }
    for (int i = 0; i < n; i++)
        if (memcmp(got + i, want + i, sizeof *got))
            fail_msg("%s: number %d: read as %.9g, expected %.9g", k->name, i, (double)got[i],
                     (double)want[i]);
    guarded_free(got);
}

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Numbers of a style, as people's programs print them. */
static int put_number(char *to, int style, uint32_t *seed)
{
    const uint32_t bits = next_random(seed) << 16 ^ next_random(seed);
    const float near_one = (float)(int)bits / 1e9f;
    switch (style) {
    case 0: return sprintf(to, "%.9g", (double)near_one);
    case 1: return sprintf(to, "%.17g", (double)near_one);
    case 2: return sprintf(to, "%d", (int)(bits % 512) - 256);
    case 3: return sprintf(to, "%s", bits & 1 ? "0" : bits & 2 ? "-0.0" : "1");
    case 4: return sprintf(to, "%.*f", (int)(bits % 25), (double)near_one * 1000);
    case 5: return sprintf(to, "%.9g", isfinite(from_bits(bits)) ? (double)from_bits(bits) : 1);
    case 6: return sprintf(to, "%u%s", bits, bits & 1 ? "" : "0000000000000000000000");
    default: return put_number(to, (int)(next_random(seed) >> 8) % 7, seed);
    }
}

static void numbers_of_any_style_are_read_to_the_nearest_float(void **state)
{
    (void)state;
    enum { N = 500 };
    static const char *const behind[] = { ",", ", ", ",\n    ", "],[", ",", " ,", "]," };
    uint32_t seed = 5;
    for (int round = 0; round < 240; round++) {
        char text[N * 48 + TP_TEXT_BYTES_BEFORE];
        float want[N];
        int length = TP_TEXT_BYTES_BEFORE;
        memset(text, '7', (size_t)length);
        for (int i = 0; i < N; i++) {
            const int n = put_number(text + length, round % 8, &seed);
            want[i] = strtof(text + length, NULL);
            length += n;
            const uint32_t rare = next_random(&seed) >> 8;
            const uint32_t style = (uint32_t)round / 8 % 3;
            length += sprintf(text + length, "%s", behind[style == 2 ? rare % 7 : style]);
        }
        char *copy = guarded((size_t)length);
        memcpy(copy, text, (size_t)length);
        const struct tp_kernels *k;
        for (int t = 0; (k = tp_kernels_list(t)); t++)
            check_numbers(k, copy, (size_t)length, N, want);
        guarded_free(copy);
    }
}

static void ties_and_their_neighbours_are_told_apart(void **state)
{
    (void)state;
    enum { N = 400 };
    uint32_t seed = 9;
    for (int round = 0; round < 20; round++) {
        char text[N * 48 + 128];
        float want[N];
        int length = TP_TEXT_BYTES_BEFORE;
        memset(text, '7', (size_t)length);
        for (int i = 0; i < N; i++) {
            const uint32_t exponent = 117 + next_random(&seed) % 20;
            const float x = from_bits(exponent << 23 | next_random(&seed) >> 9);
            const double tie = ((double)x + (double)nextafterf(x, 1e9f)) / 2;
            char number[64];
            const double near = i % 3 ? nextafter(tie, i % 2) : tie;
            snprintf(number, sizeof number, "%.*f", 10 + i % 20, near);
            want[i] = strtof(number, NULL);
            length += sprintf(text + length, "%s,", number);
        }
        const struct tp_kernels *k;
        for (int t = 0; (k = tp_kernels_list(t)); t++)
            check_numbers(k, text, (size_t)length, N, want);
    }
}

/* What is no number of JSON, or no usual one, is not read, wherever among others it stands. */
static void others_are_left_where_they_are(void **state)
{
    (void)state;
    static const char *const others[] = {
        "01", "-", "-.5", ".5", "1.", "1..2", "1.2.3", "--1", "1-2", "+1", "00", "1 2", "NaN",
        "null", "\"1\"", "[1", "{", "", "1e5", "1E-2", "-01", "1.-2", "\x01" "1", "1\xC3\xA9",
        "0x1", "1 ", "}",
    };
    const struct tp_kernels *k;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        for (int before = 0; before < 10; before++)
            for (int t = 0; (k = tp_kernels_list(t)); t++) {
                char text[256];
                float x[64];
                memset(text, ' ', sizeof text);
                int length = TP_TEXT_BYTES_BEFORE;
                for (int n = 0; n < before; n++) length += sprintf(text + length, "%d,", n * n * n);
                const char *other = text + length;
                length += sprintf(text + length, "%s,", others[i]);
                for (int n = 0; n < 10; n++) length += sprintf(text + length, "7,");
                text[length] = ' ';
                struct tp_text run = { .p = text + TP_TEXT_BYTES_BEFORE,
                                       .last = text + sizeof text - TP_TEXT_BYTES,
                                       .out = x, .out_end = x + 64 };
                k->read_numbers(&run);
                if (run.p != other || run.out - x != before)
                    fail_msg("%s: '%s' behind %d numbers: %td bytes and %td numbers were read",
                             k->name, others[i], before, run.p - text - TP_TEXT_BYTES_BEFORE,
                             run.out - x);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_any_style_are_read_to_the_nearest_float),
        cmocka_unit_test(ties_and_their_neighbours_are_told_apart),
        cmocka_unit_test(others_are_left_where_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
