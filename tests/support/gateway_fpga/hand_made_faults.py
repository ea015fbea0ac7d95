"""Faults made by hand that a bench once did not notice, or that a change could bring back.

Each is one text of the RTL and what it is replaced by, with the class of faults that it stands for
and the tests of the module's own bench that must notice it (test_hand_made_faults.py).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """``file`` has ``old`` once; ``tests`` of ``bench`` are run on ``toplevel``."""

    name: str
    kind: str
    file: str
    old: str
    new: str
    bench: str
    toplevel: str
    tests: tuple[str, ...]


# A case stands in a test's name by its number: `=3` is the fourth of the parameter's values.
def _gateway(name: str, kind: str, file: str, old: str, new: str, *tests: str) -> Fault:
    return Fault(
        name, kind, file, old, new, "bench_gateway_edges,bench_gateway_bus", "outcry_gateway", tests
    )


def _parser(name: str, kind: str, old: str, new: str, *tests: str) -> Fault:
    top = "outcry_udp_parser"
    return Fault(name, kind, top, old, new, "bench_udp_parser", top, tests)


def _door(name: str, old: str, new: str, *tests: str) -> Fault:
    top = "outcry_udp_parser"
    return Fault(
        name, DOOR, top, old, new, "bench_door", top, tests or ("a_record_is_left_out_at_every",)
    )


SETTINGS = "a setting counts for another order than it should"
COMMAND = "a command is carried out beside an order that is still on its way"
REFUSED = "a refused write changes something"
STROBES = "a write of part of a word is taken for a whole one"
ALIAS = "a number beyond the end is another's within it"
RESET = "a register is not reset, or the reset opens what it should close"
LOST = "an order is lost"
WRITE = "a table is written when nobody said so"
FRAME = "a frame is taken that should be refused, or refused for another reason"
VERDICT = "a check is left out"
DOOR = "a record that no network may bring goes on, or is counted wrongly"

VALIDATOR, REGS = "outcry_validator", "outcry_regs"

FAULTS = (
    _gateway(
        "participants' check read a rank late",
        SETTINGS,
        VALIDATOR,
        "            check_participant_off <= row_participant_off;",
        "            check_participant_off <= check_participants && row_participant_off;",
        "a_setting_counts.*=1$",
    ),
    _gateway(
        "armed read a rank late",
        SETTINGS,
        VALIDATOR,
        "            check_participant_off <= row_participant_off;",
        "            check_participant_off <= row_participant_off || !armed;",
        "a_setting_counts.*=3$",
    ),
    _gateway(
        "rate's burst read a rank early",
        SETTINGS,
        VALIDATOR,
        "row_now_burst       <= {1'b0, read_now} + {31'd0, rate_burst_ns};",
        "row_now_burst       <= {1'b0, read_now} + {31'd0, late_burst};\n"
        "        end\n    end\n    reg [31:0] late_burst;\n"
        "    always @(posedge clk) begin\n        if (advance) begin\n"
        "            late_burst          <= rate_burst_ns;",
        "a_setting_counts.*=5$",
    ),
    _gateway(
        "rate's interval of outsiders read a rank late",
        SETTINGS,
        VALIDATOR,
        "    wire read_asked = read_valid && read_mask[`OUTCRY_ERROR_BIT_RATE] && !read_outside\n"
        "                      && rate_interval_ns != 32'd0;",
        "    reg  late_on;\n"
        "    always @(posedge clk) if (advance) late_on <= rate_interval_ns != 32'd0;\n"
        "    wire read_asked = read_valid && read_mask[`OUTCRY_ERROR_BIT_RATE] && !read_outside\n"
        "                      && late_on;",
        "a_setting_counts.*=6$",
    ),
    _gateway(
        "command while an order is in rank 3",
        COMMAND,
        VALIDATOR,
        "!read_valid && !row_valid && !check_valid;",
        "!read_valid && !row_valid;",
        "a_command_waits_for_an_order_held",
    ),
    _gateway(
        "row_index moves though refused for its number",
        REFUSED,
        REGS,
        "if (write && !busy && row_fits && write_to_row_index)",
        "if (write && !busy && write_to_row_index)",
        "the_ends_of_every_index",
    ),
    _gateway(
        "row_index moves while a command waits",
        REFUSED,
        REGS,
        "if (write && !busy && row_fits && write_to_row_index)",
        "if (write && row_fits && write_to_row_index)",
        "row_index_stays",
    ),
    _gateway(
        "strobes without byte 0",
        STROBES,
        REGS,
        "given_whole = s_axil_wstrb == 4'b1111;",
        "given_whole = s_axil_wstrb[3:1] == 3'b111;",
        "only_whole_words",
    ),
    _gateway(
        "strobes without byte 3",
        STROBES,
        REGS,
        "given_whole = s_axil_wstrb == 4'b1111;",
        "given_whole = s_axil_wstrb[2:0] == 3'b111;",
        "only_whole_words",
    ),
    _gateway(
        "row_swap by part of a word",
        STROBES,
        REGS,
        "write_to_row_swap        <= given_whole &&",
        "write_to_row_swap        <= (|s_axil_wstrb) &&",
        "only_whole_words",
    ),
    _gateway(
        "participant 1024 taken for 0",
        ALIAS,
        REGS,
        "participant_fits <= {16'd0, s_axil_wdata[15:0]} < PARTICIPANTS;",
        "participant_fits <= {16'd0, s_axil_wdata[15:0]} <= PARTICIPANTS;",
        "the_ends_of_every_index",
    ),
    _gateway(
        "the row behind the last taken",
        ALIAS,
        REGS,
        "row_fits         <= s_axil_wdata < ROWS;",
        "row_fits         <= s_axil_wdata <= ROWS;",
        "the_ends_of_every_index",
    ),
    _gateway(
        "high bits of row_index not looked at",
        ALIAS,
        REGS,
        "row_fits         <= s_axil_wdata < ROWS;",
        "row_fits         <= {16'd0, s_axil_wdata[15:0]} < ROWS;",
        "the_ends_of_every_index",
    ),
    _gateway(
        "a reset leaves it armed",
        RESET,
        REGS,
        "armed_reg              <= 1'b0;",
        "armed_reg              <= armed_reg;",
        "a_reset_at_any_cycle",
    ),
    _gateway(
        "armed by the participants' check",
        RESET,
        REGS,
        "armed_reg              <= write_data[`OUTCRY_CONTROL_ARMED];",
        "armed_reg              <= write_data[`OUTCRY_CONTROL_CHECK_PARTICIPANTS];",
        "only_the_armed_bit",
    ),
    _gateway(
        "not armed, the participant's bit decides",
        RESET,
        VALIDATOR,
        "!armed || (check_participants",
        "(!armed && !read_bit) || (check_participants",
        "only_the_armed_bit",
    ),
    _gateway(
        "a row follows the shadow in one bit",
        WRITE,
        VALIDATOR,
        "if (write) rows[row_index[SLOT_BITS-1:0]] <= row_shadow[FIRST +: BITS];",
        "if (write) rows[row_index[SLOT_BITS-1:0]] <= row_shadow[FIRST +: BITS];\n"
        "                    else rows[row_index[SLOT_BITS-1:0]][9] <= row_shadow[FIRST + 9];",
        "a_row_does_not_follow",
    ),
    Fault(
        "an order is lost in rank 2",
        LOST,
        VALIDATOR,
        "row_valid   <= read_valid;",
        "row_valid   <= read_valid && read_data[15:0] != 16'h0001;",
        "bench_gateway",
        "outcry_gateway",
        ("latency_is_four",),
    ),
    Fault(
        "the verdict is the constant 0",
        VERDICT,
        VALIDATOR,
        "wire [15:0] verdict = code & check_mask;",
        "wire [15:0] verdict = 16'd0;",
        "bench_gateway",
        "outcry_gateway",
        ("latency_is_four",),
    ),
    Fault(
        "free is one low once something was written",
        LOST,
        "outcry_packet_fifo",
        "assign free          = DEPTH - (written - read);",
        "assign free          = DEPTH - (written - read) - (written != read ? ONE : 0);",
        "bench_packet_fifo",
        "outcry_packet_fifo",
        ("free_is_what_fits",),
    ),
    Fault(
        "skid_valid is not reset",
        RESET,
        "outcry_skid",
        "            skid_valid <= 1'b0;\n            running ",
        "            running ",
        "bench_skid",
        "outcry_skid",
        ("a_reset_empties_it",),
    ),
    _parser(
        "a service provider's tag taken for ours",
        FRAME,
        "s_axis_tdata[111:96] == 16'h0081;",
        "s_axis_tdata[111:96] == 16'h0081 || s_axis_tdata[111:96] == 16'hA888;",
        "one_tag_is_a_vlan_tag",
    ),
    _parser(
        "a last beat without a byte is no hole",
        FRAME,
        "wire a_hole = !a_keep[0] || ",
        "wire a_hole = (!a_keep[0] && !a_last) || ",
        "a_last_beat_of_nothing",
    ),
    _parser(
        "no checksum if its first byte is 0",
        FRAME,
        "h_no_checksum  <= head[335:320] == 16'd0;",
        "h_no_checksum  <= head[327:320] == 8'd0;",
        "no_checksum_is_two",
    ),
    _door("participant 0 goes on", ".write(c_write && !c_operator &&", ".write(c_write &&"),
    _door(
        "participant 0 goes on behind a VLAN tag",
        "b_participant == 16'd0;",
        "b_participant == 16'd0 && !h_vlan;",
    ),
    _door(
        "half of a participant's number is looked at",
        "b_participant == 16'd0;",
        "b_participant[7:0] == 8'd0;",
        "participant_0_is_all",
    ),
    _door(
        "a reserved id goes on",
        ".write(c_write && !c_operator && !c_reserved)",
        ".write(c_write && !c_operator)",
    ),
    _door(
        "a reserved id goes on behind a VLAN tag",
        "b_reserved && !b_operator;",
        "b_reserved && !b_operator && !h_vlan;",
    ),
    _door(
        "ids are compared without their sign",
        "$signed(b_order_id) >= $signed(FIRST_RESERVED)",
        "b_order_id >= FIRST_RESERVED",
        "the_ends_of_the_reserved_ids",
    ),
    _door(
        "the first reserved id goes on",
        "$signed(b_order_id) >= $signed(FIRST_RESERVED)",
        "$signed(b_order_id) > $signed(FIRST_RESERVED)",
        "the_ends_of_the_reserved_ids",
    ),
    _door(
        "records of refused frames are counted",
        "else if (counted[REASON_NONE])",
        "else if (counted != 19'd0)",
        "a_refused_frame_leaves",
    ),
    _door(
        "records of a refused frame are counted with the next",
        "if (rst || e_last) begin",
        "if (rst || (e_last && outcome[REASON_NONE])) begin",
        "a_refused_frame_leaves",
    ),
    _door(
        "a record that both rules bar is counted twice",
        "b_reserved && !b_operator;",
        "b_reserved;",
    ),
    _door(
        "a counter of records begins again behind its end",
        "next[COUNTER_WIDTH+4:COUNTER_WIDTH] != 5'd0 ?",
        "1'b0 ?",
        "a_full_counter_stays_full",
    ),
    _parser(
        "no checksum if its second byte is 0",
        FRAME,
        "h_no_checksum  <= head[335:320] == 16'd0;",
        "h_no_checksum  <= head[335:328] == 8'd0;",
        "no_checksum_is_two",
    ),
)
