/* Captures: pcap (both byte orders, us and ns) and pcapng (section, interface, enhanced and simple
 * packet blocks), of Ethernet frames, read from memory.
 *
 * The whole file is looked through before the first frame is handed out, so a broken one is refused
 * with its byte before anything of it was published.
 * Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. */
#ifndef OUTCRY_PORT_CAPTURE_H
#define OUTCRY_PORT_CAPTURE_H

#define LINK_ETHERNET 1
#define CAPTURE_INTERFACES 64
#define CAPTURE_FRAME_MAX (1 << 18)
enum { BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_SIMPLE = 3, BLOCK_ENHANCED = 6 };

struct capture_port {
    struct oc_port port;
    const uint8_t *bytes;
    int64_t size_bytes, at;
    int is_ng, swapped;
    int64_t units_per_s;    /* pcap */
    uint32_t interfaces;    /* of this section */
    uint64_t resolution[CAPTURE_INTERFACES]; /* units a second */
    int64_t offset_s[CAPTURE_INTERFACES];
    uint32_t snap_bytes[CAPTURE_INTERFACES];
    int paced;
    int64_t first_ts_ns, first_now_ns;
    int waiting;            /* `held` is not due yet */
    struct oc_frame held;
};

static uint32_t field32(const struct capture_port *c, int64_t at) {
    uint32_t v = get32(c->bytes + at);
    return c->swapped ? __builtin_bswap32(v) : v;
}
static uint16_t field16(const struct capture_port *c, int64_t at) {
    uint16_t v = get16(c->bytes + at);
    return c->swapped ? __builtin_bswap16(v) : v;
}

static int fault(char *error, int64_t at, const char *what, long long value) {
    char text[160];
    snprintf(text, sizeof text, what, value);
    say(error, "byte %lld: %s", (long long)at, text);
    return -1;
}

