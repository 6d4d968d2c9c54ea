/* temp_dir.h - for tests that read files: a folder of their own, gone when they end. */
#ifndef TEMP_DIR_H
#define TEMP_DIR_H

#include "check.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char temp_dir[64];            /* its path */

static inline int temp_dir_make(void **state)
{
    (void)state;
    strcpy(temp_dir, "/tmp/tidepool-unit.XXXXXX");
    return mkdtemp(temp_dir) ? 0 : -1;
}

static inline int temp_dir_remove_one(const char *path, const struct stat *st, int type,
                                      struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline int temp_dir_remove(void **state)
{
    (void)state;
    return nftw(temp_dir, temp_dir_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

struct temp_path { char text[512]; };

static inline struct temp_path temp_path(const char *name)
{
    struct temp_path p;
    snprintf(p.text, sizeof p.text, "%s/%s", temp_dir, name);
    return p;
}
#define TEMP(name) (temp_path(name).text)

static inline void temp_write(const char *name, const void *bytes, size_t n_bytes)
{
    FILE *f = fopen(TEMP(name), "wb");
    if (!f) fail_msg("%s: cannot be written", TEMP(name));
    assert_int_equal(fwrite(bytes, 1, n_bytes, f), n_bytes);
    assert_int_equal(fclose(f), 0);
}

static inline void temp_text(const char *name, const char *text)
{
    temp_write(name, text, strlen(text));
}

static inline void temp_folder(const char *name)
{
    assert_int_equal(mkdir(TEMP(name), 0755), 0);
}

#define TEMP_TEST(f) cmocka_unit_test_setup_teardown(f, temp_dir_make, temp_dir_remove)

#endif
