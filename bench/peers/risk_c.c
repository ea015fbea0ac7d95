/* The checks of risk/before.py and the books of risk/after.py in C, over the same block of bytes:
 * NEW and REPLACE are checked, every event is booked, spot instruments are paid from wallets, refusals
 * are told word by word.  What the operator sets is set by our own kernels beforehand.
 *
 * L_... are the words of risk/layout.py and risk/spot_layout.py, B_... the bit numbers of risk/bits.py;
 * they, BURST and AHEAD come by -D.  A library: `run` is its only entry. */
#include "outcry_wire.h"
#include <time.h>

#define W(at) (*(int64_t *)(at))
#define NO_LIMIT INT64_MAX
#define LARGEST (INT64_C(1) << 62)
#define NO_PRICE INT64_MIN
#define BIT(name) (UINT64_C(1) << (B_##name))
#define KIND(name) (1u << OUTCRY_EVENT_KIND_##name)
#define TYPE(name) (1u << OUTCRY_ORDER_TYPE_##name)
/* Left to the exact check. */
#define STOP(when)                                                                                 \
    if (__builtin_expect(!!(when), 0)) return 0
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define RARE __attribute__((noinline, cold))

enum { BUY = OUTCRY_SIDE_BUY, NEW = OUTCRY_COMMAND_KIND_NEW, REPLACE = OUTCRY_COMMAND_KIND_REPLACE };
static const unsigned UNPRICED = TYPE(MARKET) | TYPE(MARKET_TO_LIMIT) | TYPE(STOP)
                                 | TYPE(TRAILING_STOP) | TYPE(TRAILING_STOP_BPS)
                                 | TYPE(MARKET_BUDGET) | TYPE(TAKE_PROFIT);
/* They pay no more than aux, and never rest. */
static const unsigned CALLS = 1u << OUTCRY_PHASE_PRE_OPEN | 1u << OUTCRY_PHASE_OPENING_AUCTION
                            | 1u << OUTCRY_PHASE_VOLATILITY_AUCTION
                            | 1u << OUTCRY_PHASE_CLOSING_AUCTION;
static const unsigned BUDGETS = TYPE(MARKET_BUDGET) | TYPE(LIMIT_BUDGET);
/* Sliding orders among them: they count at the price that was asked for. */
static const unsigned PEGS = TYPE(PEG_PRIMARY) | TYPE(PEG_MARKET) | TYPE(PEG_MIDPOINT)
                             | TYPE(POST_ONLY_SLIDE);
/* Both sides of an auction pay the maker's rate. */
static const unsigned MAKERS = OUTCRY_EVENT_FLAG_MAKER | OUTCRY_EVENT_FLAG_AUCTION;
static const unsigned CHANGES = KIND(FILLED) | KIND(CANCELLED) | KIND(REDUCED) | KIND(REPLACED)
                                | KIND(EXPIRED) | KIND(CONVERTED);

typedef struct outcry_order order_t;
typedef struct outcry_event event_t;
typedef __int128 wide;

static inline int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t size_of(int64_t a) { return a < 0 ? -a : a; }
static inline wide wide_max(wide a, wide b) { return a > b ? a : b; }
static int64_t cut(wide v) { return v > NO_LIMIT ? NO_LIMIT : v < -(wide)NO_LIMIT ? -NO_LIMIT : v; }

static inline char *participant_row(char *s, int64_t who) {
    return s + W(s + L_PARTICIPANT_AT) + who * L_PARTICIPANT_BYTES;
}
static inline char *group_row(char *s, const char *row) {
    return s + W(s + L_GROUP_AT) + W(row + L_GROUP) * L_GROUP_BYTES;
}
static inline char *instrument_row(char *s, int64_t index) {
    return s + W(s + L_INSTRUMENT_AT) + index * L_INSTRUMENT_BYTES;
}
static inline char *cell_of(char *s, int64_t who, int64_t index) {
    return s + W(s + L_CELL_AT) + (who * W(s + L_INSTRUMENTS) + index) * L_CELL_BYTES;
}
static inline int64_t find_symbol(char *s, int64_t symbol) {
    uint64_t mask = W(s + L_SYMBOL_MASK);
    uint64_t at = (uint64_t)symbol * (uint64_t)L_HASH_FACTOR >> 32 & mask;
    char *table = s + W(s + L_SYMBOLS_AT);
    for (; W(table + 16 * at) != 0; at = (at + 1) & mask)
        if (W(table + 16 * at) == symbol) return W(table + 16 * at + 8);
    return -1;
}
static inline uint64_t order_home(char *s, int64_t instrument, int64_t id) {
    uint64_t mixed = ((uint64_t)id + ((uint64_t)instrument << 40)) * (uint64_t)L_HASH_FACTOR;
    mixed = (mixed ^ (uint64_t)((int64_t)mixed >> 32)) * (uint64_t)L_HASH_FACTOR;
    return mixed >> 32 & (uint64_t)W(s + L_ORDER_MASK);
}
static inline char *find_order(char *s, int64_t instrument, int64_t id) {
    uint64_t mask = W(s + L_ORDER_MASK);
    char *table = s + W(s + L_ORDER_AT);
    for (uint64_t at = order_home(s, instrument, id);; at = (at + 1) & mask) {
        char *entry = table + at * L_ORDER_BYTES;
        int64_t meta = W(entry + L_ORDER_META);
        if (meta == 0 || (W(entry + L_ORDER_ID) == id && (meta & 0xFFFF) == instrument))
            return entry;
    }
}
static inline void erase_order(char *s, char *entry) {
    uint64_t mask = W(s + L_ORDER_MASK);
    char *table = s + W(s + L_ORDER_AT);
    uint64_t free = (entry - table) / L_ORDER_BYTES;
    for (uint64_t at = (free + 1) & mask;; at = (at + 1) & mask) {
        char *other = table + at * L_ORDER_BYTES;
        int64_t meta = W(other + L_ORDER_META);
        if (meta == 0) break;
        uint64_t home = order_home(s, meta & 0xFFFF, W(other + L_ORDER_ID));
        if (((at - home) & mask) >= ((at - free) & mask)) {
            __builtin_memcpy(table + free * L_ORDER_BYTES, other, L_ORDER_BYTES);
            free = at;
        }
    }
    __builtin_memset(table + free * L_ORDER_BYTES, 0, L_ORDER_BYTES);
    W(s + L_ORDERS_OPEN) -= 1;
}

