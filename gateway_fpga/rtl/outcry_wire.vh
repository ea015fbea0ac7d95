// generated from wire/ by `python -m openoutcry.wire.generate`; do not edit
// SPDX-License-Identifier: Apache-2.0
`ifndef OUTCRY_WIRE_VH
`define OUTCRY_WIRE_VH
`define OUTCRY_LAYOUT_HASH 64'h2599acb22fe43fe2
`define OUTCRY_MAX_PACKET_RECORDS 22
`define OUTCRY_BLOCK_MAGIC 64'h424a59524354554f
`define OUTCRY_PACKET_MAGIC 64'h5952434f
`define OUTCRY_RING_MAGIC 64'h425259524354554f
`define OUTCRY_CONTROL_MAGIC 64'h544359524354554f
`define OUTCRY_CLOCK_MAGIC 64'h4b4359524354554f
`define OUTCRY_VENUE_ORDER_IDS 64'h2000000000000000
`define OUTCRY_SESSION_ORDER_IDS 64'h4000000000000000
`define OUTCRY_LEG_ORDER_IDS 64'h6000000000000000

// A command to the matcher, from the network card to the disk. Byte 0 is tdata[7:0].
`define OUTCRY_ORDER_PRICE_TICKS 63:0 // limit price
`define OUTCRY_ORDER_QTY_LOTS 127:64 // quantity: of a new order, to take off, or new open quantity
`define OUTCRY_ORDER_SYMBOL 191:128 // instrument, ASCII, padded with NUL
`define OUTCRY_ORDER_ORDER_ID 255:192 // the client's identifier, unique among an instrument's open orders
`define OUTCRY_ORDER_AUX 319:256 // second price, quantity or time: what it is, the kind and type say
`define OUTCRY_ORDER_RX_TS_NS 383:320 // ingress time, ns since the epoch; no effect on matching
`define OUTCRY_ORDER_PARTICIPANT 399:384 // owner of the order
`define OUTCRY_ORDER_ERROR_CODE 415:400 // the gateway's verdict, one bit a check
`define OUTCRY_ORDER_KIND 423:416 // what is asked
`define OUTCRY_ORDER_SIDE 431:424 // buy or sell
`define OUTCRY_ORDER_ORDER_TYPE 439:432 // how it may trade
`define OUTCRY_ORDER_TIME_IN_FORCE 447:440 // how long it may rest; from bit 4 SelfTrade; bit 7 of a REPLACE: OPEN_KNOWN
`define OUTCRY_ORDER_SEQ 511:448 // sequence number from 1; storing it publishes the slot

// What a command caused, addressed to one participant. Byte 0 is tdata[7:0].
`define OUTCRY_EVENT_ORDER_ID 63:0 // the order it happened to
`define OUTCRY_EVENT_CONTRA_ID 127:64 // fill: the other order; gateway reject: error_code; see EventKind
`define OUTCRY_EVENT_PRICE_TICKS 191:128 // fill: trade price; otherwise the order's price
`define OUTCRY_EVENT_QTY_LOTS 255:192 // traded, cancelled, reduced, accepted or rejected quantity
`define OUTCRY_EVENT_LEAVES_LOTS 319:256 // open quantity of the order after this event
`define OUTCRY_EVENT_CAUSE_SEQ 383:320 // sequence number of the command that caused it
`define OUTCRY_EVENT_PARTICIPANT 399:384 // the participant it is addressed to
`define OUTCRY_EVENT_INSTRUMENT 415:400 // index in the instrument table; 65535 if unknown
`define OUTCRY_EVENT_KIND 423:416 // what happened
`define OUTCRY_EVENT_REASON 431:424 // why
`define OUTCRY_EVENT_SIDE 439:432 // side of the order
`define OUTCRY_EVENT_FLAGS 447:440 // bits
`define OUTCRY_EVENT_SEQ 511:448 // event sequence number from 1; storing it publishes the slot

