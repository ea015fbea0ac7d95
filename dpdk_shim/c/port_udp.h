/* A bound UDP socket: recvmmsg and sendmmsg. */
#ifndef OUTCRY_PORT_UDP_H
#define OUTCRY_PORT_UDP_H
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
#define SK_MEMINFO_DROPS_AT 8
#define CONTROL_BYTES 128
/* From linux/in.h and linux/in6.h, which do not go with netinet/in.h. */
#define OC_IP_RECVFRAGSIZE 25
#define OC_IPV6_RECVFRAGSIZE 77
/* An idle socket or queue is asked whether it still works once in so many polls. */
#define LOOK_EVERY 1024

/* What sendmmsg is given, for sockets that send datagrams or frames. */
struct tx_queue {
    struct mmsghdr messages[OC_BURST];
    struct iovec vectors[OC_BURST];
    uint8_t names[OC_BURST][OC_HEADER_MAX];
    uint8_t buffers[OC_BURST][OC_BUFFER_BYTES];
    int count;
};

struct udp_port {
    struct oc_port port;
    int fd;
    struct mmsghdr messages[OC_BURST];
    struct iovec vectors[OC_BURST];
    struct sockaddr_storage names[OC_BURST];
    char control[OC_BURST][CONTROL_BYTES];
    uint8_t buffers[OC_BURST][OC_BUFFER_BYTES];
    struct tx_queue tx;
};

/* A packet of events is in the queue; it did not leave. */
static inline void note_commit(struct oc_port *port, int place) {
    port->events_of[place] = port->committing;
}
static inline void note_failure(struct oc_port *port, int place) {
    port->sent.failed_packets++;
    port->sent.failed_events += port->events_of[place];
}

/* What a call on a socket failed with.  A link that is down comes up again, and the socket with it. */
static void note_error(struct oc_port *port, int error) {
    if (error == ENETDOWN)
        port->down = error;
    else if (error && error != EAGAIN && error != EINTR && error != ECONNREFUSED)
        port->failed = error;
}

/* An error that waits in the socket: the interface went down, or away. */
static void look_at_socket(struct oc_port *port, int fd) {
    if (++port->idle % LOOK_EVERY) return;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size)) error = errno;
    note_error(port, error);
}

static int64_t stamp_ns(const struct timespec *t) {
    return t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
}

static void read_control(struct msghdr *m, struct oc_frame *frame) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        /* A size is given of a datagram only that the kernel put together from fragments. */
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == OC_IP_RECVFRAGSIZE)
            || (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == OC_IPV6_RECVFRAGSIZE))
            frame->flags |= FRAME_IN_PARTS;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPING) continue;
        struct scm_timestamping t;
        memcpy(&t, CMSG_DATA(c), sizeof t);
        if (t.ts[2].tv_sec) {
            frame->ts_ns = stamp_ns(&t.ts[2]);
            frame->flags |= FRAME_HARDWARE_TS;
        } else if (t.ts[0].tv_sec) {
            frame->ts_ns = stamp_ns(&t.ts[0]);
            frame->flags |= FRAME_KERNEL_TS;
        }
    }
}

