/* sink.c - lines for a file descriptor, written by a thread of their own. */
#include "base/sink.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 512 << 10, GATHER_US = 5000, LOST_BYTES = 256 };

struct tp_sink {
    pthread_mutex_t lock;
    pthread_cond_t filled, ended;
    pthread_t thread;
    int fd;
    tp_sink_lost *lost;
    char *front, *back;              /* being filled; being written, the thread's own */
    size_t n_bytes;                  /* in front */
    uint64_t n_dropped, n_told;
    bool stop, has_ended, left_behind;
};

/* What cannot be written at all (a closed pipe) is gone. */
static void write_all(int fd, const char *from, size_t n)
{
    while (n) {
        ssize_t done = write(fd, from, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return;
        from += done;
        n -= (size_t)done;
    }
}

/* Lines gather for a moment, so that a busy service wakes this thread 200 times a second and not
 * once for each line. */
static void gather(struct tp_sink *s)
{
    if (s->stop) return;
    pthread_mutex_unlock(&s->lock);
    usleep(GATHER_US);
    pthread_mutex_lock(&s->lock);
}

static void release(struct tp_sink *s)
{
    pthread_cond_destroy(&s->filled);
    pthread_cond_destroy(&s->ended);
    pthread_mutex_destroy(&s->lock);
    free(s->front);
    free(s->back);
    free(s);
}

static void *work(void *arg)
{
    struct tp_sink *s = arg;
    char note[LOST_BYTES];
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->n_bytes && !s->stop) pthread_cond_wait(&s->filled, &s->lock);
        if (!s->n_bytes && s->n_told == s->n_dropped) break;
        gather(s);
        char *lines = s->front;
        const size_t n = s->n_bytes;
        const uint64_t n_lost = s->n_dropped - s->n_told;
        s->front = s->back;
        s->back = lines;
        s->n_bytes = 0;
        s->n_told += n_lost;
        pthread_mutex_unlock(&s->lock);
        write_all(s->fd, lines, n);
        if (n_lost) write_all(s->fd, note, s->lost(note, sizeof note, n_lost));
        pthread_mutex_lock(&s->lock);
    }
    s->has_ended = true;
    const bool alone = s->left_behind;
    pthread_cond_signal(&s->ended);
    pthread_mutex_unlock(&s->lock);
    if (alone) release(s);
    return NULL;
}

bool tp_sink_open(struct tp_sink **out, int fd, tp_sink_lost *lost, struct tp_err *err)
{
    struct tp_sink *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->filled, NULL);
    pthread_cond_init(&s->ended, NULL);
    s->fd = fd;
    s->lost = lost;
    s->front = malloc(BUFFER_BYTES);
    s->back = malloc(BUFFER_BYTES);
    int failed = s->front && s->back ? pthread_create(&s->thread, NULL, work, s) : ENOMEM;
    if (failed) {
        release(s);
        return tp_fail(err, TP_NO_MEMORY, "cannot start the log's thread: %s", strerror(failed));
    }
    *out = s;
    return true;
}

void tp_sink_put(struct tp_sink *s, const char *line, size_t n_bytes)
{
    pthread_mutex_lock(&s->lock);
    if (n_bytes > BUFFER_BYTES - s->n_bytes) {
        s->n_dropped++;
    } else {
        if (!s->n_bytes) pthread_cond_signal(&s->filled);
        memcpy(s->front + s->n_bytes, line, n_bytes);
        s->n_bytes += n_bytes;
    }
    pthread_mutex_unlock(&s->lock);
}

uint64_t tp_sink_dropped(struct tp_sink *s)
{
    if (!s) return 0;
    pthread_mutex_lock(&s->lock);
    const uint64_t n = s->n_dropped;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void tp_sink_close(struct tp_sink *s, int wait_ms)
{
    struct timespec until;
    if (!s) return;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->filled);
    int late = 0;
    while (!s->has_ended && !late) late = pthread_cond_timedwait(&s->ended, &s->lock, &until);
    const bool ended = s->has_ended;
    s->left_behind = !ended;
    if (!ended) pthread_detach(s->thread);
    pthread_mutex_unlock(&s->lock);
    if (!ended) return;
    pthread_join(s->thread, NULL);
    release(s);
}