// One row of the instrument table, shared by gateway and matcher. Byte 0 is tdata[7:0].
`define OUTCRY_INSTRUMENT_SYMBOL 63:0 // ASCII, padded with NUL
`define OUTCRY_INSTRUMENT_PRICE_STEP_TICKS 127:64 // prices are multiples of this, below the first band
`define OUTCRY_INSTRUMENT_QTY_STEP_LOTS 191:128 // quantities are multiples of this
`define OUTCRY_INSTRUMENT_MIN_QTY_LOTS 255:192 // smallest quantity of a new order
`define OUTCRY_INSTRUMENT_MAX_QTY_LOTS 319:256 // largest quantity of a new order
`define OUTCRY_INSTRUMENT_MAX_PRICE_TICKS 383:320 // highest limit price
`define OUTCRY_INSTRUMENT_MIN_PRICE_TICKS 447:384 // lowest limit price
`define OUTCRY_INSTRUMENT_REFERENCE_PRICE_TICKS 511:448 // reference before the first trade, or NO_PRICE
`define OUTCRY_INSTRUMENT_MARKET_BAND_TICKS 575:512 // how far past the best price a market order goes; 0 any
`define OUTCRY_INSTRUMENT_AUCTION_BAND_TICKS 639:576 // how far from the reference an auction goes; 0 any
`define OUTCRY_INSTRUMENT_MIN_ALLOCATION_LOTS 703:640 // pro-rata shares below this count as 0
`define OUTCRY_INSTRUMENT_ALLOCATION 711:704 // how a level is shared
`define OUTCRY_INSTRUMENT_OPTIONS 719:712 // bits
`define OUTCRY_INSTRUMENT_INITIAL_PHASE 727:720 // phase before the first PHASE command
`define OUTCRY_INSTRUMENT_AUCTION_EXTENSIONS 735:728 // how often an auction outside its band is put off
`define OUTCRY_INSTRUMENT_TOP_SHARE_BPS 751:736 // pro-rata: share of the first order in the queue, 1/10000
`define OUTCRY_INSTRUMENT_RESERVED 767:752 // zero
`define OUTCRY_INSTRUMENT_BAND1_FROM_TICKS 831:768 // prices from here on have the next step
`define OUTCRY_INSTRUMENT_BAND1_STEP_TICKS 895:832 // prices are multiples of this; 0 no band
`define OUTCRY_INSTRUMENT_BAND2_FROM_TICKS 959:896 // prices from here on have the next step
`define OUTCRY_INSTRUMENT_BAND2_STEP_TICKS 1023:960 // prices are multiples of this; 0 no band
`define OUTCRY_INSTRUMENT_BAND3_FROM_TICKS 1087:1024 // prices from here on have the next step
`define OUTCRY_INSTRUMENT_BAND3_STEP_TICKS 1151:1088 // prices are multiples of this; 0 no band
`define OUTCRY_INSTRUMENT_BAND4_FROM_TICKS 1215:1152 // prices from here on have the next step
`define OUTCRY_INSTRUMENT_BAND4_STEP_TICKS 1279:1216 // prices are multiples of this; 0 no band
`define OUTCRY_INSTRUMENT_BAND5_FROM_TICKS 1343:1280 // prices from here on have the next step
`define OUTCRY_INSTRUMENT_BAND5_STEP_TICKS 1407:1344 // prices are multiples of this; 0 no band
`define OUTCRY_INSTRUMENT_BAND6_FROM_TICKS 1471:1408 // prices from here on have the next step
`define OUTCRY_INSTRUMENT_BAND6_STEP_TICKS 1535:1472 // prices are multiples of this; 0 no band
`define OUTCRY_INSTRUMENT_BAND7_FROM_TICKS 1599:1536 // prices from here on have the next step
`define OUTCRY_INSTRUMENT_BAND7_STEP_TICKS 1663:1600 // prices are multiples of this; 0 no band
`define OUTCRY_INSTRUMENT_BAND8_FROM_TICKS 1727:1664 // prices from here on have the next step
`define OUTCRY_INSTRUMENT_BAND8_STEP_TICKS 1791:1728 // prices are multiples of this; 0 no band
`define OUTCRY_INSTRUMENT_BAND9_FROM_TICKS 1855:1792 // prices from here on have the next step
`define OUTCRY_INSTRUMENT_BAND9_STEP_TICKS 1919:1856 // prices are multiples of this; 0 no band
`define OUTCRY_INSTRUMENT_BAND10_FROM_TICKS 1983:1920 // prices from here on have the next step
`define OUTCRY_INSTRUMENT_BAND10_STEP_TICKS 2047:1984 // prices are multiples of this; 0 no band
`define OUTCRY_INSTRUMENT_TOP_MIN_LOTS 2111:2048 // STEPS: a smaller order does not become the TOP order
`define OUTCRY_INSTRUMENT_TOP_MAX_LOTS 2175:2112 // STEPS: most that the TOP order gets before others; 0 any
`define OUTCRY_INSTRUMENT_LMM1_PARTICIPANT 2191:2176 // STEPS: a lead market maker
`define OUTCRY_INSTRUMENT_LMM1_SHARE_BPS 2207:2192 // its share before others, 1/10000; 0 none
`define OUTCRY_INSTRUMENT_LMM2_PARTICIPANT 2223:2208 // STEPS: a lead market maker
`define OUTCRY_INSTRUMENT_LMM2_SHARE_BPS 2239:2224 // its share before others, 1/10000; 0 none
`define OUTCRY_INSTRUMENT_LMM3_PARTICIPANT 2255:2240 // STEPS: a lead market maker
`define OUTCRY_INSTRUMENT_LMM3_SHARE_BPS 2271:2256 // its share before others, 1/10000; 0 none
`define OUTCRY_INSTRUMENT_LMM4_PARTICIPANT 2287:2272 // STEPS: a lead market maker
`define OUTCRY_INSTRUMENT_LMM4_SHARE_BPS 2303:2288 // its share before others, 1/10000; 0 none
`define OUTCRY_INSTRUMENT_LMM5_PARTICIPANT 2319:2304 // STEPS: a lead market maker
`define OUTCRY_INSTRUMENT_LMM5_SHARE_BPS 2335:2320 // its share before others, 1/10000; 0 none
`define OUTCRY_INSTRUMENT_LMM6_PARTICIPANT 2351:2336 // STEPS: a lead market maker
`define OUTCRY_INSTRUMENT_LMM6_SHARE_BPS 2367:2352 // its share before others, 1/10000; 0 none
`define OUTCRY_INSTRUMENT_LMM7_PARTICIPANT 2383:2368 // STEPS: a lead market maker
`define OUTCRY_INSTRUMENT_LMM7_SHARE_BPS 2399:2384 // its share before others, 1/10000; 0 none
`define OUTCRY_INSTRUMENT_LMM8_PARTICIPANT 2415:2400 // STEPS: a lead market maker
`define OUTCRY_INSTRUMENT_LMM8_SHARE_BPS 2431:2416 // its share before others, 1/10000; 0 none
`define OUTCRY_INSTRUMENT_FIFO_SHARE_BPS 2447:2432 // STEPS: share that goes by time, not pro rata, 1/10000
`define OUTCRY_INSTRUMENT_LEVELING 2455:2448 // STEPS: 1: an order that pro rata gives nothing gets a lot
`define OUTCRY_INSTRUMENT_RESERVED2 2463:2456 // zero
`define OUTCRY_INSTRUMENT_RESERVED3 2495:2464 // zero
`define OUTCRY_INSTRUMENT_RESERVED4 2559:2496 // zero

