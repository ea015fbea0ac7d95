/* Who sends, which of his sequence numbers came, and the way back to him. */
#ifndef OUTCRY_SHIM_SENDERS_H
#define OUTCRY_SHIM_SENDERS_H
#include "packet.h"

static inline void start_sender(struct oc_sender *s, const uint64_t *key) {
    uint32_t generation = s->generation + 1;
    memset(s, 0, sizeof *s);
    memcpy(s->key, key, sizeof s->key);
    s->next = 1;
    s->floor = 1;
    s->generation = generation;
}

static inline int is_sender(const struct oc_sender *s, const uint64_t *key) {
    return !((s->key[0] ^ key[0]) | (s->key[1] ^ key[1]) | (s->key[2] ^ key[2])
             | (s->key[3] ^ key[3]));
}

/* Whether a slot has this sender.  A session has one slot, whatever its epoch. */
static inline int has_slot(const struct oc_sender *s, const uint64_t *key) {
    return key[0] >> 32 == SESSION_KEY >> 32 ? s->key[0] == key[0] : is_sender(s, key);
}

/* A session counts from 1 again in a new epoch, and packets of those before are refused.  The epoch
 * comes last: a shim that is killed before has changed nothing that counts. */
static inline void begin_epoch(struct oc_sender *s, uint64_t epoch) {
    s->next = 1;
    s->floor = 1;
    s->range_count = 0;
    __atomic_store_n(&s->key[1], epoch, __ATOMIC_RELEASE);
}

/* The slot of a sender, or the free one that it would take; NULL when there is no room for one more:
 * who is known is never forgotten.  Changes nothing.  The key's first word is never 0. */
static inline struct oc_sender *find_slot(struct oc_state *state, const uint64_t *key) {
    uint64_t mix = (key[0] ^ state->hash_key[0]) * UINT64_C(0x9e3779b97f4a7c15);
    uint64_t whence = key[0] >> 32 == SESSION_KEY >> 32 ? 0 : key[1];
    mix = (mix ^ mix >> 32 ^ whence ^ state->hash_key[1]) * UINT64_C(0xc2b2ae3d27d4eb4f);
    mix = (mix ^ mix >> 32 ^ (key[2] + (key[3] << 1))) * UINT64_C(0x165667b19e3779f9);
    uint32_t home = (uint32_t)(mix >> 40);
    /* A quarter of the slots stay free, so that the walk ends at one of them. */
    for (uint32_t probe = 0; probe < OC_SENDERS; probe++) {
        struct oc_sender *s = &state->senders[(home + probe) % OC_SENDERS];
        if (has_slot(s, key)) return s;
        if (s->key[0] == 0) return state->sender_count == OC_SENDERS_MAX ? NULL : s;
    }
    return NULL;
}

/* Which number a slot expects of this sender: the first one of a new sender and of a new epoch. */
static inline int64_t next_of(const struct oc_sender *s, const uint64_t *key) {
    return is_sender(s, key) ? s->next : 1;
}

/* Make the slot that was found this sender's, in its epoch. */
static inline void take_slot(struct oc_state *state, struct oc_sender *s, const uint64_t *key,
                             int64_t *tally) {
    if (is_sender(s, key)) return;
    if (s->key[0] != 0) {
        begin_epoch(s, key[1]);
        return;
    }
    state->sender_count++;
    tally[OC_COUNT_SENDERS]++;
    start_sender(s, key);
}

static inline void forget_range(struct oc_sender *s, uint32_t index) {
    if (s->floor <= s->ranges[index].last) s->floor = s->ranges[index].last + 1;
    s->range_count--;
    memmove(&s->ranges[index], &s->ranges[index + 1],
            (s->range_count - index) * sizeof s->ranges[0]);
}

static inline void insert_range(struct oc_sender *s, uint32_t index, int64_t first, int64_t last) {
    memmove(&s->ranges[index + 1], &s->ranges[index],
            (s->range_count - index) * sizeof s->ranges[0]);
    s->ranges[index] = (struct oc_range){first, last};
    s->range_count++;
}

/* A sender may jump by 2^62 as often as he likes: this one counter stops at its largest value. */
static inline void add_gap(int64_t *counter, int64_t records) {
    if (__builtin_add_overflow(*counter, records, counter)) *counter = INT64_MAX;
}

/* Everything below `first` that has not come is missing; the oldest range goes when there are too
 * many. */
static inline void note_gap(struct oc_sender *s, int64_t first, int64_t *tally) {
    if (first == s->next) return;
    add_gap(&tally[OC_COUNT_GAP_RECORDS], first - s->next);
    tally[OC_COUNT_GAPS]++;
    if (s->range_count == OC_RANGES_MAX) forget_range(s, 0);
    insert_range(s, s->range_count, s->next, first - 1);
    s->next = first;
}

