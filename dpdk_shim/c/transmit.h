/* Packets out: one to a given address, and the events of a burst to their participants. */
#ifndef OUTCRY_SHIM_TRANSMIT_H
#define OUTCRY_SHIM_TRANSMIT_H
#include "authentication.h"
#include "senders.h"

static inline void finish_headers(uint8_t *frame, const struct oc_way *way, uint32_t size_bytes,
                                  uint64_t payload_sum) {
    uint8_t *ip = frame + way->ip_at, *udp = frame + way->header_bytes - 8;
    uint32_t udp_bytes = size_bytes + 8;
    uint16_t length = __builtin_bswap16((uint16_t)udp_bytes);
    put16(udp + 4, length);
    if (ip[0] >> 4 == 6) {
        put16(ip + 4, length);
    } else {
        uint16_t total = __builtin_bswap16((uint16_t)(udp_bytes + 20));
        put16(ip + 2, total);
        put16(ip + 10, (uint16_t)~fold((uint64_t)way->ip_sum + total));
    }
    if (way->unsummed) return;
    uint16_t sum = (uint16_t)~fold((uint64_t)way->pseudo_sum + 2 * (uint64_t)length + payload_sum);
    put16(udp + 6, sum ? sum : 0xffff);
}

/* One datagram to where `way` leads; 0, or -1 when the device had no room (counted). */
static int transmit(struct oc_port *port, const struct oc_way *way, const char *header,
                    uint32_t header_bytes, const char *payload, uint32_t payload_bytes) {
    uint32_t size_bytes = header_bytes + payload_bytes;
    if (!port->tx_buffer) return -1;
    uint8_t *frame = port->tx_buffer(port);
    if (!frame) {
        port->tally[OC_COUNT_TX_NO_ROOM]++;
        return -1;
    }
    uint32_t at = way->ip_at ? way->header_bytes : 0;
    /* All of it, as a size that is known needs no call: the payload overwrites the rest. */
    if (at) memcpy(frame, way->header, sizeof way->header);
    memcpy(frame + at, header, header_bytes);
    memcpy(frame + at + header_bytes, payload, payload_bytes);
    if (way->ip_at)
        finish_headers(frame, way, size_bytes,
                       way->unsummed ? 0 : sum_bytes(frame + at, size_bytes));
    port->tx_commit(port, way, at + size_bytes);
    return 0;
}

int64_t oc_flush(struct oc_port *port) { return port->tx_flush ? port->tx_flush(port) : 0; }

int64_t oc_transmit(struct oc_port *port, const struct oc_way *way, const char *payload,
                    int32_t size_bytes) {
    if (size_bytes < 0 || size_bytes > OC_BUFFER_BYTES - OC_HEADER_MAX) return -1;
    return transmit(port, way, NULL, 0, payload, (uint32_t)size_bytes);
}

/* A packet of events is written where it leaves from; 0 when the device has no room. */
static int send_events(struct oc_shim *s, const struct outcry_event *events, uint32_t which) {
    const struct oc_outbound *o = s->outbound;
    const struct oc_way *way = &o->packets[which].sender->way;
    struct oc_port *port = s->ports[way->port];
    uint32_t count = o->packets[which].count, index = o->packets[which].first;
    uint8_t *frame = port->tx_buffer(port);
    if (!frame) {
        port->tally[OC_COUNT_TX_NO_ROOM]++;
        return 0;
    }
    uint32_t at = way->ip_at ? way->header_bytes : 0;
    if (at) memcpy(frame, way->header, sizeof way->header);
    struct outcry_packet_header h = {
        .magic = OUTCRY_PACKET_MAGIC, .layout_tag = LAYOUT_TAG, .first_seq = events[index].seq,
        .sent_ts_ns = monotonic_ns() + s->epoch_offset_ns, .count = (uint16_t)count,
        .kind = OUTCRY_PACKET_KIND_EVENTS};
    uint8_t *payload = frame + at;
    uint16_t participant = events[index].participant;
    memcpy(payload, &h, sizeof h);
    for (uint32_t n = 0; n < count; n++, index = o->next[index])
        memcpy(payload + sizeof h + n * RECORD_BYTES, &events[index], RECORD_BYTES);
    uint32_t size_bytes = PACKET_HEADER_BYTES + count * RECORD_BYTES;
    /* Who was heard has a session. */
    if (s->sessions)
        size_bytes = seal_packet(find_session(s->sessions, participant), payload, size_bytes);
    if (way->ip_at)
        finish_headers(frame, way, size_bytes, way->unsummed ? 0 : sum_bytes(payload, size_bytes));
    port->committing = count;
    port->tx_commit(port, way, at + size_bytes);
    port->committing = 0;
    return 1;
}

