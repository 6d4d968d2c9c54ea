/* test_weights.c - weight files beside a pipeline: what is in the folder is read, nothing
 * outside. */
#include "temp_dir.h"

#include "formats/weights.h"

/* A safetensors file with one F32 tensor of two numbers. */
static void write_weights(const char *file, const char *tensor, float a, float b)
{
    char header[256], bytes[512];
    int n = snprintf(header, sizeof header,
                     "{\"%s\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", tensor);
    const uint64_t length = (uint64_t)n;
    const float data[2] = { a, b };
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, (size_t)n);
    memcpy(bytes + 8 + n, data, 8);
    temp_write(file, bytes, 16 + (size_t)n);
}

struct source {                      /* a folder's weights, open */
    int dir;
    struct tp_weights weights;
    struct tp_weight_source source;
    struct tp_arena arena;
    struct tp_err err;
    struct tp_tensor got;
};

static void source_open(struct source *s)
{
    s->dir = open(temp_dir, O_RDONLY | O_DIRECTORY);
    assert_true(s->dir >= 0);
    s->source = tp_weights_init(&s->weights, s->dir);
    tp_arena_init(&s->arena, 1 << 20);
}

static void source_close(struct source *s)
{
    tp_weights_fini(&s->weights);
    tp_arena_fini(&s->arena);
    close(s->dir);
}

static bool try_read(struct source *s, const char *file, const char *tensor)
{
    s->err = (struct tp_err){ 0 };
    return s->source.read(s->source.ctx, file, tensor, &s->got, &s->arena, &s->err);
}

static void must_read(struct source *s, const char *file, const char *tensor, float a, float b)
{
    if (!try_read(s, file, tensor)) fail_msg("%s", s->err.message);
    assert_string_equal(TP_SHAPE(&s->got.shape), "[2]");
    assert_true(s->got.data[0] == a && s->got.data[1] == b);
}

static void check_refused(struct source *s, const char *file, const char *tensor, enum tp_code code,
                          const char *part)
{
    if (try_read(s, file, tensor)) fail_msg("%s was read", file);
    if (s->err.code != code || !strstr(s->err.message, part))
        fail_msg("%s: got %s \"%s\"; wanted %s \"%s\"", file, tp_code_name(s->err.code),
                 s->err.message, tp_code_name(code), part);
}

static void tensors_of_several_files_are_read(void **state)
{
    (void)state;
    struct source s;
    write_weights("a.safetensors", "x", 1, 2);
    write_weights("b.safetensors", "x", 3, 4);
    source_open(&s);
    must_read(&s, "a.safetensors", "x", 1, 2);
    must_read(&s, "b.safetensors", "x", 3, 4);
    must_read(&s, "a.safetensors", "x", 1, 2);
    assert_int_equal(s.weights.n_open, 2);         /* each file is opened once */
    source_close(&s);
}

static void tensors_outlive_the_files(void **state)
{
    (void)state;
    struct source s;
    write_weights("a.safetensors", "x", 1, 2);
    source_open(&s);
    must_read(&s, "a.safetensors", "x", 1, 2);
    tp_weights_fini(&s.weights);
    assert_true(s.got.data[0] == 1 && s.got.data[1] == 2);
    source_close(&s);
}

static void nothing_outside_of_the_folder_is_read(void **state)
{
    (void)state;
    struct source s;
    char absolute[600];
    const int saved = (int)strlen(temp_dir);
    write_weights("outside.safetensors", "x", 1, 2);
    snprintf(absolute, sizeof absolute, "%s", TEMP("outside.safetensors"));
    temp_folder("models");
    strcat(temp_dir, "/models");
    temp_folder("sub");
    write_weights("sub/w.safetensors", "x", 1, 2);
    write_weights(".hidden", "x", 1, 2);
    write_weights("w.safetensors", "x", 3, 4);
    assert_int_equal(symlink("../outside.safetensors", TEMP("link.safetensors")), 0);
    assert_int_equal(symlink("w.safetensors", TEMP("inside.safetensors")), 0);
    assert_int_equal(symlink("nowhere", TEMP("dangling.safetensors")), 0);
    assert_int_equal(mkfifo(TEMP("fifo"), 0600), 0);
    source_open(&s);
    static const char *const paths[] = { "../outside.safetensors",
                                         "sub/w.safetensors",
                                         "./w.safetensors",
                                         "",
                                         ".",
                                         "..",
                                         ".hidden",
                                         "/",
                                         "sub/../w.safetensors" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        check_refused(&s, paths[i], "x", TP_INVALID_MODEL,
                      "only the name of a file beside the pipeline");
    check_refused(&s, absolute, "x", TP_INVALID_MODEL, "only the name of a file");
    static const char *const kinds[] = { "link.safetensors", "inside.safetensors",
                                         "dangling.safetensors", "sub", "fifo" };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        check_refused(&s, kinds[i], "x", TP_INVALID_MODEL, "is not a regular file");
    must_read(&s, "w.safetensors", "x", 3, 4);
    source_close(&s);
    temp_dir[saved] = '\0';
}

static void what_is_not_there_is_named(void **state)
{
    (void)state;
    struct source s;
    write_weights("a.safetensors", "x", 1, 2);
    source_open(&s);
    check_refused(&s, "none.safetensors", "x", TP_NOT_FOUND, "none.safetensors: No such file");
    check_refused(&s, "a.safetensors", "y", TP_NOT_FOUND,
                  "a.safetensors: safetensors: no tensor 'y'; there");
    must_read(&s, "a.safetensors", "x", 1, 2);
    source_close(&s);
}

static void a_broken_file_is_refused_each_time_it_is_named(void **state)
{
    (void)state;
    struct source s;
    temp_text("broken.safetensors", "1234");
    temp_text("empty.safetensors", "");
    source_open(&s);
    for (int i = 0; i < 2 * TP_MAX_WEIGHT_FILES; i++) {
        check_refused(&s, "broken.safetensors", "x", TP_INVALID_MODEL,
                      "broken.safetensors: safetensors: 4");
        check_refused(&s, "empty.safetensors", "x", TP_INVALID_MODEL,
                      "empty.safetensors: safetensors: 0");
    }
    source_close(&s);
}

static void more_files_than_16_are_refused(void **state)
{
    (void)state;
    struct source s;
    char name[32];
    source_open(&s);
    for (int i = 0; i <= TP_MAX_WEIGHT_FILES; i++) {
        snprintf(name, sizeof name, "%d.safetensors", i);
        write_weights(name, "x", (float)i, 0);
        if (i < TP_MAX_WEIGHT_FILES) must_read(&s, name, "x", (float)i, 0);
    }
    check_refused(&s, name, "x", TP_INVALID_MODEL, "at most 16 files");
    must_read(&s, "0.safetensors", "x", 0, 0);
    source_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEMP_TEST(tensors_of_several_files_are_read),
        TEMP_TEST(tensors_outlive_the_files),
        TEMP_TEST(nothing_outside_of_the_folder_is_read),
        TEMP_TEST(what_is_not_there_is_named),
        TEMP_TEST(a_broken_file_is_refused_each_time_it_is_named),
        TEMP_TEST(more_files_than_16_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