/* Wallets (risk/spot.py). */

static inline char *rules_of(char *s, const char *rules) { return s + W(rules + L_SPOT_AT); }
static inline char *wallet_at(char *s, const char *spot, int64_t participant_0_at, int64_t who) {
    return s + participant_0_at + who * W(spot + L_RULES_WALLET_STEP);
}
static inline char *own_wallet(char *s, const char *spot, int64_t side, int64_t who) {
    int64_t at = W(spot + (side == BUY ? L_RULES_QUOTE_WALLET_AT : L_RULES_BASE_WALLET_AT));
    return wallet_at(s, spot, at, who);
}
static inline int64_t maker_rate(int64_t terms) {
    return (int64_t)((uint64_t)terms << (64 - L_RATE_BITS)) >> (64 - L_RATE_BITS);
}
static inline int64_t taker_rate(int64_t terms) { return maker_rate(terms >> L_TAKER_AT); }
static inline int64_t new_flags(int64_t side, int64_t terms) {
    if (side != BUY || !(terms >> L_QUOTE_FEE_AT & 1)) return 0;
    int64_t rate = max(max(maker_rate(terms), taker_rate(terms)), 0);
    return L_QUOTE_FEE_FLAG | rate << L_PINNED_SHIFT;
}
static inline int64_t fee_of(int64_t amount, int64_t rate) {
    int64_t whole = amount / L_FEE_UNIT, rest = amount % L_FEE_UNIT;
    return whole * rate + rest * rate / L_FEE_UNIT;
}
/* What an order that was let in reserves. */
static inline int64_t from_wallet(const char *rules, const char *spot, int64_t side, int64_t flags,
                                  int64_t price, int64_t lots) {
    if (side != BUY) return lots * W(spot + L_RULES_LOT_UNITS);
    if (!(flags & L_PRICED_FLAG)) price = W(rules + L_WORST_BUY);
    int64_t paid = max(price, 0) * W(rules + L_MULTIPLIER) * lots;
    return paid + fee_of(paid, flags >> L_PINNED_SHIFT);
}
/* The same of one that was not. */
static int64_t asked_for(const char *rules, const char *spot, int side, int64_t flags, int64_t price,
                         int64_t lots, int64_t budget) {
    if (side != BUY) return cut((wide)lots * W(spot + L_RULES_LOT_UNITS));
    if (!(flags & L_PRICED_FLAG)) price = W(rules + L_WORST_BUY);
    int64_t ticks = cut((wide)max(price, 0) * lots);
    int64_t paid = cut((wide)(ticks < budget ? ticks : budget) * W(rules + L_MULTIPLIER));
    return cut((wide)paid + fee_of(paid, flags >> L_PINNED_SHIFT));
}
/* As wire/notes.py has it. */
static inline int64_t fee_note(int64_t fee, int64_t of_base) { return fee * 2 | of_base; }
static int64_t missing(const char *wallet) {
    return max(-(W(wallet + L_WALLET_AVAILABLE) + W(wallet + L_WALLET_CREDIT)), 0);
}
static RARE void pay_shortfall(char *asset, char *wallet) {
    int64_t short_by = W(wallet + L_WALLET_SHORTFALL), still = missing(wallet);
    int64_t left = short_by < still ? short_by : still;
    W(asset + L_ASSET_SHORT) -= short_by - left;
    W(wallet + L_WALLET_SHORTFALL) = left;
}
/* A schedule's minimum, as a part of the units that a fill brings, which are worth `paid`. */
static RARE int64_t least_fee(char *s, const char *spot, int64_t who, int64_t terms, int64_t units,
                              int64_t paid) {
    const char *block = s + W(s + L_WALLETS_AT);
    int64_t number = terms >> L_OWN_SCHEDULE_AT & L_OWN_SCHEDULE_MASK;
    if (number == 0) number = W(participant_row(s, who) + L_FEE_SCHEDULE);
    if (number == 0) number = W(spot + L_RULES_SCHEDULE);
    if (number == 0) number = W(block + L_BLOCK_SCHEDULE_OF_ALL);
    const char *schedule = s + W(block + L_BLOCK_SCHEDULE_AT) + (number - 1) * L_SCHEDULE_BYTES;
    int64_t minimum = W(schedule + L_SCHEDULE_MINIMUM);
    return minimum >= paid ? units : (int64_t)((wide)units * minimum / paid);
}
static inline int64_t collect(char *asset, int64_t amount, int64_t rate, int64_t least) {
    int64_t fee = fee_of(amount, size_of(rate));
    if (rate < 0) {
        int64_t most = W(asset + L_ASSET_FEES) + L_LARGEST_TOTAL;
        fee = -(fee < most ? fee : most);
    } else if (rate > 0) {
        fee = max(fee, least < amount ? least : amount);
    }
    W(asset + L_ASSET_FEES) += fee;
    return fee;
}
static inline void settle(char *s, const char *rules, const char *spot, int64_t who, int64_t side,
                          int64_t flags, int64_t terms, event_t *e, int64_t qty) {
    int64_t paid = e->price_ticks * W(rules + L_MULTIPLIER) * qty;
    int64_t lots = W(spot + L_RULES_LOT_UNITS) * qty, least = 0, fee, of_base = 0;
    int64_t rate = e->flags & MAKERS ? maker_rate(terms) : taker_rate(terms);
    char *quote = wallet_at(s, spot, W(spot + L_RULES_QUOTE_WALLET_AT), who);
    char *base = wallet_at(s, spot, W(spot + L_RULES_BASE_WALLET_AT), who);
    char *quote_row = s + W(spot + L_RULES_QUOTE_AT), *base_row = s + W(spot + L_RULES_BASE_AT);
    if (__builtin_expect(terms >> L_MINIMUM_AT, 0))
        least = least_fee(s, spot, who, terms, side == BUY ? lots : paid, paid);
    if (side != BUY) {
        W(base + L_WALLET_AVAILABLE) -= lots;
        fee = collect(quote_row, paid, rate, least);
        W(quote + L_WALLET_AVAILABLE) += paid - fee;
    } else if (flags & L_QUOTE_FEE_FLAG) {
        int64_t pinned = flags >> L_PINNED_SHIFT;
        fee = collect(quote_row, paid, rate < pinned ? rate : pinned, 0);
        W(quote + L_WALLET_AVAILABLE) -= paid + fee;
        W(base + L_WALLET_AVAILABLE) += lots;
    } else {
        W(quote + L_WALLET_AVAILABLE) -= paid;
        fee = collect(base_row, lots, rate, least), of_base = 1;
        W(base + L_WALLET_AVAILABLE) += lots - fee;
    }
    e->seq = fee_note(fee, of_base);
    if (__builtin_expect(W(quote + L_WALLET_SHORTFALL) | W(base + L_WALLET_SHORTFALL), 0))
        pay_shortfall(quote_row, quote), pay_shortfall(base_row, base);
}

