// generated from wire/ by `python -m openoutcry.wire.generate`; do not edit
// SPDX-License-Identifier: Apache-2.0
`ifndef OUTCRY_REGISTERS_VH
`define OUTCRY_REGISTERS_VH
`define OUTCRY_GATEWAY_MAGIC 32'd1464288079
`define OUTCRY_MAP_HASH 32'd328495608
`define OUTCRY_WAYS 32'd3
`define OUTCRY_SLOT_BITS 32'd9
`define OUTCRY_PARTICIPANT_BITS 32'd10
`define OUTCRY_ROW_BITS 32'd576
`define OUTCRY_TIME_BITS 32'd62
`define OUTCRY_FRAME_PORTS 32'd3
`define OUTCRY_FRAME_OUTCOMES 32'd21
`define OUTCRY_PARSER_OUTCOMES 32'd19
`define OUTCRY_LEFT_OUT 32'd2
`define OUTCRY_FIVES_MODULUS 32'd15625
`define OUTCRY_CONTROL_CHECK_PARTICIPANTS 32'd0
`define OUTCRY_CONTROL_ARMED 32'd1

// Word numbers (address bits 11:2)
`define OUTCRY_REG_MAGIC 10'd0 // the letters OCGW: a gateway answers
`define OUTCRY_REG_MAP_HASH 10'd1 // hash of this register map
`define OUTCRY_REG_LAYOUT_HASH 10'd2 // hash of the record layout, low word first
`define OUTCRY_REG_WAYS 10'd4 // hash tables read side by side
`define OUTCRY_REG_SLOTS 10'd5 // slots of each way
`define OUTCRY_REG_PARTICIPANTS 10'd6 // participants with a bit and a bucket: 0 to this - 1
`define OUTCRY_REG_STATUS 10'd7 // bit 0: a command (row_swap, participant_set) is under way
`define OUTCRY_REG_CONTROL 10'd8 // bit 0: check the participants' bits; bit 1: armed, without it no order enters
`define OUTCRY_REG_RATE_INTERVAL_NS 10'd9 // one order a participant in this time; 0 no limit
`define OUTCRY_REG_RATE_BURST_NS 10'd10 // how far ahead of its rate a participant may run
`define OUTCRY_REG_BAD_ACCESS_COUNT 10'd11 // accesses that got an error; saturates
`define OUTCRY_REG_ORDER_COUNT 10'd12 // orders that left; reading the low word holds the high one
`define OUTCRY_REG_ROW_INDEX 10'd14 // where row_swap writes: way * slots + slot
`define OUTCRY_REG_ROW_SWAP 10'd15 // any value: the shadow becomes row row_index, all at once
`define OUTCRY_REG_REASON_COUNT 10'd16 // orders with this bit of ErrorBit; saturates
`define OUTCRY_REG_PARTICIPANT_SET 10'd32 // bits 15:0 the participant, bit 31 its bit; its bucket becomes full
`define OUTCRY_REG_ROW_SHADOW 10'd64 // the row to be swapped in, low word first
`define OUTCRY_REG_FRAME_COUNT 10'd128 // frames by port and outcome: word 21 * port + outcome; saturates
`define OUTCRY_REG_LEFT_OUT_COUNT 10'd192 // records left out of packets taken: word 2 * port of participant 0, the next with a reserved order id; saturates

// Fields of a symbol table row
`define OUTCRY_ROW_SYMBOL 63:0 // eight bytes as in the record; 0 is an empty row
`define OUTCRY_ROW_MAX_PRICE_TICKS 127:64 // signed
`define OUTCRY_ROW_MIN_QTY_LOTS 191:128 // signed
`define OUTCRY_ROW_MAX_QTY_LOTS 255:192 // signed
`define OUTCRY_ROW_COLLAR_LOW 335:256 // reference * 10000 - width, not below 0; 0 no collar
`define OUTCRY_ROW_COLLAR_HIGH 415:336 // reference * 10000 + width; all ones no collar
`define OUTCRY_ROW_NOTIONAL_LIMIT 541:416 // highest price * quantity; all ones no limit
`define OUTCRY_ROW_PRICE_TWOS 549:544 // prices are multiples of 2 to this power
`define OUTCRY_ROW_PRICE_FIVES 554:552 // prices are multiples of 5 to this power, 0 to 6
`define OUTCRY_ROW_QTY_TWOS 565:560 // quantities are multiples of 2 to this power
`define OUTCRY_ROW_QTY_FIVES 570:568 // quantities are multiples of 5 to this power, 0 to 6
`define OUTCRY_ROW_BY_SIDE 574:574 // 1: price bands: collar_low is asked of new sells, collar_high of new buys
`define OUTCRY_ROW_HALTED 575:575 // 1: no order may enter or be changed

