/* onnx_suite.c - ONNX's own tests (Debian: libonnx-testdata), all of them.
 *
 *     onnx_suite [NAME ...]       those whose folder's name contains a NAME; default: every one
 *
 * Speaks TAP: a test that is refused for a reason that is in order is skipped. The tables at the
 * end count per operator, and refusals by reason. The tests run in a process of their own; a crash
 * or a hang ends it, fails the test that it was at, and the next process goes on behind that.
 * ONNX_TESTDATA overrides where the tests are. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tally.h"
#include "tidepool.h"

enum { CASE_SECONDS = 60, FOLDER_BYTES = 1024 };

static const char *const collections[] = { "node", "pytorch-operator", "pytorch-converted",
                                           "simple", "real" };

struct suite {
    const char *root;
    char **filters;
    int n_filters;
    char (*folders)[FOLDER_BYTES];
    int n_folders;
    struct tally tally;
};

/* ---- which ----------------------------------------------------------------------------------- */

static bool is_asked(const struct suite *s, const char *name)
{
    for (int i = 0; i < s->n_filters; i++)
        if (strstr(name, s->filters[i])) return true;
    return s->n_filters == 0;
}

/* "real" holds links to networks that are not there. */
static void add_folder(struct suite *s, const char *collection, const char *name)
{
    char model[FOLDER_BYTES];
    struct stat st;
    snprintf(model, sizeof model, "%s/%s/%s/model.onnx", s->root, collection, name);
    if (stat(model, &st)) return;
    void *more = realloc(s->folders, (size_t)(s->n_folders + 1) * sizeof *s->folders);
    if (!more) abort();
    s->folders = more;
    *strrchr(model, '/') = 0;
    strcpy(s->folders[s->n_folders++], model);
}

static int is_test(const struct dirent *entry) { return !strncmp(entry->d_name, "test_", 5); }

static void add_collection(struct suite *s, const char *collection)
{
    char path[FOLDER_BYTES];
    struct dirent **entries;
    snprintf(path, sizeof path, "%s/%s", s->root, collection);
    int n = scandir(path, &entries, is_test, alphasort);
    for (int i = 0; i < n; i++) {
        if (is_asked(s, entries[i]->d_name)) add_folder(s, collection, entries[i]->d_name);
        free(entries[i]);
    }
    if (n >= 0) free(entries);
}

/* ---- telling --------------------------------------------------------------------------------- */

static bool scan_folder(struct scan *scan, const char *folder)
{
    size_t n_bytes;
    void *bytes = suite_read(folder, "model.onnx", &n_bytes);
    bool ok = bytes && scan_model(scan, bytes, n_bytes);
    free(bytes);
    return ok;
}

/* What the test counts for: the operators of its nodes, but an operator spelled out by others
 * (test_selu_expanded_ver18) counts for the one that is spelled. */
static void subjects(struct scan *out, const char *folder, const struct scan *scan)
{
    char plain[FOLDER_BYTES];
    snprintf(plain, sizeof plain, "%s", folder);
    char *expanded = strstr(plain, "_expanded");
    if (expanded) *expanded = 0;
    if (!expanded || !scan_folder(out, plain)) *out = *scan;
}

/* One line of TAP for a test, and its place in the tables. */
static void report(struct suite *s, int i, struct suite_result *result)
{
    struct scan scan, subject;
    const char *reason = NULL, *name = s->folders[i] + strlen(s->root) + 1;
    if (!scan_folder(&scan, s->folders[i])) {
        printf("not ok %d - %s: model.onnx cannot be scanned\n", i + 1, name);
        s->tally.n_failed++;
        return;
    }
    if (result->verdict == SUITE_REFUSED) reason = tally_reason(result, &scan);
    subjects(&subject, s->folders[i], &scan);
    tally_add(&s->tally, (const char (*)[SCAN_NAME])subject.ops, subject.n_ops, result, reason);
    for (char *c = result->why; *c; c++)
        if (*c == '\n' || *c == '#') *c = ' ';
    if (result->verdict == SUITE_PASSED) printf("ok %d - %s\n", i + 1, name);
    else if (result->verdict == SUITE_REFUSED)
        printf("ok %d - %s # SKIP %s | %s\n", i + 1, name, reason, result->why);
    else printf("not ok %d - %s: %s\n", i + 1, name, result->why);
}

/* ---- running --------------------------------------------------------------------------------- */

/* The other process: the tests from `first` on, each result written as soon as it is there. */
static void run_from(const struct suite *s, int first, int to)
{
    struct scan scan;
    struct suite_result result;
    for (int i = first; i < s->n_folders; i++) {
        alarm(CASE_SECONDS);
        result = (struct suite_result){ .verdict = SUITE_FAILED };
        if (scan_folder(&scan, s->folders[i])) suite_case_run(&result, s->folders[i], &scan);
        if (write(to, &result, sizeof result) != (ssize_t)sizeof result) exit(1);
    }
    exit(0);
}

static const char *how_it_ended(int status, char *text, size_t room)
{
    if (WIFSIGNALED(status)) snprintf(text, room, "ended by signal %d", WTERMSIG(status));
    else snprintf(text, room, "ended with exit status %d", WEXITSTATUS(status));
    return text;
}

/* Tests from `first` on, up to the last or one that ends the process. Returns the next one. */
static int run_some(struct suite *s, int first)
{
    struct suite_result result;
    int ends[2], status = 0, i = first;
    fflush(stdout);
    if (pipe(ends)) abort();
    pid_t child = fork();
    if (child < 0) abort();
    if (!child) {
        close(ends[0]);
        run_from(s, first, ends[1]);
    }
    close(ends[1]);
    while (i < s->n_folders && read(ends[0], &result, sizeof result) == (ssize_t)sizeof result)
        report(s, i++, &result);
    close(ends[0]);
    waitpid(child, &status, 0);
    if (i < s->n_folders) {
        result = (struct suite_result){ .verdict = SUITE_FAILED };
        how_it_ended(status, result.why, sizeof result.why);
        report(s, i++, &result);
    } else if (status) {                     /* a leak, as its sanitizer sees it */
        printf("# behind the last test: %s\n", how_it_ended(status, result.why,
                                                            sizeof result.why));
        s->tally.n_failed++;
    }
    return i;
}

int main(int argc, char **argv)
{
    struct tp_err err = { 0 };
    struct suite s = { .root = getenv("ONNX_TESTDATA"), .filters = argv + 1,
                       .n_filters = argc - 1 };
    if (!s.root) s.root = "/usr/share/libonnx-testdata/data";
    if (!tp_init(&err)) {
        printf("Bail out! %s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < sizeof collections / sizeof *collections; i++)
        add_collection(&s, collections[i]);
    printf("1..%d\n", s.n_folders);
    for (int i = 0; i < s.n_folders;) i = run_some(&s, i);
    if (!s.n_folders) printf("# no tests in %s\n", s.root);
    tally_print(&s.tally);
    const bool failed = !s.n_folders || s.tally.n_failed;
    tally_free(&s.tally);
    free(s.folders);
    return failed;
}
