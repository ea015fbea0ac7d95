/* generated from wire/ by `python -m openoutcry.wire.generate`; do not edit */
#ifndef OUTCRY_WIRE_H
#define OUTCRY_WIRE_H
#include <assert.h> /* static_assert, which C++ has without */
#include <stddef.h>
#include <stdint.h>

#define OUTCRY_LAYOUT_HASH UINT64_C(0x2599acb22fe43fe2)
#define OUTCRY_MAX_PACKET_RECORDS 22
#define OUTCRY_BLOCK_MAGIC UINT64_C(0x424a59524354554f)
#define OUTCRY_PACKET_MAGIC UINT64_C(0x5952434f)
#define OUTCRY_RING_MAGIC UINT64_C(0x425259524354554f)
#define OUTCRY_CONTROL_MAGIC UINT64_C(0x544359524354554f)
#define OUTCRY_CLOCK_MAGIC UINT64_C(0x4b4359524354554f)
#define OUTCRY_VENUE_ORDER_IDS INT64_C(0x2000000000000000)
#define OUTCRY_SESSION_ORDER_IDS INT64_C(0x4000000000000000)
#define OUTCRY_LEG_ORDER_IDS INT64_C(0x6000000000000000)

/* CommandKind */
#define OUTCRY_COMMAND_KIND_NEW 1
#define OUTCRY_COMMAND_KIND_CANCEL 2
#define OUTCRY_COMMAND_KIND_REDUCE 3
#define OUTCRY_COMMAND_KIND_REPLACE 4
#define OUTCRY_COMMAND_KIND_SET_EXPIRY 5
#define OUTCRY_COMMAND_KIND_MASS_CANCEL 6
#define OUTCRY_COMMAND_KIND_DISCONNECT 7
#define OUTCRY_COMMAND_KIND_TIME 8
#define OUTCRY_COMMAND_KIND_PHASE 9
#define OUTCRY_COMMAND_KIND_RISK 10
#define OUTCRY_COMMAND_KIND_TERMS 11

/* Term */
#define OUTCRY_TERM_LIST 1
#define OUTCRY_TERM_EXPIRY 2
#define OUTCRY_TERM_TRIGGER 3
#define OUTCRY_TERM_QUOTE 4

/* TriggerBy */
#define OUTCRY_TRIGGER_BY_LAST 1
#define OUTCRY_TRIGGER_BY_OWN_QUOTE 2
#define OUTCRY_TRIGGER_BY_OPPOSITE_QUOTE 3
#define OUTCRY_TRIGGER_BY_MID 4
#define OUTCRY_TRIGGER_BY_MARK 5
#define OUTCRY_TRIGGER_BY_INDEX 6

/* Contingency */
#define OUTCRY_CONTINGENCY_OCO 1
#define OUTCRY_CONTINGENCY_OUO 2
#define OUTCRY_CONTINGENCY_OTO 3
#define OUTCRY_CONTINGENCY_OTOCO 4
#define OUTCRY_CONTINGENCY_OTOUO 5

/* Side */
#define OUTCRY_SIDE_BUY 1
#define OUTCRY_SIDE_SELL 2

/* OrderType */
#define OUTCRY_ORDER_TYPE_LIMIT 1
#define OUTCRY_ORDER_TYPE_MARKET 2
#define OUTCRY_ORDER_TYPE_POST_ONLY 3
#define OUTCRY_ORDER_TYPE_POST_ONLY_SLIDE 4
#define OUTCRY_ORDER_TYPE_MARKET_TO_LIMIT 5
#define OUTCRY_ORDER_TYPE_STOP 6
#define OUTCRY_ORDER_TYPE_STOP_LIMIT 7
#define OUTCRY_ORDER_TYPE_TRAILING_STOP 8
#define OUTCRY_ORDER_TYPE_TRAILING_STOP_BPS 9
#define OUTCRY_ORDER_TYPE_ICEBERG 10
#define OUTCRY_ORDER_TYPE_HIDDEN 11
#define OUTCRY_ORDER_TYPE_PEG_PRIMARY 12
#define OUTCRY_ORDER_TYPE_PEG_MARKET 13
#define OUTCRY_ORDER_TYPE_PEG_MIDPOINT 14
#define OUTCRY_ORDER_TYPE_ALL_OR_NONE 15
#define OUTCRY_ORDER_TYPE_MIN_QTY 16
#define OUTCRY_ORDER_TYPE_TRAILING_STOP_LIMIT 17
#define OUTCRY_ORDER_TYPE_TRAILING_STOP_LIMIT_BPS 18
#define OUTCRY_ORDER_TYPE_POST_ONLY_STOP_LIMIT 19
#define OUTCRY_ORDER_TYPE_MARKET_BUDGET 20
#define OUTCRY_ORDER_TYPE_LIMIT_BUDGET 21
#define OUTCRY_ORDER_TYPE_TAKE_PROFIT 22
#define OUTCRY_ORDER_TYPE_TAKE_PROFIT_LIMIT 23