// What half byte h of a symbol flips in its slot numbers when its value is v: bits
// 27 * (16 * h + v) up, way 0 lowest.
`define OUTCRY_HASH_TABLES { \
    27'h643b0af, 27'h7f511bd, 27'h791bcf6, 27'h789eb1b, 27'h0715881, 27'h29a2d62, 27'h02a0ba3, 27'h1656feb, \
    27'h65acba0, 27'h0710e44, 27'h0b24f7c, 27'h646f5aa, 27'h0f29baf, 27'h2d31e18, 27'h26969e4, 27'h643e604, \
    27'h5c2ad7c, 27'h5ad9176, 27'h1b28d20, 27'h67899b5, 27'h0fdcfd7, 27'h4d51224, 27'h712f317, 27'h5560299, \
    27'h16eda2f, 27'h21e3a1f, 27'h69da8f6, 27'h16a92fc, 27'h40cccb2, 27'h3bbc373, 27'h73f90b2, 27'h6f0d60c, \
    27'h4467ec9, 27'h2565c2a, 27'h1a489d1, 27'h5e03c9c, 27'h4b386c2, 27'h3b3e7e9, 27'h22f9ac7, 27'h7b27b5f, \
    27'h3c2777b, 27'h5f40a11, 27'h354ac69, 27'h6654c4c, 27'h7aa2b0e, 27'h5e7ff3c, 27'h7b0d80a, 27'h6cdd155, \
    27'h08f8cc9, 27'h4406cfe, 27'h6151f8c, 27'h4be6375, 27'h5123f12, 27'h41e11ef, 27'h365bef6, 27'h08a51d8, \
    27'h3f5bc40, 27'h2e9713d, 27'h6133efd, 27'h39aac12, 27'h0900c65, 27'h632295d, 27'h0aee31c, 27'h6786a9b, \
    27'h7aaa30b, 27'h18dae20, 27'h66df356, 27'h169bb9a, 27'h2c0a556, 27'h529342c, 27'h25ea32d, 27'h2330e51, \
    27'h5d986bc, 27'h44d1f44, 27'h4d5155c, 27'h05f8297, 27'h1f19a1a, 27'h3e877a3, 27'h0ff9369, 27'h1d827e3, \
    27'h2987717, 27'h39adb7f, 27'h2588a6d, 27'h7c1a80e, 27'h59bd96a, 27'h4bc77de, 27'h73b81ee, 27'h3839b22, \
    27'h4bf77b2, 27'h35d309c, 27'h5d84efc, 27'h1dab6d3, 27'h212e097, 27'h214c422, 27'h26d6c40, 27'h3048efd, \
    27'h1f591b7, 27'h5885f40, 27'h062926d, 27'h155916e, 27'h5368e63, 27'h2dc8089, 27'h1c76e2b, 27'h2c5e61a, \
    27'h1f624bd, 27'h578f512, 27'h3541a1b, 27'h58027f2, 27'h6adeb94, 27'h3925ead, 27'h03b2592, 27'h0356735, \
    27'h4ea75f0, 27'h508c700, 27'h336ad36, 27'h3b20bf3, 27'h1394b3f, 27'h2f9ddf0, 27'h672abed, 27'h25a0dc5, \
    27'h5063e56, 27'h048b52d, 27'h56e31b3, 27'h2fdd080, 27'h396ba69, 27'h7cb38f3, 27'h00781d7, 27'h06f59e1, \
    27'h5d2a722, 27'h16dd8a9, 27'h2aa3f81, 27'h414be5c, 27'h782bf7e, 27'h767ec16, 27'h05f125c, 27'h41cf198, \
    27'h78d5c64, 27'h35163dc, 27'h0f40139, 27'h0f1e242, 27'h78bdacc, 27'h16496cb, 27'h36a431f, 27'h545610c, \
    27'h3b37c8c, 27'h6d0664b, 27'h2a1c7be, 27'h124f541, 27'h330a295, 27'h5d63199, 27'h0621165, 27'h65d206c, \
    27'h1db224a, 27'h78c1ec5, 27'h709faf5, 27'h141a9cd, 27'h5870ec9, 27'h575cb50, 27'h0157db3, 27'h5af712f, \
    27'h7f13a34, 27'h57642c4, 27'h17ed1c1, 27'h6d7f2a6, 27'h1d50f84, 27'h5908be9, 27'h45d9edb, 27'h1eef1d3, \
    27'h5deada3, 27'h0fc8273, 27'h514f35d, 27'h3169202, 27'h63b6350, 27'h5e7abaf, 27'h541a9a8, 27'h7ac78c6, \
    27'h3f0406f, 27'h0a4f14e, 27'h6f00971, 27'h2bd7a95, 27'h1b2277b, 27'h0a532f9, 27'h083c098, 27'h5b3767e, \
    27'h5fb1342, 27'h6d78537, 27'h6a0b26a, 27'h0d81bdb, 27'h4165bdc, 27'h633710a, 27'h3103752, 27'h59cf137, \
    27'h42b862e, 27'h4e86081, 27'h7ae26bf, 27'h066850a, 27'h65c9369, 27'h3703e82, 27'h11ffe0f, 27'h787b4f2, \
    27'h117898b, 27'h6e43861, 27'h29eacf1, 27'h153467d, 27'h54da92b, 27'h30b2953, 27'h02c81c8, 27'h50fbe16, \
    27'h747bea0, 27'h136a247, 27'h76a2498, 27'h1a681e3, 27'h400e7f2, 27'h4311c27, 27'h1855a00, 27'h07977e0, \
    27'h47d1e95, 27'h5288dbd, 27'h4e09764, 27'h367574c, 27'h3fcf94c, 27'h039b8a3, 27'h74bba91, 27'h2376392, \
    27'h668c9e9, 27'h634cb83, 27'h6755579, 27'h51caa58, 27'h3b6a92c, 27'h47b8755, 27'h7059edc, 27'h6fe44d7, \
    27'h1ae0d08, 27'h4c55dc6, 27'h690acc8, 27'h47c6ee7, 27'h3e05a3a, 27'h5ef7810, 27'h4ced378, 27'h54d4362, \
    27'h1958e51, 27'h363b887, 27'h221c4f5, 27'h00e7b3e, 27'h1e46add, 27'h6c6d2aa, 27'h7ea5430, 27'h19caa14, \
    27'h6d2792a, 27'h2fa33bd, 27'h019459a, 27'h171d65c, 27'h12e4879, 27'h2bdf45b, 27'h1810c2b, 27'h769a39f }

`endif
