/* A frame like the one that was taken before it: header prediction, as TCP has it (Van Jacobson, 1988).
 *
 * The last frame that the whole parse let pass is kept as a pattern.  A frame whose bytes are the same
 * wherever a rule looks, from the same sender and next in his sequence, needs no more looking: every
 * rule would say again what it said.  All others go through the whole parse; nothing is refused here. */
#ifndef OUTCRY_SHIM_HEADER_PREDICTION_H
#define OUTCRY_SHIM_HEADER_PREDICTION_H
#include "senders.h"

/* Places in an untagged frame of IPv4, UDP and our packet. */
#define PREDICTED_IP_AT 14
#define PREDICTED_UDP_AT 34
#define PREDICTED_PACKET_AT 42
#define PREDICTED_RECORDS_AT (PREDICTED_PACKET_AT + PACKET_HEADER_BYTES)
#define PREDICTED_IN_PACKET(field) (PREDICTED_PACKET_AT + offsetof(struct outcry_packet_header, field))
#define PREDICTED_TAIL_AT PREDICTED_IN_PACKET(sender)

_Static_assert(PREDICTED_IN_PACKET(first_seq) == 50 && PREDICTED_TAIL_AT == 66 && PACKET_HEADER_BYTES == 32,
               "the mask and the tail say where the packet's header has what");

/* What may differ: identification and checksum of IP, checksum of UDP, the packet's sequence and send
 * time.  Sender, count and kind are the tail. */
static const uint8_t predicted_mask[64] __attribute__((aligned(64))) = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, /* Ethernet */
    255, 255, 255, 255, 0, 0, 255, 255, 255, 255, 0, 0,                   /* IPv4 */
    255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 0, 0,                                   /* UDP */
    255, 255, 255, 255, 255, 255, 255, 255,                               /* magic, layout */
};

/* The same bytes under the mask, tail included. */
static inline int same_headers(const uint8_t *data, const struct oc_pattern *like) {
    wide got[2], wanted[2], mask[2];
    memcpy(got, data, sizeof got);
    memcpy(wanted, like->head, sizeof wanted);
    memcpy(mask, predicted_mask, sizeof mask);
    wide other = ((got[0] ^ wanted[0]) & mask[0]) | ((got[1] ^ wanted[1]) & mask[1]);
    if (get64(data + PREDICTED_TAIL_AT) != like->tail) return 0;
#ifdef __AVX__
    typedef long long words __attribute__((vector_size(32)));
    return __builtin_ia32_ptestz256((words)other, (words)other);
#else
    return (other[0] | other[1] | other[2] | other[3]) == 0;
#endif
}

/* Identification and checksum: what the rest of the header sums to has not changed. */
static inline uint32_t ip_words(const uint8_t *data) {
    return (uint32_t)get16(data + PREDICTED_IP_AT + 4) + get16(data + PREDICTED_IP_AT + 10);
}

/* Not inlined: the loop has better uses for the registers. */
static __attribute__((noinline)) int right_udp_sum(const uint8_t *data,
                                                   const struct oc_pattern *like) {
    return is_right(like->pseudo_sum
                    + sum_bytes(data + PREDICTED_UDP_AT, like->size_bytes - PREDICTED_UDP_AT));
}

/* How many frames may be looked at in a row: what one frame cannot change need not be looked at for
 * each.  0 when the sender's slot is another's by now, or his frames came from elsewhere meanwhile. */
static inline int longest_run(const struct oc_pattern *like, int count, int64_t left) {
    const struct oc_sender *sender = like->sender;
    if (!like->size_bytes || sender->generation != like->generation
        || sender->hardware != like->hardware
        || sender->next > OC_MAX_FIRST_SEQ - OC_BURST * OUTCRY_MAX_PACKET_RECORDS)
        return 0;
    return (int64_t)count * like->count <= left ? count : (int)(left / like->count);
}

/* Participant 0 is the exchange operator, who speaks by no network. */
static inline int is_operators(const uint8_t *record) {
    return get16(record + offsetof(struct outcry_order, participant)) == 0;
}

/* The order id is the venue's or a session's (wire/order_ids.py): no packet may name it. */
static inline int has_reserved_id(const uint8_t *record) {
    return (int64_t)get64(record + offsetof(struct outcry_order, order_id)) >= OUTCRY_VENUE_ORDER_IDS;
}

/* Whether one of the records is for the whole parse to leave out. */
static inline int has_barred(const uint8_t *record, uint32_t count) {
    int found = 0;
    for (; count; count--, record += RECORD_BYTES)
        found |= is_operators(record) | has_reserved_id(record);
    return found;
}

/* Whether this frame is the pattern's again, with the packet that begins with record `next`. */
static inline int is_predicted(const struct oc_frame *frame, const struct oc_pattern *like,
                               int64_t next) {
    const uint8_t *data = frame->data;
    if (frame->size_bytes != like->size_bytes || frame->flags != like->flags) return 0;
    return same_headers(data, like) && ip_words(data) == like->ip_words
           && (int64_t)get64(data + PREDICTED_IN_PACKET(first_seq)) == next
           && ((like->flags & FRAME_SUM_GOOD) || get16(data + PREDICTED_UDP_AT + 6) == 0
               || right_udp_sum(data, like))
           && !has_barred(data + PREDICTED_RECORDS_AT, like->count);
}

/* Keep a frame that was taken, if it is of the usual form. */
static inline void keep_pattern(struct oc_pattern *like, const struct oc_frame *frame,
                                const struct oc_packet *p, struct oc_sender *sender) {
    like->size_bytes = 0;
    if (p->ip != frame->data + PREDICTED_IP_AT || p->ip6 || p->stride != RECORD_BYTES) return;
    memcpy(like->head, frame->data, sizeof like->head);
    like->tail = get64(frame->data + PREDICTED_TAIL_AT);
    like->size_bytes = frame->size_bytes;
    like->flags = frame->flags;
    like->ip_words = ip_words(frame->data);
    const uint8_t *ip = frame->data + PREDICTED_IP_AT, *udp = frame->data + PREDICTED_UDP_AT;
    like->pseudo_sum = (uint64_t)get32(ip + 12) + get32(ip + 16) + 0x1100 + get16(udp + 4);
    like->sender = sender;
    like->generation = sender->generation;
    like->hardware = sender->hardware;
    like->count = p->count;
    like->peer = p->peer;
}
#endif