/* TimeInForce */
#define OUTCRY_TIME_IN_FORCE_DAY 1
#define OUTCRY_TIME_IN_FORCE_IOC 2
#define OUTCRY_TIME_IN_FORCE_FOK 3
#define OUTCRY_TIME_IN_FORCE_GTC 4
#define OUTCRY_TIME_IN_FORCE_GTD 5
#define OUTCRY_TIME_IN_FORCE_AT_OPEN 6
#define OUTCRY_TIME_IN_FORCE_AT_CLOSE 7

/* SelfTrade */
#define OUTCRY_SELF_TRADE_ALLOW 0
#define OUTCRY_SELF_TRADE_CANCEL_NEWEST 1
#define OUTCRY_SELF_TRADE_CANCEL_OLDEST 2
#define OUTCRY_SELF_TRADE_CANCEL_BOTH 3
#define OUTCRY_SELF_TRADE_DECREMENT 4

/* Phase */
#define OUTCRY_PHASE_CLOSED 1
#define OUTCRY_PHASE_PRE_OPEN 2
#define OUTCRY_PHASE_OPENING_AUCTION 3
#define OUTCRY_PHASE_CONTINUOUS 4
#define OUTCRY_PHASE_VOLATILITY_AUCTION 5
#define OUTCRY_PHASE_HALT 6
#define OUTCRY_PHASE_CLOSING_AUCTION 7
#define OUTCRY_PHASE_TRADING_AT_LAST 8

/* Allocation */
#define OUTCRY_ALLOCATION_PRICE_TIME 1
#define OUTCRY_ALLOCATION_PRO_RATA 2
#define OUTCRY_ALLOCATION_STEPS 3

/* InstrumentOption */
#define OUTCRY_INSTRUMENT_OPTION_MARKET_REST_STAYS 1
#define OUTCRY_INSTRUMENT_OPTION_STOPS_BY_QUOTE 2
#define OUTCRY_INSTRUMENT_OPTION_HALF_STEP_MIDPOINT 4
#define OUTCRY_INSTRUMENT_OPTION_SELF_TRADE_FIRST 8
#define OUTCRY_INSTRUMENT_OPTION_STOPS_BY_REFERENCE 16
#define OUTCRY_INSTRUMENT_OPTION_STOPS_BY_TRADE_OR_QUOTE 32
#define OUTCRY_INSTRUMENT_OPTION_MARKET_WAITS 64
#define OUTCRY_INSTRUMENT_OPTION_PASSED_STOPS_REFUSED 128

/* EventKind */
#define OUTCRY_EVENT_KIND_ACCEPTED 1
#define OUTCRY_EVENT_KIND_FILLED 2
#define OUTCRY_EVENT_KIND_CANCELLED 3
#define OUTCRY_EVENT_KIND_REDUCED 4
#define OUTCRY_EVENT_KIND_REPLACED 5
#define OUTCRY_EVENT_KIND_REJECTED 6
#define OUTCRY_EVENT_KIND_EXPIRED 7
#define OUTCRY_EVENT_KIND_ELECTED 8
#define OUTCRY_EVENT_KIND_REPEGGED 9
#define OUTCRY_EVENT_KIND_REFRESHED 10
#define OUTCRY_EVENT_KIND_CONVERTED 11
#define OUTCRY_EVENT_KIND_TRIGGER_MOVED 12
#define OUTCRY_EVENT_KIND_PHASE_CHANGED 13
#define OUTCRY_EVENT_KIND_INDICATIVE 14
#define OUTCRY_EVENT_KIND_UNCROSSED 15
#define OUTCRY_EVENT_KIND_COMPLETED 16
#define OUTCRY_EVENT_KIND_DELAYED 17
#define OUTCRY_EVENT_KIND_ENTERED 18
#define OUTCRY_EVENT_KIND_BROKEN 19

/* EventFlag */
#define OUTCRY_EVENT_FLAG_LAST 1
#define OUTCRY_EVENT_FLAG_MAKER 2
#define OUTCRY_EVENT_FLAG_KEPT_PLACE 4
#define OUTCRY_EVENT_FLAG_HIDDEN 8
#define OUTCRY_EVENT_FLAG_WAITING 16
#define OUTCRY_EVENT_FLAG_ICEBERG 32
#define OUTCRY_EVENT_FLAG_AUCTION 64

