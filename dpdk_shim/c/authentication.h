/* Authenticated packets: the session's key, a tag behind each packet, the epoch of its client.
 *
 * The trailer, the tag and the table of sessions are described in dpdk_shim/authentication.py, which
 * makes the table.  The tag is keyed BLAKE3 (its specification, sections 2.1 to 2.5). */
#ifndef OUTCRY_SHIM_AUTHENTICATION_H
#define OUTCRY_SHIM_AUTHENTICATION_H
#include "packet.h"

#define TAG_BYTES 16u
#define EPOCH_BYTES 8u
#define TRAILER_BYTES (EPOCH_BYTES + TAG_BYTES)
#define MAX_PACKET_BYTES (PACKET_HEADER_BYTES + OUTCRY_MAX_PACKET_RECORDS * RECORD_BYTES)

enum { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8, KEYED_HASH = 16 };
#define BLOCK_BYTES 64u
#define CHUNK_BYTES 1024u

_Static_assert(MAX_PACKET_BYTES + EPOCH_BYTES <= 2 * CHUNK_BYTES, "two chunks and one parent");

/* A row of the session table; `networks` are address and mask as they are in memory. */
struct oc_session {
    int64_t epoch;
    uint8_t key[32];
    uint32_t networks[OC_SESSION_NETWORKS][2];
    int64_t network_count;
    uint8_t unused[OC_SESSION_ROW_BYTES - 8 - 32 - 8 * OC_SESSION_NETWORKS - 8];
};
_Static_assert(sizeof(struct oc_session) == OC_SESSION_ROW_BYTES, "as authentication.py has it");

typedef uint32_t lanes __attribute__((vector_size(16)));

static inline lanes rotate_right(lanes x, int count) { return x >> count | x << (32 - count); }

#define HALF_ROUND(m0, m1, m2, m3, first, second) \
    do { \
        a += b + (lanes){m0, m1, m2, m3}; \
        d = rotate_right(d ^ a, first); \
        c += d; \
        b = rotate_right(b ^ c, second); \
    } while (0)

/* BLAKE3's compression of a 64-byte block into the chaining value: the four quarter rounds of a
 * column, and then of a diagonal, side by side. */
