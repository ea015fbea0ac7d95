/* The one loop: burst receive, parse, sequence, validate, write into the ring's slots, publish. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "shim.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "outcry_clock.h"
#include "outcry_verdict.h"
#include "header_prediction.h"
#include "authentication.h"
#include "packet.h"
#include "ring.h"
#include "senders.h"

/* A kernel's send time further back than this, or in the future, is not one of this host's clock. */
#define OLDEST_SEND_NS INT64_C(60000000000)
#define IDLE_SPINS 4000

static int64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void say(char *error, const char *format, ...) {
    va_list rest;
    va_start(rest, format);
    vsnprintf(error, OC_ERROR_BYTES, format, rest);
    va_end(rest);
}

#include "transmit.h"
#include "port_udp.h"
#include "port_packet.h"
#include "port_capture.h"
#include "port_xdp.h"
#include "port_dpdk.h"

int64_t oc_state_bytes(void) { return sizeof(struct oc_state); }
int64_t oc_outbound_bytes(void) { return sizeof(struct oc_outbound); }
void oc_set_hash_key(struct oc_state *state, uint64_t first, uint64_t second) {
    state->hash_key[0] = first;
    state->hash_key[1] = second;
}
/* Who the sender with this index is; 0, or -1 if there is none. */
int32_t oc_sender_key(const struct oc_state *state, int32_t index, uint64_t *key) {
    if (index < 0 || index >= OC_SENDERS || !state->senders[index].key[0]) return -1;
    memcpy(key, state->senders[index].key, sizeof state->senders[index].key);
    return 0;
}
/* A sender as an earlier run left it, `ranges` being pairs of first and last; 0, or -1 without room. */
int32_t oc_restore_sender(struct oc_state *state, const uint64_t *key, int64_t next, int64_t floor,
                          const int64_t *ranges, int32_t count) {
    int64_t tally[OC_COUNTERS] = {0};
    struct oc_sender *s = count <= OC_RANGES_MAX ? find_slot(state, key) : NULL;
    if (!s) return -1;
    take_slot(state, s, key, tally);
    s->next = next;
    s->floor = floor;
    s->range_count = (uint32_t)count;
    memcpy(s->ranges, ranges, (size_t)count * sizeof s->ranges[0]);
    return 0;
}
/* After state and ports were set: where each port counts. */
void oc_start(struct oc_shim *s) {
    for (int index = 0; index < s->port_count; index++) {
        s->ports[index]->tally = s->state->counters[index];
        s->ports[index]->like.size_bytes = 0; /* its sender stands in the state of another shim */
    }
}
/* A port that only sends has counters of its own. */
void oc_start_port(struct oc_port *port, int64_t *counters) { port->tally = counters; }
int64_t *oc_counters(struct oc_state *state, int32_t port) { return state->counters[port]; }

/* What one burst shares, in registers as far as they go: the shim's own words may be written, for
 * all the compiler knows, by every store into a slot. */
struct burst {
    char *ring;
    int64_t mask, next_seq;
    int64_t now_ns, host_ts_ns;
    int64_t left;       /* records that may still be written */
    void *rules;
    int64_t *stamps;
    int64_t *origins;
    int64_t origin;     /* 1 + index of the sender */
    int64_t origin_seq; /* of the next record, in its sender's count */
    int64_t *tally;
    int port_index;
    int host;           /* counter of whose time host_ts_ns is */
    int64_t epoch;      /* of the sender, if that is a session */
};

/* A record into the next slot, which its sequence, stored last, publishes. */
static inline __attribute__((always_inline)) void write_slot(struct oc_shim *s, struct burst *b,
                                                             const uint8_t *record, int64_t ts_ns,
                                                             int64_t sent_ns) {
    int64_t seq = b->next_seq++;
    char *slot = b->ring + RING_SLOTS + ((seq & b->mask) << RING_SLOT_SHIFT);
    struct outcry_order *order = (struct outcry_order *)slot;
    memcpy(slot, record, RING_SEQ);
    order->rx_ts_ns = ts_ns;
    /* Nobody brings his own verdict. */
    order->error_code = 0;
    if (b->rules) order->error_code = outcry_verdict(order, b->rules);
    if (b->stamps) {
        b->stamps[seq & s->stamp_mask] = sent_ns;
        s->stamps_received[seq & s->stamp_mask] = b->now_ns;
        if (b->origins) {
            b->origins[seq & s->origin_mask] = b->origin;
            s->origin_seqs[seq & s->origin_mask] = b->origin_seq;
            if (s->origin_epochs) s->origin_epochs[seq & s->origin_mask] = b->epoch;
        }
    }
    b->origin_seq++;
    store_release(slot + RING_SEQ, seq);
}