// Before each block of a journal segment. Byte 0 is tdata[7:0].
`define OUTCRY_BLOCK_HEADER_MAGIC 63:0 // BLOCK_MAGIC
`define OUTCRY_BLOCK_HEADER_LAYOUT_HASH 127:64 // layout that wrote it
`define OUTCRY_BLOCK_HEADER_JOURNAL_ID 191:128 // random; the same in every block of a journal and its copies
`define OUTCRY_BLOCK_HEADER_BLOCK_INDEX 255:192 // 0, 1, 2, … through the whole journal, across segments
`define OUTCRY_BLOCK_HEADER_FIRST_SEQ 319:256 // sequence of the first command in or after this block
`define OUTCRY_BLOCK_HEADER_RECORD_COUNT 383:320 // records in the block; 0 in blocks of JSON
`define OUTCRY_BLOCK_HEADER_WRITTEN_TS_NS 447:384 // ns since the epoch
`define OUTCRY_BLOCK_HEADER_PAYLOAD_BYTES 479:448 // bytes after this header that mean something
`define OUTCRY_BLOCK_HEADER_BLOCK_BYTES 511:480 // header, payload and zeros up to a multiple of 4,096
`define OUTCRY_BLOCK_HEADER_PREVIOUS_HASH0 575:512 // BLAKE3 of the block before, bytes 0 on
`define OUTCRY_BLOCK_HEADER_PREVIOUS_HASH1 639:576 // BLAKE3 of the block before, bytes 8 on
`define OUTCRY_BLOCK_HEADER_PREVIOUS_HASH2 703:640 // BLAKE3 of the block before, bytes 16 on
`define OUTCRY_BLOCK_HEADER_PREVIOUS_HASH3 767:704 // BLAKE3 of the block before, bytes 24 on
`define OUTCRY_BLOCK_HEADER_EVENTS_SEQ 831:768 // last command whose events had been hashed; 0 none
`define OUTCRY_BLOCK_HEADER_EVENTS_HASH 895:832 // hash of all events up to those of events_seq
`define OUTCRY_BLOCK_HEADER_TEXT_BYTES 927:896 // JSON blocks: length of the text in the payload
`define OUTCRY_BLOCK_HEADER_UNSYNCED_BLOCKS 959:928 // blocks right before it not known to be durable yet
`define OUTCRY_BLOCK_HEADER_KIND 967:960 // what it carries
`define OUTCRY_BLOCK_HEADER_RESERVED0 975:968 // zero
`define OUTCRY_BLOCK_HEADER_RESERVED1 991:976 // zero
`define OUTCRY_BLOCK_HEADER_CRC32C 1023:992 // over the whole block, this field zero

// At the start of each UDP payload; `count` order or event records follow. Byte 0 is tdata[7:0].
`define OUTCRY_PACKET_HEADER_MAGIC 31:0 // PACKET_MAGIC
`define OUTCRY_PACKET_HEADER_LAYOUT_TAG 63:32 // low half of the layout hash
`define OUTCRY_PACKET_HEADER_FIRST_SEQ 127:64 // sender's own sequence number of the first record, from 1
`define OUTCRY_PACKET_HEADER_SENT_TS_NS 191:128 // intended send time, ns since the epoch
`define OUTCRY_PACKET_HEADER_SENDER 223:192 // which sender the sequence belongs to
`define OUTCRY_PACKET_HEADER_COUNT 239:224 // records that follow
`define OUTCRY_PACKET_HEADER_KIND 247:240 // orders or events
`define OUTCRY_PACKET_HEADER_RESERVED 255:248 // zero

// What the clock knew about itself at one moment: the evidence behind every time stamp. Byte 0 is tdata[7:0].
`define OUTCRY_CLOCK_TAI_TS_NS 63:0 // when, TAI, ns since 1970-01-01 00:00:00 TAI; UTC: - offset
`define OUTCRY_CLOCK_BOUND_NS 127:64 // true time was within this of tai_ts_ns; MAX_VALUE: unknown
`define OUTCRY_CLOCK_OFFSET_NS 191:128 // the source's reading minus ours, before it was corrected
`define OUTCRY_CLOCK_DRIFT_PPB 255:192 // how much faster than nominal the counter runs, by the source
`define OUTCRY_CLOCK_PATH_DELAY_NS 319:256 // one way to the source; part of the bound
`define OUTCRY_CLOCK_GRANDMASTER 383:320 // PTP: clock identity (EUI-64); NTP: reference id; 0 none
`define OUTCRY_CLOCK_UTC_OFFSET_S 399:384 // TAI minus UTC at that moment
`define OUTCRY_CLOCK_FLAGS 415:400 // bits
`define OUTCRY_CLOCK_STATE 423:416 // how the clock is held
`define OUTCRY_CLOCK_SOURCE 431:424 // what it follows
`define OUTCRY_CLOCK_EVENT 439:432 // why the record was made
`define OUTCRY_CLOCK_RESERVED 447:440 // zero
`define OUTCRY_CLOCK_SEQ 511:448 // number of the record from 1; storing it publishes the slot

