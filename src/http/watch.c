/* watch.c - absolute deadlines for what clients send and take. */
#include "http/watch.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#ifdef __linux__
#include <linux/tcp.h>               /* libc's own tcp_info ends before tcpi_bytes_acked */
#endif

#include "base/buf.h"
#include "base/log.h"
#include "formats/answer.h"

enum {
    TICK_MS = 200,
    LATE_MS = 1000,                  /* a tick that comes so late: the process stood still */
    CROWDED_MS = 2000,               /* what FIRST and IDLE have when nearly all slots are taken */
    CROWDED_SHARE = 8,               /* that is when less than this part of them is left */
    NAME_BYTES = 132,
    PHASE_BITS = 3,
};

struct tp_watched {
    struct tp_watched *next, *before;            /* of the list; under its lock */
    int fd;
    _Atomic uint64_t word;           /* since when << PHASE_BITS | phase */
    _Atomic uint64_t n_body_bytes;   /* ever taken */
    char name[NAME_BYTES];           /* written in FIRST and HEAD, read by the watch out of BODY */
    uint64_t seen_word, seen_bytes;  /* the watch's: progress when it first saw this word */
    int n_left;                      /* also: so many ticks has the client been gone */
};

struct tp_watch {
    struct tp_watch_options options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct tp_watched *first;
    int n;
    bool stop;
    _Atomic uint64_t n_cut;
};

/* ---- phases ---------------------------------------------------------------------------------- */

