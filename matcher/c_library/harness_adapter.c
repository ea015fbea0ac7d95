/* The matcher as an engine of Flash One's matching-engine benchmark, whose harness loads it and
 * gives it one message a call or, by engine_on_batch, a run of them.
 *
 * A message becomes a command of one participant in one instrument.  The matcher writes the
 * command's events where the reader takes them, and the reader makes the reports of them.
 *
 * Environment:
 *   OUTCRY_HARNESS_QUEUE  set: reports travel over the harness's queue, not over a ring of ours
 *   OUTCRY_ORDERS         room for so many open orders [65,536]
 *
 * `outcry bench matcher --harness DIR` compiles this file against DIR/api. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS and madvise() are not C11's */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <matching_engine_api.h>
#pragma GCC visibility push(hidden) /* the matcher is linked in: called without a detour */
#include "outcry_matcher.h"
#pragma GCC visibility pop

enum {
    ORDERS = 1 << 16, /* open at a time: two entries of 4 bytes each stay in the second cache */
    PARTICIPANT = 1,
    AHEAD = 24, /* slots of the ring that the writer asks for before it needs them */
    FEW = 64, /* a reader that found fewer reports lets the writer get ahead */
    PAUSES = 128,
    LINE = 128, /* what different cores write lies so far apart */
    HUGE_PAGE = 1 << 21,
};

/* The ring: ring/layout.py's protocol in C.  An event's last word, its number, is its slot's stamp;
 * the reader's cursor alone flows back. */

struct ring {
    _Alignas(LINE) _Atomic int64_t cursor; /* the reader's: the last event it has taken */
    int64_t taken;                         /* the reader's own copy */
    int64_t refused;                       /* new orders without a report */
    int is_slow;                           /* the reader found few reports when it last looked */
    _Alignas(LINE) int64_t written;        /* the writer's: the last event it has published */
    int64_t room;                          /* up to here a command may begin, whatever its events */
    int64_t mask;
    struct outcry_event *slots; /* and room after the last for what a command writes there */
    size_t size;
};

/* By the message's type and the event's kind: the report's type plus 1, 0: no report. */
static const uint8_t REPORTS[4][16] = {
    {[OUTCRY_EVENT_KIND_ACCEPTED] = ME_ORDER_ACK + 1,
     [OUTCRY_EVENT_KIND_FILLED] = ME_TRADE + 1,
     [OUTCRY_EVENT_KIND_CANCELLED] = ME_CANCEL_ACK + 1},
    {[OUTCRY_EVENT_KIND_CANCELLED] = ME_CANCEL_ACK + 1,
     [OUTCRY_EVENT_KIND_REJECTED] = ME_CANCEL_REJECT + 1},
    {[OUTCRY_EVENT_KIND_FILLED] = ME_TRADE + 1,
     [OUTCRY_EVENT_KIND_REPLACED] = ME_MODIFY_ACK + 1,
     [OUTCRY_EVENT_KIND_REJECTED] = ME_MODIFY_REJECT + 1},
};

/* A command's number, from 1: the message's, and its type. */
static inline int64_t seq_of(uint64_t sequence_number, int type)
{
    return (int64_t)(sequence_number << 2 | type) + 1;
}

/* Write an event's report; returns 1, or 0 if it has none.  Of a trade there is one, made of the
 * taker's event. */
static inline uint32_t report_on(const struct outcry_event *event, me_report_t *report,
                                 int64_t *refused)
{
    if (event->flags & OUTCRY_EVENT_FLAG_MAKER) return 0;
    uint64_t cause = event->cause_seq - 1;
    uint8_t type = REPORTS[cause & 3][event->kind & 15];
    if (type == 0) {
        ++*refused;
        return 0;
    }
    *report = (me_report_t){
        .type = type - 1,
        .side = event->side - OUTCRY_SIDE_BUY,
        .sequence_number = cause >> 2,
        .order_id = event->order_id,
        .price_ticks = event->price_ticks,
        .quantity = event->qty_lots,
        .maker_order_id = event->contra_id,
        .taker_order_id = event->order_id,
    };
    return 1;
}

/* Open orders there is room for, and events of which there is always enough room for a command. */
static int64_t most_orders(void)
{
    const char *room = getenv("OUTCRY_ORDERS");
    return room ? atoll(room) : ORDERS;
}

static int64_t event_room(void)
{
    return outcry_matcher_event_capacity(most_orders());
}

/* Memory of zeros, on large pages where the system has them. */
static void *map(size_t size)
{
    size_t whole = size + HUGE_PAGE;
    char *raw = mmap(NULL, whole, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED) return NULL;
    size_t skip = -(uintptr_t)raw & (HUGE_PAGE - 1);
    if (skip) munmap(raw, skip);
    if (skip != HUGE_PAGE) munmap(raw + skip + size, whole - skip - size);
    madvise(raw + skip, size, MADV_HUGEPAGE);
    return raw + skip;
}

