/* AF_XDP without libraries: the socket's four rings, and a BPF program that sends UDP frames of the
 * queue to it.  The program hangs on a bpf link, which the kernel removes with our descriptor: a
 * killed process leaves nothing behind.  Source: Documentation/networking/af_xdp.rst of Linux. */
#ifndef OUTCRY_PORT_XDP_H
#define OUTCRY_PORT_XDP_H
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <sys/mman.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif

struct xdp_ring {
    uint32_t *producer, *consumer, *flags;
    void *descriptors;
    uint32_t mask;
    void *map;
    size_t map_bytes;
};

struct xdp_port {
    struct oc_port port;
    int fd, map_fd, program_fd, link_fd;
    uint8_t *umem;
    size_t umem_bytes;
    uint32_t frames;        /* of each direction; a power of two */
    struct xdp_ring fill, completion, rx, tx;
    uint64_t lent[OC_BURST];
    int lent_count;
    uint64_t *spare;        /* frames to send from */
    uint32_t spare_count;
    uint32_t tx_made;       /* descriptors written and not shown to the kernel yet */
};

static int64_t bpf_call(int command, union bpf_attr *attributes) {
    return syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

#define INSN(op, to, from, offset, value) \
    (struct bpf_insn) { .code = (op), .dst_reg = (to), .src_reg = (from), .off = (offset), \
                        .imm = (int32_t)(value) }
#define LOAD(size, to, from, offset) INSN(BPF_LDX | BPF_MEM | (size), to, from, offset, 0)
#define JUMP_IF(to, value, by) INSN(BPF_JMP | BPF_JEQ | BPF_K, to, 0, by, value)
#define RESULT(value) INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, value), \
                      INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define BIG(value) __builtin_bswap16(value)

/* UDP over IPv4 or IPv6, fragments of IPv6 and whatever has a VLAN tag go to the socket; ARP, ICMP,
 * TCP and the rest stay the kernel's.  Registers: r6 the context, r2 the frame, r5 what is looked
 * at. */
static int load_program(int map_fd, char *error) {
    struct bpf_insn code[] = {
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
        LOAD(BPF_W, 2, 1, offsetof(struct xdp_md, data)),
        LOAD(BPF_W, 3, 1, offsetof(struct xdp_md, data_end)),
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, 4, 2, 0, 0),
        INSN(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, 24),
        INSN(BPF_JMP | BPF_JGT | BPF_X, 4, 3, 10, 0),   /* shorter: the kernel's */
        LOAD(BPF_H, 5, 2, 12),
        JUMP_IF(5, BIG(0x8100), 10),                    /* to the socket */
        JUMP_IF(5, BIG(0x88a8), 9),
        JUMP_IF(5, BIG(0x86dd), 3),                     /* to the IPv6 look */
        INSN(BPF_JMP | BPF_JNE | BPF_K, 5, 0, 5, BIG(0x0800)),
        LOAD(BPF_B, 5, 2, 23),
        INSN(BPF_JMP | BPF_JA, 0, 0, 2, 0),
        LOAD(BPF_B, 5, 2, 20),
        JUMP_IF(5, 44, 3),                              /* a fragment */
        JUMP_IF(5, 17, 2),
        RESULT(XDP_PASS),
        LOAD(BPF_W, 2, 6, offsetof(struct xdp_md, rx_queue_index)),
        INSN(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map_fd),
        INSN(0, 0, 0, 0, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, XDP_PASS),
        INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map),
        INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    static char log[4096];
    union bpf_attr a = {.prog_type = BPF_PROG_TYPE_XDP,
                        .insn_cnt = sizeof code / sizeof code[0],
                        .insns = (uintptr_t)code, .license = (uintptr_t)"Apache-2.0",
                        .log_buf = (uintptr_t)log, .log_size = sizeof log, .log_level = 1};
    int fd = (int)bpf_call(BPF_PROG_LOAD, &a);
    if (fd < 0) say(error, "the kernel refuses the XDP program: %s %.80s", strerror(errno), log);
    return fd;
}

