// generated from wire/ by `python -m openoutcry.wire.generate`; do not edit
`ifndef OUTCRY_WIRE_VH
`define OUTCRY_WIRE_VH
`define OUTCRY_LAYOUT_HASH 64'h1a50b4dc62c71588

// A command to the matcher, from the network card to the disk. Byte 0 is tdata[7:0].
`define OUTCRY_ORDER_PRICE_TICKS 63:0 // limit price
`define OUTCRY_ORDER_QTY_LOTS 127:64 // quantity: of a new order, to take off, or new open quantity
`define OUTCRY_ORDER_SYMBOL 191:128 // instrument, ASCII, padded with NUL
`define OUTCRY_ORDER_ORDER_ID 255:192 // the client's identifier, unique among open orders
`define OUTCRY_ORDER_AUX 319:256 // auxiliary price or quantity by order type; 0 where the type has none
`define OUTCRY_ORDER_RX_TS_NS 383:320 // ingress time, ns since the epoch; no effect on matching
`define OUTCRY_ORDER_PARTICIPANT 399:384 // owner of the order
`define OUTCRY_ORDER_ERROR_CODE 415:400 // the gateway's verdict, one bit a check
`define OUTCRY_ORDER_KIND 423:416 // what is asked
`define OUTCRY_ORDER_SIDE 431:424 // buy or sell
`define OUTCRY_ORDER_ORDER_TYPE 439:432 // how it may trade
`define OUTCRY_ORDER_TIME_IN_FORCE 447:440 // how long it may rest
`define OUTCRY_ORDER_SEQ 511:448 // sequence number from 1; storing it publishes the slot