static inline void write_record(struct oc_shim *s, struct burst *b, const uint8_t *record,
                                int64_t ts_ns, int64_t sent_ns) {
    if (b->ring) {
        write_slot(s, b, record, ts_ns, sent_ns);
        return;
    }
    memcpy(s->out, record, RECORD_BYTES);
    s->out += RECORD_BYTES;
    b->next_seq++;
}

/* The sender of a packet of orders, and the packet's place in his sequence; NULL and counted when
 * it is not to be handed on. */
static inline struct oc_sender *admit(struct oc_shim *s, const struct oc_frame *frame,
                                      struct oc_packet *p, int port_index, int64_t *tally) {
    if (s->arbitrate) {
        /* The lines of a feed differ in addresses and ports only. */
        p->key[0] = (p->key[0] & 0xffffffff) | UINT64_C(1) << 48;
        p->key[1] = p->key[2] = 0;
    }
    struct oc_sender *sender = s->last_sender;
    if (!sender || !is_sender(sender, p->key))
        sender = find_slot(s->state, p->key);
    if (!sender) {
        tally[OC_COUNT_SENDER_REFUSED_PACKETS]++;
        return NULL;
    }
    /* A feed of MoldUDP64 may be joined in mid-session. */
    int64_t next = next_of(sender, p->key);
    if (jumps_too_far(next, p->first_seq) && !(s->framing && next == 1)) {
        tally[p->count ? OC_COUNT_JUMP_PACKETS : OC_COUNT_HEARTBEAT_PACKETS]++;
        return NULL;
    }
    /* A packet that is refused up to here has changed nothing.  The session's epoch comes first: of a
     * shim that is killed in between, the next takes no packet of the epoch before. */
    if (p->session) accept_epoch(p);
    take_slot(s->state, sender, p->key, tally);
    s->last_sender = sender;
    if (p->count == 0) {
        tally[OC_COUNT_HEARTBEAT_PACKETS]++;
        if (p->first_seq > sender->next) note_gap(sender, p->first_seq, tally);
        return NULL;
    }
    int why = sequence(sender, p->first_seq, p->count, tally);
    if (why) {
        tally[why]++;
        return NULL;
    }
    /* Not for doubles: of two lines of a feed the slower one would change it with every packet.  A
     * session may send from anywhere, and from elsewhere with each packet. */
    uint64_t hardware = p->ip ? link_of(frame, p) : 1;
    if (sender->hardware != hardware || p->session) {
        sender->hardware = hardware;
        make_way(&sender->way, frame, p, port_index);
    }
    return sender;
}

/* The payload: of a session where there are any, and then a packet; 0 or why it is refused. */
static inline int parse_sender(const struct oc_shim *s, struct oc_packet *p) {
    p->session = 0;
    if (s->sessions) {
        int packet_bytes = open_packet(s->sessions, p->payload, p->payload_bytes, p);
        if (packet_bytes < 0) return OC_REJECT_UNAUTHENTICATED;
        p->payload_bytes = (uint32_t)packet_bytes;
    }
    int reason = parse_payload(p->payload, p->payload_bytes, s->kind, s->framing, p);
    if (reason) return reason;
    if (p->session) {
        /* Whose numbers these are: wherever he sends from, his epoch's. */
        p->key[0] = p->session | SESSION_KEY;
        p->key[1] = (uint64_t)p->epoch;
        p->key[2] = 0;
    } else {
        finish_key(p);
    }
    return 0;
}