static int attach_program(struct xdp_port *x, int interface, int queue, char *error) {
    union bpf_attr m = {.map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4,
                        .max_entries = (uint32_t)queue + 1};
    x->map_fd = (int)bpf_call(BPF_MAP_CREATE, &m);
    if (x->map_fd < 0) {
        say(error, "no BPF map: %s%s", strerror(errno),
            errno == EPERM ? " (run as root, or see `outcry doctor`)" : "");
        return -1;
    }
    x->program_fd = load_program(x->map_fd, error);
    if (x->program_fd < 0) return -1;
    uint32_t key = (uint32_t)queue, value = (uint32_t)x->fd;
    union bpf_attr u = {.map_fd = (uint32_t)x->map_fd, .key = (uintptr_t)&key,
                        .value = (uintptr_t)&value};
    if (bpf_call(BPF_MAP_UPDATE_ELEM, &u) < 0) {
        say(error, "the socket cannot stand in the BPF map: %s", strerror(errno));
        return -1;
    }
    /* In the driver where it can, else in the network stack. */
    uint32_t modes[] = {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};
    for (int at = 0; at < 2 && x->link_fd < 0; at++) {
        union bpf_attr l = {.link_create = {.prog_fd = (uint32_t)x->program_fd,
                                            .target_ifindex = (uint32_t)interface,
                                            .attach_type = BPF_XDP, .flags = modes[at]}};
        x->link_fd = (int)bpf_call(BPF_LINK_CREATE, &l);
    }
    if (x->link_fd < 0)
        say(error, "the XDP program cannot be attached: %s%s", strerror(errno),
            errno == EBUSY ? " (another program is there: ip link set dev NAME xdp off)" : "");
    return x->link_fd < 0 ? -1 : 0;
}

static int map_ring(struct xdp_port *x, struct xdp_ring *r, const struct xdp_ring_offset *at,
                    int size_option, uint64_t page_offset, size_t entry_bytes) {
    uint32_t entries = x->frames;
    if (setsockopt(x->fd, SOL_XDP, size_option, &entries, sizeof entries)) return -1;
    r->map_bytes = at->desc + entries * entry_bytes;
    r->map = mmap(NULL, r->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, x->fd,
                  (off_t)page_offset);
    if (r->map == MAP_FAILED) {
        r->map = NULL;
        return -1;
    }
    r->producer = (uint32_t *)((char *)r->map + at->producer);
    r->consumer = (uint32_t *)((char *)r->map + at->consumer);
    r->flags = (uint32_t *)((char *)r->map + at->flags);
    r->descriptors = (char *)r->map + at->desc;
    r->mask = entries - 1;
    return 0;
}

static int make_rings(struct xdp_port *x) {
    struct xdp_umem_reg area = {.addr = (uintptr_t)x->umem, .len = x->umem_bytes,
                                .chunk_size = OC_BUFFER_BYTES};
    struct xdp_mmap_offsets at;
    socklen_t size = sizeof at;
    if (setsockopt(x->fd, SOL_XDP, XDP_UMEM_REG, &area, sizeof area)) return -1;
    if (getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &size)) return -1;
    if (map_ring(x, &x->fill, &at.fr, XDP_UMEM_FILL_RING, XDP_UMEM_PGOFF_FILL_RING, 8)) return -1;
    if (map_ring(x, &x->completion, &at.cr, XDP_UMEM_COMPLETION_RING,
                 XDP_UMEM_PGOFF_COMPLETION_RING, 8)) return -1;
    if (map_ring(x, &x->rx, &at.rx, XDP_RX_RING, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc)))
        return -1;
    return map_ring(x, &x->tx, &at.tx, XDP_TX_RING, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc));
}

