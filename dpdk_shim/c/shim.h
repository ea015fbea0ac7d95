/* The shim's types and calls.  What stands between the two marks is also what Python is told
 * (dpdk_shim/native.py gives it to cffi), so it holds no preprocessor lines.
 *
 * A port is a way into the machine: it fills an array of frames (`receive`), lends their bytes until
 * `done`, and sends what `tx_buffer` was filled with.  Everything above ports is one loop, oc_poll. */
#ifndef OUTCRY_SHIM_H
#define OUTCRY_SHIM_H
#include <stddef.h>
#include <stdint.h>

#include "outcry_wire.h"
#include "shim_names.h"

#define OC_BURST 64
#define OC_PORTS 4
#define OC_SENDERS 4096
#define OC_COUNTERS 64
#define OC_PARTICIPANTS 65536
/* Events of which those for one participant share packets. */
#define OC_REPLY_EVENTS 1024
#define OC_HEADER_MAX 96
#define OC_ERROR_BYTES 256
/* Room for any packet of ours with its headers, and to see that a larger one is none. */
#define OC_BUFFER_BYTES 2048
#define OC_MAX_FIRST_SEQ (INT64_C(1) << 62)

/* cdef begin */
struct oc_shim {
    int64_t next_seq;       /* of the ring; the shim is its only producer */
    char *ring;             /* its first byte; NULL: records go to `out`, one after the other */
    int64_t mask;
    int64_t limit;          /* last sequence there was room for at the last look */
    char *out;
    void *rules;            /* block of golden.make_rules, or NULL: error_code 0 */
    struct oc_state *state; /* shared memory: survives the process */
    int64_t *stamps_intended; /* by sequence, CLOCK_MONOTONIC ns, or NULL */
    int64_t *stamps_received;
    int64_t *origin_senders; /* by sequence: 1 + index of the sender and its own number; or NULL */
    int64_t *origin_seqs;
    int64_t origin_mask;
    int64_t stamp_mask;
    int64_t epoch_offset_ns; /* CLOCK_REALTIME less CLOCK_MONOTONIC */
    const void *clock;      /* struct outcry_clock_page, or NULL */
    int64_t udp_port;       /* destination port that is ours, 0 for any */
    int32_t kind;           /* PacketKind expected */
    int32_t framing;        /* 0 our packets, 1 MoldUDP64 */
    int32_t arbitrate;      /* ports are lines of one feed: the first copy of a packet wins */
    int32_t port_count;
    int32_t failed;         /* 1 + index of the port that failed, after OC_FAILED */
    int32_t next_port;
    int64_t token_interval_ns; /* a participant's rate (wire/token_bucket.py), 0: none */
    int64_t token_burst_ns;
    int64_t refused_count;
    volatile int64_t stop;
    struct oc_sender *last_sender; /* of the packet before: bursts are often one sender's */
    struct oc_port *ports[4];
    char refused[5632];     /* the events of a burst's refusals, OC_REFUSALS_MAX */
    char *sessions;         /* who may send (authentication.py), or NULL: any sender, in any name */
    int64_t *origin_epochs; /* by sequence, of sessions: in which epoch; or NULL */
    struct oc_outbound *outbound;
};

/* How to reach somebody: the headers before a payload, lengths and checksums left at 0; for a UDP
 * socket its sockaddr. */
struct oc_way {
    uint16_t usable;
    uint16_t port;
    uint16_t header_bytes;
    uint16_t ip_at;         /* 0: no headers but a sockaddr */
    uint16_t unsummed;      /* no UDP checksum: IPv4 only, where a device makes and checks them */
    uint32_t ip_sum;        /* of the IPv4 header without its length */
    uint32_t pseudo_sum;    /* of addresses, protocol and ports */
    uint8_t header[96];
};

int64_t oc_state_bytes(void);
int64_t oc_outbound_bytes(void);
int64_t *oc_counters(struct oc_state *state, int32_t port);
void oc_set_hash_key(struct oc_state *state, uint64_t first, uint64_t second);
int32_t oc_sender_key(const struct oc_state *state, int32_t index, uint64_t *key);
int32_t oc_restore_sender(struct oc_state *state, const uint64_t *key, int64_t next, int64_t floor,
                          const int64_t *ranges, int32_t count);
void oc_start(struct oc_shim *shim);

int64_t oc_poll(struct oc_shim *shim, int64_t most);
int64_t oc_run(struct oc_shim *shim, int64_t most, int64_t timeout_ns);
int64_t oc_reply(struct oc_shim *shim, const char *events, int64_t count);
int64_t oc_transmit(struct oc_port *port, const struct oc_way *way, const char *payload,
                    int32_t size_bytes);
int64_t oc_flush(struct oc_port *port);
void oc_sum_way(struct oc_way *way);
void oc_start_port(struct oc_port *port, int64_t *counters);
int32_t oc_classify(const char *frame, int64_t size_bytes, int32_t kind, int32_t framing,
                    int64_t udp_port, int32_t sum_good);

struct oc_port *oc_open_udp(int32_t fd, char *error);
struct oc_port *oc_open_packet(int32_t fd, char *ring, int64_t block_bytes, int64_t blocks,
                               char *error);
