/* Any DPDK device: a vdev by its arguments (net_ring, net_pcap, net_memif, net_tap, net_af_packet,
 * net_af_xdp, net_null) or a card by its PCI address.  Compiled in with OC_DPDK only. */
#ifndef OUTCRY_PORT_DPDK_H
#define OUTCRY_PORT_DPDK_H

#ifndef OC_DPDK
int32_t oc_has_dpdk(void) { return 0; }
int32_t oc_dpdk_init(int32_t argc, char **argv, char *error) {
    (void)argc;
    (void)argv;
    say(error, "this build is without DPDK");
    return -1;
}
struct oc_port *oc_open_dpdk(const char *device, int32_t frames, char *error) {
    (void)device;
    (void)frames;
    say(error, "this build is without DPDK");
    return NULL;
}
#else
#include <pthread.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#define DPDK_DESCRIPTORS 1024
#define TX_TRIES 8

struct dpdk_port {
    struct oc_port port;
    uint16_t id;
    struct rte_mempool *pool;
    struct rte_mbuf *lent[OC_BURST];
    int lent_count;
    int lent_plain;         /* all of them whole buffers of our pool that nobody else holds */
    struct rte_mbuf *tx[OC_BURST];
    int tx_count;
    int stamp_at;           /* of the mbuf's dynamic field, -1 without */
    uint64_t stamp_flag;
    uint64_t unusual;       /* flags of an mbuf that say more than usual */
    int64_t stamp_unit_ns;  /* 0: ns of a clock of which we must see that it is the host's */
};

int32_t oc_has_dpdk(void) { return 1; }

/* Starts the EAL, which can be done once a process; the calling thread keeps its cores, though the
 * EAL pins it. */
int32_t oc_dpdk_init(int32_t argc, char **argv, char *error) {
    cpu_set_t before;
    pthread_getaffinity_np(pthread_self(), sizeof before, &before);
    int done = rte_eal_init(argc, argv);
    pthread_setaffinity_np(pthread_self(), sizeof before, &before);
    if (done < 0) say(error, "rte_eal_init failed: %s", rte_strerror(rte_errno));
    return done < 0 ? -1 : 0;
}

