/* Our own algorithm (ring/layout.py) in C: the stamp in a slot's last word publishes it. */
#include "peer.h"

#define STAMP 7
#ifndef AHEAD /* for far cores: ask so many slots ahead, and look again after so many pauses */
#define AHEAD 0
#define PATIENT 0
#endif
typedef struct {
    int64_t cursor __attribute__((aligned(LINE_PAIR))); /* the consumer's last released sequence */
    message slots[CAPACITY] __attribute__((aligned(4096)));
} ring;

static size_t ring_bytes(void) { return sizeof(ring); }
static void ring_make(void *memory) { (void)memory; }

static inline int64_t *slot_of(ring *r, int64_t seq) { return r->slots[seq & (CAPACITY - 1)].words; }

static inline int is_published(const int64_t *slot, int64_t seq) {
    return __atomic_load_n(slot + STAMP, __ATOMIC_ACQUIRE) == seq;
}

static inline void publish(ring *r, int64_t seq) {
    int64_t *slot = slot_of(r, seq);
    fill(slot, seq);
    __atomic_store_n(slot + STAMP, seq, __ATOMIC_RELEASE);
}

/* Wait until `last` may be written; returns the gating cursor seen. */
static inline int64_t claim(ring *r, int64_t last) {
    int64_t gate;
    while (last - (gate = __atomic_load_n(&r->cursor, __ATOMIC_ACQUIRE)) > CAPACITY)
        spin_pause();
    return gate;
}

static void produce_one_by_one(ring *r, int64_t first, int64_t count) {
    int64_t gate = first - 1 - CAPACITY;
    for (int64_t seq = first; seq < first + count; seq++) {
        if (seq - gate > CAPACITY)
            gate = claim(r, seq);
        publish(r, seq);
    }
}

static void produce(void *memory, int64_t first, int64_t count, int64_t batch) {
    ring *r = memory;
    int64_t seq = first, end = first + count, gate = first - 1 - CAPACITY;
    if (batch == 1) {
        produce_one_by_one(r, first, count);
        return;
    }
    while (seq < end) {
        int64_t stop = seq + batch < end ? seq + batch : end;
        if (stop - 1 - gate > CAPACITY)
            gate = claim(r, stop - 1);
        for (; seq < stop; seq++)
            publish(r, seq);
    }
}

static int64_t consume(void *memory, int64_t first, int64_t count, int64_t batch) {
    ring *r = memory;
    int64_t seq = first, end = first + count, bad = 0;
    (void)batch;
    while (seq < end) {
        int64_t begin = seq, limit = seq + RELEASE_EVERY < end ? seq + RELEASE_EVERY : end;
        while (seq < limit) {
            const int64_t *slot = slot_of(r, seq);
            if (!is_published(slot, seq))
                break;
            if (AHEAD && seq - begin >= 16)
                __builtin_prefetch(slot_of(r, seq + AHEAD));
            bad += wrong(slot, seq) != 0;
            seq++;
        }
        if (seq > begin)
            __atomic_store_n(&r->cursor, seq - 1, __ATOMIC_RELEASE);
        wait_for_more(seq - begin);
    }
    return bad;
}

/* `own`: the slot that is written next. */
static inline int64_t receive(ring *r, int64_t seq, int64_t *own) {
    const int64_t *slot = slot_of(r, seq);
    if (PATIENT && !is_published(slot, seq))
        __builtin_prefetch(own, 1);
    while (!is_published(slot, seq))
        for (int count = 0; count < (PATIENT ? PATIENT : 1); count++)
            spin_pause();
    int64_t bad = wrong(slot, seq) != 0;
    __atomic_store_n(&r->cursor, seq, __ATOMIC_RELEASE);
    return bad;
}

static int64_t ping(void *out, void *in, int64_t first, int64_t count) {
    int64_t bad = 0;
    for (int64_t n = first; n < first + count; n++) {
        publish(out, n);
        bad += receive(in, n, slot_of(out, n + 1));
    }
    return bad;
}

static int64_t pong(void *in, void *out, int64_t first, int64_t count) {
    int64_t bad = 0;
    for (int64_t n = first; n < first + count; n++) {
        bad += receive(in, n, slot_of(out, n));
        publish(out, n);
    }
    return bad;
}
