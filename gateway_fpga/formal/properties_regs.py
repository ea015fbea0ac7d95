# SPDX-License-Identifier: Apache-2.0
"""The properties of the registers (see ``properties.py``)."""

from openoutcry.gateway_fpga.formal.property import Property

REGS = (
    Property(
        "regs_shadow_holds_what_was_written",
        "outcry_regs",
        "A shadow word changes only by a whole write to it, and then to what was written.",
        (
            "<= given_whole\n                    && given_word == `OUTCRY_REG_ROW_SHADOW",
            "<= given_word == `OUTCRY_REG_ROW_SHADOW",
        ),
    ),
    Property(
        "regs_reset_disarms",
        "outcry_regs",
        "After a cycle of reset the gateway is not armed, whatever it was before.",
        ("armed_reg              <= 1'b0;", "armed_reg              <= armed_reg;"),
    ),
    Property(
        "regs_only_software_arms",
        "outcry_regs",
        "The gateway becomes armed only by a whole write to control with that bit.",
        (
            "armed_reg              <= write_data[`OUTCRY_CONTROL_ARMED];",
            "armed_reg              <= 1'b1;",
        ),
    ),
    Property(
        "regs_reset_clears",
        "outcry_regs",
        "After a cycle of reset settings, row and counters are 0, and nothing is under way.",
        ("rate_burst_ns_reg      <= 32'd0;", "rate_burst_ns_reg      <= rate_burst_ns_reg;"),
    ),
    Property(
        "regs_setting_holds_what_was_written",
        "outcry_regs",
        "A setting changes only by a whole write to it, and then to what was written.",
        (
            "given_whole && given_word == `OUTCRY_REG_RATE_BURST_NS",
            "given_word == `OUTCRY_REG_RATE_BURST_NS",
        ),
    ),
    Property(
        "regs_shadow_reads_back",
        "outcry_regs",
        "A read of a shadow word returns its value.",
        (
            "found_shadow0 <= picked(row_shadow_reg[511:0], read_nth);",
            "found_shadow0 <= picked(row_shadow_reg[511:0], {read_nth[14:0], read_nth[15]});",
        ),
    ),
    Property(
        "regs_setting_reads_back",
        "outcry_regs",
        "A read of a setting returns its value.",
        ("{32{read_status[9]}} & rate_interval_ns_reg", "{32{read_status[9]}} & rate_burst_ns_reg"),
    ),
    Property(
        "regs_frames_read_back",
        "outcry_regs",
        "A read of a port's counter of frames gives what the port counts.",
        ("frames[2015:1536]", "frames[1983:1504]"),
    ),
    Property(
        "regs_left_out_reads_back",
        "outcry_regs",
        "A read of a port's counter of records left out gives what the port counts.",
        ("picked({320'd0, left_out}, read_nth)", "picked({320'd0, left_out}, read_nth >> 1)"),
    ),
    Property(
        "regs_command_is_held",
        "outcry_regs",
        "Until the validator is done, a command and all that it uses stay unchanged.",
        ("write && !busy && write_to_shadow_word[n]", "write && write_to_shadow_word[n]"),
    ),
    Property(
        "regs_one_command_at_a_time",
        "outcry_regs",
        "No two commands are ever under way.",
        ("write && !busy && participant_fits", "write && participant_fits"),
    ),
    Property(
        "regs_command_ends",
        "outcry_regs",
        "A command that the validator has carried out is withdrawn.",
        ("if (command_done) begin", "if (command_done && !row_swap_reg) begin"),
    ),
    Property(
        "regs_answer_stable",
        "outcry_regs",
        "An answer to a write stays unchanged until it is taken.",
        ("if (write) bresp <=", "if (s_axil_awvalid) bresp <="),
    ),
    Property(
        "regs_read_stable",
        "outcry_regs",
        "An answer to a read, with its data, stays unchanged until it is taken.",
        ("else if (s_axil_rready) rvalid <= 1'b0;", "else rvalid <= 1'b0;"),
    ),
    Property(
        "regs_write_is_answered",
        "outcry_regs",
        "A write is answered in the second cycle, whatever it was: the bus never hangs.",
        ("if (write) bvalid <= 1'b1;", "if (write && write_allowed) bvalid <= 1'b1;"),
    ),
    Property(
        "regs_read_is_answered",
        "outcry_regs",
        "A read is answered in the third cycle, whatever it was, and only then is another taken.",
        ("if (found) rvalid <= 1'b1;", "if (found && rresp == OKAY) rvalid <= 1'b1;"),
    ),
    Property(
        "regs_refused_changes_nothing",
        "outcry_regs",
        "A write with an error answer has changed nothing and begun nothing.",
        ("write && !busy && row_fits", "write && row_fits"),
    ),
    Property(
        "regs_nowhere_is_an_error",
        "outcry_regs",
        "A write to an unused address is answered with DECERR.",
        (
            "write_allowed ? OKAY : write_somewhere ? SLVERR : DECERR",
            "write_allowed ? OKAY : SLVERR",
        ),
    ),
    Property(
        "regs_reasons_saturate",
        "outcry_regs",
        "A reason's counter counts each such order, stops at its highest value, never goes back.",
        ("if (counted_code[reason]\n", "if (counted_code[15-reason]\n"),
    ),
    Property(
        "regs_errors_saturate",
        "outcry_regs",
        "Bad accesses are counted, two at once among them, up to the highest value.",
        (
            "bad_next[COUNTER_BITS] ? COUNT_FULL : bad_next[COUNTER_BITS-1:0]",
            "bad_next[COUNTER_BITS-1:0]",
        ),
        parameters={"COUNTER_BITS": 2},
    ),
    Property(
        "regs_orders_counted",
        "outcry_regs",
        "Every order that leaves is counted once.",
        ("counting         <= count_valid;", "counting         <= count_valid && !write;"),
    ),
    Property(
        "regs_counters_read_back",
        "outcry_regs",
        "A read of a reason's counter, of errors or of orders' low word gives what was counted.",
        (
            "reason_count[n*COUNTER_BITS +: COUNTER_BITS]};",
            "reason_count[(15-n)*COUNTER_BITS +: COUNTER_BITS]};",
        ),
    ),
)