// The line that turns the counter into an interval of time; one writer, any number of readers. Byte 0 is tdata[7:0].
`define OUTCRY_CLOCK_PAGE_VERSION 63:0 // odd while the rest is being written; changes with every update
`define OUTCRY_CLOCK_PAGE_BASE_TICKS 127:64 // counter at the base
`define OUTCRY_CLOCK_PAGE_BASE_TAI_NS 191:128 // TAI at the base, ns since 1970-01-01 00:00:00 TAI
`define OUTCRY_CLOCK_PAGE_MULT_Q48 255:192 // ns a tick, times 2**48
`define OUTCRY_CLOCK_PAGE_BOUND_NS 319:256 // TAI is known to within this at the base
`define OUTCRY_CLOCK_PAGE_LEAP_TAI_NS 383:320 // TAI at which the UTC offset changes; MAX_VALUE: none ahead
`define OUTCRY_CLOCK_PAGE_GROWTH_PPB 415:384 // how fast the bound grows from the base on
`define OUTCRY_CLOCK_PAGE_OWNER 447:416 // the writer's thread; 2**30 when it died (by the kernel), 0 ended
`define OUTCRY_CLOCK_PAGE_STALE_MS 479:448 // the page is invalid this long after the base
`define OUTCRY_CLOCK_PAGE_UTC_OFFSET_S 487:480 // TAI minus UTC before leap_tai_ns
`define OUTCRY_CLOCK_PAGE_NEXT_UTC_OFFSET_S 495:488 // and from then on
`define OUTCRY_CLOCK_PAGE_STATE 503:496 // how the clock is held
`define OUTCRY_CLOCK_PAGE_SOURCE 511:504 // what it follows

// CommandKind
`define OUTCRY_COMMAND_KIND_NEW 8'd1
`define OUTCRY_COMMAND_KIND_CANCEL 8'd2
`define OUTCRY_COMMAND_KIND_REDUCE 8'd3
`define OUTCRY_COMMAND_KIND_REPLACE 8'd4
`define OUTCRY_COMMAND_KIND_SET_EXPIRY 8'd5
`define OUTCRY_COMMAND_KIND_MASS_CANCEL 8'd6
`define OUTCRY_COMMAND_KIND_DISCONNECT 8'd7
`define OUTCRY_COMMAND_KIND_TIME 8'd8
`define OUTCRY_COMMAND_KIND_PHASE 8'd9
`define OUTCRY_COMMAND_KIND_RISK 8'd10
`define OUTCRY_COMMAND_KIND_TERMS 8'd11