// What a command caused, addressed to one participant. Byte 0 is tdata[7:0].
`define OUTCRY_EVENT_ORDER_ID 63:0 // the order it happened to
`define OUTCRY_EVENT_CONTRA_ID 127:64 // fill: the order on the other side; gateway reject: error_code
`define OUTCRY_EVENT_PRICE_TICKS 191:128 // fill: trade price; otherwise the order's price
`define OUTCRY_EVENT_QTY_LOTS 255:192 // traded, cancelled, reduced, accepted or rejected quantity
`define OUTCRY_EVENT_LEAVES_LOTS 319:256 // open quantity of the order after this event
`define OUTCRY_EVENT_CAUSE_SEQ 383:320 // sequence number of the command that caused it
`define OUTCRY_EVENT_PARTICIPANT 399:384 // whom it is addressed to
`define OUTCRY_EVENT_INSTRUMENT 415:400 // index in the instrument table; 65535 if unknown
`define OUTCRY_EVENT_KIND 423:416 // what happened
`define OUTCRY_EVENT_REASON 431:424 // why
`define OUTCRY_EVENT_SIDE 439:432 // side of the order
`define OUTCRY_EVENT_FLAGS 447:440 // bits
`define OUTCRY_EVENT_SEQ 511:448 // event sequence number from 1; storing it publishes the slot

// One row of the instrument table, shared by gateway and matcher. Byte 0 is tdata[7:0].
`define OUTCRY_INSTRUMENT_SYMBOL 63:0 // ASCII, padded with NUL
`define OUTCRY_INSTRUMENT_PRICE_STEP_TICKS 127:64 // prices are multiples of this
`define OUTCRY_INSTRUMENT_QTY_STEP_LOTS 191:128 // quantities are multiples of this
`define OUTCRY_INSTRUMENT_MIN_QTY_LOTS 255:192 // smallest quantity of a new order
`define OUTCRY_INSTRUMENT_MAX_QTY_LOTS 319:256 // largest quantity of a new order
`define OUTCRY_INSTRUMENT_MAX_PRICE_TICKS 383:320 // highest limit price
`define OUTCRY_INSTRUMENT_RESERVED0 447:384 // zero
`define OUTCRY_INSTRUMENT_RESERVED1 511:448 // zero

// Before each block of a journal segment. Byte 0 is tdata[7:0].
`define OUTCRY_BLOCK_HEADER_MAGIC 63:0 // BLOCK_MAGIC
`define OUTCRY_BLOCK_HEADER_LAYOUT_HASH 127:64 // layout that wrote it
`define OUTCRY_BLOCK_HEADER_FIRST_SEQ 191:128 // sequence of the first record; commands only
`define OUTCRY_BLOCK_HEADER_RECORD_COUNT 255:192 // records in the block; commands only
`define OUTCRY_BLOCK_HEADER_BLOCK_INDEX 319:256 // 0, 1, 2, … through the whole journal, across segments
`define OUTCRY_BLOCK_HEADER_WRITTEN_TS_NS 383:320 // ns since the epoch
`define OUTCRY_BLOCK_HEADER_PAYLOAD_BYTES 415:384 // bytes after this header, a multiple of 64
`define OUTCRY_BLOCK_HEADER_TEXT_BYTES 447:416 // JSON blocks: length of the text in the payload
`define OUTCRY_BLOCK_HEADER_KIND 455:448 // what it carries
`define OUTCRY_BLOCK_HEADER_RESERVED0 463:456 // zero
`define OUTCRY_BLOCK_HEADER_RESERVED1 479:464 // zero
`define OUTCRY_BLOCK_HEADER_CRC32C 511:480 // over header (this field zero) and payload

// At the start of each UDP payload; `count` order or event records follow. Byte 0 is tdata[7:0].
`define OUTCRY_PACKET_HEADER_MAGIC 31:0 // PACKET_MAGIC
`define OUTCRY_PACKET_HEADER_LAYOUT_TAG 63:32 // low half of the layout hash
`define OUTCRY_PACKET_HEADER_FIRST_SEQ 127:64 // sender's own sequence number of the first record, from 1
`define OUTCRY_PACKET_HEADER_SENT_TS_NS 191:128 // intended send time, ns since the epoch
`define OUTCRY_PACKET_HEADER_SENDER 223:192 // which sender the sequence belongs to
`define OUTCRY_PACKET_HEADER_COUNT 239:224 // records that follow
`define OUTCRY_PACKET_HEADER_KIND 247:240 // orders or events
`define OUTCRY_PACKET_HEADER_RESERVED 255:248 // zero

// CommandKind
`define OUTCRY_COMMAND_KIND_NEW 8'd1
`define OUTCRY_COMMAND_KIND_CANCEL 8'd2
`define OUTCRY_COMMAND_KIND_REDUCE 8'd3
`define OUTCRY_COMMAND_KIND_REPLACE 8'd4

// Side
`define OUTCRY_SIDE_BUY 8'd1
`define OUTCRY_SIDE_SELL 8'd2

// OrderType
`define OUTCRY_ORDER_TYPE_LIMIT 8'd1
`define OUTCRY_ORDER_TYPE_MARKET 8'd2
`define OUTCRY_ORDER_TYPE_POST_ONLY 8'd3

// TimeInForce
`define OUTCRY_TIME_IN_FORCE_DAY 8'd1
`define OUTCRY_TIME_IN_FORCE_IOC 8'd2
`define OUTCRY_TIME_IN_FORCE_FOK 8'd3

// EventKind
`define OUTCRY_EVENT_KIND_ACCEPTED 8'd1
`define OUTCRY_EVENT_KIND_FILLED 8'd2
`define OUTCRY_EVENT_KIND_CANCELLED 8'd3
`define OUTCRY_EVENT_KIND_REDUCED 8'd4
`define OUTCRY_EVENT_KIND_REPLACED 8'd5
`define OUTCRY_EVENT_KIND_REJECTED 8'd6

// EventFlag
`define OUTCRY_EVENT_FLAG_LAST 8'd1
`define OUTCRY_EVENT_FLAG_MAKER 8'd2
`define OUTCRY_EVENT_FLAG_KEPT_PLACE 8'd4

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
`define OUTCRY_ERROR_BIT_KIND 4'd15

// BlockKind
`define OUTCRY_BLOCK_KIND_CONFIG 8'd1
`define OUTCRY_BLOCK_KIND_COMMANDS 8'd2
`define OUTCRY_BLOCK_KIND_EVIDENCE 8'd3

// PacketKind
`define OUTCRY_PACKET_KIND_ORDERS 8'd1
`define OUTCRY_PACKET_KIND_EVENTS 8'd2

`endif
