/* words.h - for tests of options: a query's text as words. */
#ifndef WORDS_H
#define WORDS_H

#include "check.h"

#include <string.h>

#include "formats/options.h"

/* "pool=max&window=2" to options; the text must outlive them. */
static inline struct tp_options words(char *text)
{
    struct tp_options o = { 0 };
    struct tp_err err = { 0 };
    char *rest;
    for (char *word = strtok_r(text, "&", &rest); word; word = strtok_r(NULL, "&", &rest)) {
        char *equals = strchr(word, '=');
        assert_non_null(equals);
        *equals = '\0';
        if (!tp_options_set(&o, word, equals + 1, &err)) fail_msg("%s", err.message);
    }
    return o;
}

#endif
