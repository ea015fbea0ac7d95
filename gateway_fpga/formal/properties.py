# SPDX-License-Identifier: Apache-2.0
"""Every property of the RTL that is proved: its assertion's label, what it says, how to break it.

The assertions are in ``<module>_formal.vh`` in this folder. Assertions whose label begins with
``f_`` are steps of an induction: they are proved too, but say nothing to a user.
"""

from openoutcry.gateway_fpga.formal.properties_regs import REGS
from openoutcry.gateway_fpga.formal.property import Property

CARD = (
    Property(
        "queue_never_overflows",
        "outcry_frame_fifo",
        "No word is written over one that is still to leave, however the clocks run.",
        ("written - read_known != DEPTH;", "written - read_known <= DEPTH;"),
        depth=40,
    ),
    Property(
        "queue_only_committed_leaves",
        "outcry_frame_fifo",
        (
            "The reader never passes what was committed, nor what was released: nothing on "
            "trial leaves."
        ),
        ("(released != committed) ? ONE", "(released != written) ? ONE"),
        depth=20,
    ),
    Property(
        "queue_frame_is_whole",
        "outcry_frame_fifo",
        "What is committed of a frame is every word of it.",
        ("lost <= !fits && !write_last;", "lost <= 1'b0;"),
        depth=40,
    ),
    Property(
        "queue_order_kept",
        "outcry_frame_fifo",
        "The word that leaves is the last one written in its place: nothing changed or swapped.",
        ("if (write && fits) words", "if (write) words"),
        depth=40,
    ),
)
"""Modules between a MAC that cannot wait and the parser."""

__all__ = ["PROPERTIES", "Property"]