/* Reason */
#define OUTCRY_REASON_NONE 0
#define OUTCRY_REASON_GATEWAY 1
#define OUTCRY_REASON_UNKNOWN_INSTRUMENT 2
#define OUTCRY_REASON_MALFORMED 3
#define OUTCRY_REASON_BAD_QTY 4
#define OUTCRY_REASON_DUPLICATE_ID 5
#define OUTCRY_REASON_UNKNOWN_ORDER 6
#define OUTCRY_REASON_NOT_OWNER 7
#define OUTCRY_REASON_WOULD_CROSS 8
#define OUTCRY_REASON_BOOK_FULL 9
#define OUTCRY_REASON_LEVEL_OVERFLOW 10
#define OUTCRY_REASON_USER 11
#define OUTCRY_REASON_IOC_REST 12
#define OUTCRY_REASON_MARKET_REST 13
#define OUTCRY_REASON_FOK_UNFILLABLE 14
#define OUTCRY_REASON_REDUCED_TO_ZERO 15
#define OUTCRY_REASON_OFF_STEP 16
#define OUTCRY_REASON_OFF_LOT 17
#define OUTCRY_REASON_PRICE_LIMIT 18
#define OUTCRY_REASON_QTY_LIMIT 19
#define OUTCRY_REASON_WRONG_PHASE 20
#define OUTCRY_REASON_BAD_AUX 21
#define OUTCRY_REASON_EXPIRED 22
#define OUTCRY_REASON_SELF_TRADE 23
#define OUTCRY_REASON_MIN_QTY_UNFILLABLE 24
#define OUTCRY_REASON_DAY_END 25
#define OUTCRY_REASON_AUCTION_REST 26
#define OUTCRY_REASON_MASS_CANCEL 27
#define OUTCRY_REASON_DISCONNECTED 28
#define OUTCRY_REASON_AUCTION_EXTENDED 29
#define OUTCRY_REASON_TIME_BACKWARDS 30
#define OUTCRY_REASON_OFF_LAST 31
#define OUTCRY_REASON_RISK 32
#define OUTCRY_REASON_TRIGGER_ALREADY_PASSED 33
#define OUTCRY_REASON_DELISTED 34
#define OUTCRY_REASON_CLOSE_ONLY 35
#define OUTCRY_REASON_REDUCE_ONLY 36
#define OUTCRY_REASON_RULES_CHANGED 37
#define OUTCRY_REASON_LIST 38

/* ErrorBit */
#define OUTCRY_ERROR_BIT_PRICE_NOT_POSITIVE 0
#define OUTCRY_ERROR_BIT_PRICE_ABOVE_LIMIT 1
#define OUTCRY_ERROR_BIT_QTY_NOT_POSITIVE 2
#define OUTCRY_ERROR_BIT_QTY_OUT_OF_LIMITS 3
#define OUTCRY_ERROR_BIT_SIDE 4
#define OUTCRY_ERROR_BIT_ORDER_TYPE 5
#define OUTCRY_ERROR_BIT_TIME_IN_FORCE 6
#define OUTCRY_ERROR_BIT_SYMBOL 7
#define OUTCRY_ERROR_BIT_PRICE_STEP 8
#define OUTCRY_ERROR_BIT_QTY_STEP 9
#define OUTCRY_ERROR_BIT_COLLAR 10
#define OUTCRY_ERROR_BIT_NOTIONAL 11
#define OUTCRY_ERROR_BIT_PARTICIPANT 12
#define OUTCRY_ERROR_BIT_HALTED 13
#define OUTCRY_ERROR_BIT_RATE 14
#define OUTCRY_ERROR_BIT_KIND 15

/* BlockKind */
#define OUTCRY_BLOCK_KIND_CONFIG 1
#define OUTCRY_BLOCK_KIND_COMMANDS 2
#define OUTCRY_BLOCK_KIND_EVIDENCE 3
#define OUTCRY_BLOCK_KIND_CLOCK 4

/* PacketKind */
#define OUTCRY_PACKET_KIND_ORDERS 1
#define OUTCRY_PACKET_KIND_EVENTS 2

/* ClockState */
#define OUTCRY_CLOCK_STATE_UNKNOWN 1
#define OUTCRY_CLOCK_STATE_LOCKED 2
#define OUTCRY_CLOCK_STATE_HOLDOVER 3
#define OUTCRY_CLOCK_STATE_FREE_RUNNING 4

/* ClockSource */
#define OUTCRY_CLOCK_SOURCE_NONE 1
#define OUTCRY_CLOCK_SOURCE_PHC_PRECISE 2
#define OUTCRY_CLOCK_SOURCE_PHC_EXTENDED 3
#define OUTCRY_CLOCK_SOURCE_PHC_BASIC 4
#define OUTCRY_CLOCK_SOURCE_LINUXPTP 5
#define OUTCRY_CLOCK_SOURCE_CHRONY 6
#define OUTCRY_CLOCK_SOURCE_KERNEL 7
#define OUTCRY_CLOCK_SOURCE_SIMULATED 8

/* ClockEvent */
#define OUTCRY_CLOCK_EVENT_SAMPLE 1
#define OUTCRY_CLOCK_EVENT_STATE 2
#define OUTCRY_CLOCK_EVENT_WARNING 3
#define OUTCRY_CLOCK_EVENT_CRITICAL 4
#define OUTCRY_CLOCK_EVENT_CLEARED 5
#define OUTCRY_CLOCK_EVENT_STEP 6
#define OUTCRY_CLOCK_EVENT_SLEW 7
#define OUTCRY_CLOCK_EVENT_DISAGREE 8
#define OUTCRY_CLOCK_EVENT_SUSPENDED 9
#define OUTCRY_CLOCK_EVENT_MIGRATED 10
#define OUTCRY_CLOCK_EVENT_LEAP 11
#define OUTCRY_CLOCK_EVENT_STOPPED 12

/* ClockFlag */
#define OUTCRY_CLOCK_FLAG_TRACEABLE 1
#define OUTCRY_CLOCK_FLAG_RTS25 2
#define OUTCRY_CLOCK_FLAG_LEAP_INSERT 4
#define OUTCRY_CLOCK_FLAG_LEAP_DELETE 8
#define OUTCRY_CLOCK_FLAG_DOUBTED 16
#define OUTCRY_CLOCK_FLAG_OFFSET_DISPUTED 32
#define OUTCRY_CLOCK_FLAG_LIST_EXPIRED 64

