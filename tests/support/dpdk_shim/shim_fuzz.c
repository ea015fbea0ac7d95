/* Malformed packets through the shim's loop, compiled with AddressSanitizer and UBSan.
 *
 *     shim_fuzz COUNT SEED [RULES]     RULES: a file with a block of golden.make_rules
 *
 * Frames are good ones with damage of many kinds, each in a heap block of exactly its size, so that a
 * byte read behind it is found.  Of every frame the loop's outcome is compared with a second opinion,
 * which is written differently and knows no shortcuts.  Prints the counts by reason as JSON. */
#include "shim.c"

static uint64_t state_word;
static uint64_t dice(void) { /* splitmix64 */
    uint64_t z = (state_word += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
static uint32_t below(uint32_t n) { return (uint32_t)(dice() % n); }

struct fuzz_port {
    struct oc_port port;
    uint8_t *frames[OC_BURST];
    uint32_t sizes[OC_BURST];
    int count;
};

static int fuzz_receive(struct oc_port *port, struct oc_frame *frames, int most) {
    struct fuzz_port *f = (struct fuzz_port *)port;
    int count = f->count < most ? f->count : most;
    for (int at = 0; at < count; at++)
        frames[at] = (struct oc_frame){f->frames[at], f->sizes[at], 0, 0, NULL};
    if (count < f->count) abort(); /* there is always room */
    f->count = 0;
    return count;
}

static void put_big(uint8_t *at, uint64_t value, int bytes) {
    for (int index = 0; index < bytes; index++) at[index] = (uint8_t)(value >> 8 * (bytes - 1 - index));
}

/* RFC 1071 byte by byte. */
static uint32_t slow_sum(const uint8_t *at, uint32_t size_bytes, uint32_t sum) {
    for (uint32_t index = 0; index < size_bytes; index++) {
        sum += index & 1 ? at[index] : (uint32_t)at[index] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static uint32_t sum_of_udp(const uint8_t *ip, int ip6) {
    const uint8_t *udp = ip + (ip6 ? 40 : 20);
    uint32_t length = (uint32_t)udp[4] << 8 | udp[5];
    uint32_t sum = slow_sum(ip6 ? ip + 8 : ip + 12, ip6 ? 32 : 8, 17);
    sum = slow_sum(udp + 4, 2, sum);
    return slow_sum(udp, length, sum);
}

/* The whole parse again, without shortcuts: a reason, or 0. */
static int second_opinion(const uint8_t *f, uint32_t size, int framing) {
    uint32_t at = 12, tags = 0;
    if (size < 14) return OC_REJECT_RUNT;
    while (tags < 2 && ((f[at] == 0x81 && f[at + 1] == 0) || (f[at] == 0x88 && f[at + 1] == 0xa8))) {
        at += 4;
        tags++;
        if (size < at + 2) return OC_REJECT_RUNT;
    }
    const uint8_t *type = f + at, *ip = f + at + 2;
    uint32_t left = size - at - 2;
    if (left < 28) return OC_REJECT_RUNT;
    int ip6 = type[0] == 0x86 && type[1] == 0xdd;
    if (!ip6 && !(type[0] == 8 && type[1] == 0)) return OC_REJECT_ETHERTYPE;
    if (ip6 && left < 48) return OC_REJECT_RUNT;
    if (ip6 ? ip[0] >> 4 != 6 : ip[0] != 0x45) return OC_REJECT_IP_HEADER;
    if (ip6 ? ip[6] == 44 : (ip[6] & 0x3f) || ip[7]) return OC_REJECT_FRAGMENT;
    if (ip[ip6 ? 6 : 9] != 17) return OC_REJECT_PROTOCOL;
    uint32_t header = ip6 ? 40 : 20;
    const uint8_t *udp = ip + header;
    uint32_t said = ip6 ? 40 + ((uint32_t)ip[4] << 8 | ip[5]) : ((uint32_t)ip[2] << 8 | ip[3]);
    uint32_t udp_said = (uint32_t)udp[4] << 8 | udp[5];
    if (udp[2] << 8 != (9000 & 0xff00) || udp[3] != (9000 & 0xff)) return OC_REJECT_PORT;
    if (said != left || udp_said + header != left) return OC_REJECT_LENGTH;
    if (!ip6 && slow_sum(ip, 20, 0) != 0xffff) return OC_REJECT_IP_CHECKSUM;
    int none = udp[6] == 0 && udp[7] == 0;
    if (none ? ip6 : sum_of_udp(ip, ip6) != 0xffff) return OC_REJECT_UDP_CHECKSUM;
    const uint8_t *p = udp + 8;
    uint32_t bytes = udp_said - 8;
    if (framing) {
        if (bytes < 20) return OC_REJECT_SHORT;
        uint32_t count = (uint32_t)p[18] << 8 | p[19];
        if (count == 0xffff) count = 0;
        if (count > 22) return OC_REJECT_COUNT;
        if (bytes != 20 + 66 * count) return OC_REJECT_SIZE;
        for (uint32_t n = 0; n < count; n++)
            if (p[20 + 66 * n] || p[21 + 66 * n] != 64) return OC_REJECT_SIZE;
        uint64_t first = 0;
        for (int n = 0; n < 8; n++) first = first << 8 | p[10 + n];
        return first < 1 || first > UINT64_C(1) << 62 ? OC_REJECT_SEQUENCE : 0;
    }
    if (bytes < 32) return OC_REJECT_SHORT;
    if (memcmp(p, "OCRY", 4)) return OC_REJECT_MAGIC;
    for (int n = 0; n < 4; n++)
        if (p[4 + n] != (uint8_t)(OUTCRY_LAYOUT_HASH >> 8 * n)) return OC_REJECT_LAYOUT;
    if (p[30] != 1) return OC_REJECT_KIND;
    uint32_t count = p[28] | (uint32_t)p[29] << 8;
    if (count == 0 || count > 22) return OC_REJECT_COUNT;
    if (bytes != 32 + 64 * count) return OC_REJECT_SIZE;
    uint64_t first = 0;
    for (int n = 7; n >= 0; n--) first = first << 8 | p[8 + n];
    return first < 1 || first > UINT64_C(1) << 62 ? OC_REJECT_SEQUENCE : 0;
}

static uint32_t good_payload(uint8_t *p, int framing, int64_t *next) {
    uint32_t count = below(4) ? 1 + below(3) : 1 + below(22);
    for (uint32_t at = 0; at < 1500; at++) p[at] = (uint8_t)dice();
    int64_t first = below(16) ? *next : 1 + (int64_t)below(1u << 20);
    if (first == *next) *next += count;
    if (framing) {
        memcpy(p, "SESSION   ", 10);
        put_big(p + 10, (uint64_t)first, 8);
        put_big(p + 18, count, 2);
        for (uint32_t n = 0; n < count; n++) put_big(p + 20 + 66 * n, 64, 2);
        return 20 + 66 * count;
    }
    struct outcry_packet_header h = {.magic = OUTCRY_PACKET_MAGIC, .layout_tag = LAYOUT_TAG,
                                     .first_seq = first, .sender = below(3),
                                     .count = (uint16_t)count, .kind = 1};
    memcpy(p, &h, sizeof h);
    /* Records whose small numbers are often good, so that every check is reached. */
    for (uint32_t n = 0; n < count; n++) {
        struct outcry_order *o = (struct outcry_order *)(p + 32 + 64 * n);
        if (below(8) == 0) continue; /* noise as it is */
        o->price_ticks = (int64_t)below(1200);
        o->qty_lots = (int64_t)below(100000);
        memcpy(o->symbol, below(3) ? "ACME\0\0\0\0" : "STEP\0\0\0\0", 8);
        o->kind = (uint8_t)below(11);
        o->side = (uint8_t)below(4);
        o->order_type = (uint8_t)below(18);
        o->time_in_force = (uint8_t)below(8);
        o->participant = (uint16_t)below(40);
    }
    return 32 + 64 * count;
}

static void right_sums(uint8_t *ip, int ip6) {
    uint8_t *udp = ip + (ip6 ? 40 : 20);
    if (!ip6) {
        put_big(ip + 10, 0, 2);
        put_big(ip + 10, ~slow_sum(ip, 20, 0) & 0xffff, 2);
    }
    put_big(udp + 6, 0, 2);
    uint32_t sum = ~sum_of_udp(ip, ip6) & 0xffff;
    put_big(udp + 6, sum ? sum : 0xffff, 2);
}

/* A frame with something wrong with it, more often than not; its size. */
static uint32_t make_frame(uint8_t *f, int framing, int64_t *next) {
    static const uint8_t values[] = {0, 1, 2, 17, 20, 22, 23, 31, 44, 63, 64, 65, 127, 128, 254, 255};
    uint32_t at = 12, tags = below(4) ? below(2) : below(4);
    int ip6 = below(3) == 0;
    uint8_t payload[1500];
    uint32_t bytes = good_payload(payload, framing, next);
    if (below(24) == 0) bytes = below(bytes + 1);
    for (uint32_t n = 0; n < 12; n++) f[n] = (uint8_t)(n * 3 + below(2));
    for (uint32_t n = 0; n < tags; n++, at += 4) put_big(f + at, 0x81000000u + below(4096), 4);
    put_big(f + at, ip6 ? 0x86dd : 0x0800, 2);
    uint8_t *ip = f + at + 2, *udp = ip + (ip6 ? 40 : 20);
    memset(ip, 0, ip6 ? 48 : 28);
    ip[0] = ip6 ? 0x60 : 0x45;
    put_big(ip + (ip6 ? 4 : 2), bytes + 8 + (ip6 ? 0 : 20), 2);
    ip[ip6 ? 6 : 9] = 17;
    ip[ip6 ? 7 : 8] = 64;
    ip[ip6 ? 23 : 15] = (uint8_t)below(2);
    put_big(udp, 5000, 2);
    put_big(udp + 2, 9000, 2);
    put_big(udp + 4, bytes + 8, 2);
    memcpy(udp + 8, payload, bytes);
    uint32_t size = (uint32_t)(udp - f) + 8 + bytes;
    int damage = (int)below(8), repaired = (int)below(2);
    for (int n = 0; n < (damage == 1 ? 1 : damage == 2 ? 3 : 0); n++) {
        uint32_t where = below(4) ? below((uint32_t)(udp - f) + 48) : below(size);
        if (where >= size) where = size - 1;
        f[where] = below(2) ? values[below(16)] : (uint8_t)(f[where] ^ 1u << below(8));
    }
    uint32_t said = (uint32_t)udp[4] << 8 | udp[5];
    if ((damage == 0 || damage > 2 || repaired) && said + (uint32_t)(udp - f) <= size) right_sums(ip, ip6);
    if (damage == 3) size = below(size + 1);
    if (damage == 4) size += 1 + below(80);
    return size;
}

/* A frame like the one before it, next in its sender's sequence, with a small difference more often
 * than not: what the shim takes without a whole parse, or must not. */
static uint32_t make_alike(uint8_t *f, int64_t *next) {
    static uint8_t base[2048];
    static uint32_t size;
    if (size == 0 || below(32) == 0) {
        int64_t unused = 1;
        memset(base, 0, 42);
        for (uint32_t n = 0; n < 12; n++) base[n] = (uint8_t)(n + (n == 9 ? below(2) : 0));
        _Alignas(8) uint8_t payload[1500];
        uint32_t bytes = good_payload(payload, 0, &unused);
        memcpy(base + 42, payload, bytes);
        put_big(base + 42 + offsetof(struct outcry_packet_header, sender), 77, 4);
        put_big(base + 12, 0x080045, 3);
        put_big(base + 16, bytes + 28, 2);
        base[23] = 17;
        put_big(base + 34, 5000, 2);
        put_big(base + 36, 9000, 2);
        put_big(base + 38, bytes + 8, 2);
        size = 42 + bytes;
    }
    /* Not into the high bytes of the sequence: he would soon be at its end. */
    const uint32_t first_at = 42 + offsetof(struct outcry_packet_header, first_seq);
    memcpy(f, base, size);
    int64_t first = *next + (below(8) ? 0 : (int64_t)below(5) - 2);
    memcpy(f + first_at, &first, 8);
    if (below(2)) put_big(f + 18, dice(), 2);
    int damage = (int)below(6), sums = (int)below(8);
    uint32_t where = below(4) ? below(42 + PACKET_HEADER_BYTES) : below(size);
    if (where - first_at - 3 < 5) where = 0;
    if (damage == 0) f[where] = (uint8_t)(f[where] ^ 1u << below(8));
    uint32_t said = (uint32_t)f[38] << 8 | f[39];
    if (sums && 34 + said <= size) right_sums(f + 14, 0);
    if (sums == 1) put_big(f + 40, 0, 2);
    if (damage == 1) f[where] = (uint8_t)(f[where] ^ 1u << below(8));
    uint32_t cut = damage == 2 ? below(size + 1) : size;
    if (cut == size && !second_opinion(f, size, 0)) {
        memcpy(&first, f + first_at, 8);
        first += f[42 + offsetof(struct outcry_packet_header, count)];
        if (first > *next) *next = first;
    }
    return cut;
}

/* An authentic packet of session 7, or one with a byte changed or a piece missing behind right
 * headers; says which. */
static uint32_t make_sealed(uint8_t *f, char *sessions, int64_t *next, int *forged) {
    _Alignas(8) uint8_t payload[1500];
    uint32_t bytes = good_payload(payload, 0, next);
    put_big(payload + offsetof(struct outcry_packet_header, sender), 0x07000000, 4);
    bytes = seal_packet(find_session(sessions, 7), payload, bytes);
    *forged = (int)below(3);
    if (*forged == 1) payload[below(bytes)] ^= (uint8_t)(1 + below(255));
    if (*forged == 2) bytes = below(bytes);
    memset(f, 0, 42);
    put_big(f + 12, 0x0800, 2);
    f[14] = 0x45;
    put_big(f + 16, bytes + 28, 2);
    f[23] = 17;
    put_big(f + 34, 5000, 2);
    put_big(f + 36, 9000, 2);
    put_big(f + 38, bytes + 8, 2);
    memcpy(f + 42, payload, bytes);
    right_sums(f + 14, 0);
    return 42 + bytes;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    int64_t wanted = atoll(argv[1]), capacity = 4096, next[2] = {1, 1}, different = 0;
    int64_t next_alike = 1;
    state_word = strtoull(argv[2], NULL, 10);
    char *ring = aligned_alloc(128, RING_SLOTS + 64 * (size_t)capacity);
    struct oc_state *state = calloc(1, sizeof *state);
    struct fuzz_port port = {.port = {.receive = fuzz_receive, .done = nothing_to_give_back}};
    memset(ring, 0, RING_SLOTS + 64 * (size_t)capacity);
    *(int64_t *)(ring + RING_CONSUMER_COUNT) = 1;
    char *rules = NULL;
    if (argc > 3) {
        FILE *file = fopen(argv[3], "rb");
        fseek(file, 0, SEEK_END);
        size_t bytes = (size_t)ftell(file);
        rewind(file);
        rules = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
        if (fread(rules, 1, bytes, file) != bytes) return 2;
        fclose(file);
    }
    struct oc_outbound *outbound = calloc(1, sizeof *outbound);
    _Alignas(64) static char sessions[OC_SESSION_ROWS_AT + 2 * OC_SESSION_ROW_BYTES];
    sessions[2 * 7] = 1;
    struct oc_session *session = find_session(sessions, 7);
    session->epoch = 5;
    for (int n = 0; n < 32; n++) session->key[n] = (uint8_t)dice();
    int64_t next_sealed = 1;
    struct oc_shim shim = {.outbound = outbound, .next_seq = 1, .ring = ring, .mask = capacity - 1, .state = state,
                           .rules = rules, .udp_port = 9000, .kind = 1, .port_count = 1,
                           .ports = {&port.port}};
    oc_start(&shim);
    FILE *out = argc > 4 ? fopen(argv[4], "wb") : NULL;
    int64_t done = 0, expected[OC_COUNTERS] = {0};
    uint8_t buffer[4096];
    while (done < wanted) {
        shim.framing = (int)below(4) == 0;
        shim.sessions = shim.framing || below(4) ? NULL : sessions;
        int count = 1 + (int)below(OC_BURST);
        for (int n = 0; n < count; n++) {
            int forged = 0;
            uint32_t size = shim.sessions ? make_sealed(buffer, sessions, &next_sealed, &forged)
                            : shim.framing || (count & 1)
                                ? make_frame(buffer, shim.framing, &next[shim.framing])
                                : make_alike(buffer, &next_alike);
            port.frames[n] = malloc(size ? size : 1);
            port.sizes[n] = size;
            memcpy(port.frames[n], buffer, size);
            expected[forged          ? OC_REJECT_UNAUTHENTICATED
                     : shim.sessions ? 0
                                     : second_opinion(buffer, size, shim.framing)]++;
        }
        port.count = count;
        int64_t first = shim.next_seq;
        oc_poll(&shim, INT64_MAX);
        for (int64_t seq = first; seq < shim.next_seq; seq++) {
            const char *slot = ring + RING_SLOTS + (seq & shim.mask) * 64;
            if (*(const int64_t *)(slot + 56) != seq) different++;
            if (out) fwrite(slot, 1, 64, out);
        }
        *(int64_t *)(ring + RING_CONSUMERS) = shim.next_seq - 1;
        for (int n = 0; n < count; n++) free(port.frames[n]);
        done += count;
    }
    int64_t *c = state->counters[0], refused = 0;
    for (int reason = 1; reason <= OC_REJECT_UNAUTHENTICATED; reason++) {
        if (reason != OC_REJECT_CUT && c[OC_COUNT_REJECTED + reason] != expected[reason]) different++;
        refused += c[OC_COUNT_REJECTED + reason];
    }
    int64_t left_out = c[OC_COUNT_DUPLICATE_PACKETS] + c[OC_COUNT_STALE_PACKETS]
                       + c[OC_COUNT_SENDER_REFUSED_PACKETS] + c[OC_COUNT_JUMP_PACKETS]
                       + c[OC_COUNT_HEARTBEAT_PACKETS];
    printf("{\"packets\": %lld, \"published\": %lld, \"records\": %lld, \"left_out\": %lld, "
           "\"refused\": %lld, \"unaccounted\": %lld, \"different\": %lld, \"reasons\": [",
           (long long)done, (long long)c[OC_COUNT_PUBLISHED], (long long)c[OC_COUNT_RECORDS],
           (long long)left_out, (long long)refused,
           (long long)(done - c[OC_COUNT_PUBLISHED] - left_out - refused), (long long)different);
    for (int reason = 1; reason <= OC_REJECT_UNAUTHENTICATED; reason++)
        printf("%s%lld", reason > 1 ? ", " : "", (long long)c[OC_COUNT_REJECTED + reason]);
    printf("]}\n");
    if (out) fclose(out);
    free(ring);
    free(state);
    free(outbound);
    free(rules);
    return 0;
}