/* The sender whose way leads to a participant; NULL: he was never heard, or cannot be answered. */
static struct oc_sender *reachable(struct oc_shim *s, uint16_t participant) {
    uint64_t peer = __atomic_load_n(&s->state->peers[participant], __ATOMIC_RELAXED);
    struct oc_sender *sender = &s->state->senders[peer & (OC_SENDERS - 1)];
    if (!peer || sender->generation != (uint32_t)(peer >> 16) || !sender->way.usable
        || sender->way.port >= s->port_count || !s->ports[sender->way.port]->tx_buffer)
        return NULL;
    return sender;
}

/* The packets that up to OC_REPLY_EVENTS events make: those for one participant share packets of up
 * to 22, in order, also with others' between them.  Returns how many; the first is packet 0. */
static uint32_t collect(struct oc_shim *s, const struct outcry_event *events, uint32_t count) {
    struct oc_outbound *o = s->outbound;
    int64_t first = o->begun + 1;
    uint32_t made = 0;
    for (uint32_t index = 0; index < count; index++) {
        uint16_t participant = events[index].participant;
        int64_t which = o->last_of[participant] - first;
        if (which >= 0 && o->packets[which].count < OUTCRY_MAX_PACKET_RECORDS) {
            o->next[o->packets[which].last] = index;
            o->packets[which].last = index;
            o->packets[which].count++;
            continue;
        }
        struct oc_sender *sender = reachable(s, participant);
        if (!sender) {
            s->state->counters[0][OC_COUNT_NO_PEER_EVENTS]++;
            continue;
        }
        o->packets[made].first = o->packets[made].last = index;
        o->packets[made].count = 1;
        o->packets[made].sender = sender;
        o->last_of[participant] = first + made++;
    }
    o->begun += made;
    return made;
}

/* Send contiguous events to whom they are addressed, in the way their orders came, without waiting;
 * what became of them is in each port's `sent`. */
static void put_events(struct oc_shim *s, const struct outcry_event *events, int64_t count) {
    for (int index = 0; index < s->port_count; index++)
        s->ports[index]->sent = (struct oc_sent){0, 0, 0, 0};
    for (int64_t at = 0; at < count; at += OC_REPLY_EVENTS) {
        int64_t part = count - at < OC_REPLY_EVENTS ? count - at : OC_REPLY_EVENTS;
        uint32_t packets = collect(s, events + at, (uint32_t)part);
        for (uint32_t which = 0; which < packets; which++) {
            struct oc_sent *sent = &s->ports[s->outbound->packets[which].sender->way.port]->sent;
            uint32_t held = s->outbound->packets[which].count;
            sent->packets++;
            sent->events += held;
            if (send_events(s, events + at, which)) continue;
            sent->failed_packets++;
            sent->failed_events += held;
        }
    }
    for (int index = 0; index < s->port_count; index++) {
        struct oc_port *port = s->ports[index];
        oc_flush(port);
        port->sent.packets -= port->sent.failed_packets;
        port->sent.events -= port->sent.failed_events;
    }
}

/* Events of commands; returns how many packets were handed to a device. */
int64_t oc_reply(struct oc_shim *s, const char *data, int64_t count) {
    int64_t packets = 0;
    put_events(s, (const struct outcry_event *)data, count);
    for (int index = 0; index < s->port_count; index++) {
        const struct oc_sent *sent = &s->ports[index]->sent;
        int64_t *tally = s->ports[index]->tally;
        packets += sent->packets;
        tally[OC_COUNT_REPLY_PACKETS] += sent->packets;
        tally[OC_COUNT_REPLY_EVENTS] += sent->events;
        tally[OC_COUNT_SEND_FAILED_PACKETS] += sent->failed_packets;
        tally[OC_COUNT_SEND_FAILED_EVENTS] += sent->failed_events;
    }
    return packets;
}

/* The refusals of a burst.  Not inlined: the loop has better uses for the registers. */
static __attribute__((noinline)) void send_refusals(struct oc_shim *s) {
    put_events(s, (const struct outcry_event *)s->refused, s->refused_count);
    s->refused_count = 0;
    for (int index = 0; index < s->port_count; index++) {
        const struct oc_sent *sent = &s->ports[index]->sent;
        int64_t *tally = s->ports[index]->tally;
        tally[OC_COUNT_REFUSAL_PACKETS] += sent->packets;
        tally[OC_COUNT_REFUSAL_UNTOLD_EVENTS] += sent->failed_events;
    }
}
#endif