static inline int jumps_too_far(int64_t next, int64_t first) {
    return first > next && first - next > OC_MAX_JUMP;
}

/* 0: hand these records on; else the counter of why not. */
static inline int sequence(struct oc_sender *s, int64_t first, int64_t count, int64_t *tally) {
    int64_t last = first + count - 1;
    if (first >= s->next) {
        note_gap(s, first, tally);
        s->next = last + 1;
        return 0;
    }
    for (uint32_t index = 0; index < s->range_count; index++) {
        struct oc_range r = s->ranges[index];
        if (first < r.first || last > r.last) continue;
        tally[OC_COUNT_LATE_PACKETS]++;
        tally[OC_COUNT_LATE_RECORDS] += count;
        if (first == r.first && last == r.last) {
            s->range_count--;
            memmove(&s->ranges[index], &s->ranges[index + 1],
                    (s->range_count - index) * sizeof r);
        } else if (first == r.first) {
            s->ranges[index].first = last + 1;
        } else if (last == r.last) {
            s->ranges[index].last = first - 1;
        } else {
            s->ranges[index].last = first - 1;
            insert_range(s, index + 1, last + 1, r.last);
            /* The last place is for this moment only. */
            if (s->range_count > OC_RANGES_MAX) forget_range(s, 0);
        }
        return 0;
    }
    return first < s->floor ? OC_COUNT_STALE_PACKETS : OC_COUNT_DUPLICATE_PACKETS;
}

static inline void swap_bytes(uint8_t *a, uint8_t *b, uint32_t size_bytes) {
    uint8_t kept[16];
    memcpy(kept, a, size_bytes);
    memcpy(a, b, size_bytes);
    memcpy(b, kept, size_bytes);
}

/* The sums that do not depend on the payload; lengths and checksums in the header are 0. */
static inline void sum_way(struct oc_way *way) {
    uint8_t *ip = way->header + way->ip_at;
    uint8_t *udp = way->header + way->header_bytes - 8;
    int ip6 = ip[0] >> 4 == 6;
    way->ip_sum = ip6 ? 0 : fold(sum_bytes(ip, 20));
    way->pseudo_sum =
        fold(sum_bytes(ip6 ? ip + 8 : ip + 12, ip6 ? 32 : 8) + 0x1100 + get32(udp));
}

/* A mix of a frame's addresses and tags, those taken out and those in place. */
static inline uint64_t link_of(const struct oc_frame *frame, const struct oc_packet *p) {
    uint64_t mix = get64(frame->data) ^ (frame->flags & FRAME_TAGS);
    for (const uint8_t *at = frame->data + 6; at + 8 <= p->ip; at += 4)
        mix = (mix ^ mix >> 32) * UINT64_C(0x9e3779b97f4a7c15) ^ get64(at);
    return mix;
}

/* The way back: the frame's own headers with their ends exchanged. */
static inline void make_way(struct oc_way *way, const struct oc_frame *frame,
                            const struct oc_packet *p, int port) {
    memset(way, 0, sizeof *way);
    way->port = (uint16_t)port;
    if (frame->flags & FRAME_PAYLOAD) {
        way->header_bytes = p->ip6 ? 28 : 16;
        memcpy(way->header, frame->name, way->header_bytes);
        way->usable = 1;
        return;
    }
    uint32_t link = (uint32_t)(p->ip - frame->data), ip_bytes = p->ip6 ? 40 : 20;
    uint8_t *h = way->header;
    memcpy(h, frame->data, 12);
    swap_bytes(h, h + 6, 6);
    uint32_t at = 12;
    if (frame->flags & FRAME_TAG) {
        put16(h + at, __builtin_bswap16(frame->flags & FRAME_TAG_AD ? 0x88a8 : 0x8100));
        put16(h + at + 2, __builtin_bswap16((uint16_t)(frame->flags >> FRAME_TAG_SHIFT)));
        at += 4;
    }
    memcpy(h + at, frame->data + 12, link - 12 + ip_bytes + 8);
    at += link - 12;
    uint8_t *ip = h + at, *udp = ip + ip_bytes;
    way->ip_at = (uint16_t)at;
    way->header_bytes = (uint16_t)(at + ip_bytes + 8);
    /* Who listens to a group is no address to answer from. */
    way->usable = !(frame->data[0] & 1);
    if (p->ip6) {
        swap_bytes(ip + 8, ip + 24, 16);
        put16(ip + 4, 0);
        ip[7] = 64;
    } else {
        swap_bytes(ip + 12, ip + 16, 4);
        memset(ip + 2, 0, 10);
        put16(ip + 6, __builtin_bswap16(0x4000));
        ip[8] = 64;
        ip[9] = 17;
    }
    swap_bytes(udp, udp + 2, 2);
    memset(udp + 4, 0, 4);
    sum_way(way);
}
#endif
