/* onnx_document.c - protobuf-c behind its door.
 *
 * protobuf-c needs many times the size of a message that has many small fields: an empty node is 2
 * bytes in the file and 136 in memory. So its memory is counted, and refused beyond what a sound
 * file can need. Measured, for a byte of the shortened document: ResNet-18 4.6, ONNX's own tests
 * (of up to 20 KB) 2 to 12. */
#include "formats/onnx_document.h"

#include <malloc.h>
#include <stdlib.h>

#include "formats/libraries.h"

enum { HEAP_FLOOR_BYTES = 8 << 20, HEAP_FACTOR = 8 };

static void *heap_alloc(void *document, size_t n_bytes)
{
    struct tp_onnx_document *doc = document;
    const bool fits = n_bytes <= doc->limit_bytes && doc->used_bytes <= doc->limit_bytes - n_bytes;
    void *p = fits ? malloc(n_bytes) : NULL;
    if (!fits) doc->beyond_limit = true;
    else if (!p) doc->out_of_memory = true;
    if (p) doc->used_bytes += malloc_usable_size(p);
    return p;
}

static void heap_free(void *document, void *p)
{
    struct tp_onnx_document *doc = document;
    if (p) doc->used_bytes -= malloc_usable_size(p);
    free(p);
}

static ProtobufCAllocator heap_of(struct tp_onnx_document *doc)
{
    return (ProtobufCAllocator){ heap_alloc, heap_free, doc };
}

static bool unpack(struct tp_onnx_document *doc, enum tp_onnx_kind kind, const struct tp_buf *b,
                   size_t n_bytes, struct tp_err *err)
{
    ProtobufCAllocator heap = heap_of(doc);
    doc->limit_bytes = HEAP_FLOOR_BYTES + HEAP_FACTOR * b->n_bytes;
    doc->root = protobuf_c_message_unpack(
        kind == TP_ONNX_MODEL ? &onnx__model_proto__descriptor : &onnx__tensor_proto__descriptor,
        &heap, b->n_bytes, (const uint8_t *)(b->data ? b->data : ""));
    if (doc->root) return true;
    if (doc->beyond_limit)
        return tp_fail(err, TP_TOO_LARGE, "needs more than %zu bytes of memory for %zu bytes of "
                       "file; it has too many small fields", doc->limit_bytes, n_bytes);
    if (doc->out_of_memory) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    return tp_fail(err, TP_INVALID_MODEL, "not an ONNX file, or a damaged one: protobuf-c cannot "
                   "read it");
}

bool tp_onnx_document_open(struct tp_onnx_document *doc, enum tp_onnx_kind kind, const void *bytes,
                           size_t n_bytes, struct tp_err *err)
{
    struct tp_buf b = { 0 };
    *doc = (struct tp_onnx_document){ 0 };
    if (!n_bytes) return tp_fail(err, TP_INVALID_MODEL, "not an ONNX file: it is empty");
    const bool ok = tp_onnx_cut(&b, kind, bytes, n_bytes, err) &&
                    unpack(doc, kind, &b, n_bytes, err);
    tp_buf_fini(&b);
    return ok;
}

void tp_onnx_document_close(struct tp_onnx_document *doc)
{
    ProtobufCAllocator heap = heap_of(doc);
    if (doc->root) protobuf_c_message_free_unpacked(doc->root, &heap);
    doc->root = NULL;
}

const char *tp_protobuf_library(void) { return protobuf_c_version(); }
