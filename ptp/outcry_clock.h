/* Read the clock page from C: the same answers as openoutcry.ptp.page, bit for bit (a test compares).
 *
 * The page is struct outcry_clock_page (outcry_wire.h) at byte 128 of the shared memory file
 * /dev/shm/outcry.PID.START.clock, which begins with OUTCRY_CLOCK_MAGIC and OUTCRY_LAYOUT_HASH:
 * check both before you use it.  Map it read-only.  C11, gcc or clang.
 */
#ifndef OUTCRY_CLOCK_H
#define OUTCRY_CLOCK_H
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include "outcry_wire.h"
#if defined(__x86_64__)
#include <x86intrin.h>
#else
#include <time.h>
#endif

#define OUTCRY_CLOCK_LINE 128

enum outcry_clock_status {
    OUTCRY_CLOCK_OK, OUTCRY_CLOCK_STALE, OUTCRY_CLOCK_DEAD, OUTCRY_CLOCK_CLOSED,
    OUTCRY_CLOCK_UNKNOWN, OUTCRY_CLOCK_BUSY
};

/* The time is somewhere in here: ns since 1970. */
struct outcry_clock_interval {
    int64_t earliest_tai_ns, latest_tai_ns, earliest_utc_ns, latest_utc_ns;
};

/* The counter, now. */
static inline int64_t outcry_clock_ticks(void) {
#if defined(__x86_64__)
    _mm_lfence();
    return (int64_t)__rdtsc();
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
#endif
}

static inline int64_t outcry_clock_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t outcry_clock_max(int64_t a, int64_t b) { return a > b ? a : b; }

/* The line as it stood at one moment; 0 if it stays half-written. */
static inline int outcry_clock_copy(const struct outcry_clock_page *page,
                                    struct outcry_clock_page *copy) {
    const _Atomic int64_t *from = (const _Atomic int64_t *)page;
    int64_t words[8];
    int whole = 0;
    for (int spin = 0; spin < 10000 && !whole; spin++) {
        for (int word = 0; word < 8; word++)
            words[word] = atomic_load_explicit(&from[word], memory_order_acquire);
        whole = !(words[0] & 1) && atomic_load_explicit(&from[0], memory_order_acquire) == words[0];
    }
    memcpy(copy, words, sizeof words);
    return whole;
}

/* When the counter stood at `ticks`; `out` is written with OUTCRY_CLOCK_OK only. */
static inline enum outcry_clock_status outcry_clock_at(const struct outcry_clock_page *page,
                                                       int64_t ticks,
                                                       struct outcry_clock_interval *out) {
    struct outcry_clock_page line;
    int whole = outcry_clock_copy(page, &line);
    if (line.owner & (UINT32_C(1) << 30)) return OUTCRY_CLOCK_DEAD;
    if (!whole) return OUTCRY_CLOCK_BUSY;
    if (line.owner == 0) return OUTCRY_CLOCK_CLOSED;
    if (line.state == OUTCRY_CLOCK_STATE_UNKNOWN) return OUTCRY_CLOCK_UNKNOWN;
    int64_t elapsed_ns =
        (int64_t)((__int128)(ticks - line.base_ticks) * line.mult_q48 >> 48);
    int64_t age_ns = elapsed_ns < 0 ? -elapsed_ns : elapsed_ns;
    if (age_ns >= (int64_t)line.stale_ms * 1000000) return OUTCRY_CLOCK_STALE;
    /* A billionth by shifts: 4.8 % more than that. */
    int64_t grown = age_ns * line.growth_ppb;
    int64_t bound_ns = line.bound_ns + 1 + ((grown + (grown >> 3)) >> 30);
    int64_t earliest = line.base_tai_ns + elapsed_ns - bound_ns;
    int64_t latest = line.base_tai_ns + elapsed_ns + bound_ns;
    int64_t before_ns = line.utc_offset_s * INT64_C(1000000000);
    int64_t after_ns = line.next_utc_offset_s * INT64_C(1000000000);
    out->earliest_tai_ns = earliest;
    out->latest_tai_ns = latest;
    if (latest < line.leap_tai_ns) {
        out->earliest_utc_ns = earliest - before_ns;
        out->latest_utc_ns = latest - before_ns;
    } else if (earliest >= line.leap_tai_ns) {
        out->earliest_utc_ns = earliest - after_ns;
        out->latest_utc_ns = latest - after_ns;
    } else {
        /* UTC is not monotonic across a leap second: everything it may be, on both sides. */
        out->earliest_utc_ns =
            outcry_clock_min(earliest - before_ns, line.leap_tai_ns - after_ns);
        out->latest_utc_ns =
            outcry_clock_max(latest - after_ns, line.leap_tai_ns - 1 - before_ns);
    }
    return OUTCRY_CLOCK_OK;
}

/* What time it is: an interval that holds it. */
static inline enum outcry_clock_status outcry_clock_now(const struct outcry_clock_page *page,
                                                        struct outcry_clock_interval *out) {
    return outcry_clock_at(page, outcry_clock_ticks(), out);
}

#endif