/* The same, all of it there before it is used. */
static void *map_touched(size_t size)
{
    void *memory = map(size);
    return memory ? memset(memory, 0, size) : NULL;
}

static size_t rounded(size_t size)
{
    return (size + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
}

/* A trade has two events. */
static void *ring_create(uint32_t capacity)
{
    int64_t slots = 1;
    while (slots < 2 * (int64_t)capacity) slots <<= 1;
    size_t size = rounded(sizeof(struct ring) + (slots + event_room()) * sizeof(struct outcry_event));
    struct ring *ring = map_touched(size);
    if (!ring) return NULL;
    ring->mask = slots - 1;
    ring->slots = (struct outcry_event *)(ring + 1);
    ring->size = size;
    return ring;
}

static void ring_destroy(void *handle)
{
    struct ring *ring = handle;
    munmap(ring, ring->size);
}

static inline struct outcry_event *slot_of(struct ring *ring, int64_t seq)
{
    return &ring->slots[seq & ring->mask];
}

static inline _Atomic int64_t *stamp_of(struct outcry_event *slot)
{
    return (_Atomic int64_t *)&slot->seq;
}

static inline int64_t cursor_of(struct ring *ring)
{
    return atomic_load_explicit(&ring->cursor, memory_order_acquire);
}

/* Publish an event that lies elsewhere; waits for the reader when the ring is full. */
static void ring_put(struct ring *ring, const struct outcry_event *event)
{
    while (event->seq - cursor_of(ring) > ring->mask + 1) continue;
    struct outcry_event *slot = slot_of(ring, event->seq);
    memcpy(slot, event, offsetof(struct outcry_event, seq));
    atomic_store_explicit(stamp_of(slot), event->seq, memory_order_release);
    ring->written = event->seq;
}

static void let_it_write(void)
{
    for (int count = 0; count < PAUSES; count++)
#if defined(__x86_64__)
        __builtin_ia32_pause();
#else
        atomic_signal_fence(memory_order_seq_cst);
#endif
}

static uint32_t ring_drain(void *handle, me_report_t *out, uint32_t most)
{
    struct ring *ring = handle;
    uint32_t count = 0;
    int64_t seq = ring->taken + 1;
    if (ring->is_slow) let_it_write();
    while (count < most) {
        struct outcry_event *slot = slot_of(ring, seq);
        if (atomic_load_explicit(stamp_of(slot), memory_order_acquire) != seq) break;
        count += report_on(slot, &out[count], &ring->refused);
        seq++;
    }
    ring->is_slow = count < FEW;
    ring->taken = seq - 1;
    atomic_store_explicit(&ring->cursor, seq - 1, memory_order_release);
    return count;
}

/* Every event is published as it is written. */
static void ring_flush(void *handle)
{
    (void)handle;
}

static const me_transport_t RING = {ring_create, NULL, ring_drain, ring_flush, ring_destroy};

const me_transport_t *engine_get_transport(void)
{
    return getenv("OUTCRY_HARNESS_QUEUE") ? NULL : &RING;
}

/* The engine */

static struct {
    void *arena;
    struct outcry_order order; /* what does not change from command to command is filled in */
    struct outcry_event *events;
    struct ring *ring;
    struct ring no_ring; /* without room: reports go to the queue */
    int (*push)(void *queue, const me_report_t *report);
    void *queue;
    int64_t event_room;
    size_t arena_size, events_size;
} engine;

enum { COMMAND_SHIFT = 8 * (offsetof(struct outcry_order, kind) -
                            offsetof(struct outcry_order, participant)) };

/* A command's participant, kind, side, type and time in force are written as one word, as the
 * matcher reads them. */
static inline void set_word(struct outcry_order *order, uint64_t kind, uint64_t side, uint64_t tif)
{
    uint64_t bytes = kind | (OUTCRY_SIDE_BUY + side) << 8 |
                     (uint64_t)OUTCRY_ORDER_TYPE_LIMIT << 16 | tif << 24;
    uint64_t word = PARTICIPANT | bytes << COMMAND_SHIFT;
    memcpy(&order->participant, &word, sizeof word);
}

static inline void set_new(struct outcry_order *order, const new_order_t *message)
{
    order->price_ticks = message->price_ticks;
    order->qty_lots = message->quantity;
    order->order_id = message->order_id;
    order->seq = seq_of(message->sequence_number, 0);
    set_word(order, OUTCRY_COMMAND_KIND_NEW, message->side,
             message->ioc ? OUTCRY_TIME_IN_FORCE_IOC : OUTCRY_TIME_IN_FORCE_GTC);
}

static inline void set_cancel(struct outcry_order *order, const cancel_t *message)
{
    order->order_id = message->order_id;
    order->seq = seq_of(message->sequence_number, 1);
    set_word(order, OUTCRY_COMMAND_KIND_CANCEL, 0, OUTCRY_TIME_IN_FORCE_GTC);
}

static inline void set_modify(struct outcry_order *order, const modify_t *message)
{
    order->price_ticks = message->new_price_ticks;
    order->qty_lots = message->new_quantity;
    order->order_id = message->order_id;
    order->seq = seq_of(message->sequence_number, 2);
    set_word(order, OUTCRY_COMMAND_KIND_REPLACE, message->side, OUTCRY_TIME_IN_FORCE_GTC);
}

/* Hand on events that lie elsewhere. */
static void give(const struct outcry_event *event, int64_t count)
{
    for (; count--; event++) {
        me_report_t report;
        if (engine.ring != &engine.no_ring)
            ring_put(engine.ring, event);
        else if (report_on(event, &report, &engine.ring->refused))
            while (!engine.push(engine.queue, &report)) continue;
    }
}

/* Process the command where there may not be room in the ring for its events. */
static __attribute__((noinline)) void process_apart(struct outcry_order *order)
{
    give(engine.events, outcry_matcher_process_one(engine.arena, order, engine.events));
}

/* Whether there is room for another command's events after all. */
static __attribute__((noinline)) int has_room(struct ring *ring)
{
    if (ring != &engine.no_ring) ring->room = cursor_of(ring) + ring->mask + 1 - engine.event_room;
    return ring->written < ring->room;
}

static inline void process(struct outcry_order *order)
{
    struct ring *ring = engine.ring;
    if (__builtin_expect(ring->written >= ring->room, 0) && !has_room(ring)) {
        process_apart(order);
        return;
    }
    struct outcry_event *first = slot_of(ring, ring->written + 1), *end = slot_of(ring, 0);
    __builtin_prefetch(first + AHEAD, 1);
    int64_t count = outcry_matcher_process_one(engine.arena, order, first);
    ring->written += count;
    end += ring->mask + 1;
    if (__builtin_expect(first + count > end, 0)) give(end, first + count - end);
}

void engine_on_new_order(const new_order_t *message)
{
    set_new(&engine.order, message);
    process(&engine.order);
}

void engine_on_cancel(const cancel_t *message)
{
    set_cancel(&engine.order, message);
    process(&engine.order);
}

void engine_on_modify(const modify_t *message)
{
    set_modify(&engine.order, message);
    process(&engine.order);
}

void engine_on_batch(const me_msg_t *messages, uint32_t count)
{
    for (const me_msg_t *message = messages; message < messages + count; message++) {
        if (message->type == 0)
            engine_on_new_order(&message->no);
        else if (message->type == 1)
            engine_on_cancel(&message->c);
        else
            engine_on_modify(&message->md);
    }
}

void engine_init(uint64_t seed, const me_transport_t *transport, void *sink)
{
    struct outcry_instrument table = {.symbol = "FLASH1", OUTCRY_INSTRUMENT_DEFAULTS};
    int64_t orders = most_orders();
    int64_t arena_size = outcry_matcher_size(1, orders, orders);
    engine.event_room = event_room();
    engine.arena_size = rounded(arena_size);
    engine.events_size = rounded(engine.event_room * sizeof *engine.events);
    engine.arena = arena_size ? map_touched(engine.arena_size) : NULL;
    engine.events = map_touched(engine.events_size);
    if (!engine.arena || !engine.events ||
        outcry_matcher_init(engine.arena, arena_size, &table, 1, orders, orders)) {
        fprintf(stderr, "outcry: no book with room for %lld open orders\n", (long long)orders);
        exit(1);
    }
    outcry_matcher_id_key(engine.arena, seed & INT64_MAX);
    memcpy(engine.order.symbol, table.symbol, sizeof table.symbol);
    engine.ring = transport->drain == ring_drain ? sink : &engine.no_ring;
    engine.push = transport->push;
    engine.queue = sink;
    engine.no_ring.refused = 0;
}

void engine_flush(void)
{
}

void engine_shutdown(void)
{
    if (engine.ring->refused)
        fprintf(stderr, "outcry: %lld new orders were refused, for which there is no report: "
                        "OUTCRY_ORDERS is too low, or an id was open already\n",
                (long long)engine.ring->refused);
    munmap(engine.arena, engine.arena_size);
    munmap(engine.events, engine.events_size);
}

/* What the audit asks */

int64_t engine_query_best_bid(void)
{
    int64_t best[6];
    outcry_matcher_best(engine.arena, 0, best);
    return best[0] ? best[1] : INT64_MIN;
}

int64_t engine_query_best_ask(void)
{
    int64_t best[6];
    outcry_matcher_best(engine.arena, 0, best);
    return best[3] ? best[4] : INT64_MAX;
}

uint64_t engine_query_depth_at(int64_t price_ticks, uint8_t side)
{
    return outcry_matcher_quantity_at(engine.arena, 0, OUTCRY_SIDE_BUY + side, price_ticks);
}
