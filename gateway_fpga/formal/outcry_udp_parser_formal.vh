// SPDX-License-Identifier: Apache-2.0
// Properties of outcry_udp_parser; the sentences stand in formal/properties.py.
//
// Stage letters as in the module; f_x_ passes the stages in parallel with the RTL.

reg f_started = 1'b0;
always @(posedge clk) f_started <= 1'b1;
always @* if (!f_started) assume (rst);

// Inside the queue, found by name after flattening.
(* hierconn *) wire [DEPTH_LOG2:0] \queue.written ;
(* hierconn *) wire [DEPTH_LOG2:0] \queue.committed ;
(* hierconn *) wire [DEPTH_LOG2:0] \queue.read ;
wire [DEPTH_LOG2:0] f_trial   = \queue.written - \queue.committed ;
wire [DEPTH_LOG2:0] f_held    = \queue.written - \queue.read ;
wire                f_waiting = \queue.read != \queue.committed ;

wire f_commit = e_last && outcome[REASON_NONE];

// ---- how many orders of its frame were written up to each stage's beat -------------------------
reg [4:0] f_stored = 5'd0;
wire [4:0] f_a_stored = f_stored + {4'd0, a_write};
reg [4:0] f_b_stored, f_c_stored, f_d_stored, f_e_stored;
reg [4:0] f_c_index, f_d_index;
reg [15:0] f_d_count, f_e_count;
reg [15:0] f_d_total, f_d_udp;
// Written to the queue since the last verdict.
reg [4:0] f_done = 5'd0;

always @(posedge clk) begin
    if (a_valid) f_b_stored <= f_a_stored;
    if (b_valid) f_c_stored <= f_b_stored;
    if (b_valid) f_c_index <= b_index;
    f_d_stored <= f_c_stored;
    f_e_stored <= f_d_stored;
    f_d_index  <= f_c_index;
    f_d_count  <= c_count;
    f_d_total  <= c_total_length;
    f_d_udp    <= c_udp_length;
    f_e_count  <= f_d_count;
    if (rst) begin
        f_stored <= 5'd0;
        f_done   <= 5'd0;
    end else begin
        if (a_valid) f_stored <= a_last ? 5'd0 : f_a_stored;
        f_done <= e_last ? 5'd0 : f_done + {4'd0, c_write};
    end
end

