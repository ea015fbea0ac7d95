/* The matcher as an engine of Flash One's matching-engine benchmark, whose harness loads it and
 * gives it one message a call or, by engine_on_batch, a run of them.
 *
 * A message becomes a command of one participant in one instrument, the command's events become
 * reports, each written once, where its reader takes it.  A batch is processed as its contract asks:
 * no message is looked at before the reports of the one before are pushed.
 *
 * Environment:
 *   OUTCRY_HARNESS_QUEUE  set: reports travel over the harness's queue, not over a ring of ours
 *   OUTCRY_LOOK_AHEAD     set: a batch goes to the matcher in runs of 256 commands, which looks
 *                         ahead to ask for memory (docs/matcher-performance.md)
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
#include "outcry_matcher.h"

enum {
    ORDERS = 1 << 16, /* open at a time: two entries of 4 bytes each stay in the second cache */
    PARTICIPANT = 1,
    RUN = 256, /* commands given to the matcher together with OUTCRY_LOOK_AHEAD */
    AHEAD = 24, /* slots of the ring that the writer asks for before it needs them */
    LINE = 128, /* what different cores write lies so far apart */
    HUGE_PAGE = 1 << 21,
};

/* The ring: ring/layout.py's protocol in C.  A report's last word is its slot's stamp; the reader's
 * cursor alone flows back. */

struct ring {
    _Alignas(LINE) _Atomic uint64_t cursor; /* the reader's: the last report it has taken */
    uint64_t taken;                         /* the reader's own copy */
    _Alignas(LINE) uint64_t written;        /* the writer's: the last report it has published */
    uint64_t seen_cursor;                   /* the cursor when the writer last looked */
    _Alignas(LINE) uint64_t mask;
    me_report_t *slots;
    size_t size;
};

static_assert(sizeof(me_report_t) == 64, "a report is a line");
static_assert(offsetof(me_report_t, _reserved3) == 56, "a report ends with its stamp");

/* Memory that is there, on large pages where the system has them. */
static void *map_touched(size_t size)
{
    size_t whole = size + HUGE_PAGE;
    char *raw = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) return NULL;
    size_t skip = -(uintptr_t)raw & (HUGE_PAGE - 1);
    if (skip) munmap(raw, skip);
    if (skip != HUGE_PAGE) munmap(raw + skip + size, whole - skip - size);
    madvise(raw + skip, size, MADV_HUGEPAGE);
    memset(raw + skip, 0, size);
    return raw + skip;
}

static size_t rounded(size_t size)
{
    return (size + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
}

static void *ring_create(uint32_t capacity)
{
    uint64_t slots = 1;
    while (slots < capacity) slots <<= 1;
    size_t size = rounded(sizeof(struct ring) + slots * sizeof(me_report_t));
    struct ring *ring = map_touched(size);
    if (!ring) return NULL;
    ring->mask = slots - 1;
    ring->slots = (me_report_t *)(ring + 1);
    ring->size = size;
    return ring;
}

static void ring_destroy(void *handle)
{
    struct ring *ring = handle;
    munmap(ring, ring->size);
}

static inline _Atomic uint64_t *stamp_of(me_report_t *slot)
{
    return (_Atomic uint64_t *)&slot->_reserved3;
}

/* The slot of the next report; waits for the reader when the ring is full. */
static inline me_report_t *ring_claim(struct ring *ring)
{
    uint64_t seq = ring->written + 1;
    while (__builtin_expect(seq - ring->seen_cursor > ring->mask + 1, 0))
        ring->seen_cursor = atomic_load_explicit(&ring->cursor, memory_order_acquire);
    __builtin_prefetch(&ring->slots[(seq + AHEAD) & ring->mask], 1);
    return &ring->slots[seq & ring->mask];
}

static inline void ring_publish(struct ring *ring, me_report_t *slot)
{
    atomic_store_explicit(stamp_of(slot), ++ring->written, memory_order_release);
}

static int ring_push(void *handle, const me_report_t *report)
{
    struct ring *ring = handle;
    me_report_t *slot = ring_claim(ring);
    memcpy(slot, report, offsetof(me_report_t, _reserved3));
    ring_publish(ring, slot);
    return 1;
}

static uint32_t ring_drain(void *handle, me_report_t *out, uint32_t most)
{
    struct ring *ring = handle;
    uint32_t count = 0;
    uint64_t seq = ring->taken + 1;
    while (count < most) {
        me_report_t *slot = &ring->slots[seq & ring->mask];
        if (atomic_load_explicit(stamp_of(slot), memory_order_acquire) != seq) break;
        out[count++] = *slot;
        seq++;
    }
    if (count) {
        ring->taken = seq - 1;
        atomic_store_explicit(&ring->cursor, seq - 1, memory_order_release);
    }
    return count;
}

/* Every report is published as it is written. */
static void ring_flush(void *handle)
{
    (void)handle;
}

static const me_transport_t RING = {ring_create, ring_push, ring_drain, ring_flush, ring_destroy};

const me_transport_t *engine_get_transport(void)
{
    return getenv("OUTCRY_HARNESS_QUEUE") ? NULL : &RING;
}

/* The engine */

static struct {
    void *arena;
    struct outcry_order order; /* what does not change from command to command is filled in */
    struct outcry_event *events;
    struct ring *ring; /* NULL: reports go to the queue */
    int (*push)(void *queue, const me_report_t *report);
    void *queue;
    int64_t event_room, refused;
    int looks_ahead;
    size_t arena_size, events_size;
} engine;

enum { COMMAND_SHIFT = 8 * (offsetof(struct outcry_order, kind) -
                            offsetof(struct outcry_order, participant)),
       NO_REPORT = 0xFF };

static const uint8_t REPORT_OF_EVENT[] = {
    [OUTCRY_EVENT_KIND_ACCEPTED] = ME_ORDER_ACK,
    [OUTCRY_EVENT_KIND_FILLED] = ME_TRADE,
    [OUTCRY_EVENT_KIND_CANCELLED] = ME_CANCEL_ACK,
    [OUTCRY_EVENT_KIND_REPLACED] = ME_MODIFY_ACK,
    [OUTCRY_EVENT_KIND_REJECTED] = NO_REPORT, /* it depends on the command */
};
static const uint8_t REPORT_OF_REJECT[] = {NO_REPORT, ME_CANCEL_REJECT, ME_MODIFY_REJECT};

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
    order->seq = message->sequence_number + 1; /* ours begin at 1 */
    set_word(order, OUTCRY_COMMAND_KIND_NEW, message->side,
             message->ioc ? OUTCRY_TIME_IN_FORCE_IOC : OUTCRY_TIME_IN_FORCE_GTC);
}

