/* test_negotiate.c - what a client's Accept headers choose. */
#include "image_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/negotiate.h"

static const char *const types[] = { "application/json", "application/x-npy", "image/png" };

static void the_best_type_is_chosen_by_q_and_closeness(void **state)
{
    (void)state;
    static const struct { const char *accept; int want; } cases[] = {
        { NULL, 0 }, { "", 0 }, { "  , ,", 0 }, { "*/*", 0 }, { "application/json", 0 },
        { "application/x-npy", 1 }, { "IMAGE/PNG", 2 }, { "image/*", 2 },
        { "text/html", -1 }, { "text/html, */*;q=0.1", 0 },
        { "application/json;q=0.5, application/x-npy", 1 },
        { "application/json;q=0.5, application/x-npy;q=0.5", 0 },
        { "application/json;q=0.1,application/x-npy;q=0.2,image/png;q=0.15", 1 },
        { "*/*;q=0.9, application/json;q=0.2", 1 },          /* the closest range counts */
        { "application/*;q=0.3, image/png;q=0.4, application/x-npy;q=0", 2 },
        { "application/json;q=0, */*", 1 },
        { "application/json;q=0", -1 }, { "*/*;q=0", -1 },
        { "application/json ; Q = 0.3 , application/x-npy ; v=\"a,b;q=0\" ; q=0.4", 1 },
        { "application/x-npy;q=0.999, application/json;q=1.000", 0 },
        { "application/x-npy;q=huh", 1 }, { "application/x-npy;", 1 }, { ";;;,=", 0 },
        { "application/jsonx", -1 }, { "application/js", -1 }, { "application*", 0 },
        { "/", 0 }, { "application/", 0 }, { "json", 0 }, { "json, text/html", -1 },
        { "application/x-npy;q=.2, application/json;q=.1", 1 }, { "*;q=.2, image/png", 2 },
        { "text/html, image/gif, *; q=.2, */*; q=.2", 0 },
        { "image/png;x=\"open", 2 },
        { "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (tp_negotiate_type(cases[i].accept, types, 3) != cases[i].want)
            fail_msg("%s: %d", cases[i].accept, tp_negotiate_type(cases[i].accept, types, 3));
}

static void the_best_coding_is_chosen(void **state)
{
    (void)state;
    static const struct { const char *accept; enum tp_coding want; } cases[] = {
        { NULL, TP_IDENTITY }, { "", TP_IDENTITY }, { "gzip", TP_GZIP }, { "deflate", TP_DEFLATE },
        { "gzip, deflate, br", TP_GZIP }, { "br", TP_IDENTITY }, { "*", TP_GZIP },
        { "gzip;q=0", TP_IDENTITY }, { "gzip;q=0.1, deflate;q=0.2", TP_DEFLATE },
        { "*;q=0", TP_IDENTITY }, { "gzip;q=0, *", TP_IDENTITY }, { "x-gzip", TP_GZIP },
        { "identity", TP_IDENTITY }, { "identity;q=0.5, gzip;q=0.4", TP_IDENTITY },
        { "identity;q=0.5, gzip;q=0.5", TP_GZIP }, { "identity;q=0, gzip", TP_GZIP },
        { "gzipped", TP_IDENTITY }, { "deflate, gzip;q=1.0, *;q=0.5", TP_GZIP },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (tp_negotiate_coding(cases[i].accept) != cases[i].want)
            fail_msg("%s", cases[i].accept);
}

/* As long as the server lets a header be: what counts may stand at its end, or be swallowed. */
static void long_headers_are_read_to_their_end(void **state)
{
    (void)state;
    enum { ROOM = 32 << 10 };
    static const char *const fills[] = { "a/b,", "a/b;q=0.5;x=\"\\\"\" ,\t", ",", ";", "\"" , "=;",
                                         "\t" };
    static char text[ROOM + 64];
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        size_t n = 0;
        while (n < ROOM) n += (size_t)sprintf(text + n, "%s", fills[i]);
        sprintf(text + n, ", image/png");
        if (tp_negotiate_type(text, types, 3) != 2) fail_msg("many \"%s\"", fills[i]);
        sprintf(text + n, ", deflate");
        assert_int_equal(tp_negotiate_coding(text), TP_DEFLATE);
    }
}

/* Whatever stands there, reading ends, and within the text. */
static void any_text_is_read_to_its_end(void **state)
{
    (void)state;
    static const char letters[] = "qQ=;, \t\"\\*/a1.0";
    char text[41];
    srand(1);
    for (int i = 0; i < 20000; i++) {
        const int n = rand() % 40;
        for (int j = 0; j < n; j++) text[j] = letters[rand() % (sizeof letters - 1)];
        text[n] = '\0';
        char *copy = (char *)guarded_copy((uint8_t *)text, (size_t)n + 1);
        const int best = tp_negotiate_type(copy, types, 3);
        assert_in_range(best + 1, 0, 3);
        tp_negotiate_coding(copy);
        guarded_free((uint8_t *)copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_type_is_chosen_by_q_and_closeness),
        cmocka_unit_test(the_best_coding_is_chosen),
        cmocka_unit_test(long_headers_are_read_to_their_end),
        cmocka_unit_test(any_text_is_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
