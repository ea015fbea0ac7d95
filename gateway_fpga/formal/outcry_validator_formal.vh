// SPDX-License-Identifier: Apache-2.0
// Properties of outcry_validator; the sentences stand in formal/properties.py.
//
// In parts: the flow of beats and commands under any back-pressure; stalls (FORMAL_STALL); the rate,
// which has a state (FORMAL_RATE); and every other flag of the verdict against its definition,
// written from docs/gateway.md (FORMAL_FLAGS).  For the flags the sink is always ready: that a stall
// freezes every rank is proved before.

reg f_started = 1'b0;
always @(posedge clk) f_started <= 1'b1;
always @* if (!f_started) assume (rst);

`ifndef FORMAL_FLAGS

wire take = s_axis_tvalid && s_axis_tready;

// Commands are held until they are done.
always @(posedge clk) if (f_started && !$past(rst)) begin
    if ($past(row_swap && !command_done)) assume (row_swap && $stable(row_index) && $stable(row_shadow));
    if ($past(participant_set && !command_done))
        assume (participant_set && $stable(participant_index) && $stable(participant_on));
end
always @* assume (!(row_swap && participant_set));

// Beats in and out, modulo 8: more than can be inside.  One of them, any, is watched.
reg [2:0] f_in = 3'd0;
reg [2:0] f_out = 3'd0;
(* anyconst *) reg [2:0] f_watched;
reg [511:0] f_data;
reg [3:0]   f_taken;

always @(posedge clk) begin
    if (rst) begin
        f_in    <= 3'd0;
        f_out   <= 3'd0;
        f_taken <= 4'd0;
    end else begin
        if (take) f_in <= f_in + 3'd1;
        if (m_axis_tvalid && m_axis_tready) f_out <= f_out + 3'd1;
        if (take && f_in == f_watched) f_data <= s_axis_tdata;
        if (advance) f_taken <= {f_taken[2:0], take};
    end
end

// Where the beats in the ranks stand in the count.
wire [2:0] f_check_number = f_out + {2'd0, out_valid};
wire [2:0] f_row_number   = f_check_number + {2'd0, check_valid};
wire [2:0] f_read_number  = f_row_number + {2'd0, row_valid};

// Any one slot of way 0 and any one participant: what stands there, by what was commanded.
(* anyconst *) reg [SLOT_BITS-1:0] f_slot;
reg [ROW_BITS-1:0] f_row;
reg                f_row_known = 1'b0;
wire f_swaps_it = row_swap && command_done && !rst && row_index == {2'b00, f_slot};
wire f_reads_it = g_table[0].g_part[0].slot == f_slot;
wire [ROW_BITS-1:0] f_word = {g_table[0].g_part[3].fetched, g_table[0].g_part[2].fetched,
                              g_table[0].g_part[1].fetched, g_table[0].g_part[0].fetched};
reg f_fetched_it, f_read_it;
reg [ROW_BITS-1:0] f_fetched, f_seen;

always @(posedge clk) begin
    if (f_swaps_it) begin
        f_row       <= row_shadow;
        f_row_known <= 1'b1;
    end
    if (take) begin
        f_fetched_it <= f_reads_it && f_row_known;
        f_fetched    <= f_row;
    end
    if (advance) begin
        f_read_it <= f_fetched_it;
        f_seen    <= f_fetched;
    end
    if (rst) begin
        f_fetched_it <= 1'b0;
        f_read_it    <= 1'b0;
    end
end

`ifdef FORMAL_STALL

always @(posedge clk) if (f_started) begin
    if (!$past(rst) && !$past(advance))
        validator_stall_freezes:
            assert ($stable(read_valid) && $stable(row_valid) && $stable(check_valid)
                    && $stable(read_data) && $stable(row_data) && $stable(check_data)
                    && $stable(f_word) && $stable(row_rows) && $stable(check_hit)
                    && $stable(row_mask) && $stable(check_mask) && $stable(row_bucket)
                    && $stable(check_bucket) && $stable(check_over_rate) && $stable(check_left)
                    && $stable(row_notional_sum) && $stable(row_notional_carry)
                    && $stable(check_collar) && $stable(check_above) && $stable(out_data));
