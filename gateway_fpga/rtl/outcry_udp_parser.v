// SPDX-License-Identifier: Apache-2.0
// Ethernet frames in, one order a beat out.
//
// A frame is Ethernet, at most one VLAN tag, IPv4 without options, UDP and a packet of orders
// (docs/packets.md), without the frame check sequence.  It is stored and forwarded: not one of its
// orders leaves before the last byte has come and every check has passed, so what is refused leaves
// nothing but its count, as in the software receiver.  A packet of one order pays nothing for this,
// because its only order is complete with the last beat; one of n orders pays n - 1 cycles.
//
// Of a packet that is taken, two kinds of records are left out one by one and counted, as there: those
// of participant 0, the exchange operator, which uses no network, and those with an order id that
// only the venue allocates (wire/order_ids.py).
//
// Each order gets the frame's ingress time (s_axis_tuser) and an error_code of 0.
//
// From the last beat taken to the first order offered 7 cycles; throughput 1 beat a cycle, frames
// back to back.  Letters before names are the stages:
//
//   a   one beat                        its fields to h_ (what is known of the frame so far)
//   b   sums of four words each
//   c   sum of the beat                 its order to the queue, or left out
//   d   totals of the frame
//   e   verdict                         commit or discard
//
// Orders are written as late as stage c so that a frame's verdict is out before the next frame
// writes its first.
`default_nettype none
`include "outcry_wire.vh"