/* The whole parse; 0 when there is nothing to hand on, which is then counted. */
static __attribute__((noinline)) int take_apart(struct oc_shim *s, const struct oc_frame *frame,
                                                int port_index, int64_t *tally,
                                                struct oc_packet *p) {
    int reason = 0;
    if (frame->flags & FRAME_CUT) {
        reason = OC_REJECT_CUT;
    } else if (frame->flags & FRAME_IN_PARTS) {
        reason = OC_REJECT_FRAGMENT;
    } else if (frame->flags & FRAME_PAYLOAD) {
        p->payload = frame->data;
        p->payload_bytes = frame->size_bytes;
        parse_name(frame->name, p);
    } else {
        reason = parse_headers(frame->data, frame->size_bytes, (uint32_t)s->udp_port,
                               frame->flags & FRAME_SUM_GOOD, p);
    }
    if (!reason) reason = parse_sender(s, p);
    if (reason) {
        tally[OC_COUNT_REJECTED + reason]++;
        return 0;
    }
    p->peer = 0;
    p->origin = 0;
    if (s->kind != OUTCRY_PACKET_KIND_ORDERS) return 1;
    struct oc_sender *sender = admit(s, frame, p, port_index, tally);
    if (!sender) return 0;
    p->origin = sender - s->state->senders + 1;
    p->peer = (uint64_t)sender->generation << 16 | (uint64_t)(sender - s->state->senders);
    keep_pattern(&s->ports[port_index]->like, frame, p, sender);
    return 1;
}

/* When a packet was sent by CLOCK_MONOTONIC, or the time of the burst where it does not say so. */
static inline int64_t sent_on_this_clock(const struct oc_shim *s, int64_t sent_ts_ns,
                                         int64_t now_ns) {
    int64_t sent = (int64_t)((uint64_t)sent_ts_ns - (uint64_t)s->epoch_offset_ns);
    int ours = sent_ts_ns && sent <= now_ns && sent >= now_ns - OLDEST_SEND_NS;
    return ours ? sent : now_ns;
}

/* The return path to an order's participant is its sender's. */
static inline void set_peer(uint64_t *peers, const uint8_t *record, uint64_t peer) {
    uint16_t who = get16(record + offsetof(struct outcry_order, participant));
    __atomic_store_n(&peers[who], peer, __ATOMIC_RELAXED);
}

/* Who stamped a frame; `host` where nobody did. */
static inline int stamped_by(uint32_t flags, int host) {
    return flags & FRAME_HARDWARE_TS  ? OC_COUNT_HARDWARE_TIMES
           : flags & FRAME_CAPTURE_TS ? OC_COUNT_CAPTURE_TIMES
           : flags & FRAME_KERNEL_TS  ? OC_COUNT_KERNEL_TIMES
                                      : host;
}

/* Note the event that says why an order is refused here, if there is room: it has no sequence number,
 * for the order never becomes a command. */
static void note_refusal(struct oc_shim *s, const struct outcry_order *order, int reason,
                         int64_t *tally) {
    static_assert(sizeof s->refused == OC_REFUSALS_MAX * RECORD_BYTES, "refused");
    if (s->refused_count == OC_REFUSALS_MAX) {
        tally[OC_COUNT_REFUSAL_UNTOLD_EVENTS]++;
        return;
    }
    struct outcry_event event = {
        .order_id = order->order_id,
        .contra_id = reason == OUTCRY_REASON_GATEWAY ? 1 << OUTCRY_ERROR_BIT_RATE : 0,
        .price_ticks = order->price_ticks, .qty_lots = order->qty_lots,
        .participant = order->participant, .instrument = 65535,
        .kind = OUTCRY_EVENT_KIND_REJECTED, .reason = (uint8_t)reason, .side = order->side};
    memcpy(s->refused + s->refused_count++ * RECORD_BYTES, &event, sizeof event);
}

/* Take a token of a bucket (wire/token_bucket.py); 0, and unchanged, if there is none. */
static int take_token(int64_t *due, int64_t now_ns, int64_t interval_ns, int64_t burst_ns) {
    if (*due > now_ns + burst_ns) return 0;
    *due = (*due > now_ns ? *due : now_ns) + interval_ns;
    return 1;
}