// The index of the beat that is next in stage a, and how many orders must have been written by then.
wire [4:0] f_place = a_valid ? a_index : next_index;
wire [4:0] f_place_orders =
    (f_place <= 5'd2 || h_count_wrong) ? 5'd0
    : (f_place - 5'd2 < h_count[4:0]) ? f_place - 5'd2 : h_count[4:0];
wire [4:0] f_b_orders =
    (b_index < 5'd2 || h_count_wrong) ? 5'd0
    : (b_index - 5'd1 < h_count[4:0]) ? b_index - 5'd1 : h_count[4:0];
wire [4:0] f_c_orders =
    (f_c_index < 5'd2 || c_wrong[REASON_COUNT]) ? 5'd0
    : (f_c_index - 5'd1 < c_count[4:0]) ? f_c_index - 5'd1 : c_count[4:0];
wire [4:0] f_d_orders =
    (f_d_index < 5'd2 || d_wrong[REASON_COUNT]) ? 5'd0
    : (f_d_index - 5'd1 < f_d_count[4:0]) ? f_d_index - 5'd1 : f_d_count[4:0];
wire [10:0] f_d_lanes = d_bytes - {f_d_index, 6'd0};
wire [4:0] f_after_b = b_last ? 5'd0 : b_index == 5'd31 ? 5'd31 : b_index + 5'd1;
wire [4:0] f_after_c = c_last ? 5'd0 : f_c_index == 5'd31 ? 5'd31 : f_c_index + 5'd1;
wire f_h_count_wrong = h_count == 16'd0 || h_count > 16'd22;
wire f_pending = d_last || e_last;

// ---- the first beat of each frame, and the orders cut out of it another way --------------------
reg [511:0] f_h_head, f_c_head, f_d_head, f_e_head;
// The port, and above it what else the destination is compared with.
reg [110:0] f_h_port, f_c_port, f_d_port, f_e_port;
reg [7:0]   f_h_kind, f_c_kind, f_d_kind, f_e_kind;
reg [511:0] f_before, f_b_order, f_c_order;
// What no network may bring, byte by byte of an order: participant 0, and an id whose upper byte is 20
// to 7F.
wire        f_operators = f_c_order[391:384] == 8'd0 && f_c_order[399:392] == 8'd0;
wire        f_reserved  = f_c_order[255:248] >= 8'h20 && f_c_order[255:248] < 8'h80;
wire        f_written   = c_write && !c_operator && !c_reserved;
wire        f_a_vlan = f_h_head[103:96] == 8'h81 && f_h_head[111:104] == 8'h00;
always @(posedge clk) begin
    if (a_valid) begin
        f_before  <= a_data;
        f_b_order <= f_a_vlan ? {a_data[111:0], f_before[511:112]}
                              : {a_data[79:0], f_before[511:80]};
        f_b_order[383:320] <= a_user;
        f_b_order[415:400] <= 16'd0;
        if (a_index == 5'd0) begin
            f_h_head <= a_data;
            f_h_port <= {check_local, local_vlan, local_ip, local_mac, udp_port};
        end
        if (a_index == 5'd1) f_h_kind <= f_a_vlan ? a_data[103:96] : a_data[71:64];
    end
    if (b_valid) begin
        f_c_order <= f_b_order;
        f_c_head  <= f_h_head;
        f_c_port  <= f_h_port;
        f_c_kind  <= f_h_kind;
    end
    f_d_head <= f_c_head;
    f_d_port <= f_c_port;
    f_d_kind <= f_c_kind;
    f_e_head <= f_d_head;
    f_e_port <= f_d_port;
    f_e_kind <= f_d_kind;
end

// What is wrong with a first beat, bit by bit of its bytes; byte 0 of `from_type` is the Ethernet
// type's first.
function [7:0] f_judge(input [511:0] head, input [110:0] local_end);
    reg [383:0] from_type;
    reg         tagged, elsewhere;
    reg [63:0] first_seq;
    begin
        tagged = head[103:96] == 8'h81 && head[111:104] == 8'h00;
        from_type = tagged ? head[511:128] : head[479:96];
        elsewhere = {from_type[199:192], from_type[207:200]} != local_end[15:0]
            || (local_end[108] && (head[7:0] != local_end[63:56] || head[15:8] != local_end[55:48]
                || head[23:16] != local_end[47:40] || head[31:24] != local_end[39:32]
                || head[39:32] != local_end[31:24] || head[47:40] != local_end[23:16]))
            || (local_end[109] && (from_type[151:144] != local_end[95:88]
                || from_type[159:152] != local_end[87:80] || from_type[167:160] != local_end[79:72]
                || from_type[175:168] != local_end[71:64]))
            || (local_end[110] && (tagged
                ? head[115:112] != local_end[107:104] || head[127:120] != local_end[103:96]
                : local_end[107:96] != 12'd0));
        first_seq = from_type[367:304];
        f_judge = {
            first_seq[63] || first_seq == 64'd0 || first_seq > 64'h4000000000000000,
            from_type[303:272] != LAYOUT_HASH[31:0],
            from_type[271:240] != PACKET_MAGIC[31:0],
            elsewhere,
            from_type[95:88] != 8'd17,
            from_type[69:64] != 6'd0 || from_type[79:72] != 8'd0,
            from_type[23:16] != 8'h45,
            from_type[15:0] != 16'h0008
        };
    end
endfunction
wire [7:0] f_h_flags = {h_sequence, h_layout, h_magic, h_elsewhere, h_protocol, h_fragment, h_ip_header,
                        h_ethertype};
wire [7:0] f_c_flags = {c_wrong[REASON_SEQUENCE], c_wrong[REASON_LAYOUT], c_wrong[REASON_MAGIC],
                        c_wrong[8:4]};
wire [7:0] f_d_flags = {d_wrong[REASON_SEQUENCE], d_wrong[REASON_LAYOUT], d_wrong[REASON_MAGIC],
                        d_wrong[8:4]};
wire [7:0] f_e_flags = {e_wrong[REASON_SEQUENCE], e_wrong[REASON_LAYOUT], e_wrong[REASON_MAGIC],
                        e_wrong[8:4]};
wire [511:0] f_cut = h_vlan ? {b_data[111:0], c_data[511:112]} : {b_data[79:0], c_data[511:80]};

// ---- frames in and verdicts out, modulo 8 ------------------------------------------------------
reg [2:0] f_frames = 3'd0;
reg [2:0] f_verdicts = 3'd0;
always @(posedge clk) begin
    if (rst) begin
        f_frames   <= 3'd0;
        f_verdicts <= 3'd0;
    end else begin
        if (take && s_axis_tlast) f_frames <= f_frames + 3'd1;
        if (e_last) f_verdicts <= f_verdicts + 3'd1;
    end
end

(* anyconst *) reg [4:0] f_reason;
always @* assume (f_reason < 5'd19);
wire [COUNTER_WIDTH-1:0] f_value = frames[COUNTER_WIDTH*f_reason +: COUNTER_WIDTH];

// Orders of the frame on trial that are left out, by either rule; what the counters of them say, and
// must say next.
wire [7:0] f_trial_left = {3'd0, trial_operator} + {3'd0, trial_reserved};
reg  [4:0] f_e_operator, f_e_reserved;
always @(posedge clk) begin
    f_e_operator <= trial_operator;
    f_e_reserved <= trial_reserved;
end
function [COUNTER_WIDTH-1:0] f_more(input [COUNTER_WIDTH-1:0] value, input [4:0] more);
    reg [COUNTER_WIDTH+5:0] sum;
    begin
        sum = value;
        sum = sum + more;
        f_more = sum >= (1 << COUNTER_WIDTH) ? {COUNTER_WIDTH{1'b1}} : sum[COUNTER_WIDTH-1:0];
    end
endfunction
wire [COUNTER_WIDTH-1:0] f_operator_value = left_out[COUNTER_WIDTH-1:0];
wire [COUNTER_WIDTH-1:0] f_reserved_value = left_out[2*COUNTER_WIDTH-1:COUNTER_WIDTH];

`ifdef FORMAL_DATA
always @(posedge clk) if (f_started) begin
    if (f_commit) parser_takes_only_our_packets: assert (f_judge(f_e_head, f_e_port) == 8'd0);
    if (c_write)
        parser_order_is_the_frames: assert (order == f_c_order);
    if (f_written) parser_operators_records_stay_out: assert (!f_operators);
    if (f_written) parser_no_packet_names_a_reserved_id: assert (!f_reserved);
    if (c_write && !f_written)
        parser_leaves_out_nothing_else:
            assert (c_operator ? f_operators && !c_reserved : !f_operators && f_reserved);
    f_vlan: assert (f_place == 5'd0 && !b_valid || h_vlan == f_a_vlan);
    f_judge_h: assert (f_place == 5'd0 && !b_valid || f_h_flags == f_judge(f_h_head, f_h_port));
    f_judge_c: assert (!c_valid || f_c_flags == f_judge(f_c_head, f_c_port));
    f_judge_d: assert (!d_last || f_d_flags == f_judge(f_d_head, f_d_port));
    f_judge_e: assert (!e_last || f_e_flags == f_judge(f_e_head, f_e_port));
    f_before_b: assert (!b_valid || f_before == b_data);
    f_before_c: assert (b_valid || f_place == 5'd0 || c_data == f_before);
    f_order_b:
        assert (!(b_valid && b_index != 5'd0)
                || f_b_order[319:0] == f_cut[319:0] && f_b_order[447:416] == f_cut[447:416]
                   && f_b_order[511:448] == f_cut[511:448] && f_b_order[383:320] == b_user
                   && f_b_order[415:400] == 16'd0 && f_b_order[399:384] == f_cut[399:384]);
    f_first: assert (a_first == (a_valid && a_index == 5'd0));
    f_tag: assert (!a_valid || a_vlan == (a_data[103:96] == 8'h81 && a_data[111:104] == 8'h00));
    f_next: assert (!a_valid || next_index == (a_last ? 5'd0 : a_index == 5'd31 ? 5'd31 : a_index + 5'd1));
    f_b_next: assert (!b_valid || f_place == f_after_b);
    f_b_write: assert (!b_write || (b_valid && b_index >= 5'd2));
end
`else
always @(posedge clk) if (f_started) begin
    if (f_commit)
        parser_never_lets_go_half:
            assert ({2'd0, f_trial} + f_trial_left == {3'd0, f_e_stored} && f_e_count >= 16'd1 && f_e_count <= 16'd22
                    && {11'd0, f_e_stored} == f_e_count);
    if (!$past(rst) && $past(e_last && !outcome[REASON_NONE]))
        parser_refused_leaves_nothing: assert (f_trial == 0);
    parser_queue_never_overflows: assert (!f_written || free != 0);
    parser_verdict_before_next_order: assert (!(c_write && f_pending));
    parser_one_verdict_a_frame:
        assert (f_frames - f_verdicts ==
                {2'd0, a_valid && a_last} + {2'd0, b_valid && b_last} + {2'd0, c_valid && c_last}
                + {2'd0, d_last} + {2'd0, e_last});
    if (!$past(rst))
        parser_one_outcome_a_frame:
            assert ((counted & (counted - 1'b1)) == 0 && (counted != 0) == $past(e_last));
    if (!$past(rst))
        parser_counters_saturate:
            assert (f_value == $past(f_value)
                    + ($past(counted[f_reason]) && $past(f_value) != {COUNTER_WIDTH{1'b1}}));
    if (!$past(rst))
        parser_left_out_is_counted:
            assert (f_operator_value == ($past(counted[REASON_NONE])
                        ? f_more($past(f_operator_value), $past(f_e_operator))
                        : $past(f_operator_value))
                    && f_reserved_value == ($past(counted[REASON_NONE])
                        ? f_more($past(f_reserved_value), $past(f_e_reserved))
                        : $past(f_reserved_value)));
    if (!$past(rst) && $past(!m_axis_tvalid && !f_waiting))
        parser_never_stuck: assert (s_axis_tready);
    if (!$past(rst) && $past(m_axis_tvalid && !m_axis_tready))
        parser_output_stable: assert (m_axis_tvalid && m_axis_tdata == $past(m_axis_tdata));

    if (f_commit) parser_takes_only_packets_of_orders: assert (f_e_kind == 8'd1);

    // Steps.
    f_first: assert (a_first == (a_valid && a_index == 5'd0));
    f_tag: assert (!a_valid || a_vlan == (a_data[103:96] == 8'h81 && a_data[111:104] == 8'h00));
    f_next: assert (!a_valid || next_index == (a_last ? 5'd0 : a_index == 5'd31 ? 5'd31 : a_index + 5'd1));
    f_b_next: assert (!b_valid || f_place == f_after_b);
    f_c_next: assert (!c_valid || (b_valid ? b_index : f_place) == f_after_c);
    f_d_next: assert (!d_last || (c_valid ? f_c_index == 5'd0
                                  : (b_valid ? b_index : f_place) == 5'd0));
    f_e_next: assert (!e_last || (c_valid ? f_c_index <= 5'd1
                                  : (b_valid ? b_index : f_place) <= 5'd1));

    f_a_count: assert (f_place < 5'd2 || h_count_wrong == f_h_count_wrong);
    f_b_count: assert (!(b_valid && b_index != 5'd0) || h_count_wrong == f_h_count_wrong);
    f_c_count: assert (!(c_valid && f_c_index != 5'd0)
                       || c_wrong[REASON_COUNT] == (c_count == 16'd0 || c_count > 16'd22));
    f_d_count_: assert (!(d_last && f_d_index != 5'd0)
                       || d_wrong[REASON_COUNT] == (f_d_count == 16'd0 || f_d_count > 16'd22));
    f_a_kind: assert (f_place < 5'd2 || h_kind == (f_h_kind != 8'd1));
    f_b_kind: assert (!(b_valid && b_index != 5'd0) || h_kind == (f_h_kind != 8'd1));
    f_c_kind_: assert (!(c_valid && f_c_index != 5'd0) || c_wrong[REASON_KIND] == (f_c_kind != 8'd1));
    f_d_kind_: assert (!(d_last && f_d_index != 5'd0) || d_wrong[REASON_KIND] == (f_d_kind != 8'd1));
    f_vlan: assert (f_place == 5'd0 && !b_valid || h_vlan == f_a_vlan);

    f_a_orders: assert (f_stored == f_place_orders);
    f_b_orders_: assert (!b_valid || f_b_stored == f_b_orders);
    f_c_orders_: assert (!c_valid || f_c_stored == f_c_orders);
    f_d_orders_: assert (!d_last || f_d_stored == f_d_orders);

    f_lanes_b: assert (!b_valid || (b_bytes[3:0] <= 8 && b_bytes[7:4] <= 8 && b_bytes[11:8] <= 8
                       && b_bytes[15:12] <= 8 && b_bytes[19:16] <= 8 && b_bytes[23:20] <= 8
                       && b_bytes[27:24] <= 8 && b_bytes[31:28] <= 8));
    f_lanes_c: assert (!c_valid || (c_lanes <= 7'd64 && c_index == f_c_index));
    f_lanes_d: assert (!d_last || f_d_lanes <= 11'd64);
    f_over_c: assert (!c_valid || c_wrong[REASON_OVERSIZED] == (f_c_index >= 5'd24));
    f_over_d: assert (!d_last || d_wrong[REASON_OVERSIZED] == (f_d_index >= 5'd24));
    f_length_d:
        assert (d_frame_length == {1'b0, f_d_total} + (d_vlan ? 17'd18 : 17'd14)
                && d_lengths_differ == ({1'b0, f_d_total} != {1'b0, f_d_udp} + 17'd20)
                && d_wrong[REASON_SHORT] == (f_d_udp < 16'd40)
                && d_wrong[REASON_SIZE] == ({6'd0, f_d_udp} != {f_d_count, 6'd0} + 22'd40));
    f_whole_e:
        assert (!e_last || e_wrong[REASON_LENGTH] || e_wrong[REASON_SIZE] || e_wrong[REASON_COUNT]
                || e_wrong[REASON_OVERSIZED] || e_wrong[REASON_SHORT]
                || ({11'd0, f_e_stored} == f_e_count && f_e_count >= 16'd1 && f_e_count <= 16'd22
                    && (e_wrong[REASON_KIND] || f_e_kind == 8'd1)));

    f_bound: assert (f_done <= 5'd22);
    f_trial_done: assert ({2'd0, f_trial} + f_trial_left == {3'd0, f_done});
    f_one_rule: assert (!c_valid || !(c_operator && c_reserved));
    f_judged: assert (judged_operator == f_e_operator && judged_reserved == f_e_reserved);
    f_e_done: assert (!e_last || (f_done == f_e_stored && (!d_last || f_d_stored == 5'd0)));
    f_d_done: assert (!d_last || e_last || f_done == f_d_stored);
    f_c_done: assert (!c_valid || f_pending || f_done == f_c_stored - {4'd0, c_write});
    f_c_none: assert (!(c_valid && f_pending) || (f_c_stored == 5'd0 && !c_write));
    f_b_done: assert (!b_valid || c_valid || f_pending || f_done == f_b_stored - {4'd0, b_write});
    f_a_done: assert (b_valid || c_valid || f_pending || f_done == f_stored);
    f_bc_done: assert (!(b_valid && c_valid) || f_b_stored - {4'd0, b_write} == (c_last ? 5'd0 : f_c_stored));
    f_ac_done: assert (b_valid || !c_valid || f_stored == (c_last ? 5'd0 : f_c_stored));
    f_ab_done: assert (!b_valid || f_stored == (b_last ? 5'd0 : f_b_stored));
    f_b_write: assert (!b_write || (b_valid && b_index >= 5'd2));
    f_c_write: assert (!c_write || (c_valid && f_c_index >= 5'd2));
    f_queue: assert (f_trial <= f_held && f_held <= (1 << DEPTH_LOG2));
    f_room: assert (free >= c_write + b_write + a_valid + ready);
end
`endif