#ifdef CLOCK_MONOTONIC_COARSE
#define WATCH_CLOCK CLOCK_MONOTONIC_COARSE       /* a few ms are enough, and it costs less */
#else
#define WATCH_CLOCK CLOCK_MONOTONIC
#endif

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(WATCH_CLOCK, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t make_word(enum tp_watch_phase phase) { return now_ms() << PHASE_BITS | phase; }

static enum tp_watch_phase phase_of(uint64_t word)
{
    return (enum tp_watch_phase)(word & ((1 << PHASE_BITS) - 1));
}

bool tp_watch_enter(struct tp_watched *c, enum tp_watch_phase phase)
{
    uint64_t word = atomic_load_explicit(&c->word, memory_order_relaxed);
    const uint64_t next = make_word(phase);
    while (phase_of(word) != TP_WATCH_CUT)       /* the watch may have begun a new window */
        if (atomic_compare_exchange_weak_explicit(&c->word, &word, next, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return true;
    return false;
}

bool tp_watch_line(struct tp_watched *c)
{
    const uint64_t word = atomic_load_explicit(&c->word, memory_order_relaxed);
    return phase_of(word) == TP_WATCH_FIRST || tp_watch_enter(c, TP_WATCH_HEAD);
}

void tp_watch_name(struct tp_watched *c, const char *request_id)
{
    size_t n = strnlen(request_id, NAME_BYTES - 1);
    memcpy(c->name, request_id, n);
    c->name[n] = '\0';
}

bool tp_watch_was_cut(const struct tp_watched *c)
{
    return phase_of(atomic_load_explicit(&c->word, memory_order_acquire)) == TP_WATCH_CUT;
}

void tp_watch_took(struct tp_watched *c, size_t n_bytes)
{
    const uint64_t n = atomic_load_explicit(&c->n_body_bytes, memory_order_relaxed);
    atomic_store_explicit(&c->n_body_bytes, n + n_bytes, memory_order_relaxed);
}

/* ---- the watch ------------------------------------------------------------------------------- */

/* Bytes of the answer that the client has acknowledged, as far as the system can tell. */
static bool count_acknowledged(int fd, uint64_t *n)
{
#ifdef __linux__
    struct tcp_info info = { 0 };
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size)) return false;
    *n = info.tcpi_bytes_acked;
    return true;
#else
    (void)fd, (void)n;
    return false;
#endif
}

/* Where a window's progress is counted; without a count it stays 0, and the window is the end. */
static uint64_t progress_of(const struct tp_watched *c, enum tp_watch_phase phase)
{
    uint64_t n = 0;
    if (phase == TP_WATCH_BODY)
        return atomic_load_explicit(&c->n_body_bytes, memory_order_relaxed);
    if (phase == TP_WATCH_ANSWER) count_acknowledged(c->fd, &n);
    return n;
}

/* How long a connection may be in that phase; 0: as long as it takes. */
static uint64_t allowed_ms(const struct tp_watch *w, enum tp_watch_phase phase)
{
    const struct tp_watch_options *o = &w->options;
    const bool crowded = w->n >= o->max_connections - o->max_connections / CROWDED_SHARE;
    uint64_t ms = 0;
    switch (phase) {
    case TP_WATCH_FIRST:
    case TP_WATCH_HEAD: ms = (uint64_t)o->header_ms; break;
    case TP_WATCH_IDLE: ms = (uint64_t)o->idle_ms + (uint64_t)o->header_ms; break;
#ifdef __linux__
    case TP_WATCH_ANSWER:
#else
    case TP_WATCH_ANSWER: return 0;            /* what was taken is not known */
#endif
    case TP_WATCH_BODY: ms = (uint64_t)o->body_ms; break;
    case TP_WATCH_WORK:
    case TP_WATCH_CUT: return 0;
    }
    const bool waits = phase == TP_WATCH_FIRST || phase == TP_WATCH_IDLE;
    return waits && crowded && ms > CROWDED_MS ? CROWDED_MS : ms;
}

/* One window is over: another one, when enough went through. */
static bool keeps_the_rate(const struct tp_watch *w, struct tp_watched *c, uint64_t word,
                           uint64_t ms)
{
    const enum tp_watch_phase phase = phase_of(word);
    if (phase != TP_WATCH_BODY && phase != TP_WATCH_ANSWER) return false;
    const uint64_t bytes = progress_of(c, phase) - c->seen_bytes;
    if (bytes * 1000 < (uint64_t)w->options.min_rate * ms) return false;
    const uint64_t next = make_word(phase);
    atomic_compare_exchange_strong_explicit(&c->word, &word, next, memory_order_relaxed,
                                            memory_order_relaxed);
    return true;
}

/* The library would send nothing: it only sees a connection that ended. What does not fit into the
 * socket's buffer at once is not worth waiting for. */
static void tell(const struct tp_watch *w, const struct tp_watched *c, enum tp_watch_phase phase)
{
    const bool body = phase == TP_WATCH_BODY;
    const char *name = body ? c->name : "";
    char message[160];
    struct tp_buf text = { 0 }, all = { 0 };
    if (body)
        snprintf(message, sizeof message, "the body came too slowly: expected its end within "
                 "%.3g s, or %d bytes per second (--body-timeout, --min-rate)",
                 w->options.body_ms / 1e3, w->options.min_rate);
    else
        snprintf(message, sizeof message, "the headers came too slowly: expected their end within "
                 "%.3g s (--header-timeout)", w->options.header_ms / 1e3);
    tp_answer_error(&text, message, "timeout", name);
    tp_buf_printf(&all, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                  "Content-Type: application/json\r\nContent-Length: %zu\r\n", text.n_bytes);
    if (body) tp_buf_printf(&all, "X-Request-Id: %s\r\n", name);
    tp_buf_text(&all, "X-Content-Type-Options: nosniff\r\n\r\n");
    tp_buf_bytes(&all, text.data, text.n_bytes);
    if (!text.failed && !all.failed &&
        send(c->fd, all.data, all.n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        tp_log(TP_LOG_DEBUG, "a slow client could not be told");
    tp_buf_fini(&text);
    tp_buf_fini(&all);
}

/* From the moment the word says CUT the event loop sends nothing more here, so that no two answers
 * can mix. */
static void cut(struct tp_watch *w, struct tp_watched *c, uint64_t word)
{
    const enum tp_watch_phase phase = phase_of(word);
    if (!atomic_compare_exchange_strong_explicit(&c->word, &word, make_word(TP_WATCH_CUT),
                                                 memory_order_acq_rel, memory_order_relaxed))
        return;                                  /* it went on just now */
    if (w->options.may_write && phase <= TP_WATCH_BODY && phase != TP_WATCH_IDLE)
        tell(w, c, phase);
    if (phase == TP_WATCH_ANSWER) {              /* nor need the system keep the rest of it */
        const struct linger none = { .l_onoff = 1, .l_linger = 0 };
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    }
    atomic_fetch_add_explicit(&w->n_cut, 1, memory_order_relaxed);
    shutdown(c->fd, SHUT_RDWR);
    static const char *const what[] = { "headers", "silence", "headers", "a body", "",
                                        "an answer" };
    tp_log(TP_LOG_DEBUG, "a connection was cut: %s beyond its deadline", what[phase]);
}

/* Whether the client ended its side in the midst of a request. libmicrohttpd 0.9.75 misses an end
 * that comes right behind data, since it waits for edges and reads but once: 300 aborted uploads a
 * second filled 1024 connections until their deadlines. Seen twice, lest the event loop is just
 * about to find that the request was whole. */
static bool has_left(struct tp_watched *c, enum tp_watch_phase phase)
{
    char byte;
    const bool sends = phase == TP_WATCH_FIRST || phase == TP_WATCH_HEAD || phase == TP_WATCH_BODY;
    const bool gone = sends && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    c->n_left = gone ? c->n_left + 1 : 0;
    return c->n_left > 1;
}

static void look_at(struct tp_watch *w, struct tp_watched *c, uint64_t now)
{
    const uint64_t word = atomic_load_explicit(&c->word, memory_order_acquire);
    if (has_left(c, phase_of(word))) {
        shutdown(c->fd, SHUT_RDWR);
        return;
    }
    const uint64_t allowed = allowed_ms(w, phase_of(word)), since = word >> PHASE_BITS;
    if (!allowed) return;
    if (word != c->seen_word) {
        c->seen_word = word;
        c->seen_bytes = progress_of(c, phase_of(word));
    }
    const uint64_t passed = now > since ? now - since : 0;
    if (passed >= allowed && !keeps_the_rate(w, c, word, passed)) cut(w, c, word);
}

/* The process stood still (SIGSTOP, a sleeping machine), which no client can be blamed for: what
 * they sent meanwhile was not read. */
static void forgive(struct tp_watched *c, uint64_t ms, uint64_t now)
{
    uint64_t word = atomic_load_explicit(&c->word, memory_order_acquire);
    const uint64_t since = (word >> PHASE_BITS) + ms;
    const uint64_t next = (since < now ? since : now) << PHASE_BITS | phase_of(word);
    if (phase_of(word) == TP_WATCH_CUT) return;
    const bool seen = c->seen_word == word;
    if (atomic_compare_exchange_strong_explicit(&c->word, &word, next, memory_order_acq_rel,
                                                memory_order_relaxed) && seen)
        c->seen_word = next;                     /* the same window: its progress still counts */
}

static void wait_for_tick(struct tp_watch *w)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TICK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (!w->stop && pthread_cond_timedwait(&w->changed, &w->lock, &until) == 0) continue;
}

static void *watch(void *arg)
{
    struct tp_watch *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        const uint64_t before = now_ms();
        const bool ticks = w->n > 0;
        if (ticks) wait_for_tick(w);
        else pthread_cond_wait(&w->changed, &w->lock);
        const uint64_t now = now_ms(), passed = now - before;
        if (ticks && passed > TICK_MS + LATE_MS)
            for (struct tp_watched *c = w->first; c; c = c->next) forgive(c, passed, now);
        for (struct tp_watched *c = w->first; c; c = c->next) look_at(w, c, now);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- connections ----------------------------------------------------------------------------- */

struct tp_watched *tp_watch_add(struct tp_watch *w, int fd)
{
    struct tp_watched *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->fd = fd;
    atomic_init(&c->word, make_word(TP_WATCH_FIRST));
#ifdef __linux__
    const unsigned ms = (unsigned)w->options.body_ms;   /* a client that takes nothing at all */
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
#endif
    pthread_mutex_lock(&w->lock);
    c->next = w->first;
    if (c->next) c->next->before = c;
    w->first = c;
    if (!w->n++) pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return c;
}

void tp_watch_remove(struct tp_watch *w, struct tp_watched *c)
{
    if (!c) return;
    pthread_mutex_lock(&w->lock);
    if (c->before) c->before->next = c->next;
    else w->first = c->next;
    if (c->next) c->next->before = c->before;
    w->n--;
    pthread_mutex_unlock(&w->lock);
    free(c);
}

uint64_t tp_watch_n_cut(const struct tp_watch *w)
{
    return atomic_load_explicit(&w->n_cut, memory_order_relaxed);
}

bool tp_watch_start(struct tp_watch **out, const struct tp_watch_options *options,
                    struct tp_err *err)
{
    pthread_condattr_t clock;
    struct tp_watch *w = *out = calloc(1, sizeof *w);
    if (!w) return tp_fail(err, TP_NO_MEMORY, "out of memory");
    w->options = *options;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &clock);
    pthread_condattr_destroy(&clock);
    int failed = pthread_create(&w->thread, NULL, watch, w);
    if (!failed) return true;
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
    *out = NULL;
    return tp_fail(err, TP_INTERNAL, "cannot start the thread that watches connections: %s",
                   strerror(failed));
}

void tp_watch_stop(struct tp_watch *w)
{
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