static inline void set_cancel(struct outcry_order *order, const cancel_t *message)
{
    order->order_id = message->order_id;
    order->seq = message->sequence_number + 1;
    set_word(order, OUTCRY_COMMAND_KIND_CANCEL, 0, OUTCRY_TIME_IN_FORCE_GTC);
}

static inline void set_modify(struct outcry_order *order, const modify_t *message)
{
    order->price_ticks = message->new_price_ticks;
    order->qty_lots = message->new_quantity;
    order->order_id = message->order_id;
    order->seq = message->sequence_number + 1;
    set_word(order, OUTCRY_COMMAND_KIND_REPLACE, message->side, OUTCRY_TIME_IN_FORCE_GTC);
}

static inline void fill(me_report_t *report, const struct outcry_event *event, uint8_t type)
{
    report->type = type;
    report->side = event->side - OUTCRY_SIDE_BUY;
    report->sequence_number = event->cause_seq - 1;
    report->order_id = event->order_id;
    report->price_ticks = event->price_ticks;
    report->quantity = event->qty_lots;
    report->maker_order_id = event->contra_id;
    report->taker_order_id = event->order_id;
}

/* Report an event of a message of this type.  Of a trade there is one report, made of the taker's
 * event. */
static inline void give(const struct outcry_event *event, uint8_t message_type)
{
    if (event->flags & OUTCRY_EVENT_FLAG_MAKER) return;
    uint8_t type = REPORT_OF_EVENT[event->kind];
    if (type == NO_REPORT) {
        type = REPORT_OF_REJECT[message_type];
        if (type == NO_REPORT) {
            engine.refused++;
            return;
        }
    }
    if (engine.ring) {
        me_report_t *slot = ring_claim(engine.ring);
        fill(slot, event, type);
        ring_publish(engine.ring, slot);
    } else {
        me_report_t report = {0};
        fill(&report, event, type);
        while (!engine.push(engine.queue, &report)) continue;
    }
}

static inline void process(uint8_t message_type)
{
    int64_t count = outcry_matcher_process_one(engine.arena, &engine.order, engine.events);
    const struct outcry_event *event = engine.events, *end = event + count;
    do give(event++, message_type);
    while (event < end);
}

void engine_on_new_order(const new_order_t *message)
{
    set_new(&engine.order, message);
    process(0);
}

void engine_on_cancel(const cancel_t *message)
{
    set_cancel(&engine.order, message);
    process(1);
}

void engine_on_modify(const modify_t *message)
{
    set_modify(&engine.order, message);
    process(2);
}

static void process_looking_ahead(const me_msg_t *messages, uint32_t count)
{
    static struct outcry_order orders[RUN];
    for (uint32_t first = 0; first < count; first += RUN) {
        const me_msg_t *run = messages + first;
        int64_t length = count - first < RUN ? count - first : RUN, taken = 0, done;
        int64_t first_seq = run->type ? run->c.sequence_number : run->no.sequence_number;
        for (int64_t index = 0; index < length; index++) {
            struct outcry_order *order = &orders[index];
            memcpy(order->symbol, engine.order.symbol, sizeof order->symbol);
            if (run[index].type == 0)
                set_new(order, &run[index].no);
            else if (run[index].type == 1)
                set_cancel(order, &run[index].c);
            else
                set_modify(order, &run[index].md);
        }
        for (; taken < length; taken += done) {
            int64_t events = outcry_matcher_process(engine.arena, orders + taken, length - taken,
                                                    engine.events, engine.event_room, &done);
            for (const struct outcry_event *event = engine.events; events--; event++)
                give(event, run[event->cause_seq - 1 - first_seq].type);
        }
    }
}

void engine_on_batch(const me_msg_t *messages, uint32_t count)
{
    if (engine.looks_ahead) {
        process_looking_ahead(messages, count);
        return;
    }
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
    const char *room = getenv("OUTCRY_ORDERS");
    int64_t orders = room ? atoll(room) : ORDERS;
    int64_t arena_size = outcry_matcher_size(1, orders, orders);
    engine.event_room = outcry_matcher_event_capacity(orders) + 4 * RUN;
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
    engine.ring = transport->push == ring_push ? sink : NULL;
    engine.push = transport->push;
    engine.queue = sink;
    engine.refused = 0;
    engine.looks_ahead = getenv("OUTCRY_LOOK_AHEAD") != NULL;
}

void engine_flush(void)
{
    if (engine.refused)
        fprintf(stderr, "outcry: %lld new orders were refused, for which there is no report: "
                        "OUTCRY_ORDERS is too low, or an id was open already\n",
                (long long)engine.refused);
}

void engine_shutdown(void)
{
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