/* time_in_force of a REPLACE */
#define OUTCRY_OPEN_KNOWN 128
#define OUTCRY_AUX_HALVES 1

/* A command to the matcher, from the network card to the disk. */
struct outcry_order {
    int64_t price_ticks; /* limit price */
    int64_t qty_lots; /* quantity: of a new order, to take off, or new open quantity */
    char symbol[8]; /* instrument, ASCII, padded with NUL */
    int64_t order_id; /* the client's identifier, unique among an instrument's open orders */
    int64_t aux; /* second price, quantity or time: what it is, the kind and type say */
    int64_t rx_ts_ns; /* ingress time, ns since the epoch; no effect on matching */
    uint16_t participant; /* owner of the order */
    uint16_t error_code; /* the gateway's verdict, one bit a check */
    uint8_t kind; /* what is asked */
    uint8_t side; /* buy or sell */
    uint8_t order_type; /* how it may trade */
    uint8_t time_in_force; /* how long it may rest; from bit 4 SelfTrade; bit 7 of a REPLACE: OPEN_KNOWN */
    int64_t seq; /* sequence number from 1; storing it publishes the slot */
};
static_assert(sizeof(struct outcry_order) == 64, "order");
static_assert(offsetof(struct outcry_order, price_ticks) == 0, "order.price_ticks");
static_assert(offsetof(struct outcry_order, qty_lots) == 8, "order.qty_lots");
static_assert(offsetof(struct outcry_order, symbol) == 16, "order.symbol");
static_assert(offsetof(struct outcry_order, order_id) == 24, "order.order_id");
static_assert(offsetof(struct outcry_order, aux) == 32, "order.aux");
static_assert(offsetof(struct outcry_order, rx_ts_ns) == 40, "order.rx_ts_ns");
static_assert(offsetof(struct outcry_order, participant) == 48, "order.participant");
static_assert(offsetof(struct outcry_order, error_code) == 50, "order.error_code");
static_assert(offsetof(struct outcry_order, kind) == 52, "order.kind");
static_assert(offsetof(struct outcry_order, side) == 53, "order.side");
static_assert(offsetof(struct outcry_order, order_type) == 54, "order.order_type");
static_assert(offsetof(struct outcry_order, time_in_force) == 55, "order.time_in_force");
static_assert(offsetof(struct outcry_order, seq) == 56, "order.seq");

/* What a command caused, addressed to one participant. */
struct outcry_event {
    int64_t order_id; /* the order it happened to */
    int64_t contra_id; /* fill: the other order; gateway reject: error_code; see EventKind */
    int64_t price_ticks; /* fill: trade price; otherwise the order's price */
    int64_t qty_lots; /* traded, cancelled, reduced, accepted or rejected quantity */
    int64_t leaves_lots; /* open quantity of the order after this event */
    int64_t cause_seq; /* sequence number of the command that caused it */
    uint16_t participant; /* the participant it is addressed to */
    uint16_t instrument; /* index in the instrument table; 65535 if unknown */
    uint8_t kind; /* what happened */
    uint8_t reason; /* why */
    uint8_t side; /* side of the order */
    uint8_t flags; /* bits */
    int64_t seq; /* event sequence number from 1; storing it publishes the slot */
};
static_assert(sizeof(struct outcry_event) == 64, "event");
static_assert(offsetof(struct outcry_event, order_id) == 0, "event.order_id");
static_assert(offsetof(struct outcry_event, contra_id) == 8, "event.contra_id");
static_assert(offsetof(struct outcry_event, price_ticks) == 16, "event.price_ticks");
static_assert(offsetof(struct outcry_event, qty_lots) == 24, "event.qty_lots");
static_assert(offsetof(struct outcry_event, leaves_lots) == 32, "event.leaves_lots");
static_assert(offsetof(struct outcry_event, cause_seq) == 40, "event.cause_seq");
static_assert(offsetof(struct outcry_event, participant) == 48, "event.participant");
static_assert(offsetof(struct outcry_event, instrument) == 50, "event.instrument");
static_assert(offsetof(struct outcry_event, kind) == 52, "event.kind");
static_assert(offsetof(struct outcry_event, reason) == 53, "event.reason");
static_assert(offsetof(struct outcry_event, side) == 54, "event.side");
static_assert(offsetof(struct outcry_event, flags) == 55, "event.flags");
static_assert(offsetof(struct outcry_event, seq) == 56, "event.seq");