/* Whether an order is within its participant's rate; if not, it is refused. */
static int within_rate(struct oc_shim *s, const uint8_t *record, int64_t now_ns, int64_t *tally) {
    struct outcry_order order;
    memcpy(&order, record, sizeof order);
    if (take_token(&s->state->buckets[order.participant], now_ns, s->token_interval_ns,
                   s->token_burst_ns))
        return 1;
    tally[OC_COUNT_RATE_REFUSED_RECORDS]++;
    note_refusal(s, &order, OUTCRY_REASON_GATEWAY, tally);
    return 0;
}

/* Whether a packet may name this order id; if not, the order is refused. */
static int may_name(struct oc_shim *s, const uint8_t *record, int64_t *tally) {
    if (!has_reserved_id(record)) return 1;
    struct outcry_order order;
    memcpy(&order, record, sizeof order);
    tally[OC_COUNT_RESERVED_ID_RECORDS]++;
    note_refusal(s, &order, OUTCRY_REASON_NOT_OWNER, tally);
    return 0;
}

/* A frame through the whole parse: into the ring, or counted why not. */
static __attribute__((noinline)) void take_frame(struct oc_shim *s, const struct oc_frame *frame,
                                                 struct burst *b) {
    struct oc_packet p;
    struct outcry_order own;
    if (b->left <= 0) {
        b->tally[OC_COUNT_OVER_LIMIT_PACKETS]++;
        return;
    }
    if (!take_apart(s, frame, b->port_index, b->tally, &p)) return;
    if ((int64_t)p.count > b->left) {
        b->tally[OC_COUNT_OVER_LIMIT_RECORDS] += p.count - b->left;
        p.count = (uint32_t)b->left;
    }
    int64_t ts_ns = frame->ts_ns ? frame->ts_ns : b->host_ts_ns;
    int64_t sent_ns = sent_on_this_clock(s, p.sent_ts_ns, b->now_ns);
    int64_t before = b->next_seq;
    b->origin = p.origin;
    b->origin_seq = p.first_seq;
    b->epoch = p.session ? p.epoch : 0;
    for (uint32_t index = 0; index < p.count; index++) {
        const uint8_t *record = p.records + index * p.stride;
        if (p.session) {
            /* Whomever the record names, it is the session's. */
            memcpy(&own, record, sizeof own);
            own.participant = (uint16_t)p.session;
            record = (const uint8_t *)&own;
        }
        if (p.peer) {
            if (is_operators(record)) {
                b->tally[OC_COUNT_OPERATOR_RECORDS]++;
                b->origin_seq++;
                continue;
            }
            set_peer(s->state->peers, record, p.peer);
            if ((s->token_interval_ns && !within_rate(s, record, b->now_ns, b->tally))
                || !may_name(s, record, b->tally)) {
                b->origin_seq++;
                continue;
            }
        }
        write_record(s, b, record, ts_ns, sent_ns);
    }
    b->left -= b->next_seq - before;
    b->tally[OC_COUNT_PUBLISHED]++;
}

/* How many frames have the predicted headers, each next in sequence after the one before. */
static inline __attribute__((always_inline)) int take_run(
    struct oc_shim *s, const struct oc_frame *frames, int count, struct burst *shared,
    const struct oc_pattern *like) {
    struct burst b = *shared;
    struct oc_sender *sender = like->sender;
    uint64_t *peers = s->state->peers;
    int64_t next = sender->next;
    b.origin = sender - s->state->senders + 1;
    b.origin_seq = next;
    const struct oc_frame *frame = frames, *end = frames + count;
    for (; frame < end && is_predicted(frame, like, next); frame++) {
        /* Before the slots: what a killed shim has published must not be taken again. */
        sender->next = next += like->count;
        int64_t ts_ns = frame->ts_ns ? frame->ts_ns : b.host_ts_ns, sent_ns = 0;
        const uint8_t *record = frame->data + PREDICTED_RECORDS_AT;
        if (b.stamps)
            sent_ns = sent_on_this_clock(
                s, (int64_t)get64(frame->data + PREDICTED_IN_PACKET(sent_ts_ns)), b.now_ns);
        set_peer(peers, record, like->peer);
        write_slot(s, &b, record, ts_ns, sent_ns);
        for (uint32_t left = like->count; __builtin_expect(--left, 0);) {
            record += RECORD_BYTES;
            set_peer(peers, record, like->peer);
            write_slot(s, &b, record, ts_ns, sent_ns);
        }
    }
    int run = (int)(frame - frames);
    shared->next_seq = b.next_seq;
    shared->left -= (int64_t)run * like->count;
    shared->tally[OC_COUNT_PUBLISHED] += run;
    shared->tally[OC_COUNT_BYTES] += (int64_t)run * like->size_bytes;
    shared->tally[stamped_by(like->flags, shared->host)] += run;
    return run;
}