// Term
`define OUTCRY_TERM_LIST 8'd1
`define OUTCRY_TERM_EXPIRY 8'd2
`define OUTCRY_TERM_TRIGGER 8'd3
`define OUTCRY_TERM_QUOTE 8'd4

// TriggerBy
`define OUTCRY_TRIGGER_BY_LAST 8'd1
`define OUTCRY_TRIGGER_BY_OWN_QUOTE 8'd2
`define OUTCRY_TRIGGER_BY_OPPOSITE_QUOTE 8'd3
`define OUTCRY_TRIGGER_BY_MID 8'd4
`define OUTCRY_TRIGGER_BY_MARK 8'd5
`define OUTCRY_TRIGGER_BY_INDEX 8'd6

// Contingency
`define OUTCRY_CONTINGENCY_OCO 8'd1
`define OUTCRY_CONTINGENCY_OUO 8'd2
`define OUTCRY_CONTINGENCY_OTO 8'd3
`define OUTCRY_CONTINGENCY_OTOCO 8'd4
`define OUTCRY_CONTINGENCY_OTOUO 8'd5

// Side
`define OUTCRY_SIDE_BUY 8'd1
`define OUTCRY_SIDE_SELL 8'd2

// OrderType
`define OUTCRY_ORDER_TYPE_LIMIT 8'd1
`define OUTCRY_ORDER_TYPE_MARKET 8'd2
`define OUTCRY_ORDER_TYPE_POST_ONLY 8'd3
`define OUTCRY_ORDER_TYPE_POST_ONLY_SLIDE 8'd4
`define OUTCRY_ORDER_TYPE_MARKET_TO_LIMIT 8'd5
`define OUTCRY_ORDER_TYPE_STOP 8'd6
`define OUTCRY_ORDER_TYPE_STOP_LIMIT 8'd7
`define OUTCRY_ORDER_TYPE_TRAILING_STOP 8'd8
`define OUTCRY_ORDER_TYPE_TRAILING_STOP_BPS 8'd9
`define OUTCRY_ORDER_TYPE_ICEBERG 8'd10
`define OUTCRY_ORDER_TYPE_HIDDEN 8'd11
`define OUTCRY_ORDER_TYPE_PEG_PRIMARY 8'd12
`define OUTCRY_ORDER_TYPE_PEG_MARKET 8'd13
`define OUTCRY_ORDER_TYPE_PEG_MIDPOINT 8'd14
`define OUTCRY_ORDER_TYPE_ALL_OR_NONE 8'd15
`define OUTCRY_ORDER_TYPE_MIN_QTY 8'd16
`define OUTCRY_ORDER_TYPE_TRAILING_STOP_LIMIT 8'd17
`define OUTCRY_ORDER_TYPE_TRAILING_STOP_LIMIT_BPS 8'd18
`define OUTCRY_ORDER_TYPE_POST_ONLY_STOP_LIMIT 8'd19
`define OUTCRY_ORDER_TYPE_MARKET_BUDGET 8'd20
`define OUTCRY_ORDER_TYPE_LIMIT_BUDGET 8'd21
`define OUTCRY_ORDER_TYPE_TAKE_PROFIT 8'd22
`define OUTCRY_ORDER_TYPE_TAKE_PROFIT_LIMIT 8'd23

