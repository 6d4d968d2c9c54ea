/* fuzz_deflate.c - libFuzzer entry: any bytes as a compressed body, and compressed and back; and as
 * an Accept header. The first byte chooses coding and limit. Built like fuzz_json.c, from
 * src/formats/deflate.c, src/formats/negotiate.c and what is in src/base/, with -ldeflate. */
#include <stdlib.h>
#include <string.h>

#include "formats/deflate.h"
#include "formats/negotiate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) abort();
}

/* What is read obeys the limit, and so does what it cost. */
static void inflate(const uint8_t *data, size_t size, enum tp_coding coding, size_t limit)
{
    struct tp_buf out = { 0 };
    struct tp_err err = { 0 };
    const bool ok = tp_inflate(&out, data, size, coding, limit, &err);
    must(ok == (err.code == TP_OK));
    must(ok || (!out.data && (err.code == TP_TOO_LARGE || err.code == TP_INVALID_ARGUMENT)));
    must(out.n_bytes <= limit && out.capacity <= 2 * limit + 4096);
    tp_buf_fini(&out);
}

/* Twice over as gzip, which may have several members; once as deflate, which may not. */
static void there_and_back(const uint8_t *data, size_t size, enum tp_coding coding)
{
    struct tp_buf small = { 0 }, out = { 0 };
    struct tp_err err = { 0 };
    const size_t times = coding == TP_GZIP ? 2 : 1;
    for (size_t i = 0; i < times; i++) must(tp_deflate(&small, data, size, coding, &err));
    must(tp_inflate(&out, small.data, small.n_bytes, coding, times * size, &err));
    must(out.n_bytes == times * size);
    for (size_t i = 0; size && i < times; i++) must(!memcmp(out.data + i * size, data, size));
    tp_buf_fini(&out);
    if (size) must(!tp_inflate(&out, small.data, small.n_bytes, coding, times * size - 1, &err));
    tp_buf_fini(&small);
}

static void negotiate(const uint8_t *data, size_t size)
{
    static const char *const types[] = { "application/json", "application/x-npy", "image/png" };
    char *text = malloc(size + 1);
    if (!text) return;
    memcpy(text, data, size);
    text[size] = '\0';
    const int best = tp_negotiate_type(text, types, 3);
    must(best >= -1 && best < 3);
    must(tp_negotiate_coding(text) <= TP_DEFLATE);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    const enum tp_coding coding = data[0] & 1 ? TP_GZIP : TP_DEFLATE;
    const size_t limit = (size_t)1 << (data[0] >> 1 & 31) % 23;
    inflate(data + 1, size - 1, coding, limit);
    there_and_back(data + 1, size - 1, coding);
    negotiate(data + 1, size - 1);
    return 0;
}
