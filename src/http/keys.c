/* keys.c - the keys that clients show: "Authorization: Bearer KEY". */
#include "http/keys.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_KEYS = 1024, LINE_BYTES = 512 };

struct key {
    char name[TP_KEY_NAME_BYTES];
    unsigned char text[TP_KEY_MOST];             /* padded with NUL, which no key holds */
};

struct table {
    int n;
    struct key keys[MOST_KEYS];
};

struct tp_keys {
    char *one, *file;                /* as given; NULL: none */
    struct table *table;
    pthread_mutex_t lock;            /* of `table`, which a reload replaces */
};

static bool is_word(const char *text, size_t least, size_t most)
{
    size_t n = strlen(text);
    if (n < least || n > most) return false;
    for (; *text; text++)
        if (*text < 0x21 || *text > 0x7e) return false;
    return true;
}

/* `where` names the place in messages: "keys.txt:3". */
static bool add(struct table *t, const char *where, const char *name, const char *text,
                struct tp_err *err)
{
    struct key key = { 0 };
    if (!is_word(text, TP_KEY_LEAST, TP_KEY_MOST))
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: a key is %d to %d printable characters of "
                       "ASCII without spaces", where, TP_KEY_LEAST, TP_KEY_MOST);
    if (!is_word(name, 1, TP_KEY_NAME_BYTES - 1))
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: a key's name is 1 to %d printable characters "
                       "of ASCII without spaces", where, TP_KEY_NAME_BYTES - 1);
    if (t->n == MOST_KEYS)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: more than %d keys", where, MOST_KEYS);
    snprintf(key.name, sizeof key.name, "%s", name);
    memcpy(key.text, text, strlen(text));
    for (int i = 0; i < t->n; i++)
        if (!memcmp(t->keys[i].text, key.text, sizeof key.text))
            return tp_fail(err, TP_INVALID_ARGUMENT, "%s: the key of '%s' once more", where,
                           t->keys[i].name);
    t->keys[t->n++] = key;
    return true;
}

static bool read_line(struct table *t, const char *file, int number, char *line, struct tp_err *err)
{
    char where[256], name[32];
    line += strspn(line, " \t");
    size_t n = strlen(line);
    while (n && strchr(" \t\r\n", line[n - 1])) line[--n] = '\0';
    if (!n || *line == '#') return true;
    snprintf(where, sizeof where, "%.200s:%d", file, number);
    snprintf(name, sizeof name, "key-%d", number);
    char *colon = strchr(line, ':');
    if (!colon) return add(t, where, name, line, err);
    *colon = '\0';
    return add(t, where, line, colon + 1, err);
}

static bool read_file(struct table *t, const char *file, struct tp_err *err)
{
    char line[LINE_BYTES];
    bool ok = true;
    const int before = t->n;
    FILE *in = fopen(file, "re");
    if (!in) return tp_fail(err, TP_IO, "%s: %s", file, strerror(errno));
    for (int number = 1; ok && fgets(line, sizeof line, in); number++) {
        if (strlen(line) == sizeof line - 1)
            ok = tp_fail(err, TP_INVALID_ARGUMENT, "%s:%d: longer than %d characters", file, number,
                         LINE_BYTES - 2);
        else
            ok = read_line(t, file, number, line, err);
    }
    if (ok && ferror(in)) ok = tp_fail(err, TP_IO, "%s: %s", file, strerror(errno));
    fclose(in);
    explicit_bzero(line, sizeof line);
    if (ok && t->n == before)
        return tp_fail(err, TP_INVALID_ARGUMENT, "%s: no key in it; expected name:key, one a line",
                       file);
    return ok;
}

static void free_table(struct table *t)
{
    if (t) explicit_bzero(t, sizeof *t);
    free(t);
}

static struct table *read_table(const struct tp_keys *k, struct tp_err *err)
{
    struct table *t = calloc(1, sizeof *t);
    if (!t) {
        tp_fail(err, TP_NO_MEMORY, "out of memory");
        return NULL;
    }
    if ((!k->one || add(t, "--api-key", "api-key", k->one, err)) &&
        (!k->file || read_file(t, k->file, err))) return t;
    free_table(t);
    return NULL;
}

bool tp_keys_open(struct tp_keys **out, const char *one, const char *file, struct tp_err *err)
{
    *out = NULL;
    if (!one && !file) return true;
    struct tp_keys *k = calloc(1, sizeof *k);
    if (!k) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    pthread_mutex_init(&k->lock, NULL);
    if ((one && !(k->one = strdup(one))) || (file && !(k->file = strdup(file))))
        tp_fail(err, TP_NO_MEMORY, "out of memory");
    else k->table = read_table(k, err);
    if (k->table) *out = k;
    else tp_keys_free(k);
    return *out != NULL;
}

bool tp_keys_reload(struct tp_keys *k, struct tp_err *err)
{
    if (!k) return true;
    struct table *fresh = read_table(k, err);
    if (!fresh) return false;
    pthread_mutex_lock(&k->lock);
    struct table *old = k->table;
    k->table = fresh;
    pthread_mutex_unlock(&k->lock);
    free_table(old);
    return true;
}

/* 1 when both are the same, else 0: every byte is looked at, and nothing branches on any. The
 * compiler cannot see through `seen`, so it cannot stop early either. */
static unsigned is_same(const unsigned char *a, const unsigned char *b)
{
    volatile unsigned char seen = 0;
    for (size_t i = 0; i < TP_KEY_MOST; i++) seen |= a[i] ^ b[i];
    return ((unsigned)seen - 1) >> 31;
}

bool tp_keys_check(struct tp_keys *k, const char *authorization, char name[TP_KEY_NAME_BYTES])
{
    static const char scheme[] = "Bearer ";
    unsigned char shown[TP_KEY_MOST] = { 0 };
    int found = -1;
    name[0] = '\0';
    if (strncasecmp(authorization, scheme, strlen(scheme))) return false;
    authorization += strlen(scheme);
    authorization += strspn(authorization, " ");
    const size_t n = strlen(authorization);
    if (n < TP_KEY_LEAST || n > TP_KEY_MOST) return false;
    memcpy(shown, authorization, n);
    pthread_mutex_lock(&k->lock);
    for (int i = 0; i < k->table->n; i++) {
        const int mask = -(int)is_same(shown, k->table->keys[i].text);
        found = (found & ~mask) | (i & mask);
    }
    if (found >= 0) memcpy(name, k->table->keys[found].name, TP_KEY_NAME_BYTES);
    pthread_mutex_unlock(&k->lock);
    explicit_bzero(shown, sizeof shown);
    return found >= 0;
}

void tp_keys_free(struct tp_keys *k)
{
    if (!k) return;
    free_table(k->table);
    if (k->one) explicit_bzero(k->one, strlen(k->one));
    free(k->one);
    free(k->file);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