// TimeInForce
`define OUTCRY_TIME_IN_FORCE_DAY 8'd1
`define OUTCRY_TIME_IN_FORCE_IOC 8'd2
`define OUTCRY_TIME_IN_FORCE_FOK 8'd3
`define OUTCRY_TIME_IN_FORCE_GTC 8'd4
`define OUTCRY_TIME_IN_FORCE_GTD 8'd5
`define OUTCRY_TIME_IN_FORCE_AT_OPEN 8'd6
`define OUTCRY_TIME_IN_FORCE_AT_CLOSE 8'd7

// SelfTrade
`define OUTCRY_SELF_TRADE_ALLOW 8'd0
`define OUTCRY_SELF_TRADE_CANCEL_NEWEST 8'd1
`define OUTCRY_SELF_TRADE_CANCEL_OLDEST 8'd2
`define OUTCRY_SELF_TRADE_CANCEL_BOTH 8'd3
`define OUTCRY_SELF_TRADE_DECREMENT 8'd4

// Phase
`define OUTCRY_PHASE_CLOSED 8'd1
`define OUTCRY_PHASE_PRE_OPEN 8'd2
`define OUTCRY_PHASE_OPENING_AUCTION 8'd3
`define OUTCRY_PHASE_CONTINUOUS 8'd4
`define OUTCRY_PHASE_VOLATILITY_AUCTION 8'd5
`define OUTCRY_PHASE_HALT 8'd6
`define OUTCRY_PHASE_CLOSING_AUCTION 8'd7
`define OUTCRY_PHASE_TRADING_AT_LAST 8'd8

// Allocation
`define OUTCRY_ALLOCATION_PRICE_TIME 8'd1
`define OUTCRY_ALLOCATION_PRO_RATA 8'd2
`define OUTCRY_ALLOCATION_STEPS 8'd3

// InstrumentOption
`define OUTCRY_INSTRUMENT_OPTION_MARKET_REST_STAYS 8'd1
`define OUTCRY_INSTRUMENT_OPTION_STOPS_BY_QUOTE 8'd2
`define OUTCRY_INSTRUMENT_OPTION_HALF_STEP_MIDPOINT 8'd4
`define OUTCRY_INSTRUMENT_OPTION_SELF_TRADE_FIRST 8'd8
`define OUTCRY_INSTRUMENT_OPTION_STOPS_BY_REFERENCE 8'd16
`define OUTCRY_INSTRUMENT_OPTION_STOPS_BY_TRADE_OR_QUOTE 8'd32
`define OUTCRY_INSTRUMENT_OPTION_MARKET_WAITS 8'd64
`define OUTCRY_INSTRUMENT_OPTION_PASSED_STOPS_REFUSED 8'd128

// EventKind
`define OUTCRY_EVENT_KIND_ACCEPTED 8'd1
`define OUTCRY_EVENT_KIND_FILLED 8'd2
`define OUTCRY_EVENT_KIND_CANCELLED 8'd3
`define OUTCRY_EVENT_KIND_REDUCED 8'd4
`define OUTCRY_EVENT_KIND_REPLACED 8'd5
`define OUTCRY_EVENT_KIND_REJECTED 8'd6
`define OUTCRY_EVENT_KIND_EXPIRED 8'd7
`define OUTCRY_EVENT_KIND_ELECTED 8'd8
`define OUTCRY_EVENT_KIND_REPEGGED 8'd9
`define OUTCRY_EVENT_KIND_REFRESHED 8'd10
`define OUTCRY_EVENT_KIND_CONVERTED 8'd11
`define OUTCRY_EVENT_KIND_TRIGGER_MOVED 8'd12
`define OUTCRY_EVENT_KIND_PHASE_CHANGED 8'd13
`define OUTCRY_EVENT_KIND_INDICATIVE 8'd14
`define OUTCRY_EVENT_KIND_UNCROSSED 8'd15
`define OUTCRY_EVENT_KIND_COMPLETED 8'd16
`define OUTCRY_EVENT_KIND_DELAYED 8'd17
`define OUTCRY_EVENT_KIND_ENTERED 8'd18
`define OUTCRY_EVENT_KIND_BROKEN 8'd19

