/* An AF_PACKET socket with a TPACKET_V3 ring: blocks of frames that the kernel fills and we give
 * back.  Python makes the socket and the ring; this walks it. */
#ifndef OUTCRY_PORT_PACKET_H
#define OUTCRY_PORT_PACKET_H
#include <linux/if_packet.h>

struct packet_port {
    struct oc_port port;
    int fd;
    char *ring;
    int64_t block_bytes, blocks;
    int64_t block;          /* the one that is being read */
    uint32_t left;          /* frames of it not handed out yet */
    struct tpacket3_hdr *next;
    int64_t read_blocks;    /* read to their end in this burst */
    int64_t drops;
    struct tx_queue tx;
};

static struct tpacket_block_desc *block_at(struct packet_port *p, int64_t index) {
    return (struct tpacket_block_desc *)(p->ring + (index % p->blocks) * p->block_bytes);
}

static struct oc_frame packet_frame(const struct tpacket3_hdr *h) {
    struct oc_frame frame = {(const uint8_t *)h + h->tp_mac, h->tp_snaplen, 0,
                             h->tp_sec * INT64_C(1000000000) + h->tp_nsec, NULL};
    if (frame.ts_ns)
        frame.flags = h->tp_status & TP_STATUS_TS_RAW_HARDWARE ? FRAME_HARDWARE_TS : FRAME_KERNEL_TS;
    /* A sender on this host leaves the sum to a device that does not exist. */
    if (h->tp_status & (TP_STATUS_CSUM_VALID | TP_STATUS_CSUMNOTREADY))
        frame.flags |= FRAME_SUM_GOOD;
    if (h->tp_snaplen < h->tp_len) frame.flags |= FRAME_CUT;
    if (h->tp_status & TP_STATUS_VLAN_VALID)
        frame.flags |= FRAME_TAG | h->hv1.tp_vlan_tci << FRAME_TAG_SHIFT;
    if (h->tp_status & TP_STATUS_VLAN_TPID_VALID && h->hv1.tp_vlan_tpid == 0x88a8)
        frame.flags |= FRAME_TAG_AD;
    return frame;
}

static int packet_receive(struct oc_port *port, struct oc_frame *frames, int most) {
    struct packet_port *p = (struct packet_port *)port;
    int count = 0;
    while (count < most) {
        if (p->left == 0) {
            struct tpacket_block_desc *b = block_at(p, p->block + p->read_blocks);
            /* The whole ring may be in our hands: then block 0 is this burst's own. */
            if (p->read_blocks == p->blocks) break;
            if (!(__atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
                break;
            p->left = b->hdr.bh1.num_pkts;
            p->next = (struct tpacket3_hdr *)((char *)b + b->hdr.bh1.offset_to_first_pkt);
            if (p->left == 0) {
                p->read_blocks++;
                continue;
            }
        }
        frames[count++] = packet_frame(p->next);
        p->next = (struct tpacket3_hdr *)((char *)p->next + p->next->tp_next_offset);
        if (--p->left == 0) p->read_blocks++;
    }
    if (count == 0) {
        look_at_socket(port, p->fd);
        port->done(port);
    }
    return count;
}

static void packet_done(struct oc_port *port) {
    struct packet_port *p = (struct packet_port *)port;
    for (; p->read_blocks > 0; p->read_blocks--, p->block++)
        __atomic_store_n(&block_at(p, p->block)->hdr.bh1.block_status, TP_STATUS_KERNEL,
                         __ATOMIC_RELEASE);
}

static uint8_t *packet_tx_buffer(struct oc_port *port) {
    return queue_buffer(port, &((struct packet_port *)port)->tx);
}
static void packet_tx_commit(struct oc_port *port, const struct oc_way *way, uint32_t size_bytes) {
    queue_commit(port, &((struct packet_port *)port)->tx, way, size_bytes);
}
static int packet_tx_flush(struct oc_port *port) {
    struct packet_port *p = (struct packet_port *)port;
    return queue_flush(port, p->fd, &p->tx);
}

static void packet_counters(struct oc_port *port, int64_t *counts) {
    struct packet_port *p = (struct packet_port *)port;
    struct tpacket_stats_v3 stats;
    socklen_t size = sizeof stats;
    /* Reading sets them back to 0. */
    if (getsockopt(p->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
        p->drops += stats.tp_drops;
    counts[OC_DEVICE_DROPPED] = p->drops;
}

/* `fd` and the ring's memory are the caller's. */
struct oc_port *oc_open_packet(int32_t fd, char *ring, int64_t block_bytes, int64_t blocks,
                               char *error) {
    struct packet_port *p = calloc(1, sizeof *p);
    if (!p) {
        say(error, "no memory");
        return NULL;
    }
    p->port = (struct oc_port){.receive = packet_receive, .done = packet_done,
                               .tx_buffer = packet_tx_buffer, .tx_commit = packet_tx_commit,
                               .tx_flush = packet_tx_flush, .counters = packet_counters};
    p->fd = fd;
    p->ring = ring;
    p->block_bytes = block_bytes;
    p->blocks = blocks;
    return &p->port;
}
#endif
