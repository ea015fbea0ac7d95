/* The ring's protocol for a single producer, as in ring/kernels.py; the offsets are generated from
 * ring/layout.py when the shim is built. */
#ifndef OUTCRY_SHIM_RING_H
#define OUTCRY_SHIM_RING_H
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

static inline int64_t load_acquire(const char *at) {
    return __atomic_load_n((const int64_t *)at, __ATOMIC_ACQUIRE);
}
static inline void store_release(char *at, int64_t value) {
    __atomic_store_n((int64_t *)at, value, __ATOMIC_RELEASE);
}

static inline int64_t gating_cursor(const char *ring) {
    int64_t lowest = RING_FREE, count = load_acquire(ring + RING_CONSUMER_COUNT);
    for (int64_t index = 0; index < count; index++) {
        int64_t cursor = load_acquire(ring + RING_CONSUMERS + index * RING_CONSUMER_BYTES);
        if (cursor < lowest) lowest = cursor;
    }
    return lowest;
}

/* How many more records may be written after next_seq - 1.  Looks at the consumers' cursors, which
 * other cores write, only when the last look does not allow `wanted`. */
static inline int64_t ring_room(struct oc_shim *s, int64_t wanted) {
    if (s->next_seq + wanted - 1 > s->limit) {
        int64_t lowest = gating_cursor(s->ring);
        if (load_acquire(s->ring + RING_DETACHED)) {
            /* A reader may be coming back: kernels.gate says why two looks. */
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            lowest = gating_cursor(s->ring);
        }
        s->limit = lowest == RING_FREE ? s->next_seq + s->mask : lowest + s->mask + 1;
    }
    return s->limit - s->next_seq + 1;
}

static inline void wake_waiters(char *ring) {
    if (!(load_acquire(ring + RING_FLAGS) & RING_BLOCKING)) return;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (load_acquire(ring + RING_WAITING)) {
        store_release(ring + RING_WAITING, 0);
        __atomic_fetch_add((int64_t *)(ring + RING_WAKE), 1, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, ring + RING_WAKE, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    }
}
#endif