// EventFlag
`define OUTCRY_EVENT_FLAG_LAST 8'd1
`define OUTCRY_EVENT_FLAG_MAKER 8'd2
`define OUTCRY_EVENT_FLAG_KEPT_PLACE 8'd4
`define OUTCRY_EVENT_FLAG_HIDDEN 8'd8
`define OUTCRY_EVENT_FLAG_WAITING 8'd16
`define OUTCRY_EVENT_FLAG_ICEBERG 8'd32
`define OUTCRY_EVENT_FLAG_AUCTION 8'd64

// Reason
`define OUTCRY_REASON_NONE 8'd0
`define OUTCRY_REASON_GATEWAY 8'd1
`define OUTCRY_REASON_UNKNOWN_INSTRUMENT 8'd2
`define OUTCRY_REASON_MALFORMED 8'd3
`define OUTCRY_REASON_BAD_QTY 8'd4
`define OUTCRY_REASON_DUPLICATE_ID 8'd5
`define OUTCRY_REASON_UNKNOWN_ORDER 8'd6
`define OUTCRY_REASON_NOT_OWNER 8'd7
`define OUTCRY_REASON_WOULD_CROSS 8'd8
`define OUTCRY_REASON_BOOK_FULL 8'd9
`define OUTCRY_REASON_LEVEL_OVERFLOW 8'd10
`define OUTCRY_REASON_USER 8'd11
`define OUTCRY_REASON_IOC_REST 8'd12
`define OUTCRY_REASON_MARKET_REST 8'd13
`define OUTCRY_REASON_FOK_UNFILLABLE 8'd14
`define OUTCRY_REASON_REDUCED_TO_ZERO 8'd15
`define OUTCRY_REASON_OFF_STEP 8'd16
`define OUTCRY_REASON_OFF_LOT 8'd17
`define OUTCRY_REASON_PRICE_LIMIT 8'd18
`define OUTCRY_REASON_QTY_LIMIT 8'd19
`define OUTCRY_REASON_WRONG_PHASE 8'd20
`define OUTCRY_REASON_BAD_AUX 8'd21
`define OUTCRY_REASON_EXPIRED 8'd22
`define OUTCRY_REASON_SELF_TRADE 8'd23
`define OUTCRY_REASON_MIN_QTY_UNFILLABLE 8'd24
`define OUTCRY_REASON_DAY_END 8'd25
`define OUTCRY_REASON_AUCTION_REST 8'd26
`define OUTCRY_REASON_MASS_CANCEL 8'd27
`define OUTCRY_REASON_DISCONNECTED 8'd28
`define OUTCRY_REASON_AUCTION_EXTENDED 8'd29
`define OUTCRY_REASON_TIME_BACKWARDS 8'd30
`define OUTCRY_REASON_OFF_LAST 8'd31
`define OUTCRY_REASON_RISK 8'd32
`define OUTCRY_REASON_TRIGGER_ALREADY_PASSED 8'd33
`define OUTCRY_REASON_DELISTED 8'd34
`define OUTCRY_REASON_CLOSE_ONLY 8'd35
`define OUTCRY_REASON_REDUCE_ONLY 8'd36
`define OUTCRY_REASON_RULES_CHANGED 8'd37
`define OUTCRY_REASON_LIST 8'd38

