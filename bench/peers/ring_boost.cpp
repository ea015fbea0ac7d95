// boost::lockfree::spsc_queue in shared memory: capacity as a template argument, so that its slots
// stand inside it.  The consumer uses consume_all, which reads in place and moves its index once
// for all that is there: boost's fastest way.  Batches go in by push(first, count).
#include <boost/lockfree/spsc_queue.hpp>
#include <new>

#include "peer.h"

using queue = boost::lockfree::spsc_queue<message, boost::lockfree::capacity<CAPACITY>>;

static size_t ring_bytes(void) { return sizeof(queue); }
static void ring_make(void *memory) { new (memory) queue; }

static void produce(void *memory, int64_t first, int64_t count, int64_t batch) {
    queue &q = *static_cast<queue *>(memory);
    message m[64];
    for (int64_t n = first, end = first + count; n < end; n += batch) {
        if (batch == 1) {
            fill(m[0].words, n);
            while (!q.push(m[0]))
                spin_pause();
            continue;
        }
        for (int64_t i = 0; i < batch; i++)
            fill(m[i].words, n + i);
        for (int64_t sent = 0; (sent += q.push(m + sent, batch - sent)) < batch;)
            spin_pause();
    }
}

static int64_t consume(void *memory, int64_t first, int64_t count, int64_t batch) {
    queue &q = *static_cast<queue *>(memory);
    int64_t n = first, end = first + count, bad = 0;
    (void)batch;
    while (n < end) {
        size_t got = q.consume_all([&](const message &m) { bad += wrong(m.words, n++) != 0; });
        wait_for_more(got);
    }
    return bad;
}

static inline void send_one(queue &q, int64_t n) {
    message m;
    fill(m.words, n);
    while (!q.push(m))
        spin_pause();
}

static inline int64_t receive_one(queue &q, int64_t n) {
    int64_t bad = 0;
    while (!q.consume_one([&](const message &m) { bad = wrong(m.words, n) != 0; }))
        spin_pause();
    return bad;
}

static int64_t ping(void *out, void *in, int64_t first, int64_t count) {
    int64_t bad = 0;
    for (int64_t n = first; n < first + count; n++) {
        send_one(*static_cast<queue *>(out), n);
        bad += receive_one(*static_cast<queue *>(in), n);
    }
    return bad;
}

static int64_t pong(void *in, void *out, int64_t first, int64_t count) {
    int64_t bad = 0;
    for (int64_t n = first; n < first + count; n++) {
        bad += receive_one(*static_cast<queue *>(in), n);
        send_one(*static_cast<queue *>(out), n);
    }
    return bad;
}