static int udp_receive(struct oc_port *port, struct oc_frame *frames, int most) {
    struct udp_port *u = (struct udp_port *)port;
    /* MSG_TRUNC: a datagram's true size, so that a large one cannot pass for a short one. */
    int count = recvmmsg(u->fd, u->messages, (unsigned)most, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (count <= 0) {
        if (count < 0) note_error(port, errno);
        return 0;
    }
    for (int at = 0; at < count; at++) {
        struct msghdr *m = &u->messages[at].msg_hdr;
        frames[at] = (struct oc_frame){u->buffers[at], u->messages[at].msg_len, FRAME_PAYLOAD, 0,
                                       &u->names[at]};
        read_control(m, &frames[at]);
        m->msg_namelen = sizeof u->names[at];
        m->msg_controllen = CONTROL_BYTES;
    }
    return count;
}

static void nothing_to_give_back(struct oc_port *port) { (void)port; }

static uint8_t *queue_buffer(struct oc_port *port, struct tx_queue *tx) {
    if (tx->count == OC_BURST) port->tx_flush(port);
    return tx->count < OC_BURST ? tx->buffers[tx->count] : NULL;
}

static void queue_commit(struct oc_port *port, struct tx_queue *tx, const struct oc_way *way,
                         uint32_t size_bytes) {
    struct msghdr *m = &tx->messages[tx->count].msg_hdr;
    int named = way->ip_at == 0 && way->header_bytes > 0;
    memset(m, 0, sizeof *m);
    if (named) {
        memcpy(tx->names[tx->count], way->header, way->header_bytes);
        m->msg_name = tx->names[tx->count];
        m->msg_namelen = way->header_bytes;
    }
    note_commit(port, tx->count);
    tx->vectors[tx->count] = (struct iovec){tx->buffers[tx->count], size_bytes};
    m->msg_iov = &tx->vectors[tx->count];
    m->msg_iovlen = 1;
    tx->count++;
}

/* Hands everything to the kernel, without waiting; what it does not take is counted and gone. */
static int queue_flush(struct oc_port *port, int fd, struct tx_queue *tx) {
    int sent = 0;
    while (sent < tx->count) {
        int count = sendmmsg(fd, tx->messages + sent, (unsigned)(tx->count - sent), MSG_DONTWAIT);
        if (count > 0) {
            sent += count;
            continue;
        }
        /* sendmmsg says why only when the first of the rest failed: that one is given up. */
        if (errno != EINTR) {
            port->tally[errno == EAGAIN || errno == ENOBUFS ? OC_COUNT_TX_NO_ROOM
                                                            : OC_COUNT_TX_ERRORS]++;
            note_failure(port, sent);
            sent++;
        }
    }
    port->tally[OC_COUNT_TX_PACKETS] += tx->count;
    tx->count = 0;
    return sent;
}

static uint8_t *udp_tx_buffer(struct oc_port *port) {
    return queue_buffer(port, &((struct udp_port *)port)->tx);
}
static void udp_tx_commit(struct oc_port *port, const struct oc_way *way, uint32_t size_bytes) {
    queue_commit(port, &((struct udp_port *)port)->tx, way, size_bytes);
}
static int udp_tx_flush(struct oc_port *port) {
    struct udp_port *u = (struct udp_port *)port;
    return queue_flush(port, u->fd, &u->tx);
}

static void udp_counters(struct oc_port *port, int64_t *counts) {
    uint32_t info[16] = {0};
    socklen_t size = sizeof info;
    if (getsockopt(((struct udp_port *)port)->fd, SOL_SOCKET, SO_MEMINFO, info, &size) == 0)
        counts[OC_DEVICE_DROPPED] = info[SK_MEMINFO_DROPS_AT];
}

/* `fd` is the caller's, who binds it and closes it. */
struct oc_port *oc_open_udp(int32_t fd, char *error) {
    struct udp_port *u = calloc(1, sizeof *u);
    if (!u) {
        say(error, "no memory");
        return NULL;
    }
    u->port = (struct oc_port){.receive = udp_receive, .done = nothing_to_give_back,
                               .tx_buffer = udp_tx_buffer, .tx_commit = udp_tx_commit,
                               .tx_flush = udp_tx_flush, .counters = udp_counters};
    u->fd = fd;
    for (int at = 0; at < OC_BURST; at++) {
        struct msghdr *m = &u->messages[at].msg_hdr;
        u->vectors[at] = (struct iovec){u->buffers[at], OC_BUFFER_BYTES};
        *m = (struct msghdr){.msg_name = &u->names[at], .msg_namelen = sizeof u->names[at],
                             .msg_iov = &u->vectors[at], .msg_iovlen = 1,
                             .msg_control = u->control[at], .msg_controllen = CONTROL_BYTES};
    }
    return &u->port;
}
#endif