// ErrorBit
`define OUTCRY_ERROR_BIT_PRICE_NOT_POSITIVE 4'd0
`define OUTCRY_ERROR_BIT_PRICE_ABOVE_LIMIT 4'd1
`define OUTCRY_ERROR_BIT_QTY_NOT_POSITIVE 4'd2
`define OUTCRY_ERROR_BIT_QTY_OUT_OF_LIMITS 4'd3
`define OUTCRY_ERROR_BIT_SIDE 4'd4
`define OUTCRY_ERROR_BIT_ORDER_TYPE 4'd5
`define OUTCRY_ERROR_BIT_TIME_IN_FORCE 4'd6
`define OUTCRY_ERROR_BIT_SYMBOL 4'd7
`define OUTCRY_ERROR_BIT_PRICE_STEP 4'd8
`define OUTCRY_ERROR_BIT_QTY_STEP 4'd9
`define OUTCRY_ERROR_BIT_COLLAR 4'd10
`define OUTCRY_ERROR_BIT_NOTIONAL 4'd11
`define OUTCRY_ERROR_BIT_PARTICIPANT 4'd12
`define OUTCRY_ERROR_BIT_HALTED 4'd13
`define OUTCRY_ERROR_BIT_RATE 4'd14
`define OUTCRY_ERROR_BIT_KIND 4'd15

// BlockKind
`define OUTCRY_BLOCK_KIND_CONFIG 8'd1
`define OUTCRY_BLOCK_KIND_COMMANDS 8'd2
`define OUTCRY_BLOCK_KIND_EVIDENCE 8'd3
`define OUTCRY_BLOCK_KIND_CLOCK 8'd4

// PacketKind
`define OUTCRY_PACKET_KIND_ORDERS 8'd1
`define OUTCRY_PACKET_KIND_EVENTS 8'd2

// ClockState
`define OUTCRY_CLOCK_STATE_UNKNOWN 8'd1
`define OUTCRY_CLOCK_STATE_LOCKED 8'd2
`define OUTCRY_CLOCK_STATE_HOLDOVER 8'd3
`define OUTCRY_CLOCK_STATE_FREE_RUNNING 8'd4

// ClockSource
`define OUTCRY_CLOCK_SOURCE_NONE 8'd1
`define OUTCRY_CLOCK_SOURCE_PHC_PRECISE 8'd2
`define OUTCRY_CLOCK_SOURCE_PHC_EXTENDED 8'd3
`define OUTCRY_CLOCK_SOURCE_PHC_BASIC 8'd4
`define OUTCRY_CLOCK_SOURCE_LINUXPTP 8'd5
`define OUTCRY_CLOCK_SOURCE_CHRONY 8'd6
`define OUTCRY_CLOCK_SOURCE_KERNEL 8'd7
`define OUTCRY_CLOCK_SOURCE_SIMULATED 8'd8

// ClockEvent
`define OUTCRY_CLOCK_EVENT_SAMPLE 8'd1
`define OUTCRY_CLOCK_EVENT_STATE 8'd2
`define OUTCRY_CLOCK_EVENT_WARNING 8'd3
`define OUTCRY_CLOCK_EVENT_CRITICAL 8'd4
`define OUTCRY_CLOCK_EVENT_CLEARED 8'd5
`define OUTCRY_CLOCK_EVENT_STEP 8'd6
`define OUTCRY_CLOCK_EVENT_SLEW 8'd7
`define OUTCRY_CLOCK_EVENT_DISAGREE 8'd8
`define OUTCRY_CLOCK_EVENT_SUSPENDED 8'd9
`define OUTCRY_CLOCK_EVENT_MIGRATED 8'd10
`define OUTCRY_CLOCK_EVENT_LEAP 8'd11
`define OUTCRY_CLOCK_EVENT_STOPPED 8'd12

// ClockFlag
`define OUTCRY_CLOCK_FLAG_TRACEABLE 8'd1
`define OUTCRY_CLOCK_FLAG_RTS25 8'd2
`define OUTCRY_CLOCK_FLAG_LEAP_INSERT 8'd4
`define OUTCRY_CLOCK_FLAG_LEAP_DELETE 8'd8
`define OUTCRY_CLOCK_FLAG_DOUBTED 8'd16
`define OUTCRY_CLOCK_FLAG_OFFSET_DISPUTED 8'd32
`define OUTCRY_CLOCK_FLAG_LIST_EXPIRED 8'd64

`endif