/* One row of the instrument table, shared by gateway and matcher. */
struct outcry_instrument {
    char symbol[8]; /* ASCII, padded with NUL */
    int64_t price_step_ticks; /* prices are multiples of this, below the first band */
    int64_t qty_step_lots; /* quantities are multiples of this */
    int64_t min_qty_lots; /* smallest quantity of a new order */
    int64_t max_qty_lots; /* largest quantity of a new order */
    int64_t max_price_ticks; /* highest limit price */
    int64_t min_price_ticks; /* lowest limit price */
    int64_t reference_price_ticks; /* reference before the first trade, or NO_PRICE */
    int64_t market_band_ticks; /* how far past the best price a market order goes; 0 any */
    int64_t auction_band_ticks; /* how far from the reference an auction goes; 0 any */
    int64_t min_allocation_lots; /* pro-rata shares below this count as 0 */
    uint8_t allocation; /* how a level is shared */
    uint8_t options; /* bits */
    uint8_t initial_phase; /* phase before the first PHASE command */
    uint8_t auction_extensions; /* how often an auction outside its band is put off */
    uint16_t top_share_bps; /* pro-rata: share of the first order in the queue, 1/10000 */
    uint16_t reserved; /* zero */
    int64_t band1_from_ticks; /* prices from here on have the next step */
    int64_t band1_step_ticks; /* prices are multiples of this; 0 no band */
    int64_t band2_from_ticks; /* prices from here on have the next step */
    int64_t band2_step_ticks; /* prices are multiples of this; 0 no band */
    int64_t band3_from_ticks; /* prices from here on have the next step */
    int64_t band3_step_ticks; /* prices are multiples of this; 0 no band */
    int64_t band4_from_ticks; /* prices from here on have the next step */
    int64_t band4_step_ticks; /* prices are multiples of this; 0 no band */
    int64_t band5_from_ticks; /* prices from here on have the next step */
    int64_t band5_step_ticks; /* prices are multiples of this; 0 no band */
    int64_t band6_from_ticks; /* prices from here on have the next step */
    int64_t band6_step_ticks; /* prices are multiples of this; 0 no band */
    int64_t band7_from_ticks; /* prices from here on have the next step */
    int64_t band7_step_ticks; /* prices are multiples of this; 0 no band */
    int64_t band8_from_ticks; /* prices from here on have the next step */
    int64_t band8_step_ticks; /* prices are multiples of this; 0 no band */
    int64_t band9_from_ticks; /* prices from here on have the next step */
    int64_t band9_step_ticks; /* prices are multiples of this; 0 no band */
    int64_t band10_from_ticks; /* prices from here on have the next step */
    int64_t band10_step_ticks; /* prices are multiples of this; 0 no band */
    int64_t top_min_lots; /* STEPS: a smaller order does not become the TOP order */
    int64_t top_max_lots; /* STEPS: most that the TOP order gets before others; 0 any */
    uint16_t lmm1_participant; /* STEPS: a lead market maker */
    uint16_t lmm1_share_bps; /* its share before others, 1/10000; 0 none */
    uint16_t lmm2_participant; /* STEPS: a lead market maker */
    uint16_t lmm2_share_bps; /* its share before others, 1/10000; 0 none */
    uint16_t lmm3_participant; /* STEPS: a lead market maker */
    uint16_t lmm3_share_bps; /* its share before others, 1/10000; 0 none */
    uint16_t lmm4_participant; /* STEPS: a lead market maker */
    uint16_t lmm4_share_bps; /* its share before others, 1/10000; 0 none */
    uint16_t lmm5_participant; /* STEPS: a lead market maker */
    uint16_t lmm5_share_bps; /* its share before others, 1/10000; 0 none */
    uint16_t lmm6_participant; /* STEPS: a lead market maker */
    uint16_t lmm6_share_bps; /* its share before others, 1/10000; 0 none */
    uint16_t lmm7_participant; /* STEPS: a lead market maker */
    uint16_t lmm7_share_bps; /* its share before others, 1/10000; 0 none */
    uint16_t lmm8_participant; /* STEPS: a lead market maker */
    uint16_t lmm8_share_bps; /* its share before others, 1/10000; 0 none */
    uint16_t fifo_share_bps; /* STEPS: share that goes by time, not pro rata, 1/10000 */
    uint8_t leveling; /* STEPS: 1: an order that pro rata gives nothing gets a lot */
    uint8_t reserved2; /* zero */
    uint32_t reserved3; /* zero */
    int64_t reserved4; /* zero */
};
static_assert(sizeof(struct outcry_instrument) == 320, "instrument");
static_assert(offsetof(struct outcry_instrument, symbol) == 0, "instrument.symbol");
static_assert(offsetof(struct outcry_instrument, price_step_ticks) == 8, "instrument.price_step_ticks");
static_assert(offsetof(struct outcry_instrument, qty_step_lots) == 16, "instrument.qty_step_lots");
static_assert(offsetof(struct outcry_instrument, min_qty_lots) == 24, "instrument.min_qty_lots");
static_assert(offsetof(struct outcry_instrument, max_qty_lots) == 32, "instrument.max_qty_lots");
static_assert(offsetof(struct outcry_instrument, max_price_ticks) == 40, "instrument.max_price_ticks");
static_assert(offsetof(struct outcry_instrument, min_price_ticks) == 48, "instrument.min_price_ticks");
static_assert(offsetof(struct outcry_instrument, reference_price_ticks) == 56, "instrument.reference_price_ticks");
static_assert(offsetof(struct outcry_instrument, market_band_ticks) == 64, "instrument.market_band_ticks");
static_assert(offsetof(struct outcry_instrument, auction_band_ticks) == 72, "instrument.auction_band_ticks");
static_assert(offsetof(struct outcry_instrument, min_allocation_lots) == 80, "instrument.min_allocation_lots");
static_assert(offsetof(struct outcry_instrument, allocation) == 88, "instrument.allocation");
static_assert(offsetof(struct outcry_instrument, options) == 89, "instrument.options");
static_assert(offsetof(struct outcry_instrument, initial_phase) == 90, "instrument.initial_phase");
static_assert(offsetof(struct outcry_instrument, auction_extensions) == 91, "instrument.auction_extensions");
static_assert(offsetof(struct outcry_instrument, top_share_bps) == 92, "instrument.top_share_bps");
static_assert(offsetof(struct outcry_instrument, reserved) == 94, "instrument.reserved");
static_assert(offsetof(struct outcry_instrument, band1_from_ticks) == 96, "instrument.band1_from_ticks");
static_assert(offsetof(struct outcry_instrument, band1_step_ticks) == 104, "instrument.band1_step_ticks");
static_assert(offsetof(struct outcry_instrument, band2_from_ticks) == 112, "instrument.band2_from_ticks");
static_assert(offsetof(struct outcry_instrument, band2_step_ticks) == 120, "instrument.band2_step_ticks");
static_assert(offsetof(struct outcry_instrument, band3_from_ticks) == 128, "instrument.band3_from_ticks");
static_assert(offsetof(struct outcry_instrument, band3_step_ticks) == 136, "instrument.band3_step_ticks");
static_assert(offsetof(struct outcry_instrument, band4_from_ticks) == 144, "instrument.band4_from_ticks");
static_assert(offsetof(struct outcry_instrument, band4_step_ticks) == 152, "instrument.band4_step_ticks");
static_assert(offsetof(struct outcry_instrument, band5_from_ticks) == 160, "instrument.band5_from_ticks");
static_assert(offsetof(struct outcry_instrument, band5_step_ticks) == 168, "instrument.band5_step_ticks");
static_assert(offsetof(struct outcry_instrument, band6_from_ticks) == 176, "instrument.band6_from_ticks");
static_assert(offsetof(struct outcry_instrument, band6_step_ticks) == 184, "instrument.band6_step_ticks");
static_assert(offsetof(struct outcry_instrument, band7_from_ticks) == 192, "instrument.band7_from_ticks");
static_assert(offsetof(struct outcry_instrument, band7_step_ticks) == 200, "instrument.band7_step_ticks");
static_assert(offsetof(struct outcry_instrument, band8_from_ticks) == 208, "instrument.band8_from_ticks");
static_assert(offsetof(struct outcry_instrument, band8_step_ticks) == 216, "instrument.band8_step_ticks");
static_assert(offsetof(struct outcry_instrument, band9_from_ticks) == 224, "instrument.band9_from_ticks");
static_assert(offsetof(struct outcry_instrument, band9_step_ticks) == 232, "instrument.band9_step_ticks");
static_assert(offsetof(struct outcry_instrument, band10_from_ticks) == 240, "instrument.band10_from_ticks");
static_assert(offsetof(struct outcry_instrument, band10_step_ticks) == 248, "instrument.band10_step_ticks");
static_assert(offsetof(struct outcry_instrument, top_min_lots) == 256, "instrument.top_min_lots");
static_assert(offsetof(struct outcry_instrument, top_max_lots) == 264, "instrument.top_max_lots");
static_assert(offsetof(struct outcry_instrument, lmm1_participant) == 272, "instrument.lmm1_participant");
static_assert(offsetof(struct outcry_instrument, lmm1_share_bps) == 274, "instrument.lmm1_share_bps");
static_assert(offsetof(struct outcry_instrument, lmm2_participant) == 276, "instrument.lmm2_participant");
static_assert(offsetof(struct outcry_instrument, lmm2_share_bps) == 278, "instrument.lmm2_share_bps");
static_assert(offsetof(struct outcry_instrument, lmm3_participant) == 280, "instrument.lmm3_participant");
static_assert(offsetof(struct outcry_instrument, lmm3_share_bps) == 282, "instrument.lmm3_share_bps");
static_assert(offsetof(struct outcry_instrument, lmm4_participant) == 284, "instrument.lmm4_participant");
static_assert(offsetof(struct outcry_instrument, lmm4_share_bps) == 286, "instrument.lmm4_share_bps");
static_assert(offsetof(struct outcry_instrument, lmm5_participant) == 288, "instrument.lmm5_participant");
static_assert(offsetof(struct outcry_instrument, lmm5_share_bps) == 290, "instrument.lmm5_share_bps");
static_assert(offsetof(struct outcry_instrument, lmm6_participant) == 292, "instrument.lmm6_participant");
static_assert(offsetof(struct outcry_instrument, lmm6_share_bps) == 294, "instrument.lmm6_share_bps");
static_assert(offsetof(struct outcry_instrument, lmm7_participant) == 296, "instrument.lmm7_participant");
static_assert(offsetof(struct outcry_instrument, lmm7_share_bps) == 298, "instrument.lmm7_share_bps");
static_assert(offsetof(struct outcry_instrument, lmm8_participant) == 300, "instrument.lmm8_participant");
static_assert(offsetof(struct outcry_instrument, lmm8_share_bps) == 302, "instrument.lmm8_share_bps");
static_assert(offsetof(struct outcry_instrument, fifo_share_bps) == 304, "instrument.fifo_share_bps");
static_assert(offsetof(struct outcry_instrument, leveling) == 306, "instrument.leveling");
static_assert(offsetof(struct outcry_instrument, reserved2) == 307, "instrument.reserved2");
static_assert(offsetof(struct outcry_instrument, reserved3) == 308, "instrument.reserved3");
static_assert(offsetof(struct outcry_instrument, reserved4) == 312, "instrument.reserved4");