end

`elsif FORMAL_RATE

// Any one participant, and his bucket by docs/gateway.md; an order sees the settings as they are when
// it moves to rank 2, and its place is taken for good once it is in rank 3.
(* anyconst *) reg [PARTICIPANT_BITS-1:0] f_who;
reg [BUCKET_BITS-1:0] f_stored = {BUCKET_BITS{1'b0}};
reg [BUCKET_BITS-1:0] f_coming;
reg f_comes = 1'b0;
wire [BUCKET_BITS-1:0] f_due = f_comes ? f_coming : f_stored;
reg [31:0] f_interval, f_burst;
wire [15:0] f_participant = row_data[399:384];
wire [7:0]  f_kind        = row_data[423:416];
wire [BUCKET_BITS-1:0] f_now = {1'b0, row_data[381:320]};
wire f_entry   = f_kind == 8'd1 || f_kind == 8'd4 || f_kind == 8'd5;
wire f_limited = row_valid && f_entry && f_interval != 32'd0;
wire f_outside = f_participant >= (1 << PARTICIPANT_BITS);
wire f_mine    = f_participant == f_who;
wire f_over    = f_due > f_now + f_burst;
// What bit 14 must be of the orders in ranks 3 and 4, where it is known.
reg f_check_known, f_check_refused, f_out_known, f_out_refused;

always @(posedge clk) begin
    if (set_now && participant_index == f_who) f_stored <= {BUCKET_BITS{1'b0}};
    else if (!rst) f_stored <= f_due;
    if (rst) f_comes <= 1'b0;
    else if (advance) f_comes <= f_limited && f_mine && !f_over;
    if (advance) begin
        f_coming        <= (f_due > f_now ? f_due : f_now) + f_interval;
        f_interval      <= rate_interval_ns;
        f_burst         <= rate_burst_ns;
        f_check_known   <= f_mine || f_outside;
        f_check_refused <= f_limited && (f_outside || f_over);
        f_out_known     <= f_check_known;
        f_out_refused   <= f_check_refused;
    end
end

wire f_check_mine = check_valid && check_index == f_who;
wire f_row_mine   = row_valid && row_index2 == f_who;
wire f_read_mine  = read_valid && read_participant[PARTICIPANT_BITS-1:0] == f_who;

always @(posedge clk) if (f_started) begin
    if (out_valid && f_out_known)
        flag_rate: assert (out_data[414] == f_out_refused);
    rate_bucket_is_its_participants: assert (buckets[f_who] == f_stored);
    if (check_valid && f_check_known)
        f_check_rate: assert ((check_over_rate && check_mask[14]) == f_check_refused);
    if (f_check_mine) f_check_due: assert (check_bucket == f_due);
    if (f_read_mine && !f_check_mine && read_after_out) f_out_due: assert (out_bucket == f_stored);
    f_coming_is_check: assert (f_comes == (check_taken && check_index == f_who));
    if (check_taken) f_taken_is_valid: assert (check_valid);
    if (f_row_mine) f_row_due: assert (bucket == f_due);
    if (read_valid)
        f_ahead: assert (read_after_row == (row_valid && row_index2 == read_participant[PARTICIPANT_BITS-1:0])
                         && read_after_check == (check_valid && check_index == read_participant[PARTICIPANT_BITS-1:0]));
    if (f_read_mine && !f_check_mine && !read_after_out) f_read_due: assert (read_bucket == f_stored);
    if (row_valid && row_from != FROM_ROW)
        f_after: assert (check_valid && check_index == row_index2 && bucket == check_bucket);
    if (row_valid)
        f_from: assert (row_is_from == (f_limited && !f_outside ? 4'd1 << row_from : 4'd0));
    if (!row_valid)
        f_bubble: assert (row_is_from == 4'd0);
    if (row_valid) begin
        f_row_numbers: assert (row_interval == f_interval && row_now_interval == f_now + f_interval
                               && row_now_burst == f_now + f_burst);
        f_row_index: assert (row_index2 == f_participant[PARTICIPANT_BITS-1:0]
                             && row_mask[14] == f_entry);
        f_row_asked: assert (row_rate_refused == (f_outside && f_interval != 32'd0));
    end
end
`else