/* The exact check: everything, in 128 bits, and what is told of the first that fails. */

struct told { int64_t limit, stands, asked; };

static inline int grows_past(wide total, wide was, int64_t limit) {
    return total > limit && total > was;
}
static wide lot_cost(const char *rules, int side, int flags, int64_t price) {
    if (W(rules + L_LEVERAGED)) return 0;
    if (!(flags & L_PRICED_FLAG)) price = W(rules + (side == BUY ? L_WORST_BUY : L_WORST_SELL));
    return wide_max(side == BUY ? (wide)price : -(wide)price, 0) * W(rules + L_MULTIPLIER);
}
static wide lot_exposure(const char *rules, int flags, int64_t price) {
    wide size = flags & L_PRICED_FLAG ? price : W(rules + L_BOUND);
    return (size < 0 ? -size : size) * W(rules + L_MULTIPLIER);
}
static wide worst_lots(wide position, wide buys, wide sells) {
    return wide_max(wide_max(position + buys, sells - position), 0);
}
static wide needed(const char *rules, wide position, wide buys, wide sells, wide cost) {
    wide lots = W(rules + L_LEVERAGED) ? worst_lots(position, buys, sells)
                                       : wide_max(sells - position, 0);
    return cost + (buys + sells) * W(rules + L_FEE) + lots * W(rules + L_MARGIN);
}
static int may_rest(const order_t *o, const char *rules) {
    unsigned tif = o->time_in_force & ((1u << SELF_TRADE_SHIFT) - 1);
    if (tif == OUTCRY_TIME_IN_FORCE_IOC || tif == OUTCRY_TIME_IN_FORCE_FOK) return 0;
    if (o->order_type == OUTCRY_ORDER_TYPE_MARKET && tif == OUTCRY_TIME_IN_FORCE_DAY)
        return W(rules + L_MARKET_RESTS) != 0;
    return 1;
}
static int64_t refuse(char *s, const order_t *o, uint64_t failed, struct told t) {
    W(s + L_REFUSED_SEQ) = o->seq;
    W(s + L_REFUSED_BITS) = failed;
    W(s + L_REFUSED_BIT) = __builtin_ctzll(failed);
    W(s + L_REFUSED_LIMIT) = t.limit;
    W(s + L_REFUSED_VALUE) = t.stands;
    W(s + L_REFUSED_ASKED) = t.asked;
    W(s + L_REFUSALS) += 1;
    return failed << 8 | OUTCRY_REASON_RISK;
}