/* Units since the epoch as ns, for any resolution without overflow. */
static int64_t unit_ns(uint64_t units, uint64_t per_s) {
    unsigned __int128 ns = (unsigned __int128)units * 1000000000u / per_s;
    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

static void set_frame(struct oc_frame *frame, const uint8_t *data, uint32_t captured,
                      uint32_t original, int64_t ts_ns) {
    *frame = (struct oc_frame){data, captured, ts_ns ? FRAME_CAPTURE_TS : 0, ts_ns, NULL};
    if (captured < original) frame->flags |= FRAME_CUT;
}

static int start_pcap(struct capture_port *c, char *error) {
    uint32_t magic = get32(c->bytes);
    c->swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
    uint32_t plain = c->swapped ? __builtin_bswap32(magic) : magic;
    c->units_per_s = plain == 0xa1b23c4d ? 1000000000 : 1000000;
    if (c->size_bytes < 24) return fault(error, c->size_bytes, "the file header is cut", 0);
    uint32_t link = field32(c, 20) & 0xffff;
    if (link != LINK_ETHERNET) return fault(error, 20, "link type %lld is not Ethernet (1)", link);
    c->at = 24;
    return 0;
}

/* 1: a frame; 0: the end; -1: broken. */
static int next_pcap(struct capture_port *c, struct oc_frame *frame, char *error) {
    int64_t left = c->size_bytes - c->at;
    if (left == 0) return 0;
    if (left < 16) return fault(error, c->at, "a packet header of 16 bytes is cut after %lld", left);
    uint32_t captured = field32(c, c->at + 8), original = field32(c, c->at + 12);
    if (captured > CAPTURE_FRAME_MAX)
        return fault(error, c->at + 8, "a packet of %lld bytes cannot be", captured);
    if (left - 16 < captured)
        return fault(error, c->at + 16, "a packet is cut after %lld bytes", left - 16);
    int64_t ts_ns = field32(c, c->at) * INT64_C(1000000000)
                    + unit_ns(field32(c, c->at + 4), (uint64_t)c->units_per_s);
    set_frame(frame, c->bytes + c->at + 16, captured, original, ts_ns);
    c->at += 16 + captured;
    return 1;
}

static int read_section(struct capture_port *c, int64_t left, char *error) {
    if (left < 28) return fault(error, c->at, "a section header block is cut after %lld", left);
    uint32_t magic = get32(c->bytes + c->at + 8);
    if (magic != 0x1a2b3c4d && magic != 0x4d3c2b1a)
        return fault(error, c->at + 8, "byte-order magic %#llx is none", magic);
    c->swapped = magic == 0x4d3c2b1a;
    c->interfaces = 0;
    return 0;
}

static int read_interface(struct capture_port *c, int64_t length, char *error) {
    uint32_t index = c->interfaces;
    if (length < 20) return fault(error, c->at + 4, "an interface block of %lld bytes", length);
    if (index == CAPTURE_INTERFACES)
        return fault(error, c->at, "more than %lld interfaces", CAPTURE_INTERFACES);
    if (field16(c, c->at + 8) != LINK_ETHERNET)
        return fault(error, c->at + 8, "link type %lld is not Ethernet (1)", field16(c, c->at + 8));
    c->resolution[index] = 1000000;
    c->offset_s[index] = 0;
    c->snap_bytes[index] = field32(c, c->at + 12);
    for (int64_t at = c->at + 16, end = c->at + length - 4; at + 4 <= end;) {
        uint32_t code = field16(c, at), size = field16(c, at + 2);
        if (at + 4 + size > end) return fault(error, at, "an option of %lld bytes is cut", size);
        const uint8_t *value = c->bytes + at + 4;
        if (code == 0) break;
        if (code == 9 && size == 1) { /* if_tsresol: a power of ten, or with the top bit of two */
            uint32_t power = *value & 127;
            if (power > (*value & 128 ? 63 : 19))
                return fault(error, at, "time resolution %lld cannot be", *value);
            uint64_t units = 1;
            for (uint32_t n = 0; n < power; n++) units *= *value & 128 ? 2 : 10;
            c->resolution[index] = units;
        }
        if (code == 14 && size == 8) { /* if_tsoffset, seconds */
            uint64_t seconds = get64(value);
            c->offset_s[index] = (int64_t)(c->swapped ? __builtin_bswap64(seconds) : seconds);
            if (c->offset_s[index] > 4294967295 || c->offset_s[index] < -4294967295)
                return fault(error, at, "time offset of %lld s cannot be", c->offset_s[index]);
        }
        at += 4 + ((size + 3) & ~3u);
    }
    c->interfaces++;
    return 0;
}

static int read_enhanced(struct capture_port *c, int64_t length, struct oc_frame *frame,
                         char *error) {
    if (length < 32) return fault(error, c->at + 4, "a packet block of %lld bytes", length);
    uint32_t interface = field32(c, c->at + 8);
    if (interface >= c->interfaces)
        return fault(error, c->at + 8, "interface %lld was not described before", interface);
    uint32_t captured = field32(c, c->at + 20), original = field32(c, c->at + 24);
    if (captured > length - 32)
        return fault(error, c->at + 20, "a packet of %lld bytes is larger than its block", captured);
    uint64_t units = (uint64_t)field32(c, c->at + 12) << 32 | field32(c, c->at + 16);
    int64_t ts_ns = unit_ns(units, c->resolution[interface]);
    /* What overflows is no time of this age: it is left as it is. */
    int64_t whole;
    if (!__builtin_add_overflow(ts_ns, c->offset_s[interface] * INT64_C(1000000000), &whole))
        ts_ns = whole;
    set_frame(frame, c->bytes + c->at + 28, captured, original, ts_ns);
    return 1;
}

static int read_simple(struct capture_port *c, int64_t length, struct oc_frame *frame,
                       char *error) {
    if (length < 16) return fault(error, c->at + 4, "a packet block of %lld bytes", length);
    if (c->interfaces == 0)
        return fault(error, c->at, "interface %lld was not described before", 0);
    uint32_t original = field32(c, c->at + 8), captured = original;
    if (c->snap_bytes[0] && captured > c->snap_bytes[0]) captured = c->snap_bytes[0];
    if (captured > length - 16)
        return fault(error, c->at + 8, "a packet of %lld bytes is larger than its block", captured);
    set_frame(frame, c->bytes + c->at + 12, captured, original, 0);
    return 1;
}

static int next_pcapng(struct capture_port *c, struct oc_frame *frame, char *error) {
    for (;;) {
        int64_t left = c->size_bytes - c->at;
        if (left == 0) return 0;
        if (left < 12) return fault(error, c->at, "a block is cut after %lld bytes", left);
        uint32_t type = get32(c->bytes + c->at); /* the section's is the same both ways */
        if (type == BLOCK_SECTION && read_section(c, left, error)) return -1;
        type = field32(c, c->at);
        int64_t length = field32(c, c->at + 4);
        if (length < 12 || length & 3)
            return fault(error, c->at + 4, "block length %lld cannot be", length);
        if (length > left) return fault(error, c->at, "a block is cut after %lld bytes", left);
        if (field32(c, c->at + length - 4) != length)
            return fault(error, c->at + length - 4, "the block's second length is %lld",
                         field32(c, c->at + length - 4));
        int found = 0;
        if (type == BLOCK_INTERFACE) found = read_interface(c, length, error);
        if (type == BLOCK_ENHANCED) found = read_enhanced(c, length, frame, error);
        if (type == BLOCK_SIMPLE) found = read_simple(c, length, frame, error);
        if (found < 0) return -1;
        c->at += length;
        if (found) return 1;
    }
}

static int next_frame(struct capture_port *c, struct oc_frame *frame, char *error) {
    return c->is_ng ? next_pcapng(c, frame, error) : next_pcap(c, frame, error);
}

/* By its own timestamps: a frame is due as long after the first as it was captured after it. */
static int is_due(struct capture_port *c, const struct oc_frame *frame) {
    if (!c->paced || !frame->ts_ns) return 1;
    int64_t now = monotonic_ns();
    if (!c->first_now_ns) {
        c->first_now_ns = now;
        c->first_ts_ns = frame->ts_ns;
    }
    return frame->ts_ns - c->first_ts_ns <= now - c->first_now_ns;
}

static int capture_receive(struct oc_port *port, struct oc_frame *frames, int most) {
    struct capture_port *c = (struct capture_port *)port;
    char error[OC_ERROR_BYTES];
    int count = 0;
    while (count < most) {
        if (!c->waiting) {
            int found = next_frame(c, &c->held, error);
            if (found < 0) port->failed = EIO; /* the file was changed since it was opened */
            if (found <= 0) break;
        }
        c->waiting = !is_due(c, &c->held);
        if (c->waiting) break;
        frames[count++] = c->held;
    }
    port->packets_left -= count;
    port->ended = count == 0 && !c->waiting;
    return count;
}

static int start_capture(struct capture_port *c, char *error) {
    if (c->size_bytes < 4) return fault(error, 0, "a file of %lld bytes is no capture", c->size_bytes);
    uint32_t magic = get32(c->bytes);
    c->at = 0;
    c->interfaces = 0;
    c->is_ng = magic == BLOCK_SECTION;
    if (c->is_ng) return 0;
    if (magic != 0xa1b2c3d4 && magic != 0xd4c3b2a1 && magic != 0xa1b23c4d && magic != 0x4d3cb2a1)
        return fault(error, 0, "magic %#llx is neither pcap nor pcapng", magic);
    return start_pcap(c, error);
}

/* `bytes` stay the caller's, and where they are. */
struct oc_port *oc_open_capture(const char *bytes, int64_t size_bytes, int32_t paced, char *error) {
    struct capture_port *c = calloc(1, sizeof *c);
    if (!c) {
        say(error, "no memory");
        return NULL;
    }
    c->port = (struct oc_port){.receive = capture_receive, .done = nothing_to_give_back};
    c->bytes = (const uint8_t *)bytes;
    c->size_bytes = size_bytes;
    c->paced = paced;
    struct oc_frame frame;
    int found = start_capture(c, error) ? -1 : 1;
    while (found > 0 && (found = next_frame(c, &frame, error)) > 0) c->port.packets_left++;
    if (found < 0 || start_capture(c, error)) {
        free(c);
        return NULL;
    }
    return &c->port;
}
#endif
