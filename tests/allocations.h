/* allocations.h - counts what a test program takes from the system, or has it refused: for tests
 * that nothing is allocated, and that running out of memory is survived. A program that includes
 * this has these functions in the place of the C library's. Not under AddressSanitizer, whose own
 * they are, and not without glibc: COUNTS_ALLOCATIONS is undefined there. */
#ifndef ALLOCATIONS_H
#define ALLOCATIONS_H

#include <features.h>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define COUNTS_ALLOCATIONS 1

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t n_bytes);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n_bytes);
void *__libc_memalign(size_t align, size_t n_bytes);
void __libc_free(void *p);

static atomic_long n_allocations;    /* since the program began */
static atomic_long n_live;           /* not freed yet */
static atomic_long n_granted = -1;   /* so many more succeed, then none does; -1: all */

static bool refuse(void)
{
    atomic_fetch_add(&n_allocations, 1);
    if (n_granted < 0) return false;
    if (n_granted > 0) {
        atomic_fetch_sub(&n_granted, 1);
        return false;
    }
    errno = ENOMEM;
    return true;
}

static void *granted(void *p)
{
    if (p) atomic_fetch_add(&n_live, 1);
    return p;
}

void *malloc(size_t n_bytes) { return refuse() ? NULL : granted(__libc_malloc(n_bytes)); }
void *calloc(size_t n, size_t size) { return refuse() ? NULL : granted(__libc_calloc(n, size)); }

void *aligned_alloc(size_t align, size_t n_bytes)
{
    return refuse() ? NULL : granted(__libc_memalign(align, n_bytes));
}

void *realloc(void *p, size_t n_bytes)
{
    if (refuse()) return NULL;
    return p ? __libc_realloc(p, n_bytes) : granted(__libc_malloc(n_bytes));
}

int posix_memalign(void **p, size_t align, size_t n_bytes)
{
    if (refuse()) return ENOMEM;
    *p = granted(__libc_memalign(align, n_bytes));
    return *p ? 0 : ENOMEM;
}

void free(void *p)
{
    if (p) atomic_fetch_sub(&n_live, 1);
    __libc_free(p);
}

void *mmap(void *at, size_t n_bytes, int access, int flags, int fd, off_t offset)
{
    if (refuse()) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, n_bytes, access, flags, fd, offset);
}
#endif

#endif
