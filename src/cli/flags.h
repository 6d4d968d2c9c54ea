/* flags.h - command-line flags and their twins in the environment. */
#ifndef TP_FLAGS_H
#define TP_FLAGS_H

#include "base/err.h"

enum tp_flag_type {
    TP_FLAG_TEXT,                    /* const char * */
    TP_FLAG_INT,                     /* int, least..most */
    TP_FLAG_COUNT,                   /* int64_t, least..most */
    TP_FLAG_BYTES,                   /* size_t, "64M": K, M, G are powers of 1024 */
    TP_FLAG_SWITCH,                  /* bool, no value */
};

struct tp_flag {
    const char *name;                /* "max-body": --max-body, TIDEPOOL_MAX_BODY */
    enum tp_flag_type type;
    void *value;                     /* holds the default beforehand */
    int64_t least, most;             /* of INT and COUNT */
    const char *argument, *help;     /* for the usage text */
};

/* Reads argv[1..argc) into the flags (n of them; the last of several wins), the environment first.
 * What is no flag is a word; the words are left, in order, in argv[1..*n_words]. "--" ends the
 * flags, "-" is a word. Forms: --name value and --name=value. */
bool tp_flags_read(const struct tp_flag *flags, int n, int argc, char **argv, int *n_words,
                   struct tp_err *err) TP_MUST_USE;

/* Prints one line per flag. */
void tp_flags_print(const struct tp_flag *flags, int n);

#endif
