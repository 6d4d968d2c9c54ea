/* cli.h - the sub-commands. Each gets its own arguments (argv[0] is its name) and answers the
 * process's exit status. */
#ifndef TP_CLI_H
#define TP_CLI_H

#include "cli/flags.h"

enum { TP_EXIT_DONE = 0, TP_EXIT_FAILED = 1, TP_EXIT_USAGE = 2 };

int tp_cli_serve(int argc, char **argv);
int tp_cli_run(int argc, char **argv);
int tp_cli_summary(int argc, char **argv);
int tp_cli_bench(int argc, char **argv);
int tp_cli_models(int argc, char **argv);
int tp_cli_health(int argc, char **argv);
int tp_cli_version(int argc, char **argv);

/* What a command takes. */
struct tp_cli_command {
    const char *name;
    const char *usage;               /* its words: "MODEL INPUT..." */
    const struct tp_flag *flags;
    int n_flags;
    int least_words, most_words;
};

/* Reads the arguments; the words are then argv[1..*n_words]. False: --help was printed, or a wrong
 * usage was reported; *status is the exit status. */
bool tp_cli_begin(const struct tp_cli_command *c, int argc, char **argv, int *n_words, int *status);

/* One line on stderr: "tidepool <command>: <message>". Returns TP_EXIT_FAILED. */
int tp_cli_fail(const char *command, const struct tp_err *err);

/* Flags that several commands have, for a struct tp_limits. */
struct tp_limits;
#define TP_LIMIT_FLAGS(l)                                                                          \
    { "max-body", TP_FLAG_BYTES, &(l).max_body_bytes, 0, 0, "SIZE", "largest body, default 64M" }, \
        { "max-pixels",                                                                            \
          TP_FLAG_COUNT,                                                                           \
          &(l).max_pixels,                                                                         \
          1,                                                                                       \
          INT64_C(1) << 32,                                                                        \
          "N",                                                                                     \
          "largest image, default 50000000" },                                                     \
        { "max-batch",                                                                             \
          TP_FLAG_INT,                                                                             \
          &(l).max_batch,                                                                          \
          1,                                                                                       \
          65536,                                                                                   \
          "N",                                                                                     \
          "images in one request, default 64" },                                                   \
        { "max-output-bytes",                                                                      \
          TP_FLAG_BYTES,                                                                           \
          &(l).max_output_bytes,                                                                   \
          0,                                                                                       \
          0,                                                                                       \
          "SIZE",                                                                                  \
          "largest answer as float32, default 256M" },                                             \
        { "max-workspace-bytes",                                                                   \
          TP_FLAG_BYTES,                                                                           \
          &(l).max_workspace_bytes,                                                                \
          0,                                                                                       \
          0,                                                                                       \
          "SIZE",                                                                                  \
          "largest workspace of one request, default 1G" },                                        \
    {                                                                                              \
        "max-operations", TP_FLAG_COUNT, &(l).max_operations, 1, INT64_C(1) << 60, "N",            \
            "multiply-adds of one request, default 2199023255552"                                  \
    }

#endif