/* Loops without verdicts, and without stamps, are of their own: those take the registers. */
static int run_plain(struct oc_shim *s, const struct oc_frame *frames, int count, struct burst *b,
                     const struct oc_pattern *like) {
    b->rules = NULL;
    b->stamps = NULL;
    return take_run(s, frames, count, b, like);
}
static int run_stamped(struct oc_shim *s, const struct oc_frame *frames, int count, struct burst *b,
                       const struct oc_pattern *like) {
    b->rules = NULL;
    return take_run(s, frames, count, b, like);
}
static int run_checked(struct oc_shim *s, const struct oc_frame *frames, int count, struct burst *b,
                       const struct oc_pattern *like) {
    return take_run(s, frames, count, b, like);
}

/* All frames of a burst: runs with predicted headers, between them one through the whole parse. */
static void take_burst(struct oc_shim *s, const struct oc_frame *frames, int count,
                       struct burst *b) {
    const struct oc_pattern *like = &s->ports[b->port_index]->like;
    int may_run = s->ring && s->kind == OUTCRY_PACKET_KIND_ORDERS && !s->framing
                  && !s->token_interval_ns && !s->sessions;
    for (int at = 0; at < count; at++) {
        int most = may_run ? longest_run(like, count - at, b->left) : 0;
        if (most)
            at += (b->rules ? run_checked : b->stamps ? run_stamped : run_plain)(
                s, frames + at, most, b, like);
        if (at == count) break;
        b->tally[OC_COUNT_BYTES] += frames[at].size_bytes;
        b->tally[stamped_by(frames[at].flags, b->host)]++;
        take_frame(s, &frames[at], b);
    }
    b->tally[OC_COUNT_PACKETS] = count;
}

/* The host's time of a burst: the middle of what the clock page says, or the host's own clock where
 * it says nothing.  Returns the counter of which it was. */
static int host_time(const struct oc_shim *s, int64_t now_ns, int64_t *ts_ns) {
    struct outcry_clock_interval i;
    *ts_ns = now_ns + s->epoch_offset_ns;
    if (!s->clock || outcry_clock_now(s->clock, &i) != OUTCRY_CLOCK_OK) return OC_COUNT_HOST_TIMES;
    *ts_ns = i.earliest_utc_ns + (i.latest_utc_ns - i.earliest_utc_ns) / 2;
    return OC_COUNT_CLOCK_PAGE_TIMES;
}

/* One burst from one port; returns how many records it gave. */
static int64_t poll_port(struct oc_shim *s, int index, int64_t most) {
    struct oc_port *port = s->ports[index];
    int64_t tally[OC_COUNTERS] = {0}, *counters = s->state->counters[index];
    struct oc_frame frames[OC_BURST];
    int64_t first_seq = s->next_seq, packets = OC_BURST;
    /* So that only the last packet of all can be more than is wanted. */
    if (most < packets * OUTCRY_MAX_PACKET_RECORDS) packets = most / OUTCRY_MAX_PACKET_RECORDS;
    if (packets == 0) packets = 1;
    if (s->ring) {
        /* A packet is taken whole or left in the device. */
        int64_t room = ring_room(s, OC_BURST * OUTCRY_MAX_PACKET_RECORDS);
        if (room < packets * OUTCRY_MAX_PACKET_RECORDS) packets = room / OUTCRY_MAX_PACKET_RECORDS;
        if (packets <= 0) {
            counters[OC_COUNT_NO_ROOM_POLLS]++;
            return 0;
        }
    }
    int count = port->receive(port, frames, (int)packets);
    if (count <= 0) {
        counters[OC_COUNT_EMPTY_POLLS]++;
        return 0;
    }
    int64_t now_ns = monotonic_ns();
    struct burst b = {.ring = s->ring, .mask = s->mask, .next_seq = first_seq, .now_ns = now_ns,
                      .left = most, .rules = s->rules, .stamps = s->stamps_intended,
                      .origins = s->origin_senders,
                      .tally = tally, .port_index = index};
    b.host = host_time(s, now_ns, &b.host_ts_ns);
    take_burst(s, frames, count, &b);
    port->done(port);
    s->next_seq = b.next_seq;
    if (s->refused_count) send_refusals(s);
    tally[OC_COUNT_RECORDS] = b.next_seq - first_seq;
    if (s->ring && s->next_seq > first_seq) {
        store_release(s->ring + RING_PUBLISHED, s->next_seq - 1);
        wake_waiters(s->ring);
    }
    add_gap(&counters[OC_COUNT_GAP_RECORDS], tally[OC_COUNT_GAP_RECORDS]);
    tally[OC_COUNT_GAP_RECORDS] = 0;
    for (int which = 0; which < OC_COUNTERS; which++) counters[which] += tally[which];
    return s->next_seq - first_seq;
}