always @(posedge clk) if (f_started) begin
    if (!$past(rst) && $past(m_axis_tvalid && !m_axis_tready))
        validator_output_stable: assert (m_axis_tvalid && m_axis_tdata == $past(m_axis_tdata));

    validator_nothing_lost_or_doubled:
        assert (f_in - f_out == {2'd0, read_valid} + {2'd0, row_valid} + {2'd0, check_valid}
                                + {2'd0, out_valid});

    validator_latency_fixed:
        assert ({out_valid, check_valid, row_valid, read_valid} == f_taken);

    if (out_valid && f_out == f_watched) begin
        validator_order_kept:
            assert ({out_data[511:416], out_data[399:0]} == {f_data[511:416], f_data[399:0]});
    end
    if (check_valid && f_check_number == f_watched) f_check_data: assert (check_data == f_data);
    if (row_valid && f_row_number == f_watched) f_row_data: assert (row_data == f_data);
    if (read_valid && f_read_number == f_watched) f_read_data: assert (read_data == f_data);

    if (!$past(rst) && !rst && (m_axis_tready || !m_axis_tvalid) && !row_swap && !participant_set)
        validator_full_rate: assert (s_axis_tready);

    if ($past(rst)) validator_takes_nothing_in_reset: assert (!s_axis_tready && !m_axis_tvalid);

    validator_command_between_orders:
        assert (!command_done || !(take || read_valid || row_valid || check_valid));

    if (!$past(rst) && $past(command && !command_done && !(read_valid || row_valid || check_valid)))
        validator_command_is_carried_out: assert (command_done);

    if (f_read_it && row_valid)
        validator_row_old_or_new: assert (row_rows[ROW_BITS-1:0] == f_seen);
    if (f_fetched_it && read_valid) f_fetch: assert (f_word == f_fetched);
    if (f_row_known)
        f_table: assert ({g_table[0].g_part[3].rows[f_slot], g_table[0].g_part[2].rows[f_slot],
                          g_table[0].g_part[1].rows[f_slot], g_table[0].g_part[0].rows[f_slot]}
                         == f_row);
end

`endif

`else

// The sink is ready and no command comes; block RAMs and products may give anything.
always @* assume (m_axis_tready && !row_swap && !participant_set);

// Of a step's power of 5 nothing above 6 is meant; 7 counts as 6.
function [7:0] f_differ;
    input [5:0] same;
    f_differ = {!(&same), !(&same), !(&same[4:0]), !(&same[3:0]), !(&same[2:0]), !(&same[1:0]),
                !same[0], 1'b0};
endfunction

// The order that is out now, and what the tables gave it.
reg [511:0] f_order1, f_order2, f_order3, f_order;
reg [WAYS*ROW_BITS-1:0] f_rows3, f_rows;
reg f_off2, f_off3, f_off, f_armed2, f_armed3, f_armed;
reg [NOTIONAL_BITS-1:0] f_sum3, f_sum, f_carry3, f_carry;
reg [17:0] f_price_residue2, f_qty_residue2, f_price_residue, f_qty_residue;
// Bit b: a digit below digit b differs.
reg [7:0] f_price_fives, f_qty_fives;
reg [79:0] f_scaled3, f_scaled;
always @(posedge clk) begin
    f_order1 <= s_axis_tdata;
    f_order2 <= f_order1;
    f_order3 <= f_order2;
    f_order  <= f_order3;
    f_rows3  <= row_rows;
    f_rows   <= f_rows3;
    f_off2   <= !armed || (check_participants && (f_order1[399:384] >= (1 << PARTICIPANT_BITS) || !read_bit));
    f_off3   <= f_off2;
    // As the order left rank 1.
    f_armed2 <= armed;
    f_armed3 <= f_armed2;
    f_armed  <= f_armed3;
    f_off    <= f_off3;
    f_sum3   <= row_notional_sum;
    f_sum    <= f_sum3;
    f_carry3 <= row_notional_carry;
    f_carry  <= f_carry3;
    f_price_residue2 <= price_residue[17:0];
    f_qty_residue2   <= qty_residue[17:0];
    f_price_residue  <= f_price_residue2;
    f_qty_residue    <= f_qty_residue2;
    f_price_fives   <= f_differ(check_price_same);
    f_qty_fives     <= f_differ(check_qty_same);
    f_scaled3 <= row_price10000;
    f_scaled  <= f_scaled3;
end

wire signed [63:0] f_price  = f_order[63:0];
wire signed [63:0] f_qty    = f_order[127:64];
wire        [63:0] f_symbol = f_order[191:128];
wire        [63:0] f_aux    = f_order[319:256];
wire        [15:0] f_participant = f_order[399:384];
wire        [7:0]  f_kind   = f_order[423:416];
wire        [7:0]  f_side   = f_order[431:424];
wire        [7:0]  f_type   = f_order[439:432];
wire        [7:0]  f_time   = f_order[447:440];

// Which checks a command is subject to.
wire f_new      = f_kind == 8'd1;
wire f_replace  = f_kind == 8'd4;
wire f_reduce   = f_kind == 8'd3;
wire f_mass     = f_kind == 8'd6;
wire f_unpriced = f_type == 8'd2 || f_type == 8'd5 || f_type == 8'd6 || f_type == 8'd8 || f_type == 8'd9
                    || f_type == 8'd20;
wire f_priced   = f_replace || (f_new && !f_unpriced);
wire f_entry    = f_new || f_replace || f_kind == 8'd5;
wire f_sized    = f_new || f_replace || f_reduce;

function f_no_multiple_of_twos;
    input [63:0] value;
    input [5:0] twos;
    f_no_multiple_of_twos = (value & ((64'd1 << twos) - 64'd1)) != 64'd0;
endfunction

// Of each way's row: is it the symbol's, and what is wrong by it.
wire [WAYS-1:0] f_hit, f_above, f_out, f_price_step, f_qty_step, f_beyond, f_dear, f_halted;
genvar f_way;
generate
    for (f_way = 0; f_way < WAYS; f_way = f_way + 1) begin : g_formal
        wire        [ROW_BITS-1:0] f_row = f_rows[f_way*ROW_BITS +: ROW_BITS];
        wire signed [63:0] f_max_price = f_row[127:64];
        wire signed [63:0] f_min_qty   = f_row[191:128];
        wire signed [63:0] f_max_qty   = f_row[255:192];
        assign f_hit[f_way]    = f_row[63:0] == f_symbol && f_symbol != 64'd0;
        assign f_above[f_way]  = f_price > f_max_price;
        assign f_out[f_way]    = !(f_min_qty <= f_qty && f_qty <= f_max_qty);
        assign f_price_step[f_way] =
            f_no_multiple_of_twos(f_price, f_row[549:544]) || f_price_fives[f_row[554:552]];
        assign f_qty_step[f_way] =
            f_no_multiple_of_twos(f_qty, f_row[565:560]) || f_qty_fives[f_row[570:568]];
        // Of price bands (bit 574) the lower end is asked of new sells, the upper of new buys.
        wire f_both = !f_row[574];
        assign f_beyond[f_way] =
            (f_scaled < f_row[335:256] && (f_both || (f_new && f_side == 8'd2)))
            || (f_scaled > f_row[415:336] && (f_both || (f_new && f_side == 8'd1)));
        assign f_dear[f_way]    = {1'b0, f_sum} + {1'b0, f_carry} > {1'b0, f_row[541:416]};
        assign f_halted[f_way]  = f_row[575];
    end
endgenerate
wire f_known = |f_hit;

// Bit b: no multiple of 5 to the power of b.
function [7:0] f_off_fives;
    input [17:0] value;
    f_off_fives = {value % 18'd15625 != 18'd0, value % 18'd15625 != 18'd0, value % 18'd3125 != 18'd0, value % 18'd625 != 18'd0,
                   value % 18'd125 != 18'd0, value % 18'd25 != 18'd0, value % 18'd5 != 18'd0, 1'b0};
endfunction

wire [15:0] f_code = out_data[415:400];

`ifdef FORMAL_FIVES

always @(posedge clk) if (f_started && check_valid)
    validator_fives_by_lookup:
        assert (f_differ(check_price_same) == f_off_fives(f_price_residue)
                && f_differ(check_qty_same) == f_off_fives(f_qty_residue));

`else

always @(posedge clk) if (f_started && out_valid) begin
    flag_price_not_positive: assert (f_code[0] == (f_priced && f_price <= 0));
    flag_price_above_limit:  assert (f_code[1] == (f_priced && |(f_hit & f_above)));
    flag_qty_not_positive:   assert (f_code[2] == (f_sized && f_qty <= 0));
    flag_qty_out_of_limits:
        assert (f_code[3] == ((f_new || f_replace) && f_qty > 0 && |(f_hit & f_out)));
    flag_side:
        assert (f_code[4] == ((f_new && f_side != 8'd1 && f_side != 8'd2)
                              || (f_mass && f_side > 8'd2)));
    flag_order_type:    assert (f_code[5] == (f_new && !(f_type >= 8'd1 && f_type <= 8'd21)));
    flag_time_in_force:
        assert (f_code[6] == (f_new && !(f_time[3:0] >= 4'd1 && f_time[3:0] <= 4'd7
                                         && f_time[7:4] <= 4'd4)));
    flag_symbol:
        assert (f_code[7] == (!f_known && f_kind != 8'd7 && f_kind != 8'd8
                              && !((f_mass || f_kind == 8'd10) && f_symbol == 64'd0)));
    flag_price_step: assert (f_code[8] == (f_priced && f_price > 0 && |(f_hit & f_price_step)));
    flag_qty_step:   assert (f_code[9] == (f_sized && f_qty > 0 && |(f_hit & f_qty_step)));
    // By shifts: a product would be one of those that may be anything here.
    flag_collar_scale:
        assert (f_price <= 0 || f_scaled == ({17'd0, f_price[62:0]} << 13) + ({17'd0, f_price[62:0]} << 10)
                + ({17'd0, f_price[62:0]} << 9) + ({17'd0, f_price[62:0]} << 8) + ({17'd0, f_price[62:0]} << 4));
    flag_collar:     assert (f_code[10] == (f_priced && f_price > 0 && |(f_hit & f_beyond)));
    flag_notional:
        assert (f_code[11] == (f_priced && f_price > 0 && f_qty > 0 && |(f_hit & f_dear)));
    flag_participant: assert (f_code[12] == (f_entry && f_off));
    if (!f_armed) validator_refuses_unarmed: assert (f_code[12] || !f_entry);
    flag_halted:      assert (f_code[13] == (f_entry && |(f_hit & f_halted)));
    flag_kind:
        assert (f_code[15] == (f_kind == 8'd0 || f_kind > 8'd10
                || (f_participant != 16'd0 && (f_kind == 8'd8 || f_kind == 8'd9 || f_kind == 8'd10
                                               || (f_mass && f_aux != 64'd0)))));
end

`endif
`endif
