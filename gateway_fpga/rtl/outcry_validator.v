// SPDX-License-Identifier: Apache-2.0
// The validator: writes the verdict (error_code, one bit a failing check) into every order.
//
// Latency 4 cycles from beat in to beat out, throughput 1 beat a cycle, both whenever the sink is
// ready and no command is under way.  Nothing is dropped and nothing else is changed.
// docs/gateway.md is the contract; gateway_fpga/golden.py is the same in software.
//
//   rank 1 read   the rows where the symbol may stand, in the block RAMs' own slow outputs; bucket
//                 and bit; first half of the arithmetic
//   rank 2 row    the rows in flip-flops; what needs no row is decided
//   rank 3 check  each way's row compared, and whether it is the symbol's
//   rank 4 out    the right way's flags, masked by kind, in the record
//
// All ranks move together, when the last one is free (`advance`).  A command (row_swap or
// participant_set) waits until ranks 1 to 3 are empty, and no beat is taken meanwhile: an order
// sees the tables wholly before or wholly after it.
`default_nettype none
`include "outcry_wire.vh"
`include "outcry_registers.vh"

module outcry_validator #(
    // Slots of each of the three ways: 2 to this power, 1 to 9.
    parameter SLOT_BITS = `OUTCRY_SLOT_BITS,
    // Participants with a bit and a bucket: 2 to this power, 1 to 16.
    parameter PARTICIPANT_BITS = `OUTCRY_PARTICIPANT_BITS
) (
    input  wire                        clk,
    input  wire                        rst,

    input  wire [511:0]                s_axis_tdata,
    input  wire                        s_axis_tvalid,
    output wire                        s_axis_tready,

    output wire [511:0]                m_axis_tdata,
    output wire                        m_axis_tvalid,
    input  wire                        m_axis_tready,

    // Settings: each order sees one value of each.  While unarmed, no order may enter.
    input  wire                        armed,
    input  wire                        check_participants,
    input  wire [31:0]                 rate_interval_ns,
    input  wire [31:0]                 rate_burst_ns,

    // Commands: held until done; at most one at a time.
    input  wire                        row_swap,
    input  wire [SLOT_BITS+1:0]        row_index,
    input  wire [`OUTCRY_ROW_BITS-1:0] row_shadow,
    input  wire                        participant_set,
    input  wire [PARTICIPANT_BITS-1:0] participant_index,
    input  wire                        participant_on,
    output reg                         command_done
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (SLOT_BITS < 1 || SLOT_BITS > `OUTCRY_SLOT_BITS) begin : g_wrong_slot_bits
            SLOT_BITS_is_not_1_to_9 wrong ();
        end
        if (PARTICIPANT_BITS < 1 || PARTICIPANT_BITS > 16) begin : g_wrong_participant_bits
            PARTICIPANT_BITS_is_not_1_to_16 wrong ();
        end
    endgenerate

    localparam WAYS       = 3;
    localparam SLOTS      = 1 << SLOT_BITS;
    localparam integer HASH_BITS = `OUTCRY_WAYS * `OUTCRY_SLOT_BITS;
    // Numbers side by side stand 32 bits apart where they are narrower: a simulator works on words.
    localparam LANE       = 32;
    localparam integer ROW_BITS = `OUTCRY_ROW_BITS;
    // A row in parts, each of whole words and so of four or five block RAMs of 36 bits.
    localparam PARTS      = 4;
    localparam NOTIONAL_BITS = 126;
    // 63 bits in pieces of 4: what a piece leaves is one LUT a bit.
    localparam PIECES     = 16;

    // Order types whose new orders have no limit price.
    localparam [255:0] UNPRICED_TYPES =
        (256'd1 << `OUTCRY_ORDER_TYPE_MARKET) | (256'd1 << `OUTCRY_ORDER_TYPE_MARKET_TO_LIMIT)
        | (256'd1 << `OUTCRY_ORDER_TYPE_STOP) | (256'd1 << `OUTCRY_ORDER_TYPE_TRAILING_STOP)
        | (256'd1 << `OUTCRY_ORDER_TYPE_MARKET_BUDGET) | (256'd1 << `OUTCRY_ORDER_TYPE_TAKE_PROFIT)
        | (256'd1 << `OUTCRY_ORDER_TYPE_TRAILING_STOP_BPS);

    // Which checks a command is subject to, by kind.
    localparam [15:0] KIND_CHECK   = 16'd1 << `OUTCRY_ERROR_BIT_KIND;
    localparam [15:0] SYMBOL_CHECK = 16'd1 << `OUTCRY_ERROR_BIT_SYMBOL;
    localparam [15:0] SIDE_CHECK   = 16'd1 << `OUTCRY_ERROR_BIT_SIDE;
    localparam [15:0] REDUCE_CHECKS =
        (16'd1 << `OUTCRY_ERROR_BIT_QTY_NOT_POSITIVE) | (16'd1 << `OUTCRY_ERROR_BIT_QTY_STEP);
    localparam [15:0] ENTRY_CHECKS =
        (16'd1 << `OUTCRY_ERROR_BIT_PARTICIPANT) | (16'd1 << `OUTCRY_ERROR_BIT_HALTED)
        | (16'd1 << `OUTCRY_ERROR_BIT_RATE);
    localparam [15:0] PRICE_CHECKS =
        (16'd1 << `OUTCRY_ERROR_BIT_PRICE_NOT_POSITIVE)
        | (16'd1 << `OUTCRY_ERROR_BIT_PRICE_ABOVE_LIMIT) | (16'd1 << `OUTCRY_ERROR_BIT_PRICE_STEP)
        | (16'd1 << `OUTCRY_ERROR_BIT_COLLAR) | (16'd1 << `OUTCRY_ERROR_BIT_NOTIONAL);
    localparam [15:0] QTY_CHECKS =
        (16'd1 << `OUTCRY_ERROR_BIT_QTY_NOT_POSITIVE)
        | (16'd1 << `OUTCRY_ERROR_BIT_QTY_OUT_OF_LIMITS) | (16'd1 << `OUTCRY_ERROR_BIT_QTY_STEP);
    localparam [15:0] FORM_CHECKS =
        (16'd1 << `OUTCRY_ERROR_BIT_SIDE) | (16'd1 << `OUTCRY_ERROR_BIT_ORDER_TYPE)
        | (16'd1 << `OUTCRY_ERROR_BIT_TIME_IN_FORCE);

    integer i;

    // ---------------------------------------------------------------------------------------------
    // The pipeline's control.

    // Low in reset, so that no beat is taken that would be lost.
    reg running;
    reg read_valid;
    reg row_valid;
    reg check_valid;
    reg out_valid;

    wire advance = !out_valid || m_axis_tready;
    wire command = row_swap || participant_set;

    assign s_axis_tready = running && advance && !command;
    assign m_axis_tvalid = out_valid;

    always @(posedge clk) begin
        if (rst) begin
            running     <= 1'b0;
            read_valid  <= 1'b0;
            row_valid   <= 1'b0;
            check_valid <= 1'b0;
            out_valid   <= 1'b0;
            command_done <= 1'b0;
        end else begin
            running <= 1'b1;
            // A cycle later: no order comes in between, and the tables' writes do not wait for it.
            command_done <= command && !command_done && !read_valid && !row_valid && !check_valid;
            if (advance) begin
                read_valid  <= s_axis_tvalid && running && !command;
                row_valid   <= read_valid;
                check_valid <= row_valid;
                out_valid   <= check_valid;
            end
        end
    end

    // ---------------------------------------------------------------------------------------------
    // Where the symbol's row may stand, and the rows that stand there (rank 1; in flip-flops rank 2).

    wire [63:0] in_price  = s_axis_tdata[`OUTCRY_ORDER_PRICE_TICKS];
    wire [63:0] in_qty    = s_axis_tdata[`OUTCRY_ORDER_QTY_LOTS];
    wire [63:0] in_symbol = s_axis_tdata[`OUTCRY_ORDER_SYMBOL];
    wire [15:0] in_participant = s_axis_tdata[`OUTCRY_ORDER_PARTICIPANT];

    // Tabulation hashing: each half byte of the symbol flips its bits of the three slot numbers.
    localparam [256*HASH_BITS-1:0] HASH_TABLES = `OUTCRY_HASH_TABLES;
    reg [HASH_BITS-1:0] hash_rom [0:255];
    initial for (i = 0; i < 256; i = i + 1) hash_rom[i] = HASH_TABLES[HASH_BITS*i +: HASH_BITS];

    // Three LUTs deep: one a half byte, then twice the sum of four.  A way's row is kept in parts, each
    // with a last level of its own: its block RAMs then stand close to it, where one address for all
    // of them had to cross half the device.
    wire [16*LANE-1:0] flips;
    wire [4*LANE-1:0]  quarters;

    genvar half;
    generate
        for (half = 0; half < 16; half = half + 1) begin : g_half
            localparam [3:0] NTH = half;
            assign flips[LANE*half +: LANE] =
                {{LANE-HASH_BITS{1'b0}}, hash_rom[{NTH, in_symbol[4*half +: 4]}]};
        end
        for (half = 0; half < 4; half = half + 1) begin : g_quarter
            outcry_xor4 #(.WIDTH(HASH_BITS)) quarter (
                .a(flips[LANE*4*half +: HASH_BITS]),
                .b(flips[LANE*(4*half+1) +: HASH_BITS]),
                .c(flips[LANE*(4*half+2) +: HASH_BITS]),
                .d(flips[LANE*(4*half+3) +: HASH_BITS]),
                .sum(quarters[LANE*half +: HASH_BITS])
            );
            assign quarters[LANE*half+HASH_BITS +: LANE-HASH_BITS] = {LANE-HASH_BITS{1'b0}};
        end
    endgenerate

    // A row is read by a beat and written by a command, never both at once: what a read gives while its
    // word is written goes with no order.  No table is written in reset: before its first clock edge a
    // flip-flop may hold anything.
    wire swap_now = row_swap && command_done && !rst;
    wire [WAYS*ROW_BITS-1:0] row_rows;

    genvar way, part;
    generate
        for (way = 0; way < WAYS; way = way + 1) begin : g_table
            wire write = swap_now && row_index[SLOT_BITS+1:SLOT_BITS] == way;

            for (part = 0; part < PARTS; part = part + 1) begin : g_part
                localparam FIRST = 32 * ((ROW_BITS / 32 * part + 2) / PARTS);
                localparam BITS  = 32 * ((ROW_BITS / 32 * (part + 1) + 2) / PARTS) - FIRST;
                wire [SLOT_BITS-1:0] slot;
                outcry_xor4 #(.WIDTH(SLOT_BITS)) whole (
                    .a(quarters[way*`OUTCRY_SLOT_BITS +: SLOT_BITS]),
                    .b(quarters[way*`OUTCRY_SLOT_BITS + LANE +: SLOT_BITS]),
                    .c(quarters[way*`OUTCRY_SLOT_BITS + 2*LANE +: SLOT_BITS]),
                    .d(quarters[way*`OUTCRY_SLOT_BITS + 3*LANE +: SLOT_BITS]),
                    .sum(slot)
                );

                (* no_rw_check *)
                reg [BITS-1:0] rows [0:SLOTS-1];
                reg [BITS-1:0] fetched;
                reg [BITS-1:0] row;

                integer r;
                initial for (r = 0; r < SLOTS; r = r + 1) rows[r] = {BITS{1'b0}};

                always @(posedge clk) begin
                    if (write) rows[row_index[SLOT_BITS-1:0]] <= row_shadow[FIRST +: BITS];
                    if (advance) fetched <= rows[slot];
                end
                // A block RAM gives its word out late in the cycle: no comparison waits for it.
                always @(posedge clk) if (advance) row <= fetched;
                assign row_rows[way*ROW_BITS + FIRST +: BITS] = row;
            end
        end
    endgenerate

    // Participants' bits, and their buckets: the time at which the last order would have come at
    // the very rate.  An order may be ahead of it by the burst.
    localparam BUCKET_BITS = `OUTCRY_TIME_BITS + 1;
    // A bucket that is read while it is written is not used: the order it is written by is then close
    // ahead, and its outcome is taken instead.
    (* no_rw_check *)
    reg                   bits    [0:(1<<PARTICIPANT_BITS)-1];
    (* no_rw_check *)
    reg [BUCKET_BITS-1:0] buckets [0:(1<<PARTICIPANT_BITS)-1];
    reg                   read_bit;
    reg [BUCKET_BITS-1:0] read_bucket;
    wire                        set_now = participant_set && command_done && !rst;
    wire                        bucket_write;
    wire [PARTICIPANT_BITS-1:0] bucket_index;
    wire [BUCKET_BITS-1:0]      bucket_value;
    wire [PARTICIPANT_BITS-1:0] in_index = in_participant[PARTICIPANT_BITS-1:0];

    initial for (i = 0; i < (1 << PARTICIPANT_BITS); i = i + 1) begin
        bits[i]    = 1'b0;
        buckets[i] = {BUCKET_BITS{1'b0}};
    end

    always @(posedge clk) begin
        if (set_now) bits[participant_index] <= participant_on;
        if (advance) read_bit <= bits[in_index];
    end
    always @(posedge clk) begin
        if (bucket_write) buckets[bucket_index] <= bucket_value;
        if (advance) read_bucket <= buckets[in_index];
    end

    // ---------------------------------------------------------------------------------------------
    // Into rank 1: the first half of the arithmetic.

    // A number modulo 5**6, as a sum of what each piece of 4 bits leaves: for each value of a piece, 32
    // bits apart.
    wire [PIECES*LANE-1:0] price_pieces;
    wire [PIECES*LANE-1:0] qty_pieces;
    wire [63:0] padded_price = {1'd0, in_price[62:0]};
    wire [63:0] padded_qty   = {1'd0, in_qty[62:0]};
    genvar piece;
    generate
        for (piece = 0; piece < PIECES; piece = piece + 1) begin : g_piece
            localparam [63:0] POWER  = (64'd1 << (4 * piece)) % {32'd0, `OUTCRY_FIVES_MODULUS};
            localparam [31:0] WEIGHT = POWER[31:0];
            localparam [511:0] LEFT = {
                (32'd15 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd14 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd13 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd12 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd11 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd10 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd9 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd8 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd7 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd6 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd5 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd4 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd3 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd2 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd1 * WEIGHT) % `OUTCRY_FIVES_MODULUS,
                (32'd0 * WEIGHT) % `OUTCRY_FIVES_MODULUS
            };
            assign price_pieces[piece*LANE +: LANE] = LEFT[{padded_price[piece*4 +: 4], 5'd0} +: LANE];
            assign qty_pieces[piece*LANE +: LANE]   = LEFT[{padded_qty[piece*4 +: 4], 5'd0} +: LANE];
        end
    endgenerate

    // Twice the sum of two.
    wire [PIECES/4*LANE-1:0] price_fours, qty_fours;
    genvar four;
    generate
        for (four = 0; four < PIECES / 4; four = four + 1) begin : g_four
            outcry_sum4 #(.BITS(14), .LANE(LANE)) price (
                .terms(price_pieces[4*LANE*four +: 4*LANE]), .sum(price_fours[LANE*four +: LANE])
            );
            outcry_sum4 #(.BITS(14), .LANE(LANE)) qty (
                .terms(qty_pieces[4*LANE*four +: 4*LANE]), .sum(qty_fours[LANE*four +: LANE])
            );
        end
    endgenerate

    reg [511:0] read_data;
    // Sums of four pieces each.
    reg [PIECES/4*LANE-1:0] read_price_residues, read_qty_residues;
    // 625 = 5 * 128 - 15.
    reg [65:0]  read_price5;
    reg [66:0]  read_price15;
    // Products of 16-bit limbs: price limb i times quantity limb j at 32 * (4 * i + j).
    reg [511:0] read_products;

    always @(posedge clk) begin
        if (advance) begin
            read_data <= s_axis_tdata;
            read_price_residues <= price_fours;
            read_qty_residues   <= qty_fours;
            read_price5  <= {3'd0, in_price[62:0]} + {1'd0, in_price[62:0], 2'd0};
            read_price15 <= {in_price[62:0], 4'd0} - {4'd0, in_price[62:0]};
        end
    end

    genvar limb, other;
    generate
        for (limb = 0; limb < 4; limb = limb + 1) begin : g_limb
            for (other = 0; other < 4; other = other + 1) begin : g_other
                wire [15:0] a = padded_price[limb*16 +: 16];
                wire [15:0] b = padded_qty[other*16 +: 16];
                always @(posedge clk)
                    if (advance) read_products[32*(4*limb+other) +: 32] <= {16'd0, a} * {16'd0, b};
            end
        end
    endgenerate

    // ---------------------------------------------------------------------------------------------
    // Into rank 2: what needs no row.

    wire [63:0] read_price = read_data[`OUTCRY_ORDER_PRICE_TICKS];
    wire [63:0] read_qty   = read_data[`OUTCRY_ORDER_QTY_LOTS];
    wire [63:0] read_aux   = read_data[`OUTCRY_ORDER_AUX];
    wire [15:0] read_participant = read_data[`OUTCRY_ORDER_PARTICIPANT];
    wire [7:0]  read_kind  = read_data[`OUTCRY_ORDER_KIND];
    wire [7:0]  read_side  = read_data[`OUTCRY_ORDER_SIDE];
    wire [7:0]  read_type  = read_data[`OUTCRY_ORDER_ORDER_TYPE];
    wire [3:0]  read_duration;
    wire [2:0]  read_self_trade;
    wire        read_reduce_only;
    assign {read_reduce_only, read_self_trade, read_duration} = read_data[`OUTCRY_ORDER_TIME_IN_FORCE];

    wire read_outside;
    generate
        if (PARTICIPANT_BITS < 16) begin : g_outside
            assign read_outside = |read_participant[15:PARTICIPANT_BITS];
        end else begin : g_nobody_outside
            assign read_outside = 1'b0;
        end
    endgenerate

    // The masks by kind; a new order without a limit price is asked nothing about its price.
    wire read_unpriced = UNPRICED_TYPES[read_type];
    wire read_new     = read_kind == `OUTCRY_COMMAND_KIND_NEW;
    wire read_replace = read_kind == `OUTCRY_COMMAND_KIND_REPLACE;
    wire read_expiry  = read_kind == `OUTCRY_COMMAND_KIND_SET_EXPIRY;
    wire read_reduce  = read_kind == `OUTCRY_COMMAND_KIND_REDUCE;
    wire read_mass    = read_kind == `OUTCRY_COMMAND_KIND_MASS_CANCEL;
    wire read_risk    = read_kind == `OUTCRY_COMMAND_KIND_RISK;
    // The symbol of these is not checked, or only if they name one.
    wire read_symbolless = read_kind == `OUTCRY_COMMAND_KIND_DISCONNECT
        || read_kind == `OUTCRY_COMMAND_KIND_TIME
        || ((read_mass || read_risk) && read_data[`OUTCRY_ORDER_SYMBOL] == 64'd0);
    // Sums of products, not choices: a choice of all zeros would become a reset of the register, which
    // has to wait for its enable.
    wire [15:0] read_mask = KIND_CHECK
        | ({16{!read_symbolless}} & SYMBOL_CHECK)
        | ({16{read_new || read_replace || read_expiry}} & ENTRY_CHECKS)
        | ({16{read_replace || (read_new && !read_unpriced)}} & PRICE_CHECKS)
        | ({16{read_new || read_replace}} & QTY_CHECKS)
        | ({16{read_reduce}} & REDUCE_CHECKS)
        | ({16{read_new}} & FORM_CHECKS)
        | ({16{read_mass}} & SIDE_CHECK);

    wire read_of_the_house = read_kind == `OUTCRY_COMMAND_KIND_TIME
        || read_kind == `OUTCRY_COMMAND_KIND_PHASE
        || read_risk
        || (read_kind == `OUTCRY_COMMAND_KIND_MASS_CANCEL && read_aux != 64'd0);
    wire read_wrong_kind = read_kind == 8'd0 || read_kind > `OUTCRY_COMMAND_KIND_TERMS
        || (read_of_the_house && read_participant != 16'd0);
    wire read_wrong_side = read_side > `OUTCRY_SIDE_SELL
        || (read_side == 8'd0 && read_kind != `OUTCRY_COMMAND_KIND_MASS_CANCEL);
    wire read_wrong_type = read_type == 8'd0 || read_type > `OUTCRY_ORDER_TYPE_TAKE_PROFIT_LIMIT;
    wire read_wrong_time = read_duration == 4'd0 || {4'd0, read_duration} > `OUTCRY_TIME_IN_FORCE_AT_CLOSE
        || {5'd0, read_self_trade} > `OUTCRY_SELF_TRADE_DECREMENT;

    // The place of the lowest bit that is set, of 4, 16 and 64 of which one is (the last, if none of
    // those below it): by groups of four, the place in each group and the group in parallel.
    function [1:0] first_of_4;
        input [2:0] below;
        first_of_4 = {!below[0] && !below[1], !below[0] && (below[1] || !below[2])};
    endfunction

    function [3:0] first_of_16;
        input [14:0] below;
        reg [1:0] group;
        begin
            group = first_of_4({|below[11:8], |below[7:4], |below[3:0]});
            first_of_16 = {group, group[1]
                ? (group[0] ? first_of_4(below[14:12]) : first_of_4(below[10:8]))
                : (group[0] ? first_of_4(below[6:4]) : first_of_4(below[2:0]))};
        end
    endfunction

    function [5:0] first_of_64;
        input [62:0] below;
        reg [1:0] group;
        begin
            group = first_of_4({|below[47:32], |below[31:16], |below[15:0]});
            first_of_64 = {group, group[1]
                ? (group[0] ? first_of_16(below[62:48]) : first_of_16(below[46:32]))
                : (group[0] ? first_of_16(below[30:16]) : first_of_16(below[14:0]))};
        end
    endfunction

    // Seven rows of products, then carry-save down to two.
    wire [NOTIONAL_BITS-1:0] term0 = {read_products[509:480], read_products[351:320],
                                      read_products[191:160], read_products[31:0]};
    wire [NOTIONAL_BITS-1:0] term1 = {14'd0, read_products[383:352], read_products[223:192],
                                      read_products[63:32], 16'd0};
    wire [NOTIONAL_BITS-1:0] term2 = {14'd0, read_products[479:448], read_products[319:288],
                                      read_products[159:128], 16'd0};
    wire [NOTIONAL_BITS-1:0] term3 = {30'd0, read_products[255:224], read_products[95:64], 32'd0};
    wire [NOTIONAL_BITS-1:0] term4 = {30'd0, read_products[447:416], read_products[287:256], 32'd0};
    wire [NOTIONAL_BITS-1:0] term5 = {46'd0, read_products[127:96], 48'd0};
    wire [NOTIONAL_BITS-1:0] term6 = {46'd0, read_products[415:384], 48'd0};
    wire [NOTIONAL_BITS-1:0] sum0, carry0, sum1, carry1, sum2, carry2, sum3, carry3, sum4, carry4;
    outcry_csa #(.WIDTH(NOTIONAL_BITS)) csa0 (.a(term0), .b(term1), .c(term2), .sum(sum0), .carry(carry0));
    outcry_csa #(.WIDTH(NOTIONAL_BITS)) csa1 (.a(term3), .b(term4), .c(term5), .sum(sum1), .carry(carry1));
    outcry_csa #(.WIDTH(NOTIONAL_BITS)) csa2 (.a(term6), .b(sum0), .c(carry0), .sum(sum2), .carry(carry2));
    outcry_csa #(.WIDTH(NOTIONAL_BITS)) csa3 (.a(sum1), .b(carry1), .c(sum2), .sum(sum3), .carry(carry3));
    outcry_csa #(.WIDTH(NOTIONAL_BITS)) csa4 (.a(carry2), .b(sum3), .c(carry3), .sum(sum4), .carry(carry4));

    reg [PARTICIPANT_BITS-1:0] check_index;
    reg [511:0]               row_data;
    reg [15:0]                row_mask;
    reg                       row_symbol_given, row_price_positive, row_qty_positive;
    // Of price bands only one end is asked, of a new order.
    reg                       row_new_buy, row_new_sell;
    reg                       row_wrong_kind, row_wrong_side, row_wrong_type, row_wrong_time;
    reg                       row_participant_off;
    // Zeros below the lowest bit that is set: the largest power of 2 that divides the number.
    reg [5:0]                 row_price_zeros, row_qty_zeros;
    // price * 625, and price * quantity as the sum of two.
    reg [72:0]                row_price625;
    reg [NOTIONAL_BITS-1:0]   row_notional_sum, row_notional_carry;
    reg [PARTICIPANT_BITS-1:0] row_index2;
    reg                       row_rate_refused;
    reg [1:0]                 row_from;
    reg [BUCKET_BITS-1:0]     row_bucket;
    reg [31:0]                row_interval;
    reg [BUCKET_BITS-1:0]     row_now_interval, row_now_burst;

    wire [63:0] read_time = read_data[`OUTCRY_ORDER_RX_TS_NS];
    wire [`OUTCRY_TIME_BITS-1:0] read_now = read_time[`OUTCRY_TIME_BITS-1:0];

    always @(posedge clk) begin
        if (advance) begin
            row_data            <= read_data;
            row_mask            <= read_mask;
            row_price_positive  <= !read_price[63] && read_price != 64'd0;
            row_qty_positive    <= !read_qty[63] && read_qty != 64'd0;
            row_new_buy         <= read_new && read_side == `OUTCRY_SIDE_BUY;
            row_new_sell        <= read_new && read_side == `OUTCRY_SIDE_SELL;
            row_wrong_kind      <= read_wrong_kind;
            row_wrong_side      <= read_wrong_side;
            row_wrong_type      <= read_wrong_type;
            row_wrong_time      <= read_wrong_time;
            row_participant_off <= !armed || (check_participants && (read_outside || !read_bit));
            row_symbol_given    <= read_data[`OUTCRY_ORDER_SYMBOL] != 64'd0;
            row_price_zeros     <= first_of_64(read_price[62:0]);
            row_qty_zeros       <= first_of_64(read_qty[62:0]);
            row_price625        <= {read_price5, 7'd0} - {6'd0, read_price15};
            row_notional_sum    <= sum4;
            row_notional_carry  <= carry4;
            row_index2          <= read_participant[PARTICIPANT_BITS-1:0];
            row_interval        <= rate_interval_ns;
            row_now_interval    <= {1'b0, read_now} + {31'd0, rate_interval_ns};
            row_now_burst       <= {1'b0, read_now} + {31'd0, rate_burst_ns};
            // A participant without a bucket has no rate either.
            row_rate_refused    <= read_outside && rate_interval_ns != 32'd0;
        end
    end

    // The bucket: that of an order of the same participant two or three ahead is not yet in the memory,
    // that of one just ahead is not even known: it is then one of the three that it may become, and
    // row_from says which; the same stands in four single bits for what has no time to decode it, of
    // which none is set where no rate is asked.
    localparam [1:0] FROM_ROW = 2'd0, FROM_KEPT = 2'd1, FROM_MOVED = 2'd2, FROM_FRESH = 2'd3;
    reg  [3:0]             row_is_from;
    wire [BUCKET_BITS-1:0] check_bucket;
    reg  [BUCKET_BITS-1:0] out_bucket;
    reg                    check_taken, check_ahead;
    // Let through by the rate: the bit of row_is_from, if its comparison allows it.
    wire [3:0]             taken_by, ahead;
    // Of the order in rank 1: is the one just ahead (now in rank 2), two ahead (3) or three ahead (4) of
    // the same participant?  All ranks move together, so what was found as it was taken stays true.
    reg read_after_row, read_after_check, read_after_out;
    always @(posedge clk) begin
        if (advance) begin
            read_after_row   <= read_valid && read_participant[PARTICIPANT_BITS-1:0] == in_index;
            read_after_check <= row_valid && row_index2 == in_index;
            read_after_out   <= check_taken && check_index == in_index;
        end
    end

    wire read_follows = read_valid && read_after_row;
    wire read_asked = read_valid && read_mask[`OUTCRY_ERROR_BIT_RATE] && !read_outside
                      && rate_interval_ns != 32'd0;
    always @(posedge clk) begin
        if (rst) begin
            row_is_from <= 4'd0;
        end else if (advance) begin
            row_is_from[FROM_ROW]   <= read_asked && !read_follows;
            row_is_from[FROM_KEPT]  <= read_asked && read_follows && !(|taken_by);
            row_is_from[FROM_MOVED] <= read_asked && read_follows && |(taken_by & ahead);
            row_is_from[FROM_FRESH] <= read_asked && read_follows && |(taken_by & ~ahead);
        end
    end
    always @(posedge clk) begin
        if (advance) begin
            // The same in two bits: 2 or 3 if let through, 1 or 3 unless moved.
            row_from[1] <= read_follows && |taken_by;
            row_from[0] <= read_follows && !(|(taken_by & ahead));
            row_bucket  <= read_after_check ? check_bucket
                : read_after_out ? out_bucket : read_bucket;
        end
    end

    // ---------------------------------------------------------------------------------------------
    // Into rank 3: each way's row.  Wide comparisons are all written with `<`, which is a carry chain
    // and nothing else; `>` wants to know of equality too, and a signed one is two chains and three
    // LUTs after them: with the sign turned over, signed numbers are in the order of unsigned ones.

    localparam [63:0] SIGN = 64'h8000000000000000;
    wire        [63:0] row_price  = row_data[`OUTCRY_ORDER_PRICE_TICKS] ^ SIGN;
    wire        [63:0] row_qty    = row_data[`OUTCRY_ORDER_QTY_LOTS] ^ SIGN;
    wire        [63:0] row_symbol = row_data[`OUTCRY_ORDER_SYMBOL];
    wire        [79:0] row_price10000 = {3'd0, row_price625, 4'd0};

    reg [WAYS-1:0] check_hit, check_above, check_qty_out, check_price_twos, check_qty_twos;
    reg [WAYS-1:0] check_collar, check_halted;
    // What is left of the limit's upper half, and what the lower half borrows from it: 0, 1 or 2.
    reg [WAYS*64-1:0] check_left;
    reg [WAYS*2-1:0]  check_lower;
    // Bit k: digit k to the base of 5 is asked.
    reg [WAYS*6-1:0]  check_price_fives, check_qty_fives;

    generate
        for (way = 0; way < WAYS; way = way + 1) begin : g_check
            wire [ROW_BITS-1:0] this_row = row_rows[way*ROW_BITS +: ROW_BITS];
            wire        [63:0]  symbol    = this_row[`OUTCRY_ROW_SYMBOL];
            wire        [63:0]  max_price = this_row[`OUTCRY_ROW_MAX_PRICE_TICKS] ^ SIGN;
            wire        [63:0]  min_qty   = this_row[`OUTCRY_ROW_MIN_QTY_LOTS] ^ SIGN;
            wire        [63:0]  max_qty   = this_row[`OUTCRY_ROW_MAX_QTY_LOTS] ^ SIGN;
            wire        [79:0]  low       = this_row[`OUTCRY_ROW_COLLAR_LOW];
            wire        [79:0]  high      = this_row[`OUTCRY_ROW_COLLAR_HIGH];
            wire                by_side   = this_row[`OUTCRY_ROW_BY_SIDE];
            wire [NOTIONAL_BITS-1:0] limit = this_row[`OUTCRY_ROW_NOTIONAL_LIMIT];
            wire        [5:0]   price_twos = this_row[`OUTCRY_ROW_PRICE_TWOS];
            wire        [5:0]   qty_twos   = this_row[`OUTCRY_ROW_QTY_TWOS];
            wire        [2:0]   price_fives = this_row[`OUTCRY_ROW_PRICE_FIVES];
            wire        [2:0]   qty_fives   = this_row[`OUTCRY_ROW_QTY_FIVES];
            // The limit less the notional, by halves.
            wire        [65:0]  lower = {2'd0, limit[63:0]} - {2'd0, row_notional_sum[63:0]}
                                        - {2'd0, row_notional_carry[63:0]};
            wire        [63:0]  upper = {2'd0, limit[125:64]} - {2'd0, row_notional_sum[125:64]}
                                        - {2'd0, row_notional_carry[125:64]};

            always @(posedge clk) begin
                if (advance) begin
                    check_hit[way]        <= symbol == row_symbol && row_symbol_given;
                    check_above[way]      <= max_price < row_price;
                    check_qty_out[way]    <= row_qty < min_qty || max_qty < row_qty;
                    check_price_twos[way] <= row_price_zeros < price_twos;
                    check_qty_twos[way]   <= row_qty_zeros < qty_twos;
                    check_collar[way]     <= (row_price10000 < low && (!by_side || row_new_sell))
                        || (high < row_price10000 && (!by_side || row_new_buy));
                    check_halted[way]     <= this_row[`OUTCRY_ROW_HALTED];
                    check_left[way*64 +: 64]       <= upper;
                    check_lower[way*2 +: 2]        <= lower[65:64];
                    check_price_fives[way*6 +: 6]  <= ~(6'b111111 << price_fives);
                    check_qty_fives[way*6 +: 6]    <= ~(6'b111111 << qty_fives);
                end
            end
        end
    endgenerate

    wire [63:0] row_time = row_data[`OUTCRY_ORDER_RX_TS_NS];
    wire [`OUTCRY_TIME_BITS-1:0] row_now = row_time[`OUTCRY_TIME_BITS-1:0];

    // What the bucket of the order in rank 3 may have become: kept as it was found, moved on from there,
    // or begun afresh from the order's own time.  Whichever it is, the next order's time is compared
    // with all three and its own, and the right outcome taken: no comparison waits for the one before.
    reg [BUCKET_BITS-1:0] check_kept, check_moved, check_fresh;
    assign check_bucket = !check_taken ? check_kept : check_ahead ? check_moved : check_fresh;

    wire [BUCKET_BITS-1:0] row_now_wide = {1'b0, row_now};
    assign ahead = {row_now_wide < check_fresh, row_now_wide < check_moved,
                        row_now_wide < check_kept, row_now_wide < row_bucket};
    wire [3:0] over = {row_now_burst < check_fresh, row_now_burst < check_moved,
                       row_now_burst < check_kept, row_now_burst < row_bucket};
    assign taken_by = row_is_from & ~over;
    wire [BUCKET_BITS-1:0] bucket, bucket_moved;
    outcry_mux4 #(.WIDTH(BUCKET_BITS)) mux_bucket (
        .select(row_from), .a(row_bucket), .b(check_kept), .c(check_moved), .d(check_fresh),
        .chosen(bucket)
    );
    // What it becomes if it moves on: added to all four before it is known which.
    wire [BUCKET_BITS-1:0] wide_interval = {31'd0, row_interval};
    wire [BUCKET_BITS-1:0] row_moved   = row_bucket + wide_interval;
    wire [BUCKET_BITS-1:0] kept_moved  = check_kept + wide_interval;
    wire [BUCKET_BITS-1:0] moved_moved = check_moved + wide_interval;
    wire [BUCKET_BITS-1:0] fresh_moved = check_fresh + wide_interval;
    outcry_mux4 #(.WIDTH(BUCKET_BITS)) mux_moved (
        .select(row_from), .a(row_moved), .b(kept_moved), .c(moved_moved), .d(fresh_moved),
        .chosen(bucket_moved)
    );

    always @(posedge clk) begin
        if (rst) begin
            check_taken <= 1'b0;
        end else if (advance) begin
            check_taken <= |taken_by;
        end
    end
    always @(posedge clk) begin
        if (advance) begin
            check_ahead <= |(row_is_from & ahead);
            check_kept  <= bucket;
            check_moved <= bucket_moved;
            check_fresh <= row_now_interval;
            check_index <= row_index2;
            out_bucket  <= check_bucket;
        end
    end

    // An order that waits in rank 3 writes the same in each cycle.  A participant_set, which waits until
    // no order is there, empties the bucket.
    assign bucket_write = set_now || (check_taken && !rst);
    assign bucket_value = check_taken ? check_bucket : {BUCKET_BITS{1'b0}};
    assign bucket_index = check_taken ? check_index : participant_index;

    reg [511:0] check_data;
    reg [15:0]  check_mask;
    reg         check_price_positive, check_qty_positive;
    reg         check_wrong_kind, check_wrong_side, check_wrong_type, check_wrong_time;
    reg         check_participant_off, check_over_rate;
    // Bit k: digit k, to the base of 5, is the same in the lower half of the sum of residues and in
    // what its upper half lacks.  The sum is a multiple of 5**b exactly when the lowest b digits are.
    reg [5:0]   check_price_same, check_qty_same;

    // Digits of 3 bits, the lowest first: four of each lower half, six of what each upper half lacks.
    reg [11:0] low_rom [0:511];
    reg [17:0] lack_rom [0:511];
    reg [31:0] lack, lack0, lack1, lack2, lack3, lack4, lack5;
    reg [31:0] low0, low1, low2, low3;
    reg [31:0] digits;
    initial for (digits = 32'd0; digits < 32'd512; digits = digits + 32'd1) begin
        lack = (32'd15625 - ((digits * 32'd512) % 32'd15625)) % 32'd15625;
        lack0 = lack % 32'd5;
        lack1 = (lack / 32'd5) % 32'd5;
        lack2 = (lack / 32'd25) % 32'd5;
        lack3 = (lack / 32'd125) % 32'd5;
        lack4 = (lack / 32'd625) % 32'd5;
        lack5 = (lack / 32'd3125) % 32'd5;
        low0  = digits % 32'd5;
        low1  = (digits / 32'd5) % 32'd5;
        low2  = (digits / 32'd25) % 32'd5;
        low3  = (digits / 32'd125) % 32'd5;
        lack_rom[digits[8:0]] = {lack5[2:0], lack4[2:0], lack3[2:0], lack2[2:0], lack1[2:0], lack0[2:0]};
        low_rom[digits[8:0]]  = {low3[2:0], low2[2:0], low1[2:0], low0[2:0]};
    end

    // Digits 4 and 5 of a lower half are 0.
    function [5:0] same_digits;
        input [11:0] low;
        input [17:0] lacks;
        same_digits = {lacks[17:15] == 3'd0, lacks[14:12] == 3'd0, lacks[11:9] == low[11:9],
                       lacks[8:6] == low[8:6], lacks[5:3] == low[5:3], lacks[2:0] == low[2:0]};
    endfunction

    wire [LANE-1:0] price_residue, qty_residue;
    outcry_sum4 #(.BITS(16), .LANE(LANE)) sum_price (.terms(read_price_residues), .sum(price_residue));
    outcry_sum4 #(.BITS(16), .LANE(LANE)) sum_qty (.terms(read_qty_residues), .sum(qty_residue));
    reg  [11:0] row_price_low, row_qty_low;
    reg  [17:0] row_price_lack, row_qty_lack;
    always @(posedge clk) begin
        if (advance) begin
            row_price_low  <= low_rom[price_residue[8:0]];
            row_qty_low    <= low_rom[qty_residue[8:0]];
            row_price_lack <= lack_rom[price_residue[17:9]];
            row_qty_lack   <= lack_rom[qty_residue[17:9]];
        end
    end

    always @(posedge clk) begin
        if (advance) begin
            check_data            <= row_data;
            check_mask            <= row_mask;
            check_price_positive  <= row_price_positive;
            check_qty_positive    <= row_qty_positive;
            check_wrong_kind      <= row_wrong_kind;
            check_wrong_side      <= row_wrong_side;
            check_wrong_type      <= row_wrong_type;
            check_wrong_time      <= row_wrong_time;
            check_participant_off <= row_participant_off;
            check_over_rate       <= row_rate_refused || |(row_is_from & over);
            check_price_same      <= same_digits(row_price_low, row_price_lack);
            check_qty_same        <= same_digits(row_qty_low, row_qty_lack);
        end
    end

    // ---------------------------------------------------------------------------------------------
    // Into rank 4: the symbol's own way, the mask, the record.

    wire [WAYS-1:0] way_price_step, way_qty_step, way_notional;
    generate
        for (way = 0; way < WAYS; way = way + 1) begin : g_out
            wire [63:0] left  = check_left[way*64 +: 64];
            wire [1:0]  lower = check_lower[way*2 +: 2];
            assign way_notional[way] = left[63] || (left[62:1] == 62'd0
                && (left[0] ? lower == 2'b10 : lower != 2'b00));
            assign way_price_step[way] =
                check_price_twos[way] || |(check_price_fives[way*6 +: 6] & ~check_price_same);
            assign way_qty_step[way] =
                check_qty_twos[way] || |(check_qty_fives[way*6 +: 6] & ~check_qty_same);
        end
    endgenerate

    reg [15:0] code;
    always @* begin
        code = 16'd0;
        code[`OUTCRY_ERROR_BIT_PRICE_NOT_POSITIVE] = !check_price_positive;
        code[`OUTCRY_ERROR_BIT_PRICE_ABOVE_LIMIT]  = |(check_hit & check_above);
        code[`OUTCRY_ERROR_BIT_QTY_NOT_POSITIVE]   = !check_qty_positive;
        code[`OUTCRY_ERROR_BIT_QTY_OUT_OF_LIMITS]  =
            check_qty_positive && |(check_hit & check_qty_out);
        code[`OUTCRY_ERROR_BIT_SIDE]               = check_wrong_side;
        code[`OUTCRY_ERROR_BIT_ORDER_TYPE]         = check_wrong_type;
        code[`OUTCRY_ERROR_BIT_TIME_IN_FORCE]      = check_wrong_time;
        code[`OUTCRY_ERROR_BIT_SYMBOL]             = check_hit == 3'd0;
        code[`OUTCRY_ERROR_BIT_PRICE_STEP]         =
            check_price_positive && |(check_hit & way_price_step);
        code[`OUTCRY_ERROR_BIT_QTY_STEP]           =
            check_qty_positive && |(check_hit & way_qty_step);
        code[`OUTCRY_ERROR_BIT_COLLAR]             =
            check_price_positive && |(check_hit & check_collar);
        code[`OUTCRY_ERROR_BIT_NOTIONAL]           =
            check_price_positive && check_qty_positive && |(check_hit & way_notional);
        code[`OUTCRY_ERROR_BIT_PARTICIPANT]        = check_participant_off;
        code[`OUTCRY_ERROR_BIT_HALTED]             = |(check_hit & check_halted);
        code[`OUTCRY_ERROR_BIT_RATE]               = check_over_rate;
        code[`OUTCRY_ERROR_BIT_KIND]               = check_wrong_kind;
    end

    wire [15:0] verdict = code & check_mask;

    reg [511:0] out_data;
    always @(posedge clk) begin
        if (advance) begin
            out_data                           <= check_data;
            out_data[`OUTCRY_ORDER_ERROR_CODE] <= verdict;
        end
    end
    assign m_axis_tdata = out_data;

`ifdef FORMAL
`include "outcry_validator_formal.vh"
`endif

endmodule

`default_nettype wire