/* One burst from each port; returns how many records were published, OC_ENDED when all ports are
 * captures read to their end, OC_FAILED when a device is gone (`failed` says which). */
int64_t oc_poll(struct oc_shim *s, int64_t most) {
    int64_t total = 0;
    int ended = 0;
    for (int at = 0; at < s->port_count && total < most; at++) {
        int index = s->next_port;
        s->next_port = index + 1 < s->port_count ? index + 1 : 0;
        total += poll_port(s, index, most - total);
        if (s->ports[index]->failed) {
            s->failed = index + 1;
            return total ? total : OC_FAILED;
        }
        ended += s->ports[index]->ended;
    }
    return total == 0 && ended == s->port_count ? OC_ENDED : total;
}

/* oc_poll until at least `most` records have come (whole bursts), the time is up, the ports have ended or failed, or `stop`
 * is set; returns how many came.  Pauses, then yields, when there is nothing. */
int64_t oc_run(struct oc_shim *s, int64_t most, int64_t timeout_ns) {
    int64_t total = 0, until = monotonic_ns() + timeout_ns;
    int idle = 0;
    while (!s->stop && total < most) {
        int64_t count = oc_poll(s, INT64_MAX);
        if (count < 0) break;
        total += count;
        if (count) {
            idle = 0;
            continue;
        }
        if (++idle < IDLE_SPINS)
            __builtin_ia32_pause();
        else
            sched_yield();
        if ((idle & 63) == 0 && monotonic_ns() >= until) break;
    }
    return total;
}

/* For who makes a way by himself: headers with lengths and checksums 0. */
void oc_sum_way(struct oc_way *way) { sum_way(way); }

/* For tests and for those who look at one frame: 0 or the reason why it is refused. */
int32_t oc_classify(const char *frame, int64_t size_bytes, int32_t kind, int32_t framing,
                    int64_t udp_port, int32_t sum_good) {
    struct oc_packet p;
    return parse_frame((const uint8_t *)frame, (uint32_t)size_bytes, kind, framing,
                       (uint32_t)udp_port, sum_good, &p);
}

void oc_close(struct oc_port *port) {
    if (port->close) port->close(port);
    free(port);
}
int32_t oc_failure(struct oc_port *port) { return port->failed; }
int32_t oc_down(struct oc_port *port) { return port->down; }

/* Whoever has the port goes on with it: what kept packets away is to be seen again. */
void oc_revive(struct oc_port *port) { port->failed = port->down = 0; }
int64_t oc_packets_left(struct oc_port *port) { return port->packets_left; }
int32_t oc_hardware_address(struct oc_port *port, char *address) {
    memcpy(address, port->hardware_address, 6);
    return 0;
}
void oc_device_counters(struct oc_port *port, int64_t *counts) {
    memset(counts, 0, 8 * sizeof *counts);
    if (port->counters) port->counters(port, counts);
}

/* For tests: a bucket's next token; a packet that came from the socket address at `name`, as the receiver opens it; one as it
 * is sealed for a session (0: there is none); and the hash of both. */
