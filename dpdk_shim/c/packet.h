/* Frames taken apart: Ethernet with up to two VLAN tags, IPv4 without options or IPv6 without
 * extension headers, UDP, and a packet of ours or of MoldUDP64.
 *
 * The checks and their order are those of the hardware parser (gateway_fpga/rtl), which knows one
 * VLAN tag and IPv4 only; from the UDP payload on those of dpdk_shim/packets.py. */
#ifndef OUTCRY_SHIM_PACKET_H
#define OUTCRY_SHIM_PACKET_H
#include <string.h>

#include "shim.h"

#define PACKET_HEADER_BYTES ((uint32_t)sizeof(struct outcry_packet_header))
#define RECORD_BYTES 64u
#define MOLD_HEADER_BYTES 20u
#define MOLD_MESSAGE_BYTES 66u
#define MOLD_END_OF_SESSION 0xffff
#define LAYOUT_TAG ((uint32_t)OUTCRY_LAYOUT_HASH)

/* In the key of a session, which has neither family nor port: an epoch in place of the address. */
#define SESSION_KEY (UINT64_C(1) << 32)

struct oc_session;

/* What a good packet says. */
struct oc_packet {
    const uint8_t *records;
    uint32_t stride;
    uint32_t count;     /* 0: a heartbeat of MoldUDP64 */
    int64_t first_seq;
    int64_t sent_ts_ns;
    uint64_t key[4];
    int64_t origin;     /* 1 + index of its sender, 0 likewise */
    uint64_t peer;      /* of its sender, as in oc_state.peers; 0 for a packet that is not of orders */
    const uint8_t *ip;  /* NULL for a payload */
    uint32_t ip6;
    uint32_t session;   /* whose authenticated packet it is; 0: of no session */
    struct oc_session *row; /* of that session */
    int64_t epoch;
    const uint8_t *payload;
    uint32_t payload_bytes;
    uint16_t udp_port;  /* of its sender, in network order */
};

static inline uint16_t get16(const uint8_t *at) { uint16_t v; memcpy(&v, at, 2); return v; }
static inline uint32_t get32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return v; }
static inline uint64_t get64(const uint8_t *at) { uint64_t v; memcpy(&v, at, 8); return v; }
static inline void put16(uint8_t *at, uint16_t v) { memcpy(at, &v, 2); }
static inline uint32_t big16(const uint8_t *at) { return __builtin_bswap16(get16(at)); }

typedef uint64_t wide __attribute__((vector_size(32), aligned(8)));

/* The sum of the Internet checksum (RFC 1071) over bytes as they stand in memory, in halves of words
 * so that nothing is carried.  Vectors by hand: those that compilers make have beginnings and ends
 * that cost more than the hundred bytes between. */
static inline uint64_t sum_words(const uint8_t *at, uint32_t words) {
    wide sum = {0, 0, 0, 0};
    for (; words >= 4; words -= 4, at += 32) {
        wide w;
        memcpy(&w, at, sizeof w);
        sum += (w & 0xffffffff) + (w >> 32);
    }
    uint64_t total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (; words; words--, at += 8) {
        uint64_t w = get64(at);
        total += (w & 0xffffffff) + (w >> 32);
    }
    return total;
}

static inline uint64_t sum_bytes(const uint8_t *at, uint32_t size_bytes) {
    uint64_t sum = sum_words(at, size_bytes >> 3);
    at += size_bytes & ~7u;
    if (size_bytes & 4) {
        sum += get32(at);
        at += 4;
    }
    if (size_bytes & 2) {
        sum += get16(at);
        at += 2;
    }
    if (size_bytes & 1) sum += *at; /* as if a zero byte followed */
    return sum;
}