/* Before each block of a journal segment. */
struct outcry_block_header {
    uint64_t magic; /* BLOCK_MAGIC */
    uint64_t layout_hash; /* layout that wrote it */
    uint64_t journal_id; /* random; the same in every block of a journal and its copies */
    int64_t block_index; /* 0, 1, 2, … through the whole journal, across segments */
    int64_t first_seq; /* sequence of the first command in or after this block */
    int64_t record_count; /* records in the block; 0 in blocks of JSON */
    int64_t written_ts_ns; /* ns since the epoch */
    uint32_t payload_bytes; /* bytes after this header that mean something */
    uint32_t block_bytes; /* header, payload and zeros up to a multiple of 4,096 */
    uint64_t previous_hash0; /* BLAKE3 of the block before, bytes 0 on */
    uint64_t previous_hash1; /* BLAKE3 of the block before, bytes 8 on */
    uint64_t previous_hash2; /* BLAKE3 of the block before, bytes 16 on */
    uint64_t previous_hash3; /* BLAKE3 of the block before, bytes 24 on */
    int64_t events_seq; /* last command whose events had been hashed; 0 none */
    uint64_t events_hash; /* hash of all events up to those of events_seq */
    uint32_t text_bytes; /* JSON blocks: length of the text in the payload */
    uint32_t unsynced_blocks; /* blocks right before it not known to be durable yet */
    uint8_t kind; /* what it carries */
    uint8_t reserved0; /* zero */
    uint16_t reserved1; /* zero */
    uint32_t crc32c; /* over the whole block, this field zero */
};
static_assert(sizeof(struct outcry_block_header) == 128, "block_header");
static_assert(offsetof(struct outcry_block_header, magic) == 0, "block_header.magic");
static_assert(offsetof(struct outcry_block_header, layout_hash) == 8, "block_header.layout_hash");
static_assert(offsetof(struct outcry_block_header, journal_id) == 16, "block_header.journal_id");
static_assert(offsetof(struct outcry_block_header, block_index) == 24, "block_header.block_index");
static_assert(offsetof(struct outcry_block_header, first_seq) == 32, "block_header.first_seq");
static_assert(offsetof(struct outcry_block_header, record_count) == 40, "block_header.record_count");
static_assert(offsetof(struct outcry_block_header, written_ts_ns) == 48, "block_header.written_ts_ns");
static_assert(offsetof(struct outcry_block_header, payload_bytes) == 56, "block_header.payload_bytes");
static_assert(offsetof(struct outcry_block_header, block_bytes) == 60, "block_header.block_bytes");
static_assert(offsetof(struct outcry_block_header, previous_hash0) == 64, "block_header.previous_hash0");
static_assert(offsetof(struct outcry_block_header, previous_hash1) == 72, "block_header.previous_hash1");
static_assert(offsetof(struct outcry_block_header, previous_hash2) == 80, "block_header.previous_hash2");
static_assert(offsetof(struct outcry_block_header, previous_hash3) == 88, "block_header.previous_hash3");
static_assert(offsetof(struct outcry_block_header, events_seq) == 96, "block_header.events_seq");
static_assert(offsetof(struct outcry_block_header, events_hash) == 104, "block_header.events_hash");
static_assert(offsetof(struct outcry_block_header, text_bytes) == 112, "block_header.text_bytes");
static_assert(offsetof(struct outcry_block_header, unsynced_blocks) == 116, "block_header.unsynced_blocks");
static_assert(offsetof(struct outcry_block_header, kind) == 120, "block_header.kind");
static_assert(offsetof(struct outcry_block_header, reserved0) == 121, "block_header.reserved0");
static_assert(offsetof(struct outcry_block_header, reserved1) == 122, "block_header.reserved1");
static_assert(offsetof(struct outcry_block_header, crc32c) == 124, "block_header.crc32c");

