/* flags.c - command-line flags and their twins in the environment. */
#include "cli/flags.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_count(const char *text, int64_t least, int64_t most, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (!*text || *end || errno || value < least || value > most) return false;
    *out = value;
    return true;
}

static bool read_bytes(const char *text, size_t *out)
{
    static const char units[] = "KMG";
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || errno) return false;
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (*end && (!unit || end[1])) return false;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    if (!value || value > (SIZE_MAX >> 1) >> shift) return false;
    *out = (size_t)value << shift;
    return true;
}

static bool set(const struct tp_flag *f, const char *shown, const char *text, struct tp_err *err)
{
    int64_t count = 0;
    switch (f->type) {
    case TP_FLAG_TEXT:
        *(const char **)f->value = text;
        return true;
    case TP_FLAG_INT:
    case TP_FLAG_COUNT:
        if (!read_count(text, f->least, f->most, &count))
            return tp_fail(err, TP_INVALID_ARGUMENT, "%s: '%s' is not a whole number from %" PRId64
                           " to %" PRId64, shown, text, f->least, f->most);
        if (f->type == TP_FLAG_INT) *(int *)f->value = (int)count;
        else *(int64_t *)f->value = count;
        return true;
    case TP_FLAG_BYTES:
        if (read_bytes(text, f->value)) return true;
        return tp_fail(err, TP_INVALID_ARGUMENT,
                       "%s: '%s' is not a size such as 1000, 64K, 64M or 1G", shown, text);
    case TP_FLAG_SWITCH:
        if (!strcmp(text, "1") || !strcmp(text, "true")) *(bool *)f->value = true;
        else if (!strcmp(text, "0") || !strcmp(text, "false")) *(bool *)f->value = false;
        else return tp_fail(err, TP_INVALID_ARGUMENT, "%s: expected 0 or 1, not '%s'", shown, text);
        return true;
    }
    return false;
}

static bool read_environment(const struct tp_flag *f, struct tp_err *err)
{
    char name[64];
    size_t n = (size_t)snprintf(name, sizeof name, "TIDEPOOL_%s", f->name);
    for (size_t i = 0; i < n && i < sizeof name; i++)
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
    const char *text = getenv(name);
    return !text || !*text || set(f, name, text, err);
}

static const struct tp_flag *find(const struct tp_flag *flags, int n, const char *name,
                                  size_t length)
{
    for (int i = 0; i < n; i++)
        if (strlen(flags[i].name) == length && !memcmp(flags[i].name, name, length))
            return &flags[i];
    return NULL;
}

bool tp_flags_read(const struct tp_flag *flags, int n, int argc, char **argv, int *n_words,
                   struct tp_err *err)
{
    bool only_words = false;
    *n_words = 0;
    for (int i = 0; i < n; i++)
        if (!read_environment(&flags[i], err)) return false;
    for (int i = 1; i < argc; i++) {
        char *arg = argv[i];
        if (only_words || strncmp(arg, "-", 1) || !strcmp(arg, "-")) {
            argv[++*n_words] = arg;
            continue;
        }
        if (!strcmp(arg, "--")) {
            only_words = true;
            continue;
        }
        size_t length = strncmp(arg, "--", 2) ? 0 : strcspn(arg + 2, "=");
        const struct tp_flag *f = length ? find(flags, n, arg + 2, length) : NULL;
        if (!f) return tp_fail(err, TP_INVALID_ARGUMENT, "unknown flag %s", arg);
        const char *value = arg[2 + length] ? arg + 3 + length : NULL;
        if (f->type == TP_FLAG_SWITCH && !value) value = "1";
        if (!value && i + 1 < argc) value = argv[++i];
        if (!value) return tp_fail(err, TP_INVALID_ARGUMENT, "%s: a value is missing", arg);
        char shown[64];
        snprintf(shown, sizeof shown, "--%s", f->name);
        if (!set(f, shown, value, err)) return false;
    }
    return true;
}

void tp_flags_print(const struct tp_flag *flags, int n)
{
    for (int i = 0; i < n; i++) {
        char left[48];
        snprintf(left, sizeof left, "--%s %s", flags[i].name, flags[i].argument);
        printf("  %-26s %s\n", left, flags[i].help);
    }
}