module outcry_udp_parser #(
    // The queue holds 2**DEPTH_LOG2 orders, 5 to 12: a packet brings up to 22, and 5 are
    // under way when tready falls.
    parameter DEPTH_LOG2 = 6,
    // Bits of each counter, 1 to 32; they stop at their largest value.
    parameter COUNTER_WIDTH = 32
) (
    input  wire                        clk,
    input  wire                        rst,

    // Destination port of our packets.
    input  wire [15:0]                 udp_port,
    // What else a frame's destination is compared with: bit 0 its MAC, 1 its IPv4 address, 2 its VLAN.
    input  wire [2:0]                  check_local,
    input  wire [47:0]                 local_mac,
    input  wire [31:0]                 local_ip,
    // 0: no tag, or one that names no VLAN.
    input  wire [11:0]                 local_vlan,

    input  wire [511:0]                s_axis_tdata,
    input  wire [63:0]                 s_axis_tkeep,
    input  wire                        s_axis_tlast,
    // Ingress time, ns since the epoch.
    input  wire [63:0]                 s_axis_tuser,
    input  wire                        s_axis_tvalid,
    output wire                        s_axis_tready,

    output wire [511:0]                m_axis_tdata,
    output wire                        m_axis_tvalid,
    input  wire                        m_axis_tready,

    // Frames by outcome: the first was taken whole, the others refused (REASON_ below).
    output wire [19*COUNTER_WIDTH-1:0] frames,
    // Records left out of frames that were taken: the operator's, and above them those with a
    // reserved order id.
    output wire [2*COUNTER_WIDTH-1:0]  left_out
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (DEPTH_LOG2 < 5 || DEPTH_LOG2 > 12) begin : g_wrong_depth_log2
            DEPTH_LOG2_is_not_5_to_12 wrong ();
        end
        if (COUNTER_WIDTH < 1 || COUNTER_WIDTH > 32) begin : g_wrong_counter_width
            COUNTER_WIDTH_is_not_1_to_32 wrong ();
        end
    endgenerate

    // Why a frame is refused.  The lowest that holds is counted.
    localparam REASON_NONE         = 0;
    localparam REASON_KEEP         = 1;  // tkeep has a hole, or is not full before tlast
    localparam REASON_OVERSIZED    = 2;  // more beats than the largest packet has
    localparam REASON_RUNT         = 3;  // shorter than Ethernet, IPv4 and UDP headers
    localparam REASON_ETHERTYPE    = 4;  // not IPv4, after one VLAN tag at most
    localparam REASON_IP_HEADER    = 5;  // not version 4, or with options
    localparam REASON_FRAGMENT     = 6;  // a piece of a datagram, the first or a later one
    localparam REASON_PROTOCOL     = 7;  // not UDP
    localparam REASON_PORT         = 8;  // for another UDP port, MAC, IPv4 address or VLAN
    localparam REASON_LENGTH       = 9;  // frame, IPv4 and UDP do not say the same length
    localparam REASON_IP_CHECKSUM  = 10;
    localparam REASON_UDP_CHECKSUM = 11; // wrong; 0 means that the sender gave none
    localparam REASON_SHORT        = 12; // from here on as in dpdk_shim.packets.PacketError
    localparam REASON_MAGIC        = 13;
    localparam REASON_LAYOUT       = 14;
    localparam REASON_KIND         = 15;
    localparam REASON_COUNT        = 16;
    localparam REASON_SIZE         = 17;
    localparam REASON_SEQUENCE     = 18;
    localparam REASONS             = 19;

    localparam [63:0] PACKET_MAGIC  = `OUTCRY_PACKET_MAGIC;
    localparam [63:0] LAYOUT_HASH   = `OUTCRY_LAYOUT_HASH;
    localparam [15:0] MAX_COUNT     = `OUTCRY_MAX_PACKET_RECORDS;
    localparam [63:0] MAX_FIRST_SEQ = 64'h4000000000000000;
    // Beats of the largest packet, after a VLAN tag: 18 + 20 + 8 + 32 + 22 * 64 bytes.
    localparam [4:0]  MAX_BEATS     = 5'd24;
    // Orders that can still come to the queue after it was asked whether there is room.
    localparam [DEPTH_LOG2:0] UNDER_WAY = 5;

    // ---- a: one beat -------------------------------------------------------------------------
    reg         ready;
    reg         a_valid;
    reg [511:0] a_data;
    reg [63:0]  a_keep;
    reg         a_last;
    reg [63:0]  a_user;
    // Which beat of its frame it is, stopping at 31.
    reg [4:0]   a_index;
    // Beat 0, and whether a VLAN tag is in it: half the logic below waits for these.
    reg         a_first;
    reg         a_vlan;
    reg [4:0]   next_index;

    wire [DEPTH_LOG2:0] free;
    wire take = s_axis_tvalid && ready;
    assign s_axis_tready = ready;

    always @(posedge clk) begin
        if (rst) begin
            ready      <= 1'b0;
            a_valid    <= 1'b0;
            a_first    <= 1'b0;
            next_index <= 5'd0;
        end else begin
            ready   <= free >= UNDER_WAY;
            a_valid <= take;
            a_first <= take && next_index == 5'd0;
            if (take) begin
                if (s_axis_tlast) next_index <= 5'd0;
                else if (next_index != 5'd31) next_index <= next_index + 5'd1;
            end
        end
    end

    always @(posedge clk) begin
        if (take) begin
            a_data  <= s_axis_tdata;
            a_keep  <= s_axis_tkeep;
            a_last  <= s_axis_tlast;
            a_user  <= s_axis_tuser;
            a_index <= next_index;
            a_vlan  <= s_axis_tdata[111:96] == 16'h0081;
        end
    end

    wire a_second = a_valid && a_index == 5'd1;

    // The frame as it would be without the tag, from the Ethernet type on.
    wire [511:0] head = a_vlan ? {32'd0, a_data[511:32]} : a_data;

    reg         h_vlan;
    reg         h_keep;
    reg         h_ethertype;
    reg         h_ip_header;
    reg         h_fragment;
    reg         h_protocol;
    reg         h_port;
    reg         h_mac;
    reg         h_ip;
    reg         h_other_vlan;
    reg         h_no_checksum;
    reg         h_magic;
    reg         h_layout;
    reg         h_kind;
    reg         h_count_wrong;
    reg         h_sequence;
    reg [15:0]  h_total_length;
    reg [15:0]  h_udp_length;
    reg [15:0]  h_count;
    reg [17:0]  h_ip_sum_0;
    reg [17:0]  h_ip_sum_1;
    reg [17:0]  h_ip_sum_2;

    // A frame of one beat finds here what the last one left, and is refused for what comes before;
    // in simulation that must be a value.
    initial begin
        h_kind        = 1'b0;
        h_count_wrong = 1'b0;
        h_count       = 16'd0;
    end

    wire h_elsewhere = h_port || h_mac || h_ip || h_other_vlan;
    wire a_hole = !a_keep[0] || (a_keep[63:1] & ~a_keep[62:0]) != 63'd0 || (!a_last && !a_keep[63]);
    wire [15:0] a_count = h_vlan ? a_data[95:80] : a_data[63:48];
    wire [7:0]  a_kind  = h_vlan ? a_data[103:96] : a_data[71:64];
    wire [63:0] a_first_seq = head[463:400];

    always @(posedge clk) begin
        if (a_valid) h_keep <= a_hole || (!a_first && h_keep);
        if (a_first) begin
            h_vlan         <= a_vlan;
            h_ethertype    <= head[111:96] != 16'h0008;
            h_ip_header    <= head[119:112] != 8'h45;
            h_fragment     <= head[165:160] != 6'd0 || head[175:168] != 8'd0;
            h_protocol     <= head[191:184] != 8'd17;
            h_port         <= {head[295:288], head[303:296]} != udp_port;
            h_mac          <= check_local[0] && {a_data[7:0], a_data[15:8], a_data[23:16], a_data[31:24],
                                                 a_data[39:32], a_data[47:40]} != local_mac;
            h_ip           <= check_local[1] && {head[247:240], head[255:248], head[263:256],
                                                 head[271:264]} != local_ip;
            h_other_vlan   <= check_local[2]
                && (a_vlan ? {a_data[115:112], a_data[127:120]} : 12'd0) != local_vlan;
            h_no_checksum  <= head[335:320] == 16'd0;
            h_magic        <= head[367:336] != PACKET_MAGIC[31:0];
            h_layout       <= head[399:368] != LAYOUT_HASH[31:0];
            h_sequence     <= a_first_seq == 64'd0 || a_first_seq > MAX_FIRST_SEQ;
            h_total_length <= {head[135:128], head[143:136]};
            h_udp_length   <= {head[311:304], head[319:312]};
            h_ip_sum_0     <= {2'd0, head[127:112]} + {2'd0, head[143:128]}
                            + {2'd0, head[159:144]} + {2'd0, head[175:160]};
            h_ip_sum_1     <= {2'd0, head[191:176]} + {2'd0, head[207:192]}
                            + {2'd0, head[223:208]};
            h_ip_sum_2     <= {2'd0, head[239:224]} + {2'd0, head[255:240]}
                            + {2'd0, head[271:256]};
        end
        if (a_second) begin
            h_count       <= a_count;
            h_count_wrong <= a_count == 16'd0 || a_count > MAX_COUNT;
            h_kind        <= a_kind != `OUTCRY_PACKET_KIND_ORDERS;
        end
    end

    // Order n is complete with beat n + 2.  Of a frame that is refused it does not matter which
    // beats are written, only that they are no more than a packet's.
    wire [4:0] a_order = a_index - 5'd2;
    wire a_write = a_valid && a_index >= 5'd2 && !h_count_wrong && a_order < h_count[4:0];

    // The words that the UDP checksum covers: of the first beat, those from the addresses on.
    reg [511:0] summed;
    integer     word;
    always @* begin
        summed = 512'd0;
        for (word = 0; word < 32; word = word + 1)
            if (!a_first || word >= 15 || (word >= 13 && !a_vlan)) begin
                if (a_keep[2*word]) summed[16*word +: 8] = a_data[16*word +: 8];
                if (a_keep[2*word+1]) summed[16*word+8 +: 8] = a_data[16*word+8 +: 8];
            end
    end

    // ---- b: sums of four words, bytes of eight lanes -------------------------------------------
    reg         b_valid;
    reg         b_write;
    reg         b_first;
    reg         b_last;
    reg [4:0]   b_index;
    reg [511:0] b_data;
    reg [63:0]  b_user;
    reg [143:0] b_sums;
    reg [31:0]  b_bytes;
    integer     group;

    always @(posedge clk) begin
        b_first <= a_first;
        b_last  <= a_last;
        b_index <= a_index;
        b_data  <= a_data;
        b_user  <= a_user;
        for (group = 0; group < 8; group = group + 1) begin
            b_sums[18*group +: 18] <=
                {2'd0, summed[64*group +: 16]} + {2'd0, summed[64*group+16 +: 16]} +
                {2'd0, summed[64*group+32 +: 16]} + {2'd0, summed[64*group+48 +: 16]};
            b_bytes[4*group +: 4] <=
                {3'd0, a_keep[8*group]} + {3'd0, a_keep[8*group+1]} +
                {3'd0, a_keep[8*group+2]} + {3'd0, a_keep[8*group+3]} +
                {3'd0, a_keep[8*group+4]} + {3'd0, a_keep[8*group+5]} +
                {3'd0, a_keep[8*group+6]} + {3'd0, a_keep[8*group+7]};
        end
    end

    reg [511:0] c_data;

    // The two fields by which an order is left out, cut as `order` below is, a cycle earlier.
    localparam [63:0] FIRST_RESERVED = `OUTCRY_VENUE_ORDER_IDS;
    wire [511:0] b_order = h_vlan ? {b_data[111:0], c_data[511:112]} : {b_data[79:0], c_data[511:80]};
    wire [15:0]  b_participant = b_order[`OUTCRY_ORDER_PARTICIPANT];
    wire [63:0]  b_order_id    = b_order[`OUTCRY_ORDER_ORDER_ID];
    wire         b_operator    = b_participant == 16'd0;
    wire         b_reserved    = $signed(b_order_id) >= $signed(FIRST_RESERVED);

    // ---- c: sum of the beat; its order to the queue --------------------------------------------
    reg         c_valid;
    reg         c_write;
    // Why the order is left out: at most one of them.
    reg         c_operator;
    reg         c_reserved;
    reg         c_first;
    reg         c_last;
    reg [511:80] c_before;
    reg [63:0]  c_user;
    // The beat's words in two halves, which are only added at the end.
    reg [19:0]  c_sum_0;
    reg [19:0]  c_sum_1;
    reg [16:0]  c_pseudo_sum;
    reg [19:0]  c_ip_sum;
    reg [4:0]   c_index;
    reg [6:0]   c_lanes;
    reg         c_vlan;
    reg [15:0]  c_total_length;
    reg [15:0]  c_udp_length;
    reg [15:0]  c_count;
    // What is wrong with the frame, as far as the fields tell.
    reg [18:1]  c_wrong;
    reg         c_no_checksum;

    always @(posedge clk) begin
        if (b_valid) begin
            c_first        <= b_first;
            c_last         <= b_last;
            c_data         <= b_data;
            c_before       <= c_data[511:80];
            c_operator     <= b_operator;
            c_reserved     <= b_reserved && !b_operator;
            c_user         <= b_user;
            c_sum_0        <= {2'd0, b_sums[17:0]} + {2'd0, b_sums[35:18]}
                            + {2'd0, b_sums[53:36]} + {2'd0, b_sums[71:54]};
            c_sum_1        <= {2'd0, b_sums[89:72]} + {2'd0, b_sums[107:90]}
                            + {2'd0, b_sums[125:108]} + {2'd0, b_sums[143:126]};
            c_pseudo_sum   <= {1'b0, h_udp_length[7:0], h_udp_length[15:8]} + 17'h01100;
            c_ip_sum       <= {2'd0, h_ip_sum_0} + {2'd0, h_ip_sum_1} + {2'd0, h_ip_sum_2};
            c_index        <= b_index;
            c_lanes        <= {3'd0, b_bytes[3:0]} + {3'd0, b_bytes[7:4]}
                            + {3'd0, b_bytes[11:8]} + {3'd0, b_bytes[15:12]}
                            + {3'd0, b_bytes[19:16]} + {3'd0, b_bytes[23:20]}
                            + {3'd0, b_bytes[27:24]} + {3'd0, b_bytes[31:28]};
            c_vlan         <= h_vlan;
            c_total_length <= h_total_length;
            c_udp_length   <= h_udp_length;
            c_count        <= h_count;
            c_no_checksum  <= h_no_checksum;

            c_wrong                      <= 18'd0;
            c_wrong[REASON_KEEP]         <= h_keep;
            c_wrong[REASON_OVERSIZED]    <= b_index >= MAX_BEATS;
            c_wrong[REASON_ETHERTYPE]    <= h_ethertype;
            c_wrong[REASON_IP_HEADER]    <= h_ip_header;
            c_wrong[REASON_FRAGMENT]     <= h_fragment;
            c_wrong[REASON_PROTOCOL]     <= h_protocol;
            c_wrong[REASON_PORT]         <= h_elsewhere;
            c_wrong[REASON_MAGIC]        <= h_magic;
            c_wrong[REASON_LAYOUT]       <= h_layout;
            c_wrong[REASON_KIND]         <= h_kind;
            c_wrong[REASON_COUNT]        <= h_count_wrong;
            c_wrong[REASON_SEQUENCE]     <= h_sequence;
        end
    end

    reg [511:0] order;
    always @* begin
        order = c_vlan ? {c_data[111:0], c_before[511:112]} : {c_data[79:0], c_before[511:80]};
        order[`OUTCRY_ORDER_RX_TS_NS]   = c_user;
        order[`OUTCRY_ORDER_ERROR_CODE] = 16'd0;
    end

    // ---- d: totals of the frame ----------------------------------------------------------------
    reg         d_last;
    reg [24:0]  d_sum_0;
    reg [24:0]  d_sum_1;
    reg [16:0]  d_ip_sum;
    reg [10:0]  d_bytes;
    reg [16:0]  d_frame_length;
    reg         d_vlan;
    reg         d_lengths_differ;
    reg         d_no_checksum;
    reg [18:1]  d_wrong;

    always @(posedge clk) begin
        if (c_valid) begin
            d_sum_0 <= {5'd0, c_sum_0} + (c_first ? {8'd0, c_pseudo_sum} : d_sum_0);
            d_sum_1 <= {5'd0, c_sum_1} + (c_first ? 25'd0 : d_sum_1);
        end
        d_ip_sum         <= {1'b0, c_ip_sum[15:0]} + {13'd0, c_ip_sum[19:16]};
        d_bytes          <= {c_index, 6'd0} + {4'd0, c_lanes};
        d_frame_length   <= {1'b0, c_total_length} + (c_vlan ? 17'd18 : 17'd14);
        d_vlan           <= c_vlan;
        d_lengths_differ <= {1'b0, c_total_length} != {1'b0, c_udp_length} + 17'd20;
        d_no_checksum    <= c_no_checksum;
        d_wrong          <= c_wrong;
        d_wrong[REASON_SHORT] <= c_udp_length < 16'd40;
        d_wrong[REASON_SIZE]  <= {6'd0, c_udp_length} != {c_count, 6'd0} + 22'd40;
    end

    // ---- e: verdict ----------------------------------------------------------------------------
    reg         e_last;
    reg [17:0]  e_sum;
    reg         e_no_checksum;
    reg [18:1]  e_wrong;

    always @(posedge clk) begin
        e_sum         <= {2'd0, d_sum_0[15:0]} + {9'd0, d_sum_0[24:16]}
                       + {2'd0, d_sum_1[15:0]} + {9'd0, d_sum_1[24:16]};
        e_no_checksum <= d_no_checksum;
        e_wrong       <= d_wrong;
        e_wrong[REASON_RUNT]        <= d_bytes < (d_vlan ? 11'd46 : 11'd42);
        e_wrong[REASON_LENGTH]      <= d_lengths_differ || {6'd0, d_bytes} != d_frame_length;
        e_wrong[REASON_IP_CHECKSUM] <= d_ip_sum != 17'h0FFFF;
    end

    // Zero in one's complement, with the carries not yet added: once or twice FFFF.
    wire e_checksum_wrong = !e_no_checksum && e_sum != 18'h0FFFF && e_sum != 18'h1FFFE;
    reg [18:0] outcome;
    always @* begin
        outcome[18:1] = e_wrong;
        outcome[REASON_UDP_CHECKSUM] = e_checksum_wrong;
        outcome[REASON_NONE] = outcome[18:1] == 18'd0;
    end

    always @(posedge clk) begin
        if (rst) begin
            b_valid <= 1'b0;
            b_write <= 1'b0;
            c_valid <= 1'b0;
            c_write <= 1'b0;
            d_last  <= 1'b0;
            e_last  <= 1'b0;
        end else begin
            b_valid <= a_valid;
            b_write <= a_write;
            c_valid <= b_valid;
            c_write <= b_write;
            d_last  <= c_valid && c_last;
            e_last  <= d_last;
        end
    end

    // ---- orders left out -----------------------------------------------------------------------
    // Of the frame under way, and of the last one that was judged.
    reg [4:0] trial_operator;
    reg [4:0] trial_reserved;
    reg [4:0] judged_operator;
    reg [4:0] judged_reserved;

    always @(posedge clk) begin
        if (rst || e_last) begin
            trial_operator <= 5'd0;
            trial_reserved <= 5'd0;
        end else begin
            trial_operator <= trial_operator + {4'd0, c_write && c_operator};
            trial_reserved <= trial_reserved + {4'd0, c_write && c_reserved};
        end
        judged_operator <= trial_operator;
        judged_reserved <= trial_reserved;
    end

    outcry_packet_fifo #(
        .WIDTH(512),
        .DEPTH_LOG2(DEPTH_LOG2)
    ) queue (
        .clk(clk),
        .rst(rst),
        .write_data(order),
        .write(c_write && !c_operator && !c_reserved),
        .commit(e_last && outcome[REASON_NONE]),
        .discard(e_last && !outcome[REASON_NONE]),
        .free(free),
        .m_axis_tdata(m_axis_tdata),
        .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready)
    );

    // ---- one counter an outcome ----------------------------------------------------------------
    // The lowest bit that is set, one a frame.
    reg [18:0] counted;
    always @(posedge clk) begin
        if (rst) counted <= 19'd0;
        else counted <= e_last ? outcome & (~outcome + 19'd1) : 19'd0;
    end

    genvar reason;
    generate
        for (reason = 0; reason < REASONS; reason = reason + 1) begin : count
            reg [COUNTER_WIDTH-1:0] value;
            assign frames[COUNTER_WIDTH*reason +: COUNTER_WIDTH] = value;
            always @(posedge clk) begin
                if (rst) value <= {COUNTER_WIDTH{1'b0}};
                else if (counted[reason] && value != {COUNTER_WIDTH{1'b1}})
                    value <= value + {{(COUNTER_WIDTH-1){1'b0}}, 1'b1};
            end
        end
    endgenerate

    // Those of a frame are counted with it, if it is taken.
    genvar rule;
    generate
        for (rule = 0; rule < 2; rule = rule + 1) begin : left
            reg  [COUNTER_WIDTH-1:0] value;
            // Wider than both, whichever is the wider.
            wire [COUNTER_WIDTH+4:0] next = {5'd0, value}
                + {{COUNTER_WIDTH{1'b0}}, rule == 0 ? judged_operator : judged_reserved};
            assign left_out[COUNTER_WIDTH*rule +: COUNTER_WIDTH] = value;
            always @(posedge clk) begin
                if (rst) value <= {COUNTER_WIDTH{1'b0}};
                else if (counted[REASON_NONE])
                    value <= next[COUNTER_WIDTH+4:COUNTER_WIDTH] != 5'd0 ? {COUNTER_WIDTH{1'b1}}
                                                                         : next[COUNTER_WIDTH-1:0];
            end
        end
    endgenerate

`ifdef FORMAL
`include "outcry_udp_parser_formal.vh"
`endif

endmodule

`default_nettype wire
