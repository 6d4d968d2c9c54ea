/* suite_case.h - one of ONNX's own tests: a folder with model.onnx and test_data_set_<n>/
 * input_<i>.pb, output_<i>.pb. */
#ifndef SUITE_CASE_H
#define SUITE_CASE_H

#include "scan.h"

enum suite_verdict { SUITE_PASSED, SUITE_REFUSED, SUITE_FAILED };

struct suite_result {
    enum suite_verdict verdict;
    bool all_bound;                  /* passed only with the value of every input known */
    int n_fed;                       /* inputs that took their turn as the one that is fed */
    bool empty;                      /* the first input, or an output, has a size of 0 */
    char why[640];                   /* the message of a refusal, or what is wrong */
};

/* Reads, plans and runs the test. The service feeds one input; the others are bound to their
 * values. The verdict is that of the first input; each other one of floats then takes its turn,
 * which may be refused but not be wrong. Where the first is refused, all inputs are bound: a shape
 * that depends on a value is only known then. */
void suite_case_run(struct suite_result *out, const char *folder, const struct scan *scan);

/* A file's bytes, from malloc(); NULL where there is none. */
void *suite_read(const char *folder, const char *name, size_t *n_bytes);

#endif