#define FAIL(name, limit, stands, asked)                                                           \
    (failed |= BIT(name), told[B_##name] = (struct told){limit, stands, asked})
#define TOTAL(name, total, was, limit)                                                             \
    if (grows_past(total, was, limit)) FAIL(name, limit, cut(was), cut(total))
#define ON(name, is_on)                                                                            \
    if (is_on) FAIL(name, 0, 0, 1)

static RARE int64_t check_exactly(char *s, const order_t *o, int64_t instrument) {
    struct told told[64];
    uint64_t failed = 0;
    int is_new = o->kind == NEW, side = o->side;
    int64_t flags, old_flags = L_PRICED_FLAG;
    int64_t qty = o->qty_lots, price = o->price_ticks, old_lots = 0, old_price = 0;
    int64_t who = o->participant, known = W(s + L_PARTICIPANTS);
    if (is_new) {
        flags = UNPRICED >> o->order_type & 1 ? 0 : L_PRICED_FLAG;
        if (who >= known)
            return refuse(s, o, BIT(UNKNOWN_PARTICIPANT), (struct told){known - 1, 0, who});
    } else {
        char *entry = find_order(s, instrument, o->order_id);
        int64_t meta = W(entry + L_ORDER_META);
        if (meta == 0 || (meta >> L_META_PARTICIPANT & 0xFFFF) != who) return 0;
        side = meta >> L_META_SIDE & 0xFF, flags = old_flags = meta >> L_META_FLAGS;
        old_lots = W(entry + L_ORDER_LEAVES), old_price = W(entry + L_ORDER_PRICE);
    }
    if (qty >= LARGEST) return refuse(s, o, BIT(ARITHMETIC), (struct told){LARGEST - 1, 0, qty});
    char *row = participant_row(s, who), *group = group_row(s, row);
    char *rules = instrument_row(s, instrument), *cell = cell_of(s, who, instrument);
    int buy = side == BUY;
    if (W(row + L_FLAGS) & L_BARRED_FLAGS) {
        uint64_t barred = W(row + L_FLAGS) & L_SUSPENDED_FLAG ? BIT(SUSPENDED) : BIT(CLOSED);
        return refuse(s, o, barred, (struct told){0, 0, 1});
    }

    wide position = W(cell + L_POSITION), cost = W(cell + L_COST), more = qty - old_lots;
    wide buys = W(cell + L_BUY_LOTS), sells = W(cell + L_SELL_LOTS);
    wide new_buys = buys + (buy ? more : 0), new_sells = sells + (buy ? 0 : more);
    wide paid = lot_cost(rules, side, flags, price) * qty;
    wide value = lot_exposure(rules, flags, price) * qty;
    int64_t most_ticks = NO_LIMIT;
    if (is_new && BUDGETS >> o->order_type & 1) {
        most_ticks = max(o->aux, 0);
        wide budget = (wide)most_ticks * W(rules + L_MULTIPLIER);
        paid = paid < budget ? paid : budget, value = value < budget ? value : budget;
    }
    wide new_cost = cost - old_lots * lot_cost(rules, side, old_flags, old_price)
                    + paid;
    wide reserved = W(row + L_RESERVED);
    wide new_reserved = reserved - needed(rules, position, buys, sells, cost)
                        + needed(rules, position, new_buys, new_sells, new_cost);
    wide exposure = W(row + (buy ? L_BUY_EXPOSURE : L_SELL_EXPOSURE));
    wide new_exposure = exposure - old_lots * lot_exposure(rules, old_flags, old_price) + value;
    wide grows = W(rules + L_WEIGHT) * (worst_lots(position, new_buys, new_sells)
                                        - worst_lots(position, buys, sells));
    wide gross = W(row + L_GROSS), group_gross = W(group + L_GROUP_GROSS);
    wide new_long = position + new_buys, new_short = new_sells - position;
    wide largest = wide_max(wide_max(new_long, new_short), wide_max(new_buys, new_sells));
    largest = wide_max(largest, wide_max(wide_max(new_cost, new_reserved), new_exposure));
    largest = wide_max(largest, wide_max(gross, group_gross) + grows);
    if (W(rules + L_SPOT_AT)) {
        char *spot = rules_of(s, rules), *block = s + W(s + L_WALLETS_AT);
        if (is_new) flags |= new_flags(side, W(cell + L_MARK));
        int64_t asked = asked_for(rules, spot, side, flags, price, qty, most_ticks), needs_more = asked;
        if (!is_new)
            needs_more = cut((wide)asked - asked_for(rules, spot, side, old_flags, old_price, old_lots, NO_LIMIT));
        char *wallet = own_wallet(s, spot, side, who);
        int64_t has = max(W(wallet + L_WALLET_AVAILABLE) + W(wallet + L_WALLET_CREDIT), 0);
        int64_t asset = W(spot + (buy ? L_RULES_QUOTE_AT : L_RULES_BASE_AT)) - W(block + L_BLOCK_ASSET_AT);
        if (needs_more > has) FAIL(BALANCE, has, asset / L_ASSET_BYTES, needs_more);
        largest = wide_max(largest, asked);
    }
    if (largest > LARGEST) FAIL(ARITHMETIC, LARGEST, 0, cut(largest));
    wide short_now = sells - position;
    TOTAL(POSITION_LONG, new_long, position + buys, W(cell + L_LONG_LIMIT));
    TOTAL(POSITION_SHORT, new_short, short_now, W(cell + L_SHORT_LIMIT));
    TOTAL(GROSS_POSITION, gross + grows, gross, W(row + L_GROSS_LIMIT));
    TOTAL(GROUP_GROSS_POSITION, group_gross + grows, group_gross, W(group + L_GROUP_GROSS_LIMIT));
    if (buy) {
        TOTAL(EXPOSURE_BUY, new_exposure, exposure, W(row + L_BUY_EXPOSURE_LIMIT));
    } else {
        TOTAL(EXPOSURE_SELL, new_exposure, exposure, W(row + L_SELL_EXPOSURE_LIMIT));
    }
    int64_t credit = W(row + L_CREDIT);
    TOTAL(CAPITAL, new_reserved, reserved, credit == NO_LIMIT ? credit : W(row + L_BALANCE) + credit);

    int64_t cell_flags = W(cell + L_CELL_FLAGS), row_flags = W(row + L_FLAGS);
    ON(MARKET_KILLED, W(s + L_MARKET_KILL));
    ON(HALTED, W(rules + L_HALT));
    ON(GROUP_KILLED, W(group + L_GROUP_KILL));
    ON(KILLED, row_flags & L_KILLED_FLAGS);
    ON(RESTRICTED, cell_flags & L_RESTRICTED_FLAG);
    if (cell_flags & L_NO_SHORT_FLAG) TOTAL(SHORT_SALE, new_short, short_now, 0);
    int mode = o->time_in_force >> SELF_TRADE_SHIFT & SELF_TRADE_MASK;
    ON(SELF_TRADE, row_flags & L_NAMES_SELF_TRADE && mode == 0);
    int64_t max_qty = W(cell + L_MAX_QTY), max_value = W(cell + L_MAX_VALUE);
    if (qty > max_qty) FAIL(MAX_QTY, max_qty, 0, qty);
    if (cut(value) > max_value) FAIL(MAX_VALUE, max_value, 0, cut(value));
    int64_t distance = W(rules + L_DISTANCE_BPS), last = W(rules + L_LAST);
    int64_t low = W(rules + L_BAND_LOW), high = W(rules + L_BAND_HIGH), banded = W(rules + L_BANDED);
    if (!(flags & L_PRICED_FLAG)) {
        int64_t limited = W(rules + L_PRICE_LIMITED);
        ON(UNPRICED, !limited || (distance != NO_LIMIT && limited == 1) || banded);
    } else {
        wide away = (wide)price - last, base = last < 0 ? -(wide)last : last;
        if (distance != NO_LIMIT && last != NO_LIMIT
            && (distance == 0 || away < -1 || away > 1)
            && (away < 0 ? -away : away) * 10000 > distance * base)
            FAIL(PRICE_DISTANCE, distance, last, price);
        if (banded && (buy ? price > high : price < low))
            FAIL(PRICE_BAND, buy ? high : low, last, price);
    }
    int64_t adv = W(rules + L_ADV), share = W(rules + L_ADV_BPS);
    if (adv && (wide)qty * 10000 > (wide)share * adv) FAIL(ADV_SHARE, share, adv, qty);

    int64_t now = W(s + L_NOW_NS), window = W(row + L_DUPLICATE_NS);
    char *last_at = cell + (buy ? L_LAST_BUY_PRICE : L_LAST_SELL_PRICE);
    int64_t since = cut((wide)now - W(last_at + 16));
    if (window && is_new && W(last_at) == price && W(last_at + 8) == qty && since < window)
        FAIL(DUPLICATE, window, since, qty);
    int64_t rate_ns = W(row + L_RATE_NS), burst = W(row + L_RATE_BURST);
    int64_t full_at = cut((wide)max(W(row + L_FULL_AT_NS), now) + rate_ns);
    wide ahead = cut((wide)full_at - now);
    if (rate_ns && ahead > (wide)rate_ns * burst)
        FAIL(RATE, cut((wide)rate_ns * burst), cut(ahead - rate_ns), cut(ahead));
    int64_t count = W(row + L_OPEN), most = W(row + L_OPEN_LIMIT);
    if (is_new && count >= most && may_rest(o, rules)) FAIL(OPEN_ORDERS, most, count, count + 1);
    int64_t profit = W(row + L_PROFIT), loss = -profit, drop = cut((wide)W(row + L_PEAK) - profit);
    if (loss >= W(row + L_LOSS_LIMIT)) FAIL(LOSS, W(row + L_LOSS_LIMIT), loss, loss);
    if (drop >= W(row + L_DRAWDOWN_LIMIT)) FAIL(DRAWDOWN, W(row + L_DRAWDOWN_LIMIT), drop, drop);
    if (failed) return refuse(s, o, failed, told[__builtin_ctzll(failed)]);
    if (rate_ns) W(row + L_FULL_AT_NS) = full_at;
    return 0;
}

/* The fast way: 1 if a NEW is surely within every limit, and what it needs is then reserved.  What
 * is rare, near 2**62 or over a limit is 0, and left to the exact check. */
static inline int reserve(char *s, const order_t *o, int64_t instrument) {
    int64_t qty = o->qty_lots, price = o->price_ticks, who = o->participant, side = o->side;
    int64_t at = 8 * (side - BUY), sign = BUY - side; /* 0, or all ones for a sale */
    char *row = participant_row(s, who), *group = group_row(s, row);
    char *rules = instrument_row(s, instrument), *cell = cell_of(s, who, instrument);
    int64_t switches = W(s + L_MARKET_KILL) | W(rules + L_HALT) | W(group + L_GROUP_KILL);
    switches |= W(row + L_FLAGS) & (L_KILLED_FLAGS | L_BARRED_FLAGS | L_NAMES_SELF_TRADE);
    switches |= W(cell + L_CELL_FLAGS) & (2 * side - 1);
    STOP(switches | (BUDGETS >> o->order_type & 1));

    int64_t size = price, paid = price, distance = W(rules + L_DISTANCE_BPS);
    int64_t last = W(rules + L_LAST), banded = W(rules + L_BANDED);
    if (__builtin_expect(UNPRICED >> o->order_type & 1, 0)) {
        int64_t limited = W(rules + L_PRICE_LIMITED);
        STOP(limited == 0 || (distance != NO_LIMIT && limited == 1) || banded);
        size = W(rules + L_BOUND), paid = W(rules + L_WORST_BUY + at);
    } else {
        STOP(banded && (sign ? price < W(rules + L_BAND_LOW) : price > W(rules + L_BAND_HIGH)));
        if (distance != NO_LIMIT && last != NO_LIMIT) {
            int64_t away, parts, allowed;
            STOP(__builtin_sub_overflow(price, last, &away));
            STOP(__builtin_mul_overflow(size_of(away), 10000, &parts));
            STOP(__builtin_mul_overflow(size_of(last), distance, &allowed) || parts > allowed);
        }
        STOP(size == INT64_MIN);
        size = size_of(size);
    }
    int64_t adv = W(rules + L_ADV), share = W(rules + L_ADV_BPS);
    if (adv != 0) {
        int64_t parts, allowed;
        STOP(__builtin_mul_overflow(qty, 10000, &parts));
        STOP(share != NO_LIMIT && (__builtin_mul_overflow(share, adv, &allowed) || parts > allowed));
    }

    int64_t position = (W(cell + L_POSITION) ^ sign) - sign; /* in the order's direction */
    int64_t lots = W(cell + L_BUY_LOTS + at), other = W(cell + L_SELL_LOTS - at);
    int64_t side_now = position + lots, side_new = side_now + qty, leveraged = W(rules + L_LEVERAGED);
    int64_t worst = max(max(side_now, other - position), 0), new_worst = max(side_new, worst);
    int64_t more_worst = new_worst - worst;
    int64_t margined = leveraged ? more_worst : (max(side_new, 0) - max(side_now, 0)) & sign;
    int64_t units, value, cost, fees, margin, weighed, need = 0;
    char *wallet = s;
    paid = max((paid ^ sign) - sign, 0);
    STOP(__builtin_mul_overflow(qty, W(rules + L_MULTIPLIER), &units));
    if (W(rules + L_SPOT_AT)) {
        char *spot = rules_of(s, rules);
        STOP(sign ? __builtin_mul_overflow(qty, W(spot + L_RULES_LOT_UNITS), &need)
                  : __builtin_mul_overflow(units, paid, &need));
        STOP(need >> 60);
        need += fee_of(need, new_flags(side, W(cell + L_MARK)) >> L_PINNED_SHIFT);
        wallet = own_wallet(s, spot, side, who);
        STOP(W(wallet + L_WALLET_AVAILABLE) + W(wallet + L_WALLET_CREDIT) < need);
    }
    if (leveraged) paid = 0;
    STOP(__builtin_mul_overflow(units, size, &value));
    STOP(__builtin_mul_overflow(units, paid, &cost));
    STOP(__builtin_mul_overflow(qty, W(rules + L_FEE), &fees));
    STOP(__builtin_mul_overflow(margined, W(rules + L_MARGIN), &margin));
    STOP(__builtin_mul_overflow(more_worst, W(rules + L_WEIGHT), &weighed));
    STOP((qty | value | cost | fees | margin | weighed) >> 60);
    int64_t reserved = W(row + L_RESERVED) + cost + fees + margin;
    int64_t exposure = W(row + L_BUY_EXPOSURE + 2 * at) + value;
    int64_t gross = W(row + L_GROSS) + weighed, group_gross = W(group + L_GROUP_GROSS) + weighed;
    int64_t open = W(row + L_OPEN), profit = W(row + L_PROFIT), credit = W(row + L_CREDIT), drop;
    cost += W(cell + L_COST), lots += qty;
    STOP((new_worst | lots | cost | reserved | exposure | gross | group_gross) >> 62);

    STOP(side_new > W(cell + L_LONG_LIMIT + at));
    STOP(qty > W(cell + L_MAX_QTY));
    STOP(value > W(cell + L_MAX_VALUE));
    STOP(gross > W(row + L_GROSS_LIMIT));
    STOP(group_gross > W(group + L_GROUP_GROSS_LIMIT));
    STOP(exposure > W(row + L_BUY_EXPOSURE_LIMIT + 2 * at));
    STOP(credit != NO_LIMIT && reserved > W(row + L_BALANCE) + credit);
    STOP(open >= W(row + L_OPEN_LIMIT));
    STOP(-profit >= W(row + L_LOSS_LIMIT));
    STOP(__builtin_sub_overflow(W(row + L_PEAK), profit, &drop) || drop >= W(row + L_DRAWDOWN_LIMIT));
    int64_t now = W(s + L_NOW_NS), window = W(row + L_DUPLICATE_NS), rate_ns = W(row + L_RATE_NS);
    if (window != 0) {
        char *told = cell + L_LAST_BUY_PRICE + 3 * at;
        STOP(W(told) == price && W(told + 8) == qty && now - W(told + 16) < window);
    }
    if (rate_ns != 0) {
        int64_t full_at, ahead, most;
        STOP(__builtin_add_overflow(max(W(row + L_FULL_AT_NS), now), rate_ns, &full_at));
        STOP(__builtin_sub_overflow(full_at, now, &ahead));
        STOP(__builtin_mul_overflow(rate_ns, W(row + L_RATE_BURST), &most) || ahead > most);
        W(row + L_FULL_AT_NS) = full_at;
    }
    if (wallet != s) {
        W(wallet + L_WALLET_AVAILABLE) -= need;
        W(wallet + L_WALLET_RESERVED) += need;
    }
    W(cell + L_BUY_LOTS + at) = lots;
    W(cell + L_COST) = cost;
    W(row + L_RESERVED) = reserved;
    W(row + L_BUY_EXPOSURE + 2 * at) = exposure;
    W(row + L_GROSS) = gross;
    W(row + L_OPEN) = open + 1;
    W(group + L_GROUP_GROSS) = group_gross;
    W(s + L_PASSED) = 1;
    return 1;
}

static inline int64_t before(char *s, const order_t *o) {
    if (W(s + L_TRACKING) == 0 || (o->kind != NEW && o->kind != REPLACE)) return 0;
    int64_t instrument = find_symbol(s, W(o->symbol));
    if (instrument < 0 || o->qty_lots <= 0) return 0;
    if (o->kind == NEW) {
        if (o->side - 1u > 1 || o->order_type - 1u >= TYPE_COUNT) return 0;
        if (LIKELY(o->participant < W(s + L_PARTICIPANTS)) && reserve(s, o, instrument)) return 0;
    }
    return check_exactly(s, o, instrument);
}

/* What events change. */

static void kill(char *row, int64_t why, int64_t seq) {
    if (W(row + L_FLAGS) & why) return;
    W(row + L_KILLED_SEQ) = seq;
    if (why == L_KILLED_BY_MARGIN) W(row + L_CALLED_SEQ) = seq;
    W(row + L_FLAGS) |= why | L_CANCEL_WANTED;
    W(row + L_KILLS) += 1;
}
static void add_money(char *row, int at, wide amount, int64_t seq) {
    wide inside = amount > LARGEST ? LARGEST : amount < -LARGEST ? -LARGEST : amount;
    wide total = W(row + at) + inside;
    wide end = total > LARGEST ? LARGEST : total < -LARGEST ? -LARGEST : total;
    W(row + at) = end;
    if (inside != amount || end != total) kill(row, L_KILLED_BY_ARITHMETIC, seq);
}
static inline int64_t margined_lots(const char *rules, int64_t position) {
    return W(rules + L_LEVERAGED) ? size_of(position) : max(-position, 0);
}
static void judge_margin(char *row, int64_t seq) {
    int64_t credit = W(row + L_CREDIT);
    if (!W(row + L_MAINTENANCE_BPS) || credit == NO_LIMIT) return;
    wide equity = (wide)cut((wide)cut((wide)W(row + L_FUNDED) + W(row + L_PROFIT)) + credit);
    if ((wide)W(row + L_MARGINED) * W(row + L_MAINTENANCE_BPS) > equity * 10000)
        kill(row, L_KILLED_BY_MARGIN, seq);
}
static void trade(char *rules, char *row, char *cell, int side, int64_t qty, const event_t *e, int64_t position) {
    int64_t price = e->price_ticks, seq = e->cause_seq;
    int64_t held = W(cell + L_POSITION), multiplier = W(rules + L_MULTIPLIER);
    if (held) {
        wide gain = (wide)cut((wide)held * multiplier) * cut((wide)price - W(cell + L_MARK));
        add_money(row, L_PROFIT, cut(gain), seq);
        if (W(rules + L_LEVERAGED)) add_money(row, L_BALANCE, cut(gain), seq);
    }
    W(cell + L_MARK) = price;
    W(row + L_MARGINED) += (margined_lots(rules, position) - margined_lots(rules, held)) * W(rules + L_MARGIN);
    W(cell + L_POSITION) = position;
    if (!W(rules + L_LEVERAGED)) {
        wide paid = cut((wide)cut((wide)price * multiplier) * qty);
        add_money(row, L_BALANCE, side == BUY ? -paid : paid, seq);
    }
    wide fee = -(wide)cut((wide)W(rules + L_FEE) * qty);
    add_money(row, L_BALANCE, fee, seq);
    add_money(row, L_PROFIT, fee, seq);
    int64_t profit = W(row + L_PROFIT), peak = max(W(row + L_PEAK), profit);
    W(row + L_PEAK) = peak;
    if (-profit >= W(row + L_LOSS_LIMIT) || cut((wide)peak - profit) >= W(row + L_DRAWDOWN_LIMIT))
        kill(row, L_KILLED_BY_LOSS, seq);
    judge_margin(row, seq);
}
static inline int64_t lot_size(const char *rules, int64_t flags, int64_t price) {
    return size_of(flags & L_PRICED_FLAG ? price : W(rules + L_BOUND));
}
/* ... unless the instrument is leveraged. */
static inline int64_t paid_a_lot(const char *rules, int64_t side, int64_t flags, int64_t price) {
    int64_t paid = flags & L_PRICED_FLAG ? price : W(rules + L_WORST_BUY + 8 * (side - BUY));
    return max((paid ^ (BUY - side)) - (BUY - side), 0);
}

/* The event's order has these leaves, price and flags now; `traded` lots of it were. */
static inline void book(char *s, event_t *e, int64_t side, int64_t old_leaves, int64_t old_price,
                        int64_t old_flags, int64_t leaves, int64_t price, int64_t flags, int64_t traded) {
    int64_t instrument = e->instrument, who = e->participant;
    char *row = participant_row(s, who), *group = group_row(s, row);
    char *rules = instrument_row(s, instrument), *cell = cell_of(s, who, instrument);
    int64_t at = 8 * (side - BUY), sign = BUY - side, more = leaves - old_leaves;
    int64_t leveraged = W(rules + L_LEVERAGED), multiplier = W(rules + L_MULTIPLIER);
    int64_t exposure = more * lot_size(rules, flags, price);
    int64_t cost = more * paid_a_lot(rules, side, flags, price);
    if (__builtin_expect(flags != old_flags || price != old_price, 0)) {
        exposure = leaves * lot_size(rules, flags, price) - old_leaves * lot_size(rules, old_flags, old_price);
        cost = leaves * paid_a_lot(rules, side, flags, price)
               - old_leaves * paid_a_lot(rules, side, old_flags, old_price);
    }
    cost = leveraged ? 0 : cost * multiplier;
    exposure *= multiplier;
    int64_t position = (W(cell + L_POSITION) ^ sign) - sign; /* in the order's direction */
    int64_t lots = W(cell + L_BUY_LOTS + at), other = W(cell + L_SELL_LOTS - at);
    int64_t side_now = position + lots, other_now = other - position;
    int64_t spot_at = W(rules + L_SPOT_AT), held = spot_at ? 0 : traded;
    int64_t side_new = side_now + more + held, other_new = other_now - held;
    int64_t more_worst = max(max(side_new, other_new), 0) - max(max(side_now, other_now), 0);
    int64_t sold = (side_new & sign) | (other_new & ~sign), sold_now = (side_now & sign) | (other_now & ~sign);
    int64_t shorts = max(sold, 0) - max(sold_now, 0);
    int64_t margined = leveraged ? more_worst : shorts;
    int64_t need = cost + more * W(rules + L_FEE) + margined * W(rules + L_MARGIN);
    more_worst *= W(rules + L_WEIGHT);
    W(cell + L_BUY_LOTS + at) = lots + more;
    W(cell + L_COST) += cost;
    W(row + L_RESERVED) += need;
    W(row + L_BUY_EXPOSURE + 2 * at) += exposure;
    W(row + L_GROSS) += more_worst;
    W(group + L_GROUP_GROSS) += more_worst;
    if (spot_at) {
        char *spot = rules_of(s, rules), *wallet = own_wallet(s, spot, side, who);
        int64_t free = from_wallet(rules, spot, side, old_flags, old_price, old_leaves);
        free -= from_wallet(rules, spot, side, flags, price, leaves);
        W(wallet + L_WALLET_AVAILABLE) += free;
        W(wallet + L_WALLET_RESERVED) -= free;
        if (traded) {
            settle(s, rules, spot, who, side, old_flags, W(cell + L_MARK), e, traded);
        } else if (__builtin_expect(W(wallet + L_WALLET_SHORTFALL), 0)) {
            pay_shortfall(s + W(spot + (side == BUY ? L_RULES_QUOTE_AT : L_RULES_BASE_AT)), wallet);
        }
    } else if (traded) {
        trade(rules, row, cell, side, traded, e, ((position + traded) ^ sign) - sign);
    }
}

static inline void enter(char *s, const order_t *o, event_t *e) {
    int64_t flags = UNPRICED >> o->order_type & 1 ? 0 : L_PRICED_FLAG, asked = flags ? o->price_ticks : 0;
    int64_t price = flags ? e->price_ticks : 0, leaves = e->leaves_lots;
    if (PEGS >> o->order_type & 1) flags |= L_PEG_FLAG, price = asked;
    if (BUDGETS >> o->order_type & 1) flags = L_PRICED_FLAG, price = asked = 0;
    char *entry = find_order(s, e->instrument, e->order_id);
    char *cell = cell_of(s, e->participant, e->instrument);
    if (W(instrument_row(s, e->instrument) + L_SPOT_AT)) flags |= new_flags(e->side, W(cell + L_MARK));
    int64_t meta = e->instrument | (int64_t)e->participant << L_META_PARTICIPANT
                   | (int64_t)e->side << L_META_SIDE | flags << L_META_FLAGS;
    char *last = cell + L_LAST_BUY_PRICE + 24 * (e->side - BUY);
    int64_t reserved = W(s + L_PASSED) ? o->qty_lots : 0;
    W(last) = o->price_ticks, W(last + 8) = o->qty_lots, W(last + 16) = W(s + L_NOW_NS);
    if (reserved != leaves || price != asked)
        book(s, e, e->side, reserved, asked, flags, leaves, price, flags, 0);
    if (reserved == 0) W(participant_row(s, e->participant) + L_OPEN) += 1;
    W(s + L_PASSED) = 0;
    W(s + L_ORDERS_OPEN) += 1;
    W(entry + L_ORDER_ID) = e->order_id, W(entry + L_ORDER_META) = meta;
    W(entry + L_ORDER_LEAVES) = leaves, W(entry + L_ORDER_PRICE) = price;
}

/* A NEW that passed is open no more: what was reserved for it. */
static RARE void give_back(char *s, const order_t *o, event_t *e) {
    int64_t flags = UNPRICED >> o->order_type & 1 ? 0 : L_PRICED_FLAG, price = flags ? o->price_ticks : 0;
    if (W(instrument_row(s, e->instrument) + L_SPOT_AT))
        flags |= new_flags(e->side, W(cell_of(s, e->participant, e->instrument) + L_MARK));
    book(s, e, o->side, o->qty_lots, price, flags, 0, price, flags, 0);
    W(participant_row(s, o->participant) + L_OPEN) -= 1;
    W(s + L_PASSED) = 0;
}

static inline void gone(char *s, const event_t *e, char *entry) {
    W(participant_row(s, e->participant) + L_OPEN) -= 1;
    erase_order(s, entry);
}

/* The event's order is closed without a trade. */
static inline void closed(char *s, event_t *e) {
    char *entry = find_order(s, e->instrument, e->order_id);
    int64_t flags = W(entry + L_ORDER_META) >> L_META_FLAGS, price = W(entry + L_ORDER_PRICE);
    book(s, e, e->side, W(entry + L_ORDER_LEAVES), price, flags, 0, price, flags, 0);
    gone(s, e, entry);
}

static inline void change(char *s, const order_t *o, event_t *e) {
    char *entry = find_order(s, e->instrument, e->order_id);
    int64_t meta = W(entry + L_ORDER_META), old_price = W(entry + L_ORDER_PRICE), price = old_price;
    int64_t traded = 0, old_flags = meta >> L_META_FLAGS, flags = old_flags, leaves = e->leaves_lots;
    if (e->kind == OUTCRY_EVENT_KIND_CONVERTED) {
        flags = (flags & ~L_PEG_FLAG) | L_PRICED_FLAG, price = e->price_ticks;
    } else if (e->kind == OUTCRY_EVENT_KIND_REPLACED && o->kind == REPLACE) {
        if (flags & (L_PEG_FLAG | L_PRICED_FLAG))
            price = flags & L_PEG_FLAG ? o->price_ticks : e->price_ticks;
    } else if (e->kind == OUTCRY_EVENT_KIND_FILLED) {
        char *rules = instrument_row(s, e->instrument);
        int auction = e->flags & OUTCRY_EVENT_FLAG_AUCTION;
        traded = e->qty_lots;
        if (auction ? e->side == BUY : e->flags & OUTCRY_EVENT_FLAG_MAKER) {
            W(rules + L_LAST) = e->price_ticks;
            W(rules + L_VOLUME) = cut((wide)W(rules + L_VOLUME) + traded);
        }
    }
    book(s, e, e->side, W(entry + L_ORDER_LEAVES), old_price, old_flags, leaves, price, flags, traded);
    if (leaves == 0) {
        gone(s, e, entry);
        return;
    }
    W(entry + L_ORDER_LEAVES) = leaves, W(entry + L_ORDER_PRICE) = price;
    W(entry + L_ORDER_META) = (meta & ((INT64_C(1) << L_META_FLAGS) - 1)) | flags << L_META_FLAGS;
}

static inline void after(char *s, const order_t *o, event_t *events, int64_t count) {
    if (W(s + L_TRACKING) == 0) return;
    for (event_t *e = events; e < events + count; e++) {
        if (e->kind == OUTCRY_EVENT_KIND_ACCEPTED) {
            enter(s, o, e);
        } else if (e->kind == OUTCRY_EVENT_KIND_CANCELLED && e->leaves_lots == 0) {
            closed(s, e);
        } else if (CHANGES >> e->kind & 1) {
            change(s, o, e);
        } else if (e->kind == OUTCRY_EVENT_KIND_REJECTED) {
            if (e->reason == OUTCRY_REASON_RISK) {
                e->price_ticks = W(s + L_REFUSED_LIMIT);
                e->leaves_lots = W(s + L_REFUSED_VALUE);
                e->qty_lots = W(s + L_REFUSED_ASKED);
            } else if (W(s + L_PASSED)) {
                give_back(s, o, e);
            }
        } else if (e->kind == OUTCRY_EVENT_KIND_PHASE_CHANGED) {
            char *rules = instrument_row(s, e->instrument);
            int64_t rests = W(rules + L_MARKET_RESTS) & ~L_RESTS_IN_CALL;
            W(rules + L_MARKET_RESTS) = rests | (CALLS >> e->qty_lots & 1 ? L_RESTS_IN_CALL : 0);
            if (e->price_ticks == NO_PRICE) continue;
            W(rules + L_REFERENCE) = e->price_ticks;
            if (W(rules + L_LAST) == NO_LIMIT) W(rules + L_LAST) = e->price_ticks;
        }
    }
}

/* Asks for what a command that comes soon will need. */
static inline void ahead(char *s, const order_t *o) {
    if (W(s + L_TRACKING) == 0) return;
    int64_t instrument = find_symbol(s, W(o->symbol));
    char *cell = cell_of(s, o->participant, instrument);
    __builtin_prefetch(cell);
    __builtin_prefetch(cell + 64);
    __builtin_prefetch(s + W(s + L_ORDER_AT) + order_home(s, instrument, o->order_id) * L_ORDER_BYTES);
    if (instrument >= 0 && W(instrument_row(s, instrument) + L_SPOT_AT)) {
        char *spot = rules_of(s, instrument_row(s, instrument));
        __builtin_prefetch(wallet_at(s, spot, W(spot + L_RULES_QUOTE_WALLET_AT), o->participant));
        __builtin_prefetch(wallet_at(s, spot, W(spot + L_RULES_BASE_WALLET_AT), o->participant));
    }
}

static int64_t monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Each command, and the events from `events[firsts[i]]` to before `events[firsts[i + 1]]` that the
 * matcher answered it with, in bursts: each burst's records are read, and then its time is taken
 * (ns, in `spent`).  Verdicts are kept where there is room for them. */
int64_t run(char *state, const order_t *orders, int64_t count, event_t *events,
            const int64_t *firsts, int64_t *spent, int64_t *verdicts) {
    int64_t read = 0;
    for (int64_t begin = 0; begin < count; begin += BURST) {
        int64_t end = begin + BURST < count ? begin + BURST : count;
        for (int64_t i = begin; i < end; i++) read += orders[i].seq;
        for (int64_t i = firsts[begin]; i < firsts[end]; i++) read += events[i].order_id;
        __asm__ volatile("" ::"r"(read) : "memory");
        int64_t start = monotonic_ns();
        for (int64_t i = begin; i < begin + AHEAD && i < end; i++) ahead(state, orders + i);
        for (int64_t i = begin; i < end; i++) {
            if (i + AHEAD < end) ahead(state, orders + i + AHEAD);
            int64_t verdict = before(state, orders + i);
            if (verdicts) verdicts[i] = verdict;
            after(state, orders + i, events + firsts[i], firsts[i + 1] - firsts[i]);
        }
        spent[begin / BURST] = monotonic_ns() - start;
    }
    return read;
}