static int64_t mbuf_ns(const struct dpdk_port *d, const struct rte_mbuf *m, uint32_t *flags) {
    if (d->stamp_at < 0 || !(m->ol_flags & d->stamp_flag)) return 0;
    int64_t value = (int64_t)*RTE_MBUF_DYNFIELD(m, d->stamp_at, rte_mbuf_timestamp_t *);
    if (d->stamp_unit_ns) {
        *flags |= FRAME_CAPTURE_TS;
        return value * d->stamp_unit_ns;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t apart = value - stamp_ns(&now);
    if (apart > OLDEST_SEND_NS || apart < -OLDEST_SEND_NS) return 0;
    *flags |= FRAME_HARDWARE_TS;
    return value;
}

#define MBUF_OTHERS (RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT)
#define MBUF_SUMS (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

/* A whole buffer of our pool: one segment, one holder. */
static inline int is_plain(const struct dpdk_port *d, const struct rte_mbuf *m) {
    return m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1 && m->pool == d->pool
           && !(m->ol_flags & MBUF_OTHERS);
}

static inline uint32_t sum_flag(const struct rte_mbuf *m) {
    return (m->ol_flags & MBUF_SUMS) == MBUF_SUMS ? FRAME_SUM_GOOD : 0;
}

/* Plain, and nothing else to be read from it. */
static inline int is_usual_mbuf(const struct dpdk_port *d, const struct rte_mbuf *m) {
    uint64_t both;
    memcpy(&both, &m->rearm_data, sizeof both);
    return (both & UINT64_C(0xffffffff0000)) == UINT64_C(0x100010000) && m->pool == d->pool
           && !(m->ol_flags & d->unusual);
}

static inline struct oc_frame mbuf_frame(const struct dpdk_port *d, struct rte_mbuf *m) {
    uint32_t flags = sum_flag(m);
    if (m->nb_segs > 1 && rte_pktmbuf_linearize(m)) flags |= FRAME_CUT;
    int64_t ts_ns = mbuf_ns(d, m, &flags);
    if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
        flags |= FRAME_TAG | (uint32_t)m->vlan_tci << FRAME_TAG_SHIFT;
    return (struct oc_frame){rte_pktmbuf_mtod(m, const uint8_t *), m->pkt_len, flags, ts_ns, NULL};
}

static int dpdk_receive(struct oc_port *port, struct oc_frame *frames, int most) {
    struct dpdk_port *d = (struct dpdk_port *)port;
    int count = rte_eth_rx_burst(d->id, 0, d->lent, (uint16_t)most);
    int plain = 1;
    for (int at = 0; at < count; at++) {
        struct rte_mbuf *m = d->lent[at];
        if (__builtin_expect(is_usual_mbuf(d, m), 1)) {
            frames[at] = (struct oc_frame){rte_pktmbuf_mtod(m, const uint8_t *), m->pkt_len,
                                           sum_flag(m), 0, NULL};
        } else {
            frames[at] = mbuf_frame(d, m);
            plain &= is_plain(d, m);
        }
        rte_prefetch0(frames[at].data);
    }
    d->lent_plain = plain;
    d->lent_count = count;
    if (count == 0 && ++port->idle % LOOK_EVERY == 0
        && rte_eth_dev_is_removed(d->id) == 1) port->failed = ENODEV;
    return count;
}

static void dpdk_done(struct oc_port *port) {
    struct dpdk_port *d = (struct dpdk_port *)port;
    if (d->lent_plain)
        rte_mempool_put_bulk(d->pool, (void **)d->lent, (unsigned)d->lent_count);
    else
        rte_pktmbuf_free_bulk(d->lent, (unsigned)d->lent_count);
    d->lent_count = 0;
}

/* A burst received and given back unread, for the bench: its frames are whole buffers of our pool. */
static int dpdk_skip(struct oc_port *port) {
    struct dpdk_port *d = (struct dpdk_port *)port;
    d->lent_count = rte_eth_rx_burst(d->id, 0, d->lent, OC_BURST);
    d->lent_plain = 1;
    int count = d->lent_count;
    dpdk_done(port);
    return count;
}

static uint8_t *dpdk_tx_buffer(struct oc_port *port) {
    struct dpdk_port *d = (struct dpdk_port *)port;
    if (d->tx_count == OC_BURST) port->tx_flush(port);
    struct rte_mbuf *m = rte_pktmbuf_alloc(d->pool);
    d->tx[d->tx_count] = m;
    return m ? rte_pktmbuf_mtod(m, uint8_t *) : NULL;
}

static void dpdk_tx_commit(struct oc_port *port, const struct oc_way *way, uint32_t size_bytes) {
    struct dpdk_port *d = (struct dpdk_port *)port;
    (void)way;
    note_commit(port, d->tx_count);
    struct rte_mbuf *m = d->tx[d->tx_count++];
    m->data_len = (uint16_t)size_bytes;
    m->pkt_len = size_bytes;
}

static int dpdk_tx_flush(struct oc_port *port) {
    struct dpdk_port *d = (struct dpdk_port *)port;
    int sent = 0;
    for (int tries = 0; tries < TX_TRIES && sent < d->tx_count; tries++)
        sent += rte_eth_tx_burst(d->id, 0, d->tx + sent, (uint16_t)(d->tx_count - sent));
    port->tally[OC_COUNT_TX_PACKETS] += sent;
    port->tally[OC_COUNT_TX_NO_ROOM] += d->tx_count - sent;
    for (int at = sent; at < d->tx_count; at++) note_failure(port, at);
    if (sent < d->tx_count) rte_pktmbuf_free_bulk(d->tx + sent, (unsigned)(d->tx_count - sent));
    d->tx_count = 0;
    return sent;
}

static void dpdk_counters(struct oc_port *port, int64_t *counts) {
    struct rte_eth_stats stats;
    if (rte_eth_stats_get(((struct dpdk_port *)port)->id, &stats)) return;
    counts[OC_DEVICE_MISSED] = (int64_t)stats.imissed;
    counts[OC_DEVICE_ERRORS] = (int64_t)stats.ierrors;
    counts[OC_DEVICE_NO_BUFFER] = (int64_t)stats.rx_nombuf;
}

static void dpdk_close(struct oc_port *port) {
    struct dpdk_port *d = (struct dpdk_port *)port;
    if (d->id != RTE_MAX_ETHPORTS) {
        struct rte_eth_dev_info info = {0};
        rte_eth_dev_info_get(d->id, &info);
        rte_eth_dev_stop(d->id);
        rte_eth_dev_close(d->id);
        if (info.device) rte_dev_remove(info.device);
    }
    /* Its name would outlive the port. */
    if (d->pool) rte_mempool_free(d->pool);
}

static int configure(struct dpdk_port *d, const char *device, char *error) {
    struct rte_eth_dev_info info;
    int failed = rte_eth_dev_info_get(d->id, &info);
    if (failed) {
        say(error, "%s does not describe itself: %s", device, rte_strerror(-failed));
        return -1;
    }
    struct rte_eth_conf conf = {0};
    conf.rxmode.offloads = info.rx_offload_capa
                           & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM
                              | RTE_ETH_RX_OFFLOAD_TIMESTAMP);
    int socket = rte_eth_dev_socket_id(d->id);
    uint16_t rx = DPDK_DESCRIPTORS, tx = DPDK_DESCRIPTORS;
    failed = rte_eth_dev_configure(d->id, 1, 1, &conf);
    if (!failed) failed = rte_eth_dev_adjust_nb_rx_tx_desc(d->id, &rx, &tx);
    if (!failed) failed = rte_eth_rx_queue_setup(d->id, 0, rx, (unsigned)socket, NULL, d->pool);
    if (!failed) failed = rte_eth_tx_queue_setup(d->id, 0, tx, (unsigned)socket, NULL);
    if (!failed) failed = rte_eth_dev_start(d->id);
    if (failed) {
        say(error, "%s cannot be set up: %s", device, rte_strerror(-failed));
        return -1;
    }
    struct rte_ether_addr address;
    if (rte_eth_macaddr_get(d->id, &address) == 0)
        memcpy(d->port.hardware_address, address.addr_bytes, 6);
    if (rte_mbuf_dyn_rx_timestamp_register(&d->stamp_at, &d->stamp_flag)) d->stamp_at = -1;
    d->unusual = MBUF_OTHERS | RTE_MBUF_F_RX_VLAN_STRIPPED | d->stamp_flag;
    /* net_pcap gives the capture's time, in microseconds. */
    d->stamp_unit_ns = info.driver_name && strstr(info.driver_name, "net_pcap") ? 1000 : 0;
    return 0;
}