struct oc_port *oc_open_capture(const char *bytes, int64_t size_bytes, int32_t paced, char *error);
struct oc_port *oc_open_xdp(int32_t interface, int32_t queue, int32_t frames, char *error);
struct oc_port *oc_open_dpdk(const char *device, int32_t frames, char *error);
void oc_close(struct oc_port *port);
int32_t oc_failure(struct oc_port *port);
int32_t oc_down(struct oc_port *port);
void oc_revive(struct oc_port *port);
int64_t oc_packets_left(struct oc_port *port);
int32_t oc_hardware_address(struct oc_port *port, char *address);
void oc_device_counters(struct oc_port *port, int64_t *counts);
int64_t oc_loop(struct oc_shim *shim, struct oc_port *from, const struct oc_way *way, char *payload,
                int32_t size_bytes, int64_t per_round, int64_t rounds, int32_t bare,
                int64_t *took_ns);
void oc_blast(struct oc_port *port, const struct oc_way *way, char *payload, int32_t size_bytes,
              int64_t count);
int64_t oc_sink(struct oc_shim *shim, int64_t packets);
int32_t oc_take_token(int64_t *due, int64_t now_ns, int64_t interval_ns, int64_t burst_ns);
int64_t oc_unseal(char *sessions, const char *data, int64_t size_bytes, const char *name);
int64_t oc_seal(char *sessions, char *data, int64_t packet_bytes, int64_t number);
void oc_keyed_hash(const char *key, const char *data, int64_t size_bytes, char *hash);

int32_t oc_has_dpdk(void);
int32_t oc_dpdk_init(int32_t argc, char **argv, char *error);
/* cdef end */

enum { OC_ENDED = -1, OC_FAILED = -2 };
enum { FRAME_PAYLOAD = 1, FRAME_SUM_GOOD = 2, FRAME_CUT = 4, FRAME_KERNEL_TS = 8,
       FRAME_HARDWARE_TS = 16, FRAME_CAPTURE_TS = 32, FRAME_TAG = 64, FRAME_TAG_AD = 128,
       FRAME_IN_PARTS = 256 };

#define FRAME_TAG_SHIFT 16
/* All that says which tag was taken out. */
#define FRAME_TAGS (~UINT32_C(0) << FRAME_TAG_SHIFT | FRAME_TAG | FRAME_TAG_AD)

struct oc_frame {
    const uint8_t *data;
    uint32_t size_bytes;
    uint32_t flags;     /* FRAME_TAG: the VLAN tag that was taken out of the frame, in the high half, and
                         * FRAME_TAG_AD if it was one of 802.1ad; FRAME_IN_PARTS: came as fragments */
    int64_t ts_ns;      /* since the epoch; 0: nobody stamped it, and no flag says who */
    const void *name;   /* sockaddr of a payload's sender */
};

/* Sequence numbers of one sender: all below `next` have come, but those of the missing ranges;
 * below `floor` nobody knows any more. */
struct oc_range { int64_t first, last; };
struct oc_sender {
    uint64_t key[4];
    int64_t next;
    uint64_t hardware;      /* a mix of MACs and tags: another way back when it changes */
    uint32_t range_count;
    uint32_t generation;    /* of the slot: another one means that this sender was forgotten */
    int64_t floor;
    struct oc_range ranges[OC_RANGES_MAX + 1]; /* one place for a moment, when one is split */
    struct oc_way way;
};

struct oc_state {
    int64_t counters[OC_PORTS][OC_COUNTERS];
    int64_t sender_count;
    uint64_t hash_key[2];   /* drawn at the start: nobody outside can choose who collides */
    struct oc_sender senders[OC_SENDERS];
    uint64_t peers[OC_PARTICIPANTS]; /* generation << 16 | sender's index, 0: never heard */
    int64_t buckets[OC_PARTICIPANTS]; /* of tokens */
};

/* Packets of events on their way out: a list of each packet's events, in their order. */
struct oc_outbound {
    int64_t begun;          /* packets begun, ever */
    int64_t last_of[OC_PARTICIPANTS]; /* the number of the last one begun for him, from 1 */
    struct {
        uint32_t first, last, count;
        struct oc_sender *sender;
    } packets[OC_REPLY_EVENTS];
    uint32_t next[OC_REPLY_EVENTS]; /* by event: the next one of its packet */
};

/* What became of the events that were given to a port. */
struct oc_sent {
    int64_t packets, events, failed_packets, failed_events;
};

/* The last frame that the whole parse let pass (header_prediction.h); size_bytes 0: none. */
struct oc_pattern {
    uint8_t head[64];
    uint64_t tail;
    uint32_t size_bytes;
    uint32_t flags;
    uint32_t ip_words;
    uint32_t count;
    uint64_t pseudo_sum;
    struct oc_sender *sender;
    uint64_t hardware;
    uint64_t peer;
    uint32_t generation;
};

struct oc_port {
    int (*receive)(struct oc_port *, struct oc_frame *, int most);
    void (*done)(struct oc_port *);
    int (*skip)(struct oc_port *);
    uint8_t *(*tx_buffer)(struct oc_port *);
    void (*tx_commit)(struct oc_port *, const struct oc_way *, uint32_t size_bytes);
    int (*tx_flush)(struct oc_port *);
    void (*counters)(struct oc_port *, int64_t *);
    void (*close)(struct oc_port *);
    int failed;         /* errno: the device is gone */
    int down;           /* errno: its link is down, and the port waits */
    int ended;          /* a capture was read to its end */
    int64_t idle;
    int64_t *tally;     /* this port's counters in the state */
    uint8_t hardware_address[6];
    int64_t packets_left;
    struct oc_pattern like;
    struct oc_sent sent;
    uint32_t committing; /* events of the packet that is given to tx_commit */
    uint32_t events_of[OC_BURST]; /* by place in the queue */
};
#endif