static inline uint16_t fold(uint64_t sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* A sum over everything with its checksum in it, which is never 0. */
static inline int is_right(uint64_t sum) { return sum % 0xffff == 0; }

static inline int parse_ours(const uint8_t *data, uint32_t size_bytes, int kind,
                             struct oc_packet *p) {
    if (size_bytes < PACKET_HEADER_BYTES) return OC_REJECT_SHORT;
    struct outcry_packet_header h;
    memcpy(&h, data, sizeof h);
    const uint64_t ours = OUTCRY_PACKET_MAGIC | (uint64_t)LAYOUT_TAG << 32;
    if (__builtin_expect(get64(data) != ours, 0))
        return h.magic != OUTCRY_PACKET_MAGIC ? OC_REJECT_MAGIC : OC_REJECT_LAYOUT;
    if (h.kind != kind) return OC_REJECT_KIND;
    if (h.count < 1 || h.count > OUTCRY_MAX_PACKET_RECORDS) return OC_REJECT_COUNT;
    if (size_bytes != PACKET_HEADER_BYTES + h.count * RECORD_BYTES) return OC_REJECT_SIZE;
    /* Refusals have no number: their packets begin with 0. */
    if (h.first_seq < (kind == OUTCRY_PACKET_KIND_ORDERS) || h.first_seq > OC_MAX_FIRST_SEQ)
        return OC_REJECT_SEQUENCE;
    p->records = data + PACKET_HEADER_BYTES;
    p->stride = RECORD_BYTES;
    p->count = h.count;
    p->first_seq = h.first_seq;
    p->sent_ts_ns = h.sent_ts_ns;
    p->key[0] = h.sender;
    p->key[3] = 0;
    return 0;
}

/* MoldUDP64 1.00 (Nasdaq): session (10 bytes), sequence number, message count, then messages, each
 * behind its length; numbers are big-endian.  A message is one record. */
static inline int parse_mold(const uint8_t *data, uint32_t size_bytes, struct oc_packet *p) {
    if (size_bytes < MOLD_HEADER_BYTES) return OC_REJECT_SHORT;
    uint64_t first = __builtin_bswap64(get64(data + 10));
    uint32_t count = big16(data + 18);
    if (count == MOLD_END_OF_SESSION) count = 0;
    if (count > OUTCRY_MAX_PACKET_RECORDS) return OC_REJECT_COUNT;
    if (size_bytes != MOLD_HEADER_BYTES + count * MOLD_MESSAGE_BYTES) return OC_REJECT_SIZE;
    for (uint32_t index = 0; index < count; index++)
        if (big16(data + MOLD_HEADER_BYTES + index * MOLD_MESSAGE_BYTES) != RECORD_BYTES)
            return OC_REJECT_SIZE;
    if (first < 1 || first > (uint64_t)OC_MAX_FIRST_SEQ) return OC_REJECT_SEQUENCE;
    p->records = data + MOLD_HEADER_BYTES + 2;
    p->stride = MOLD_MESSAGE_BYTES;
    p->count = count;
    p->first_seq = (int64_t)first;
    p->sent_ts_ns = 0;
    p->key[0] = get16(data + 8);
    p->key[3] = get64(data);
    return 0;
}

static inline int parse_payload(const uint8_t *data, uint32_t size_bytes, int kind, int framing,
                                struct oc_packet *p) {
    return framing ? parse_mold(data, size_bytes, p) : parse_ours(data, size_bytes, kind, p);
}

/* Untagged Ethernet type IPv4 without options, no fragment, UDP: two words under masks, which is most
 * of what comes.  `data` holds 42 bytes at least. */
static inline int is_usual(const uint8_t *data) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return ((get64(data + 12) & 0xffffff) ^ 0x450008)
           + ((get64(data + 20) & 0xff00ff3f) ^ 0x11000000) == 0;
#else
    (void)data;
    return 0;
#endif
}