int32_t oc_take_token(int64_t *due, int64_t now_ns, int64_t interval_ns, int64_t burst_ns) {
    return take_token(due, now_ns, interval_ns, burst_ns);
}
int64_t oc_unseal(char *sessions, const char *data, int64_t size_bytes, const char *name) {
    struct oc_packet p;
    parse_name((const uint8_t *)name, &p);
    int64_t packet_bytes = open_packet(sessions, (const uint8_t *)data, (uint32_t)size_bytes, &p);
    if (packet_bytes > 0) accept_epoch(&p);
    return packet_bytes;
}
int64_t oc_seal(char *sessions, char *data, int64_t packet_bytes, int64_t number) {
    const struct oc_session *session = find_session(sessions, (uint32_t)number);
    return session ? seal_packet(session, (uint8_t *)data, (uint32_t)packet_bytes) : 0;
}
void oc_keyed_hash(const char *key, const char *data, int64_t size_bytes, char *hash) {
    keyed_hash((const uint8_t *)key, (const uint8_t *)data, (uint32_t)size_bytes, (uint32_t *)hash);
}

/* For `outcry bench shim` */

/* Forget all senders: a capture that is read again and again would be its own double. */
static void forget_senders(struct oc_shim *s) {
    for (int at = 0; at < OC_SENDERS; at++) {
        s->state->senders[at].key[0] = 0;
        s->state->senders[at].generation++;
    }
    s->state->sender_count = 0;
    s->last_sender = NULL;
}

/* `rounds` times, hand `per_round` copies of a packet of orders to `from`, numbered on, then take
 * them in by oc_poll; without `from` the port brings them by itself.  Only polls that brought
 * something are timed: what a device keeps back for a while is not our time.  The ring has one
 * consumer, which is us.  With `bare` bursts are only received and given back, unread: what device and
 * loop cost by themselves.  Returns how many packets came. */
int64_t oc_loop(struct oc_shim *s, struct oc_port *from, const struct oc_way *way, char *payload,
                int32_t size_bytes, int64_t per_round, int64_t rounds, int32_t bare,
                int64_t *took_ns) {
    struct outcry_packet_header *h = (struct outcry_packet_header *)payload;
    int64_t came = 0;
    *took_ns = 0;
    for (int64_t round = 0; round < rounds; round++) {
        if (from)
            oc_blast(from, way, payload, size_bytes, per_round);
        else
            forget_senders(s);
        int64_t before = monotonic_ns(), until = before + INT64_C(5000000000);
        int64_t end = (round + 1) * per_round * h->count;
        while (came < end && before < until) {
            int64_t count = bare ? s->ports[0]->skip(s->ports[0]) * h->count : oc_poll(s, INT64_MAX);
            int64_t now = monotonic_ns();
            if (count < 0) return count;
            if (count) *took_ns += now - before;
            came += count;
            before = now;
        }
        store_release(s->ring + RING_CONSUMERS, s->next_seq - 1);
    }
    return came / h->count;
}

/* Send `count` copies of a packet, numbered on, as fast as the device takes them. */
void oc_blast(struct oc_port *port, const struct oc_way *way, char *payload, int32_t size_bytes,
              int64_t count) {
    struct outcry_packet_header *h = (struct outcry_packet_header *)payload;
    for (int64_t n = 0; n < count; n++) {
        transmit(port, way, NULL, 0, payload, (uint32_t)size_bytes);
        h->first_seq += h->count;
    }
    oc_flush(port);
}

/* Take packets and give their slots back at once, until `packets` have come from the first port or
 * nothing has for a tenth of a second; returns the ns from the first to the last. */
int64_t oc_sink(struct oc_shim *s, int64_t packets) {
    const int64_t *came = &s->state->counters[0][OC_COUNT_PACKETS];
    int64_t first = 0, last = 0;
    while (!s->stop && *came < packets) {
        int64_t count = oc_poll(s, INT64_MAX);
        if (count < 0) break;
        if (count == 0 && (!first || (++s->ports[0]->idle & 255))) continue;
        int64_t now = monotonic_ns();
        if (count == 0 && now - last > INT64_C(100000000)) break;
        if (count == 0) continue;
        if (!first) first = now;
        last = now;
        store_release(s->ring + RING_CONSUMERS, s->next_seq - 1);
    }
    return last - first;
}