static void give_to_kernel(struct xdp_port *x, const uint64_t *frames, int count) {
    uint32_t at = *x->fill.producer;
    for (int index = 0; index < count; index++)
        ((uint64_t *)x->fill.descriptors)[(at + (uint32_t)index) & x->fill.mask] =
            frames[index] & ~(uint64_t)(OC_BUFFER_BYTES - 1);
    __atomic_store_n(x->fill.producer, at + (uint32_t)count, __ATOMIC_RELEASE);
}

static int xdp_receive(struct oc_port *port, struct oc_frame *frames, int most) {
    struct xdp_port *x = (struct xdp_port *)port;
    uint32_t at = *x->rx.consumer;
    int count = (int)(__atomic_load_n(x->rx.producer, __ATOMIC_ACQUIRE) - at);
    if (count > most) count = most;
    for (int index = 0; index < count; index++) {
        struct xdp_desc d = ((struct xdp_desc *)x->rx.descriptors)[(at + (uint32_t)index) & x->rx.mask];
        x->lent[index] = d.addr;
        frames[index] = (struct oc_frame){x->umem + d.addr, d.len, 0, 0, NULL};
    }
    x->lent_count = count;
    __atomic_store_n(x->rx.consumer, at + (uint32_t)count, __ATOMIC_RELEASE);
    if (count == 0) {
        if (*x->fill.flags & XDP_RING_NEED_WAKEUP)
            recvfrom(x->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
        look_at_socket(port, x->fd);
    }
    return count;
}

static void xdp_done(struct oc_port *port) {
    struct xdp_port *x = (struct xdp_port *)port;
    give_to_kernel(x, x->lent, x->lent_count);
    x->lent_count = 0;
}

/* Frames that have left are ours again. */
static void take_back(struct xdp_port *x) {
    uint32_t at = *x->completion.consumer;
    uint32_t count = __atomic_load_n(x->completion.producer, __ATOMIC_ACQUIRE) - at;
    for (uint32_t index = 0; index < count; index++)
        x->spare[x->spare_count++] =
            ((uint64_t *)x->completion.descriptors)[(at + index) & x->completion.mask];
    __atomic_store_n(x->completion.consumer, at + count, __ATOMIC_RELEASE);
}

static uint8_t *xdp_tx_buffer(struct oc_port *port) {
    struct xdp_port *x = (struct xdp_port *)port;
    if (x->spare_count == 0) {
        port->tx_flush(port);
        take_back(x);
    }
    return x->spare_count ? x->umem + x->spare[x->spare_count - 1] : NULL;
}

static void xdp_tx_commit(struct oc_port *port, const struct oc_way *way, uint32_t size_bytes) {
    struct xdp_port *x = (struct xdp_port *)port;
    (void)way;
    uint32_t at = *x->tx.producer + x->tx_made++;
    ((struct xdp_desc *)x->tx.descriptors)[at & x->tx.mask] =
        (struct xdp_desc){.addr = x->spare[--x->spare_count], .len = size_bytes};
}

static int xdp_tx_flush(struct oc_port *port) {
    struct xdp_port *x = (struct xdp_port *)port;
    int made = (int)x->tx_made;
    if (made) {
        __atomic_store_n(x->tx.producer, *x->tx.producer + x->tx_made, __ATOMIC_RELEASE);
        x->tx_made = 0;
        port->tally[OC_COUNT_TX_PACKETS] += made;
    }
    /* The kernel sends some 32 frames a call; a few calls, and the rest goes with the next flush. */
    for (int tries = 0; tries < 4; tries++) {
        if (__atomic_load_n(x->tx.consumer, __ATOMIC_ACQUIRE) == *x->tx.producer) break;
        if (sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN && errno != EBUSY)
            break;
    }
    take_back(x);
    return made;
}

static void xdp_counters(struct oc_port *port, int64_t *counts) {
    struct xdp_statistics stats = {0};
    socklen_t size = sizeof stats;
    if (getsockopt(((struct xdp_port *)port)->fd, SOL_XDP, XDP_STATISTICS, &stats, &size)) return;
    /* Not rx_fill_ring_empty_descs: the kernel counts each frame that finds no descriptor in rx_dropped
     * too, and in zero-copy mode it counts looks of the driver, not frames. */
    counts[OC_DEVICE_DROPPED] = (int64_t)stats.rx_dropped;
    counts[OC_DEVICE_MISSED] = (int64_t)stats.rx_ring_full;
    counts[OC_DEVICE_ERRORS] = (int64_t)stats.rx_invalid_descs;
}

static void unmap_ring(struct xdp_ring *r) {
    if (r->map) munmap(r->map, r->map_bytes);
}

static void xdp_close(struct oc_port *port) {
    struct xdp_port *x = (struct xdp_port *)port;
    int fds[] = {x->link_fd, x->program_fd, x->map_fd, x->fd};
    unmap_ring(&x->fill);
    unmap_ring(&x->completion);
    unmap_ring(&x->rx);
    unmap_ring(&x->tx);
    for (int at = 0; at < 4; at++)
        if (fds[at] >= 0) close(fds[at]);
    if (x->umem) munmap(x->umem, x->umem_bytes);
    free(x->spare);
}

static int bind_queue(struct xdp_port *x, int interface, int queue, char *error) {
    struct sockaddr_xdp where = {.sxdp_family = AF_XDP, .sxdp_ifindex = (uint32_t)interface,
                                 .sxdp_queue_id = (uint32_t)queue,
                                 .sxdp_flags = XDP_USE_NEED_WAKEUP};
    if (bind(x->fd, (struct sockaddr *)&where, sizeof where) == 0) return 0;
    say(error, "queue %d cannot be bound: %s%s", queue, strerror(errno),
        errno == EBUSY ? " (another socket has it)"
        : errno == EINVAL ? " (is there such a queue? ethtool -l NAME)" : "");
    return -1;
}

static int prepare_xdp(struct xdp_port *x, int interface, int queue, char *error) {
    x->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (x->fd < 0) {
        say(error, "no AF_XDP socket: %s%s", strerror(errno),
            errno == EPERM ? " (run as root, or see `outcry doctor`)" : "");
        return -1;
    }
    x->umem_bytes = 2 * (size_t)x->frames * OC_BUFFER_BYTES;
    x->umem = mmap(NULL, x->umem_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    x->spare = calloc(x->frames, sizeof *x->spare);
    if (x->umem == MAP_FAILED) x->umem = NULL;
    if (!x->umem || !x->spare || make_rings(x)) {
        say(error, "no memory for the frames: %s (raise the limit: ulimit -l unlimited)",
            strerror(errno));
        return -1;
    }
    for (uint64_t at = 0; at < x->frames; at++) {
        uint64_t frame = at * OC_BUFFER_BYTES;
        give_to_kernel(x, &frame, 1);
        x->spare[x->spare_count++] = (x->frames + at) * OC_BUFFER_BYTES;
    }
    if (bind_queue(x, interface, queue, error)) return -1;
    return attach_program(x, interface, queue, error);
}

/* `frames`, a power of two: how many there are to receive into, and as many to send from. */
struct oc_port *oc_open_xdp(int32_t interface, int32_t queue, int32_t frames, char *error) {
    struct xdp_port *x = calloc(1, sizeof *x);
    if (!x) {
        say(error, "no memory");
        return NULL;
    }
    x->port = (struct oc_port){.receive = xdp_receive, .done = xdp_done,
                               .tx_buffer = xdp_tx_buffer, .tx_commit = xdp_tx_commit,
                               .tx_flush = xdp_tx_flush, .counters = xdp_counters,
                               .close = xdp_close};
    x->fd = x->map_fd = x->program_fd = x->link_fd = -1;
    x->frames = (uint32_t)frames;
    if (prepare_xdp(x, interface, queue, error)) {
        oc_close(&x->port);
        return NULL;
    }
    return &x->port;
}
#endif
