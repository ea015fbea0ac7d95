/* DPDK's rte_ring, single producer, single consumer.  It needs no EAL: the ring is laid out in our
 * shared memory by rte_ring_init.  Messages of 64 bytes stand in the ring itself.  ZERO_COPY: they
 * are written and read in place (rte_ring_peek_zc.h), its fastest way; otherwise they are copied in
 * and out by the burst calls. */
#define ALLOW_EXPERIMENTAL_API
#include "peer.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>

#define MOST 256 /* messages taken at once */

/* RING_F_EXACT_SZ would make all slots usable; a power of two leaves one unused. */
static size_t ring_bytes(void) { return rte_ring_get_memsize_elem(MESSAGE_BYTES, CAPACITY); }
static void ring_make(void *memory) {
    if (rte_ring_init(memory, "peer", CAPACITY, RING_F_SP_ENQ | RING_F_SC_DEQ)) {
        fprintf(stderr, "rte_ring_init failed\n");
        exit(1);
    }
}

static inline void send(struct rte_ring *r, int64_t n, unsigned batch) {
#if ZERO_COPY
    struct rte_ring_zc_data zcd;
    while (!rte_ring_enqueue_zc_bulk_elem_start(r, MESSAGE_BYTES, batch, &zcd, NULL))
        spin_pause();
    message *m = zcd.ptr1;
    for (unsigned i = 0; i < zcd.n1; i++)
        fill(m[i].words, n + i);
    m = zcd.ptr2;
    for (unsigned i = zcd.n1; i < batch; i++)
        fill(m[i - zcd.n1].words, n + i);
    rte_ring_enqueue_zc_finish(r, batch);
#else
    message m[64];
    for (unsigned i = 0; i < batch; i++)
        fill(m[i].words, n + i);
    while (!rte_ring_sp_enqueue_bulk_elem(r, m, MESSAGE_BYTES, batch, NULL))
        spin_pause();
#endif
}

/* Up to `most` messages from `n` on; returns how many came. */
static inline unsigned receive(struct rte_ring *r, int64_t n, unsigned most, int64_t *bad) {
#if ZERO_COPY
    struct rte_ring_zc_data zcd;
    unsigned got = rte_ring_dequeue_zc_burst_elem_start(r, MESSAGE_BYTES, most, &zcd, NULL);
    if (!got)
        return 0;
    message *m = zcd.ptr1;
    for (unsigned i = 0; i < zcd.n1; i++)
        *bad += wrong(m[i].words, n + i) != 0;
    m = zcd.ptr2;
    for (unsigned i = zcd.n1; i < got; i++)
        *bad += wrong(m[i - zcd.n1].words, n + i) != 0;
    rte_ring_dequeue_zc_finish(r, got);
#else
    message m[MOST];
    unsigned got = rte_ring_sc_dequeue_burst_elem(r, m, MESSAGE_BYTES, most, NULL);
    for (unsigned i = 0; i < got; i++)
        *bad += wrong(m[i].words, n + i) != 0;
#endif
    return got;
}

static void produce(void *ring, int64_t first, int64_t count, int64_t batch) {
    for (int64_t n = first; n < first + count; n += batch) {
        if (batch == 1)
            send(ring, n, 1);
        else
            send(ring, n, 64);
    }
}

static int64_t consume(void *ring, int64_t first, int64_t count, int64_t batch) {
    int64_t n = first, end = first + count, bad = 0;
    (void)batch;
    while (n < end) {
        unsigned got = receive(ring, n, MOST, &bad);
        n += got;
        wait_for_more(got);
    }
    return bad;
}

static inline int64_t receive_one(void *ring, int64_t n) {
    int64_t bad = 0;
    while (!receive(ring, n, 1, &bad))
        spin_pause();
    return bad;
}

static int64_t ping(void *out, void *in, int64_t first, int64_t count) {
    int64_t bad = 0;
    for (int64_t n = first; n < first + count; n++) {
        send(out, n, 1);
        bad += receive_one(in, n);
    }
    return bad;
}

static int64_t pong(void *in, void *out, int64_t first, int64_t count) {
    int64_t bad = 0;
    for (int64_t n = first; n < first + count; n++) {
        bad += receive_one(in, n);
        send(out, n, 1);
    }
    return bad;
}