/* A frame's headers; 0 or the reason why it is refused, the first that holds. */
static inline int parse_headers(const uint8_t *data, uint32_t size_bytes, uint32_t udp_port,
                                int sum_good, struct oc_packet *p) {
    uint32_t at = 14, type = 0x0800;
    int usual = size_bytes >= 42 && is_usual(data);
    if (__builtin_expect(!usual, 0)) {
        if (size_bytes < 14) return OC_REJECT_RUNT;
        type = big16(data + 12);
        for (int tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8); tags++) {
            at += 4;
            if (size_bytes < at) return OC_REJECT_RUNT;
            type = big16(data + at - 2);
        }
        if (size_bytes < at + 28) return OC_REJECT_RUNT;
    }
    const uint8_t *ip = data + at;
    uint64_t pseudo;
    uint32_t ip_bytes, length;
    if (__builtin_expect(type == 0x0800, 1)) {
        if (!usual) {
            if (ip[0] != 0x45) return OC_REJECT_IP_HEADER;
            /* more fragments, or an offset */
            if (big16(ip + 6) & 0x3fff) return OC_REJECT_FRAGMENT;
            if (ip[9] != 17) return OC_REJECT_PROTOCOL;
        }
        ip_bytes = 20;
        length = big16(ip + 2);
        pseudo = (uint64_t)get32(ip + 12) + get32(ip + 16);
        p->key[1] = get64(ip + 12) & 0xffffffff;
        p->key[2] = 0;
        p->ip6 = 0;
    } else if (type == 0x86dd) {
        if (size_bytes < at + 48) return OC_REJECT_RUNT;
        if (ip[0] >> 4 != 6) return OC_REJECT_IP_HEADER;
        if (ip[6] == 44) return OC_REJECT_FRAGMENT;
        if (ip[6] != 17) return OC_REJECT_PROTOCOL;
        ip_bytes = 40;
        length = big16(ip + 4) + 40;
        pseudo = sum_bytes(ip + 8, 32);
        p->key[1] = get64(ip + 8);
        p->key[2] = get64(ip + 16);
        p->ip6 = 1;
    } else {
        return OC_REJECT_ETHERTYPE;
    }
    const uint8_t *udp = ip + ip_bytes;
    uint32_t udp_length = big16(udp + 4);
    if (udp_port && big16(udp + 2) != udp_port) return OC_REJECT_PORT;
    if (length != udp_length + ip_bytes || size_bytes != at + length) return OC_REJECT_LENGTH;
    if (!sum_good) {
        if (!p->ip6 && !is_right(sum_bytes(ip, 20))) return OC_REJECT_IP_CHECKSUM;
        if (get16(udp + 6) != 0) {
            /* protocol and length in network order, as the sum is of bytes in memory */
            uint64_t sum = pseudo + 0x1100 + get16(udp + 4);
            if (!is_right(sum + sum_bytes(udp, udp_length))) return OC_REJECT_UDP_CHECKSUM;
        } else if (p->ip6) {
            return OC_REJECT_UDP_CHECKSUM;
        }
    }
    p->ip = ip;
    p->udp_port = get16(udp);
    p->payload = udp + 8;
    p->payload_bytes = udp_length - 8;
    return 0;
}

/* Where a payload that a socket received came from: a sockaddr_in or sockaddr_in6. */
static inline void parse_name(const uint8_t *name, struct oc_packet *p) {
    p->ip = NULL;
    p->ip6 = get16(name) != 2;
    p->udp_port = get16(name + 2);
    p->key[1] = p->ip6 ? get64(name + 8) : get32(name + 4);
    p->key[2] = p->ip6 ? get64(name + 16) : 0;
}

/* The sender's key: his number or session, and where he sends from. */
static inline void finish_key(struct oc_packet *p) {
    p->key[0] |= (uint64_t)p->udp_port << 32 | (uint64_t)(4 + 2 * p->ip6) << 48;
}

/* Takes a frame apart; 0 or the reason why it is refused, the first that holds. */
static inline int parse_frame(const uint8_t *data, uint32_t size_bytes, int kind, int framing,
                              uint32_t udp_port, int sum_good, struct oc_packet *p) {
    int reason = parse_headers(data, size_bytes, udp_port, sum_good, p);
    if (!reason) reason = parse_payload(p->payload, p->payload_bytes, kind, framing, p);
    if (!reason) finish_key(p);
    return reason;
}
#endif
