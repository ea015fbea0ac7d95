/* What every peer program of the ring bench shares: two pinned processes over anonymous shared
 * memory, one message format, one way to time.  A peer defines the functions declared below and
 * includes this file.  From the compiler's command line: CAPACITY (messages in a ring), FEW and
 * PAUSES (a consumer that got fewer than FEW messages pauses PAUSES times before it looks again).
 *
 *     PROGRAM round_trip|publish_1|publish_64 CORE_A CORE_B COUNT
 *
 * prints one figure, ns (median) or messages per second, and fails if any message was lost, doubled
 * or torn.  A message is 64 bytes of which 7 words are written and read: word i of message n is n+i.
 */
#ifndef PEER_H
#define PEER_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS 7
#define MESSAGE_BYTES 64
#define PING_BLOCK 64 /* round trips a sample: a clock read would be a quarter of one */
#define LINE_PAIR 128 /* the adjacent-line prefetcher moves lines in pairs */

typedef struct {
    int64_t words[8];
} __attribute__((aligned(MESSAGE_BYTES))) message;

/* Bytes of shared memory for one ring, and how to make one there. */
static size_t ring_bytes(void);
static void ring_make(void *ring);
/* Send messages first .. first+count-1 in batches of `batch`; receive the same.  Receiving returns
 * how many messages were not what was sent. */
static void produce(void *ring, int64_t first, int64_t count, int64_t batch);
static int64_t consume(void *ring, int64_t first, int64_t count, int64_t batch);
/* One message to `out`, its answer from `in`, `count` times; and the other side of it. */
static int64_t ping(void *out, void *in, int64_t first, int64_t count);
static int64_t pong(void *in, void *out, int64_t first, int64_t count);

static inline void fill(int64_t *words, int64_t n) {
    for (int i = 0; i < WORDS; i++)
        words[i] = n + i;
}

static inline int64_t wrong(const int64_t *words, int64_t n) {
    int64_t sum = 0;
    for (int i = 0; i < WORDS; i++)
        sum += words[i];
    return sum ^ (WORDS * n + WORDS * (WORDS - 1) / 2);
}

static inline void spin_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* After a look that found `got` messages. */
static inline void wait_for_more(int64_t got) {
    if (got < FEW)
        for (int i = 0; i < PAUSES; i++)
            spin_pause();
}

static void *shared_memory(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,
                   -1, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    memset(p, 0, bytes);
    return p;
}

static void pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (sched_setaffinity(0, sizeof set, &set)) {
        perror("sched_setaffinity");
        exit(1);
    }
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

typedef struct {
    int64_t arrived, bad, start_ns, end_ns;
} control;

/* Both processes wait for each other for the n-th time. */
static void meet(control *c, int64_t n) {
    __atomic_add_fetch(&c->arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&c->arrived, __ATOMIC_ACQUIRE) < 2 * n)
        spin_pause();
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t warm_count(int64_t count) {
    int64_t least = 2 * (int64_t)CAPACITY;
    return count / 8 > least ? count / 8 / 64 * 64 : least;
}

static void throughput(control *c, void *ring, int is_producer, int64_t count, int64_t batch) {
    int64_t warm = warm_count(count), bad = 0;
    meet(c, 1);
    if (is_producer)
        produce(ring, 1, warm, batch);
    else
        bad += consume(ring, 1, warm, batch);
    meet(c, 2);
    if (is_producer) {
        c->start_ns = now_ns();
        produce(ring, 1 + warm, count, batch);
    } else {
        bad += consume(ring, 1 + warm, count, batch);
        c->end_ns = now_ns();
        c->bad += bad;
    }
    meet(c, 3);
    if (is_producer)
        printf("%.1f\n", count / ((c->end_ns - c->start_ns) * 1e-9));
}

static void round_trips(control *c, void *there, void *back, int is_ping, int64_t count) {
    int64_t blocks = count / PING_BLOCK, n = 1, bad = 0;
    int64_t *took_ns = (int64_t *)malloc(blocks * sizeof *took_ns);
    meet(c, 1);
    if (!is_ping) {
        __atomic_add_fetch(&c->bad, pong(there, back, 1, 2 * blocks * PING_BLOCK), __ATOMIC_RELAXED);
        meet(c, 2);
        return;
    }
    for (int64_t i = 0; i < 2 * blocks; i++, n += PING_BLOCK) { /* the first half warms up */
        int64_t before = now_ns();
        bad += ping(there, back, n, PING_BLOCK);
        took_ns[i % blocks] = now_ns() - before;
    }
    __atomic_add_fetch(&c->bad, bad, __ATOMIC_RELAXED);
    meet(c, 2);
    qsort(took_ns, blocks, sizeof *took_ns, by_value);
    printf("%.3f\n", (double)took_ns[blocks / 2] / PING_BLOCK);
    free(took_ns);
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: %s round_trip|publish_1|publish_64 CORE_A CORE_B COUNT\n", argv[0]);
        return 2;
    }
    int cores[2] = {atoi(argv[2]), atoi(argv[3])};
    int64_t count = atoll(argv[4]);
    int is_round_trip = !strcmp(argv[1], "round_trip");
    int64_t batch = is_round_trip ? 1 : atoll(argv[1] + strlen("publish_"));
    control *c = (control *)shared_memory(4096);
    void *rings[2];
    for (int i = 0; i < 2; i++)
        ring_make(rings[i] = shared_memory(ring_bytes()));

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pid_t parent = getpid(), child = fork();
    if (child < 0) {
        perror("fork");
        return 1;
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
    }
    pin(cores[child == 0]);
    if (is_round_trip)
        round_trips(c, rings[0], rings[1], child != 0, count);
    else
        throughput(c, rings[0], child != 0, count, batch);
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    if (c->bad) {
        fprintf(stderr, "%s %s: messages lost, doubled or torn\n", argv[0], argv[1]);
        return 1;
    }
    return 0;
}
#endif
