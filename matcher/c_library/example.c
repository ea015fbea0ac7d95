/* A book from C, with no Python in the process.  In this folder, after `make -C .. object`:
 *   cc -Ibuild example.c -Lbuild -loutcry_matcher -Wl,-rpath,build -o build/example */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS is not C11's */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "outcry_matcher.h"

#define NEW(n, s, t, q, p, a) \
    {.seq = n, .order_id = n, .kind = OUTCRY_COMMAND_KIND_NEW, .side = OUTCRY_SIDE_##s, \
     .order_type = OUTCRY_ORDER_TYPE_##t, .time_in_force = OUTCRY_TIME_IN_FORCE_DAY, \
     .qty_lots = q, .price_ticks = p, .aux = a, .symbol = "GOLD"}

int main(void)
{
    struct outcry_instrument gold = {.symbol = "GOLD", OUTCRY_INSTRUMENT_DEFAULTS};
    struct outcry_order orders[] = {
        NEW(1, SELL, ICEBERG, 30, 101, 10), NEW(2, SELL, LIMIT, 5, 101, 0),
        NEW(3, BUY, STOP, 4, 0, 101), NEW(4, BUY, LIMIT, 12, 101, 0)};
    int64_t count = sizeof orders / sizeof *orders, room = 1000, done;
    int64_t size = outcry_matcher_size(1, room, room);
    int64_t capacity = outcry_matcher_event_capacity(room) + 1000;
    void *arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct outcry_event *events = malloc(capacity * sizeof *events);
    if (arena == MAP_FAILED || !events || outcry_matcher_init(arena, size, &gold, 1, room, room))
        return 1;
    int64_t written = outcry_matcher_process(arena, orders, count, events, capacity, &done);
    for (struct outcry_event *e = events; e < events + written; e++)
        printf("%" PRId64 ": command %" PRId64 " kind %d reason %d order %" PRId64 " qty %" PRId64
               " price %" PRId64 " leaves %" PRId64 " contra %" PRId64 " flags %d\n",
               e->seq, e->cause_seq, e->kind, e->reason, e->order_id, e->qty_lots, e->price_ticks,
               e->leaves_lots, e->contra_id, e->flags);
    return done != count;
}