/* At the start of each UDP payload; `count` order or event records follow. */
struct outcry_packet_header {
    uint32_t magic; /* PACKET_MAGIC */
    uint32_t layout_tag; /* low half of the layout hash */
    int64_t first_seq; /* sender's own sequence number of the first record, from 1 */
    int64_t sent_ts_ns; /* intended send time, ns since the epoch */
    uint32_t sender; /* which sender the sequence belongs to */
    uint16_t count; /* records that follow */
    uint8_t kind; /* orders or events */
    uint8_t reserved; /* zero */
};
static_assert(sizeof(struct outcry_packet_header) == 32, "packet_header");
static_assert(offsetof(struct outcry_packet_header, magic) == 0, "packet_header.magic");
static_assert(offsetof(struct outcry_packet_header, layout_tag) == 4, "packet_header.layout_tag");
static_assert(offsetof(struct outcry_packet_header, first_seq) == 8, "packet_header.first_seq");
static_assert(offsetof(struct outcry_packet_header, sent_ts_ns) == 16, "packet_header.sent_ts_ns");
static_assert(offsetof(struct outcry_packet_header, sender) == 24, "packet_header.sender");
static_assert(offsetof(struct outcry_packet_header, count) == 28, "packet_header.count");
static_assert(offsetof(struct outcry_packet_header, kind) == 30, "packet_header.kind");
static_assert(offsetof(struct outcry_packet_header, reserved) == 31, "packet_header.reserved");

