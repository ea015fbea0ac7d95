/* What an engine costs in Flash One's benchmark that does not match: harness_adapter.c is linked
 * with this in place of the matcher.  Each command's events are copied from a file, in which the
 * matcher has written them before, so the harness gets the same reports.
 *
 * Environment:
 *   OUTCRY_FLOOR_EVENTS  the file: all commands' events, one after another
 *
 * `outcry bench matcher --harness DIR` writes the file and compiles this. */
#define _DEFAULT_SOURCE /* MAP_POPULATE is not C11's */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#pragma GCC visibility push(hidden)
#include "outcry_matcher.h"
#pragma GCC visibility pop

static const struct outcry_event *next, *end;

int64_t outcry_matcher_size(int64_t instruments, int64_t orders, int64_t pages)
{
    (void)instruments, (void)orders, (void)pages;
    return 64;
}

int64_t outcry_matcher_event_capacity(int64_t orders)
{
    return 2 * orders;
}

int64_t outcry_matcher_init(void *arena, int64_t size, const struct outcry_instrument *table,
                            int64_t instruments, int64_t orders, int64_t pages)
{
    (void)arena, (void)size, (void)table, (void)instruments, (void)orders, (void)pages;
    const char *path = getenv("OUTCRY_FLOOR_EVENTS");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    struct stat state;
    if (file < 0 || fstat(file, &state) || state.st_size == 0) {
        fprintf(stderr, "outcry: OUTCRY_FLOOR_EVENTS is not a file of events\n");
        exit(1);
    }
    void *map = mmap(NULL, state.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    close(file);
    if (map == MAP_FAILED) {
        perror(path);
        exit(1);
    }
    next = map;
    end = next + state.st_size / sizeof *next;
    return 0;
}

int64_t outcry_matcher_id_key(void *arena, int64_t key)
{
    (void)arena, (void)key;
    return 0;
}

/* As the matcher does, publish each event by its last word. */
int64_t outcry_matcher_process_one(void *arena, const struct outcry_order *order,
                                   struct outcry_event *events)
{
    (void)arena;
    struct outcry_event *event = events;
    for (; next < end && next->cause_seq == order->seq; next++, event++) {
        memcpy(event, next, offsetof(struct outcry_event, seq));
        atomic_store_explicit((_Atomic int64_t *)&event->seq, next->seq, memory_order_release);
    }
    return event - events;
}

int64_t outcry_matcher_best(const void *arena, int64_t instrument, int64_t best[6])
{
    (void)arena, (void)instrument;
    memset(best, 0, 6 * sizeof *best);
    return 0;
}

int64_t outcry_matcher_quantity_at(const void *arena, int64_t instrument, int64_t side,
                                   int64_t price)
{
    (void)arena, (void)instrument, (void)side, (void)price;
    return 0;
}
