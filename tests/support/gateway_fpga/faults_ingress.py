"""Faults made by hand in the parser and what stands around it."""

from tests.support.gateway_fpga.faults_gateway import Group


def _parser(kind: str, first: str, *changes: tuple[str, str]) -> Group:
    top = "outcry_udp_parser"
    return Group(kind, top, top, "bench_udp_parser", first, changes)


SUMS = "largest_and_the_smallest|wrong_sum|right_sum|flipped_bit|every_count"
PARSER = (
    _parser(
        "a field of a header is looked at in part, or not at all",
        "each_reason|flipped_bit|of_two",
        ("head[119:112] != 8'h45;", "head[119:116] != 4'h4;"),
        ("head[119:112] != 8'h45;", "head[115:112] != 4'h5;"),
        ("head[165:160] != 6'd0 || head[175:168] != 8'd0;", "head[165:160] != 6'd0;"),
        ("head[165:160] != 6'd0 ||", "head[164:160] != 5'd0 ||"),
        ("head[191:184] != 8'd17;", "head[190:184] != 7'd17;"),
        ("!= udp_port;", "!= {udp_port[15:1], head[296]};"),
        ("head[367:336] != PACKET_MAGIC[31:0];", "head[359:336] != PACKET_MAGIC[23:0];"),
        ("head[399:368] != LAYOUT_HASH[31:0];", "1'b0;"),
        ("head[111:96] != 16'h0008;", "head[103:96] != 8'h08;"),
        ("a_first_seq == 64'd0 ||", ""),
        ("a_first_seq > MAX_FIRST_SEQ;", "a_first_seq >= MAX_FIRST_SEQ;"),
        ("a_count == 16'd0 || a_count >", "a_count >"),
        ("a_count > MAX_COUNT;", "a_count >= MAX_COUNT;"),
        ("a_kind != `OUTCRY_PACKET_KIND_ORDERS;", "1'b0;"),
        ("s_axis_tdata[111:96] == 16'h0081;", "s_axis_tdata[103:96] == 8'h81;"),
        ("h_vlan ? a_data[95:80] : a_data[63:48]", "a_data[63:48]"),
        ("h_vlan ? a_data[103:96] : a_data[71:64]", "a_data[71:64]"),
    ),
    _parser(
        "a length or a hole is one off",
        "every_length|every_size|a_hole|without_end|last_beat",
        ("(a_keep[63:1] & ~a_keep[62:0]) != 63'd0", "(a_keep[62:1] & ~a_keep[61:0]) != 62'd0"),
        ("|| (!a_last && !a_keep[63]);", ";"),
        ("a_hole || (!a_first && h_keep)", "a_hole"),
        ("b_index >= MAX_BEATS;", "b_index > MAX_BEATS;"),
        ("next_index != 5'd31", "next_index != 5'd23"),
        ("d_vlan ? 11'd46 : 11'd42", "11'd42"),
        ("c_vlan ? 17'd18 : 17'd14", "17'd14"),
        ("d_lengths_differ || {6'd0, d_bytes} !=", "{6'd0, d_bytes} !="),
        ("d_lengths_differ || {6'd0, d_bytes} != d_frame_length", "d_lengths_differ"),
        ("+ 17'd20;", "+ 17'd28;"),
        ("c_udp_length < 16'd40;", "c_udp_length <= 16'd40;"),
        ("{c_count, 6'd0} + 22'd40;", "{c_count, 6'd0} + 22'd32;"),
        ("{3'd0, a_keep[8*group+7]}", "4'd0"),
    ),
    _parser(
        "a sum leaves something out",
        SUMS,
        ("+ {2'd0, head[223:208]};", ";"),
        ("{1'b0, c_ip_sum[15:0]} + {13'd0, c_ip_sum[19:16]}", "{1'b0, c_ip_sum[15:0]}"),
        ("+ 17'h01100;", "+ 17'h00600;"),
        ("{9'd0, d_sum_0[24:16]}", "{10'd0, d_sum_0[23:16]}"),
        ("{9'd0, d_sum_1[24:16]}", "{13'd0, d_sum_1[20:16]}"),
        ("&& e_sum != 18'h1FFFE;", ";"),
        ("(word >= 13 && !a_vlan)", "(word >= 13)"),
        ("if (a_keep[2*word+1]) summed", "summed"),
        ("(c_first ? 25'd0 : d_sum_1)", "d_sum_1"),
        ("d_ip_sum != 17'h0FFFF;", "d_ip_sum[15:0] != 16'hFFFF;"),
        ("!e_no_checksum && e_sum", "e_sum"),
    ),
    _parser(
        "an order is lost, doubled, torn or let go too early",
        "mixed|every_count|full_queue|reset|without_end",
        ("free >= UNDER_WAY;", "free != {(DEPTH_LOG2+1){1'b0}};"),
        ("a_index - 5'd2;", "a_index - 5'd3;"),
        ("&& !h_count_wrong && a_order < h_count[4:0];", "&& !h_count_wrong;"),
        ("a_order < h_count[4:0];", "a_order <= h_count[4:0];"),
        ("{c_data[111:0], c_before[511:112]}", "{c_data[79:0], c_before[511:80]}"),
        ("= c_user;", "= b_user;"),
        ("order[`OUTCRY_ORDER_ERROR_CODE] = 16'd0;", ""),
        (".commit(e_last && outcome[REASON_NONE])", ".commit(e_last)"),
        (".discard(e_last && !outcome[REASON_NONE])", ".discard(1'b0)"),
        ("outcome & (~outcome + 19'd1)", "outcome"),
        ("            next_index <= 5'd0;\n        end else", "        end else"),
        ("            b_valid <= 1'b0;\n", ""),
        ("value != {COUNTER_WIDTH{1'b1}}", "1'b1"),
    ),
)