/* What the clock knew about itself at one moment: the evidence behind every time stamp. */
struct outcry_clock {
    int64_t tai_ts_ns; /* when, TAI, ns since 1970-01-01 00:00:00 TAI; UTC: - offset */
    int64_t bound_ns; /* true time was within this of tai_ts_ns; MAX_VALUE: unknown */
    int64_t offset_ns; /* the source's reading minus ours, before it was corrected */
    int64_t drift_ppb; /* how much faster than nominal the counter runs, by the source */
    int64_t path_delay_ns; /* one way to the source; part of the bound */
    uint64_t grandmaster; /* PTP: clock identity (EUI-64); NTP: reference id; 0 none */
    uint16_t utc_offset_s; /* TAI minus UTC at that moment */
    uint16_t flags; /* bits */
    uint8_t state; /* how the clock is held */
    uint8_t source; /* what it follows */
    uint8_t event; /* why the record was made */
    uint8_t reserved; /* zero */
    int64_t seq; /* number of the record from 1; storing it publishes the slot */
};
static_assert(sizeof(struct outcry_clock) == 64, "clock");
static_assert(offsetof(struct outcry_clock, tai_ts_ns) == 0, "clock.tai_ts_ns");
static_assert(offsetof(struct outcry_clock, bound_ns) == 8, "clock.bound_ns");
static_assert(offsetof(struct outcry_clock, offset_ns) == 16, "clock.offset_ns");
static_assert(offsetof(struct outcry_clock, drift_ppb) == 24, "clock.drift_ppb");
static_assert(offsetof(struct outcry_clock, path_delay_ns) == 32, "clock.path_delay_ns");
static_assert(offsetof(struct outcry_clock, grandmaster) == 40, "clock.grandmaster");
static_assert(offsetof(struct outcry_clock, utc_offset_s) == 48, "clock.utc_offset_s");
static_assert(offsetof(struct outcry_clock, flags) == 50, "clock.flags");
static_assert(offsetof(struct outcry_clock, state) == 52, "clock.state");
static_assert(offsetof(struct outcry_clock, source) == 53, "clock.source");
static_assert(offsetof(struct outcry_clock, event) == 54, "clock.event");
static_assert(offsetof(struct outcry_clock, reserved) == 55, "clock.reserved");
static_assert(offsetof(struct outcry_clock, seq) == 56, "clock.seq");

/* The line that turns the counter into an interval of time; one writer, any number of readers. */
struct outcry_clock_page {
    int64_t version; /* odd while the rest is being written; changes with every update */
    int64_t base_ticks; /* counter at the base */
    int64_t base_tai_ns; /* TAI at the base, ns since 1970-01-01 00:00:00 TAI */
    int64_t mult_q48; /* ns a tick, times 2**48 */
    int64_t bound_ns; /* TAI is known to within this at the base */
    int64_t leap_tai_ns; /* TAI at which the UTC offset changes; MAX_VALUE: none ahead */
    uint32_t growth_ppb; /* how fast the bound grows from the base on */
    uint32_t owner; /* the writer's thread; 2**30 when it died (by the kernel), 0 ended */
    uint32_t stale_ms; /* the page is invalid this long after the base */
    uint8_t utc_offset_s; /* TAI minus UTC before leap_tai_ns */
    uint8_t next_utc_offset_s; /* and from then on */
    uint8_t state; /* how the clock is held */
    uint8_t source; /* what it follows */
};
static_assert(sizeof(struct outcry_clock_page) == 64, "clock_page");
static_assert(offsetof(struct outcry_clock_page, version) == 0, "clock_page.version");
static_assert(offsetof(struct outcry_clock_page, base_ticks) == 8, "clock_page.base_ticks");
static_assert(offsetof(struct outcry_clock_page, base_tai_ns) == 16, "clock_page.base_tai_ns");
static_assert(offsetof(struct outcry_clock_page, mult_q48) == 24, "clock_page.mult_q48");
static_assert(offsetof(struct outcry_clock_page, bound_ns) == 32, "clock_page.bound_ns");
static_assert(offsetof(struct outcry_clock_page, leap_tai_ns) == 40, "clock_page.leap_tai_ns");
static_assert(offsetof(struct outcry_clock_page, growth_ppb) == 48, "clock_page.growth_ppb");
static_assert(offsetof(struct outcry_clock_page, owner) == 52, "clock_page.owner");
static_assert(offsetof(struct outcry_clock_page, stale_ms) == 56, "clock_page.stale_ms");
static_assert(offsetof(struct outcry_clock_page, utc_offset_s) == 60, "clock_page.utc_offset_s");
static_assert(offsetof(struct outcry_clock_page, next_utc_offset_s) == 61, "clock_page.next_utc_offset_s");
static_assert(offsetof(struct outcry_clock_page, state) == 62, "clock_page.state");
static_assert(offsetof(struct outcry_clock_page, source) == 63, "clock_page.source");

#endif
