/* tally.h - what became of the tests: per operator, and the refusals by their reason. */
#ifndef TALLY_H
#define TALLY_H

#include "suite_case.h"

struct tally {
    struct tally_row *ops, *reasons;
    int n_ops, n_reasons;
    int n_passed, n_refused, n_failed, n_all_bound, n_fed;
};

/* Judges a refusal: changes out->verdict to FAILED where the test should have passed, or where the
 * message does not say what is wrong; else returns the reason's class. */
const char *tally_reason(struct suite_result *out, const struct scan *scan);

/* Counts a result under each of the operators. reason: of a refusal, else NULL. */
void tally_add(struct tally *t, const char (*ops)[SCAN_NAME], int n_ops,
               const struct suite_result *result, const char *reason);

/* The tables, as TAP comments. */
void tally_print(struct tally *t);
void tally_free(struct tally *t);

#endif