static inline void compress(uint32_t *value, const uint8_t *block, uint32_t chunk,
                            uint32_t size_bytes, uint32_t flags) {
    static const uint8_t order[7][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
        {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},
        {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
        {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},
        {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
        {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
    };
    uint32_t m[16];
    lanes a, b, c = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a},
                d = {chunk, 0, size_bytes, flags};
    memcpy(m, block, sizeof m);
    memcpy(&a, value, sizeof a);
    memcpy(&b, value + 4, sizeof b);
#pragma GCC unroll 7
    for (int round = 0; round < 7; round++) {
        const uint8_t *o = order[round];
        HALF_ROUND(m[o[0]], m[o[2]], m[o[4]], m[o[6]], 16, 12);
        HALF_ROUND(m[o[1]], m[o[3]], m[o[5]], m[o[7]], 8, 7);
        b = __builtin_shuffle(b, (lanes){1, 2, 3, 0});
        c = __builtin_shuffle(c, (lanes){2, 3, 0, 1});
        d = __builtin_shuffle(d, (lanes){3, 0, 1, 2});
        HALF_ROUND(m[o[8]], m[o[10]], m[o[12]], m[o[14]], 16, 12);
        HALF_ROUND(m[o[9]], m[o[11]], m[o[13]], m[o[15]], 8, 7);
        b = __builtin_shuffle(b, (lanes){3, 0, 1, 2});
        c = __builtin_shuffle(c, (lanes){2, 3, 0, 1});
        d = __builtin_shuffle(d, (lanes){1, 2, 3, 0});
    }
    a ^= c;
    b ^= d;
    memcpy(value, &a, sizeof a);
    memcpy(value + 4, &b, sizeof b);
}

/* The chaining value of one chunk; with ROOT in `last` the hash of a message that is one chunk. */
static inline void hash_chunk(uint32_t *value, const uint8_t *key, const uint8_t *data,
                              uint32_t size_bytes, uint32_t chunk, uint32_t last) {
    uint32_t flags = KEYED_HASH | CHUNK_START;
    memcpy(value, key, 32);
    for (; size_bytes > BLOCK_BYTES; data += BLOCK_BYTES, size_bytes -= BLOCK_BYTES) {
        compress(value, data, chunk, BLOCK_BYTES, flags);
        flags = KEYED_HASH;
    }
    uint8_t block[BLOCK_BYTES] = {0};
    memcpy(block, data, size_bytes);
    compress(value, block, chunk, size_bytes, flags | CHUNK_END | last);
}

/* The first 32 bytes of the keyed hash of 1 to 2,048 bytes. */
static __attribute__((noinline)) void keyed_hash(const uint8_t *key, const uint8_t *data,
                                                 uint32_t size_bytes, uint32_t *hash) {
    if (size_bytes <= CHUNK_BYTES) {
        hash_chunk(hash, key, data, size_bytes, 0, ROOT);
        return;
    }
    uint32_t pair[16];
    hash_chunk(pair, key, data, CHUNK_BYTES, 0, 0);
    hash_chunk(pair + 8, key, data + CHUNK_BYTES, size_bytes - CHUNK_BYTES, 1, 0);
    memcpy(hash, key, 32);
    compress(hash, (const uint8_t *)pair, 0, BLOCK_BYTES, KEYED_HASH | PARENT | ROOT);
}

/* The row of the session of this number; NULL: there is none. */
static inline struct oc_session *find_session(char *sessions, uint32_t number) {
    if (number < 1 || number >= OC_PARTICIPANTS) return NULL;
    uint32_t index = get16((const uint8_t *)sessions + 2 * number);
    return index ? (struct oc_session *)(sessions + OC_SESSION_ROWS_AT) + index : NULL;
}

/* Whether the session may be used from the address that a packet came from.  Networks are of IPv4,
 * which a socket of both versions shows as ::ffff:a.b.c.d. */
static inline int is_allowed(const struct oc_session *session, const struct oc_packet *p) {
    if (session->network_count == 0) return 1;
    uint64_t address = p->key[1];
    if (p->ip6) {
        if (p->key[1] != 0 || (uint32_t)p->key[2] != UINT32_C(0xffff0000)) return 0;
        address = p->key[2] >> 32;
    }
    for (int64_t at = 0; at < session->network_count; at++)
        if (((uint32_t)address & session->networks[at][1]) == session->networks[at][0]) return 1;
    return 0;
}

enum { NOT_OPENED_UNKNOWN = -1, NOT_OPENED_FORGED = -2, NOT_OPENED_OLD = -3,
       NOT_OPENED_ELSEWHERE = -4 };

/* How many bytes of an authenticated packet are packet, or why it is refused: no such session or no
 * trailer, a wrong tag, an epoch that is over, an address that is not the session's.  `p` says where
 * it came from; whose it is and in which epoch is written there. */
static inline int open_packet(char *sessions, const uint8_t *data, uint32_t size_bytes,
                              struct oc_packet *p) {
    if (size_bytes < PACKET_HEADER_BYTES + TRAILER_BYTES
        || size_bytes > MAX_PACKET_BYTES + TRAILER_BYTES || size_bytes & 7)
        return NOT_OPENED_UNKNOWN;
    uint32_t packet_bytes = size_bytes - TRAILER_BYTES, signed_bytes = packet_bytes + EPOCH_BYTES;
    uint32_t number = get32(data + offsetof(struct outcry_packet_header, sender));
    struct oc_session *session = find_session(sessions, number);
    if (!session) return NOT_OPENED_UNKNOWN;
    uint32_t hash[8];
    keyed_hash(session->key, data, signed_bytes, hash);
    /* Both halves are always compared: how long it takes says nothing about where they differ. */
    const uint8_t *own = (const uint8_t *)hash, *tag = data + signed_bytes;
    if ((get64(own) ^ get64(tag)) | (get64(own + 8) ^ get64(tag + 8))) return NOT_OPENED_FORGED;
    if (!is_allowed(session, p)) return NOT_OPENED_ELSEWHERE;
    int64_t epoch = (int64_t)get64(data + packet_bytes);
    if (epoch < session->epoch) return NOT_OPENED_OLD;
    p->row = session;
    p->session = number;
    p->epoch = epoch;
    return (int)packet_bytes;
}

/* The session's epochs before that of this packet are over. */
static inline void accept_epoch(const struct oc_packet *p) {
    __atomic_store_n(&p->row->epoch, p->epoch, __ATOMIC_RELEASE);
}

/* Put the trailer behind a packet for a session; returns the bytes to send. */
static inline uint32_t seal_packet(const struct oc_session *session, uint8_t *data,
                                   uint32_t packet_bytes) {
    uint32_t hash[8], signed_bytes = packet_bytes + EPOCH_BYTES;
    memcpy(data + packet_bytes, &session->epoch, EPOCH_BYTES);
    keyed_hash(session->key, data, signed_bytes, hash);
    memcpy(data + signed_bytes, hash, TAG_BYTES);
    return signed_bytes + TAG_BYTES;
}
#endif