OTHERS = (
    Group(
        "a word is lost, doubled or kept",
        "outcry_packet_fifo",
        "outcry_packet_fifo",
        "bench_packet_fifo",
        ".",
        (
            ("if (discard) written <= committed;\n            else if", "if"),
            ("if (commit) committed <= written;", "if (commit) committed <= written + ONE;"),
            ("if (commit) committed <= written;", "if (commit || write) committed <= written;"),
            ("wire next = m_axis_tready || !out_valid;", "wire next = m_axis_tready;"),
            ("wire some = read != committed;", "wire some = read != written;"),
            ("if (next) out_valid <= some;", "if (next && some) out_valid <= 1'b1;"),
            ("DEPTH - (written - read);", "DEPTH - (written - committed);"),
            ("if (next) out_data <=", "if (next && some) out_data <="),
            ("            out_valid <= 1'b0;\n", ""),
        ),
    ),
    Group(
        "a beat is lost, doubled or taken in reset",
        "outcry_skid",
        "outcry_skid",
        "bench_skid",
        ".",
        (
            ("running && !skid_valid;", "!skid_valid;"),
            ("!out_valid || m_axis_tready;", "m_axis_tready;"),
            ("skid_valid ? skid_data : s_axis_tdata;", "s_axis_tdata;"),
            ("out_valid  <= skid_valid || take;", "out_valid  <= take;"),
            ("if (take) skid_data <=", "if (take && free) skid_data <="),
            ("            out_valid  <= 1'b0;\n", ""),
        ),
    ),
    Group(
        "a time is another packet's",
        "outcry_timestamp",
        "outcry_timestamp",
        "bench_timestamp",
        ".",
        (
            ("held ? held_ns : time_ns", "time_ns"),
            ("s_axis_tready && s_axis_tlast;", "s_axis_tlast;"),
            ("if (rst) held <= 1'b0;\n        else if", "if"),
            ("if (s_axis_tvalid) held_ns <=", "if (s_axis_tvalid && s_axis_tready) held_ns <="),
            ("held <= !ends;", "held <= 1'b1;"),
        ),
    ),
    Group(
        "a port is served twice, never or out of turn",
        "outcry_arbiter",
        "outcry_arbiter",
        "bench_arbiter",
        ".",
        (
            ("turn     <= (grant << 1) | (grant >> (PORTS - 1));", "turn     <= grant;"),
            ("turn     <= (grant << 1) | (grant >> (PORTS - 1));", "turn     <= FIRST;"),
            ("next_seq <= next_seq + 64'd1;", "next_seq <= next_seq + 64'd2;"),
            ("next_seq <= first_seq;", "next_seq <= 64'd1;"),
            ("ready ? grant : {PORTS{1'b0}};", "ready ? s_axis_tvalid : {PORTS{1'b0}};"),
            ("next_seq <= next_seq + 64'd1;", "next_seq[31:0] <= next_seq[31:0] + 32'd1;"),
            ("            turn     <= FIRST;\n", ""),
            ("order[`OUTCRY_ORDER_SEQ] = next_seq;", "order[479:448] = next_seq[31:0];"),
        ),
    ),
    Group(
        "a port is served twice, never or out of turn",
        "outcry_turn",
        "outcry_arbiter",
        "bench_arbiter",
        ".",
        (
            ("open = open && !requests[(from+step)%PORTS];", "open = open;"),
            ("open = turn[from];", "open = from == 0;"),
            ("if (open && requests", "if (open && step < 2 && requests"),
        ),
    ),
)

EXPLAINED: dict[tuple[str, str, str], str] = {
    (
        "outcry_packet_fifo",
        "if (next) out_data <=",
        "if (next && some) out_data <=",
    ): "no difference: a word that is not offered is not looked at",
    (
        "outcry_validator",
        "swap_now = row_swap && command_done && !rst;",
        "swap_now = row_swap && !rst;",
    ): "no difference: an order's rows are read with the edge that takes it, and while a command "
    "waits none is taken; the row is written before the next one is",
    (
        "outcry_udp_parser",
        "d_ip_sum != 17'h0FFFF;",
        "d_ip_sum[15:0] != 16'hFFFF;",
    ): "no difference: a sum of 16 bits and 4 is at most 1000E, whose lower half is not all ones "
    "once the upper bit is set",
    (
        "outcry_udp_parser",
        "a_order < h_count[4:0];",
        "a_order <= h_count[4:0];",
    ): "no difference: a beat more than the stated orders need is a frame of another length, of "
    "which every order is discarded",
    (
        "outcry_udp_parser",
        "value != {COUNTER_WIDTH{1'b1}}",
        "1'b1",
    ): "counters have 32 bits in this run and are not filled by frames; parser_counters_saturate "
    "proves that they stop",
    (
        "outcry_frame_fifo",
        "end else if (write_last || !fits) begin",
        "end else if (write_last) begin",
    ): "no difference: once a word had no room no later one of its frame has any, and the frame's "
    "end takes all of it back",
    (
        "outcry_frame_fifo",
        "released_gray <= next_released ^ (next_released >> 1);",
        "released_gray <= committed ^ (committed >> 1);",
    ): "bits that change at once arrive together in a simulation; the proof of the queue has that "
    "the code moves with what is let go, a word at a time",
    (
        "outcry_frame_fifo",
        "held = wanted || asked || answer_seen;",
        "held = wanted || asked;",
    ): "read, not proved: the reader opens while the writer is still empty, and finds it so",
    (
        "outcry_tags",
        "if (write) tags[next_write]",
        "tags[next_write]",
    ): "no difference: the place after the last order's is unused until it is written, and there "
    "are more places than orders in the gateway",
}
"""By fault: why no test of its module notices it; with "no difference" it is none."""