static int prepare_dpdk(struct dpdk_port *d, const char *device, int frames, char *error) {
    static int made;
    char name[RTE_DEV_NAME_MAX_LEN], pool[32];
    size_t length = strcspn(device, ",");
    snprintf(name, sizeof name, "%.*s", (int)length, device);
    int failed = rte_dev_probe(device);
    if (!failed) failed = rte_eth_dev_get_port_by_name(name, &d->id);
    if (failed) {
        say(error, "DPDK finds no device %s: %s", name, rte_strerror(-failed));
        d->id = RTE_MAX_ETHPORTS;
        return -1;
    }
    snprintf(pool, sizeof pool, "outcry_%d_%d", (int)getpid(), made++);
    d->pool = rte_pktmbuf_pool_create(pool, (unsigned)frames, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                      SOCKET_ID_ANY);
    if (!d->pool) {
        say(error, "no memory for %d frames: %s", frames, rte_strerror(rte_errno));
        return -1;
    }
    return configure(d, name, error);
}

struct oc_port *oc_open_dpdk(const char *device, int32_t frames, char *error) {
    struct dpdk_port *d = calloc(1, sizeof *d);
    if (!d) {
        say(error, "no memory");
        return NULL;
    }
    d->port = (struct oc_port){.receive = dpdk_receive, .done = dpdk_done,
                               .skip = dpdk_skip, .tx_buffer = dpdk_tx_buffer, .tx_commit = dpdk_tx_commit,
                               .tx_flush = dpdk_tx_flush, .counters = dpdk_counters,
                               .close = dpdk_close};
    d->id = RTE_MAX_ETHPORTS;
    d->stamp_at = -1;
    if (prepare_dpdk(d, device, frames, error)) {
        oc_close(&d->port);
        return NULL;
    }
    return &d->port;
}
#endif
#endif