PROPERTIES = (
    Property(
        "skid_nothing_lost_or_doubled",
        "outcry_skid",
        "Beats taken less beats given are those inside, always.",
        ("end else if (take) begin", "end else if (take && !m_axis_tvalid) begin"),
    ),
    Property(
        "skid_order_kept",
        "outcry_skid",
        "The n-th beat out has the data of the n-th beat in.",
        ("skid_valid ? skid_data : s_axis_tdata", "s_axis_tdata"),
    ),
    Property(
        "skid_output_stable",
        "outcry_skid",
        "An offered beat stays unchanged until it is taken.",
        ("if (free) out_data <=", "out_data <="),
    ),
    Property(
        "skid_takes_nothing_in_reset",
        "outcry_skid",
        "After a cycle of reset nothing is offered and nothing taken.",
        ("running    <= 1'b0;", "running    <= 1'b1;"),
    ),
    Property(
        "skid_full_rate",
        "outcry_skid",
        "Ready, with the receiver ready, stays ready: a beat every cycle.",
        ("running && !skid_valid", "running && !out_valid"),
    ),
    Property(
        "timestamp_is_of_the_first_offer",
        "outcry_timestamp",
        "A packet's time is the counter in the first cycle its first beat was offered.",
        ("if (s_axis_tvalid) held_ns", "if (s_axis_tready) held_ns"),
    ),
    Property(
        "timestamp_one_a_packet",
        "outcry_timestamp",
        "All beats of a packet have the same time.",
        ("held ? held_ns : time_ns", "time_ns"),
    ),
    Property(
        "timestamp_never_goes_back",
        "outcry_timestamp",
        "While the counter does not go back, neither do the times of packets.",
        ("held ? held_ns : time_ns", "held ? held_ns : time_ns ^ {63'd0, s_axis_tlast}"),
    ),
    Property(
        "timestamp_output_stable",
        "outcry_timestamp",
        "An offered beat stays unchanged until it is taken.",
        ("if (free) out_data <=", "out_data <="),
        file="outcry_skid",
    ),
    Property(
        "arbiter_fair",
        "outcry_arbiter",
        "A port that asks waits for at most two orders of others.",
        ("(grant << 1) | (grant >> (PORTS - 1))", "turn"),
    ),
    Property(
        "arbiter_serves_one_at_a_time",
        "outcry_arbiter",
        "At most one port is served in a cycle, and only one that asks.",
        ("ready ? grant :", "ready ? grant | turn :"),
    ),
    Property(
        "arbiter_wastes_no_cycle",
        "outcry_arbiter",
        "If any port asks and there is room, one is served.",
        ("for (step = 32'd0; step < PORTS;", "for (step = 32'd0; from + step < PORTS;"),
        file="outcry_turn",
    ),
    Property(
        "arbiter_sequence_consecutive",
        "outcry_arbiter",
        "The orders that leave are numbered from first_seq on without a hole.",
        ("next_seq <= next_seq + 64'd1", "next_seq <= next_seq + {63'd0, grant[0]}"),
    ),
    Property(
        "arbiter_nothing_lost_or_doubled",
        "outcry_arbiter",
        "Of each port, orders taken less orders given are those inside.",
        (".s_axis_tdata({grant, order})", ".s_axis_tdata({turn, order})"),
    ),
    Property(
        "arbiter_order_kept",
        "outcry_arbiter",
        "The n-th order of a port that leaves is the n-th that came, all bits but its number.",
        ("{512{grant[port]}}", "{512{s_axis_tvalid[port]}}"),
    ),
    Property(
        "arbiter_output_stable",
        "outcry_arbiter",
        "An offered order stays unchanged until it is taken.",
        ("if (free) out_data <=", "out_data <="),
        file="outcry_skid",
    ),
    Property(
        "fifo_never_overflows",
        "outcry_packet_fifo",
        "A writer that looks at free never overwrites a word that is still to leave.",
        ("DEPTH - (written - read)", "DEPTH - (committed - read)"),
    ),
    Property(
        "fifo_free_is_exact",
        "outcry_packet_fifo",
        "Free and held words are always the whole queue.",
        ("DEPTH - (written - read)", "DEPTH - (written - committed)"),
    ),
    Property(
        "fifo_only_committed_leaves",
        "outcry_packet_fifo",
        "The reader never passes what was committed: no underflow, nothing on trial leaves.",
        ("read != committed", "read != written"),
    ),
    Property(
        "fifo_order_kept",
        "outcry_packet_fifo",
        "The word that leaves is the last one written in its place: nothing changed or swapped.",
        ("if (next) out_data <=", "out_data <="),
    ),
    Property(
        "fifo_leaves_once",
        "outcry_packet_fifo",
        "Nothing appears at the output that was not read from the queue.",
        ("if (next) out_valid <= some;", "if (some) out_valid <= some;"),
    ),
    Property(
        "fifo_one_word_a_cycle",
        "outcry_packet_fifo",
        "A committed word and a free output: it is offered in the next cycle.",
        ("m_axis_tready || !out_valid", "m_axis_tready"),
    ),
    Property(
        "fifo_discard_forgets",
        "outcry_packet_fifo",
        "After a discard only committed words are held.",
        ("written <= committed;", "written <= read;"),
    ),
    Property(
        "fifo_commit_settles_all",
        "outcry_packet_fifo",
        "After a commit all that was written before may leave.",
        ("committed <= written;", "committed <= written - ONE;"),
    ),
    Property(
        "fifo_output_stable",
        "outcry_packet_fifo",
        "An offered word stays unchanged until it is taken.",
        ("if (next) out_data <=", "out_data <="),
    ),
    Property(
        "parser_never_lets_go_half",
        "outcry_udp_parser",
        "A frame is released only with each of its 1 to 22 orders in the queue or left out.",
        ("{6'd0, d_bytes} != d_frame_length", "{6'd0, d_bytes} > d_frame_length"),
    ),
    Property(
        "parser_takes_only_our_packets",
        "outcry_udp_parser_data",
        (
            "Only whole IPv4 and UDP to this address, with the right magic, layout and "
            "sequence, is released."
        ),
        ("a_first_seq > MAX_FIRST_SEQ", "a_first_seq[63]"),
    ),
    Property(
        "parser_takes_only_packets_of_orders",
        "outcry_udp_parser",
        "Only a packet of orders is released, by its kind in the second beat.",
        ("a_kind != `OUTCRY_PACKET_KIND_ORDERS", "a_kind > `OUTCRY_PACKET_KIND_EVENTS"),
    ),
    Property(
        "parser_refused_leaves_nothing",
        "outcry_udp_parser",
        "After a refusal the queue holds nothing on trial.",
        (".discard(e_last && !outcome[REASON_NONE])", ".discard(e_last && outcome[REASON_KEEP])"),
    ),
    Property(
        "parser_order_is_the_frames",
        "outcry_udp_parser_data",
        (
            "An order is 64 consecutive bytes of its frame, with the ingress time and no "
            "verdict in it."
        ),
        ("order = c_vlan ?", "order = h_vlan ?"),
    ),
    Property(
        "parser_operators_records_stay_out",
        "outcry_udp_parser_data",
        "No order of participant 0 comes to the queue, with or without a VLAN tag.",
        ("b_participant == 16'd0;", "b_participant[7:0] == 8'd0 && !h_vlan;"),
    ),
    Property(
        "parser_no_packet_names_a_reserved_id",
        "outcry_udp_parser_data",
        "No order comes to the queue whose id only the venue allocates.",
        (
            "$signed(b_order_id) >= $signed(FIRST_RESERVED);",
            "b_order_id[63:62] == 2'b01;",
        ),
    ),
    Property(
        "parser_leaves_out_nothing_else",
        "outcry_udp_parser_data",
        "An order is left out by one of these two rules, the operator's first, and by no other.",
        ("b_reserved && !b_operator;", "b_reserved;"),
    ),
    Property(
        "parser_left_out_is_counted",
        "outcry_udp_parser",
        "With a frame that is taken, and with no other, the orders left out of it are counted.",
        ("else if (counted[REASON_NONE])", "else if (counted != 19'd0)"),
        depth=16,
    ),
    Property(
        "parser_queue_never_overflows",
        "outcry_udp_parser",
        "No order is written to a full queue.",
        ("UNDER_WAY = 5", "UNDER_WAY = 4"),
        depth=48,
        parameters={"DEPTH_LOG2": 5},
    ),
    Property(
        "parser_verdict_before_next_order",
        "outcry_udp_parser",
        "A frame's verdict is out before the next frame writes an order.",
        ("c_write <= b_write;", "c_write <= a_write;"),
    ),
    Property(
        "parser_one_verdict_a_frame",
        "outcry_udp_parser",
        "Every tlast taken leads to one verdict.",
        ("d_last  <= c_valid && c_last;", "d_last  <= c_last;"),
    ),
    Property(
        "parser_one_outcome_a_frame",
        "outcry_udp_parser",
        "Every verdict is counted under exactly one outcome.",
        ("outcome & (~outcome + 19'd1)", "outcome"),
    ),
    Property(
        "parser_counters_saturate",
        "outcry_udp_parser",
        "A counter counts each of its frames, stops at its largest value and never goes back.",
        ("counted[reason] && value != {COUNTER_WIDTH{1'b1}}", "counted[reason]"),
        parameters={"COUNTER_WIDTH": 1},
    ),
    Property(
        "parser_never_stuck",
        "outcry_udp_parser",
        "With nothing left to give, the parser is ready in the next cycle.",
        ("UNDER_WAY = 5", "UNDER_WAY = 32"),
    ),
    Property(
        "parser_output_stable",
        "outcry_udp_parser",
        "An offered order stays unchanged until it is taken.",
        ("if (next) out_data <=", "out_data <="),
        file="outcry_packet_fifo",
        depth=20,
    ),
    Property(
        "validator_output_stable",
        "outcry_validator",
        "An offered order stays unchanged until it is taken.",
        (
            "if (advance) begin\n            out_data ",
            "if (check_valid) begin\n            out_data ",
        ),
    ),
    Property(
        "validator_nothing_lost_or_doubled",
        "outcry_validator",
        "Orders taken less orders given are those in the four ranks, always.",
        ("s_axis_tvalid && running && !command;", "s_axis_tvalid;"),
    ),
    Property(
        "validator_latency_fixed",
        "outcry_validator",
        "An order is out after four moves of the pipeline, never more or fewer.",
        ("row_valid   <= read_valid;", "row_valid   <= read_valid && !check_valid;"),
    ),
    Property(
        "validator_order_kept",
        "outcry_validator",
        "The n-th order out has every bit of the n-th order in but its verdict.",
        ("row_data            <= read_data;", "row_data            <= s_axis_tdata;"),
    ),
    Property(
        "validator_full_rate",
        "outcry_validator",
        "Without a command, and the sink ready or nothing offered, an order is taken every cycle.",
        ("running && advance && !command;", "running && advance && !command && !read_valid;"),
    ),
    Property(
        "validator_takes_nothing_in_reset",
        "outcry_validator",
        "After a cycle of reset nothing is offered and nothing taken.",
        ("running     <= 1'b0;", "running     <= 1'b1;"),
    ),
    Property(
        "validator_command_between_orders",
        "outcry_validator",
        "A command is carried out between two orders: none is on its way to a table's use.",
        (
            "!command_done && !read_valid && !row_valid && !check_valid;",
            "!command_done && !read_valid && !row_valid;",
        ),
    ),
    Property(
        "validator_command_is_carried_out",
        "outcry_validator",
        "A command is carried out a cycle after the last order on its way has passed.",
        (
            "!command_done && !read_valid && !row_valid && !check_valid;",
            "!command_done && !read_valid && !row_valid && !check_valid && !out_valid;",
        ),
    ),
    Property(
        "validator_row_old_or_new",
        "outcry_validator",
        "An order reads the row as the last swap before it left it, all of its bits.",
        (
            "<= row_shadow[FIRST +: BITS];",
            "<= {row_shadow[FIRST+32 +: BITS-32], 32'd0};",
        ),
    ),
    Property(
        "validator_stall_freezes",
        "outcry_validator_stall",
        "While the sink holds the last rank, no rank changes: a verdict does not depend on stalls.",
        (
            "if (advance) begin\n            check_data ",
            "if (row_valid) begin\n            check_data ",
        ),
    ),
    Property(
        "flag_price_not_positive",
        "outcry_validator_flags",
        "Bit 0 is set exactly for a priced order whose price is not above 0, signed.",
        ("!read_price[63] && read_price != 64'd0", "read_price != 64'd0"),
    ),
    Property(
        "flag_price_above_limit",
        "outcry_validator_flags",
        "Bit 1 is set exactly for a priced order above its symbol's highest price, signed.",
        ("max_price < row_price;", "max_price <= row_price;"),
    ),
    Property(
        "flag_qty_not_positive",
        "outcry_validator_flags",
        "Bit 2 is set exactly for a sized order whose quantity is not above 0, signed.",
        ("!read_qty[63] && read_qty != 64'd0", "!read_qty[63]"),
    ),
    Property(
        "flag_qty_out_of_limits",
        "outcry_validator_flags",
        "Bit 3 is set exactly for a positive quantity outside its symbol's limits.",
        ("row_qty < min_qty ||", "row_qty <= min_qty ||"),
    ),
    Property(
        "flag_side",
        "outcry_validator_flags",
        "Bit 4 is set exactly for a side that its kind does not know.",
        ("read_side > `OUTCRY_SIDE_SELL", "read_side > 8'd3"),
    ),
    Property(
        "flag_order_type",
        "outcry_validator_flags",
        "Bit 5 is set exactly for a new order of an undeclared type.",
        ("read_type > `OUTCRY_ORDER_TYPE_TAKE_PROFIT_LIMIT", "read_type > 8'd24"),
    ),
    Property(
        "flag_time_in_force",
        "outcry_validator_flags",
        "Bit 6 is set exactly for a new order with an undeclared time in force or self-trade.",
        (
            "{5'd0, read_self_trade} > `OUTCRY_SELF_TRADE_DECREMENT",
            "{5'd0, read_self_trade} > 8'd5",
        ),
    ),
    Property(
        "flag_symbol",
        "outcry_validator_flags",
        "Bit 7 is set exactly when no row has the symbol's eight bytes, of kinds that name one.",
        ("symbol == row_symbol && row_symbol_given", "symbol == row_symbol"),
    ),
    Property(
        "flag_price_step",
        "outcry_validator_flags",
        "Bit 8 is set exactly for a positive price off its step (fives as looked up).",
        ("row_price_zeros < price_twos;", "row_price_zeros <= price_twos;"),
    ),
    Property(
        "flag_qty_step",
        "outcry_validator_flags",
        "Bit 9 is set exactly for a positive quantity off its step (fives as looked up).",
        ("row_qty_zeros < qty_twos;", "row_qty_zeros <= qty_twos;"),
    ),
    Property(
        "validator_fives_by_lookup",
        "outcry_validator_fives",
        "The tables say of every 18-bit sum of residues whether 5 to each power divides it.",
        (
            "lack5 = (lack / 32'd3125) % 32'd5",
            "lack5 = (lack / 32'd3125) % 32'd4",
        ),
    ),
    Property(
        "flag_collar",
        "outcry_validator_flags",
        "Bit 10 is set exactly when the scaled price is outside the row's products; bands by side.",
        ("(!by_side || row_new_sell)", "(!by_side || !row_new_buy)"),
    ),
    Property(
        "flag_collar_scale",
        "outcry_validator_flags",
        "The scaled price that bit 10 is found by is the order's price times 10,000, exactly.",
        ("{in_price[62:0], 4'd0} - {4'd0, in_price[62:0]}", "{in_price[62:0], 4'd0}"),
    ),
    Property(
        "flag_notional",
        "outcry_validator_flags",
        "Bit 11 is set exactly when the sum of the partial products is above the limit, 126 bits.",
        ("left[0] ? lower == 2'b10 : lower != 2'b00", "lower != 2'b00"),
    ),
    Property(
        "flag_participant",
        "outcry_validator_flags",
        (
            "Bit 12 is set exactly for an entry while disarmed or, if checked, without a "
            "participant bit that is on."
        ),
        ("check_participants && (read_outside || !read_bit)", "check_participants && !read_bit"),
    ),
    Property(
        "validator_refuses_unarmed",
        "outcry_validator_flags",
        "While the gateway is disarmed, no command that enters the book passes.",
        ("!armed || (check_participants", "(!armed && !read_bit) || (check_participants"),
    ),
    Property(
        "flag_halted",
        "outcry_validator_flags",
        "Bit 13 is set exactly for an entry into a halted symbol.",
        ("<= this_row[`OUTCRY_ROW_HALTED];", "<= 1'b0;"),
    ),
    Property(
        "flag_rate",
        "outcry_validator_rate",
        "Bit 14 is set exactly for an entry ahead of its rate by more than the burst.",
        ("row_rate_refused || |(row_is_from & over);", "row_rate_refused || over[0];"),
    ),
    Property(
        "rate_bucket_is_its_participants",
        "outcry_validator_rate",
        "A bucket advances by the interval with each order that it passes, and with nothing else.",
        (
            "assign taken_by = row_is_from & ~over;",
            "assign taken_by = row_is_from;",
        ),
    ),
    Property(
        "flag_kind",
        "outcry_validator_flags",
        "Bit 15 is set exactly for an undeclared kind, or an operator's kind from another "
        "participant.",
        (
            "read_of_the_house && read_participant != 16'd0",
            "read_of_the_house && read_participant[7:0] != 8'd0",
        ),
    ),
    *REGS,
    *CARD,
)
