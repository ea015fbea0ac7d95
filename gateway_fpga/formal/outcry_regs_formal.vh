// SPDX-License-Identifier: Apache-2.0
// Properties of outcry_regs; the sentences stand in formal/properties.py.

reg f_started = 1'b0;
always @(posedge clk) f_started <= 1'b1;
always @* if (!f_started) assume (rst);

// The validator says done only of a command.
always @* assume (!command_done || row_swap || participant_set);

// Any one counter and any one word of the shadow.
(* anyconst *) reg [3:0] f_n;
(* anyconst *) reg [4:0] f_word;
(* anyconst *) reg [5:0] f_frame;
(* anyconst *) reg [2:0] f_left;
always @* assume (f_word < 5'd18 && f_frame < 6'd63 && f_left < 3'd6);
wire [COUNTER_BITS-1:0] f_reasons = reason_count[f_n*COUNTER_BITS +: COUNTER_BITS];
wire [31:0]             f_shadow  = row_shadow_reg[32*f_word +: 32];
// Of the write that is being carried out: all of its strobes, and whether it was asked.
reg f_whole, f_asked;
reg [9:0] f_write_word, f_read_word;
always @(posedge clk) begin
    if (read) f_read_word <= s_axil_araddr[11:2];
    if (write_asked) f_write_word <= s_axil_awaddr[11:2];
    if (write_asked) f_whole <= &s_axil_wstrb;
    f_asked <= s_axil_awvalid && s_axil_awready && s_axil_wvalid && s_axil_wready && !rst;
end
wire f_writes_shadow = write && f_whole && f_write_word == 10'd64 + {5'd0, f_word} && !busy;

// Any one of the other registers that can be written.
(* anyconst *) reg [9:0] f_setting;
always @* assume (f_setting == 10'd8 || f_setting == 10'd9 || f_setting == 10'd10 || f_setting == 10'd14);
wire [31:0] f_value = f_setting == 10'd8 ? {30'd0, armed, check_participants}
                      : f_setting == 10'd9 ? rate_interval_ns
                      : f_setting == 10'd10 ? rate_burst_ns : {{30-SLOT_BITS{1'b0}}, row_index};
wire f_sets = write && f_whole && f_write_word == f_setting
              && (f_setting != 10'd14 || (!busy && write_data < 3 * (1 << SLOT_BITS)));
wire [31:0] f_set_to = f_setting == 10'd8 ? {30'd0, write_data[1:0]} : write_data;

// What stood there when the read was under way.
reg [31:0] f_shadow_then, f_frame_then, f_left_then, f_value_then;
reg [COUNTER_BITS-1:0] f_reasons_then, f_bad_then;
reg [31:0] f_orders_then;
always @(posedge clk) begin
    f_reasons_then <= f_reasons;
    f_bad_then     <= bad_count;
    f_orders_then  <= order_count[31:0];
    f_shadow_then <= f_shadow;
    f_frame_then  <= frames[32*f_frame +: 32];
    f_left_then   <= left_out[32*f_left +: 32];
    f_value_then  <= f_value;
end

// What the documentation says of a reset, whatever stood there before.
always @(posedge clk) if (f_started && $past(rst)) begin
    regs_reset_disarms: assert (!armed);
    regs_reset_clears:
        assert (f_value == 32'd0 && f_shadow == 32'd0 && f_reasons == {COUNTER_BITS{1'b0}}
                && bad_count == {COUNTER_BITS{1'b0}} && order_count == {ORDER_COUNT_BITS{1'b0}}
                && !row_swap && !participant_set && !s_axil_bvalid && !s_axil_rvalid);
end

always @(posedge clk) if (f_started && !$past(rst) && !rst) begin
    if (armed && !$past(armed))
        regs_only_software_arms:
            assert ($past(write && f_whole && f_write_word == 10'd8 && write_data[1]));
    regs_shadow_holds_what_was_written:
        assert (f_shadow == ($past(f_writes_shadow) ? $past(write_data) : $past(f_shadow)));
    regs_setting_holds_what_was_written:
        assert (f_value == ($past(f_sets) ? $past(f_set_to) : $past(f_value)));
    if ($past(found) && f_read_word == 10'd64 + {5'd0, f_word})
        regs_shadow_reads_back: assert (s_axil_rvalid && s_axil_rresp == 2'b00
                                        && s_axil_rdata == $past(f_shadow_then));
    if ($past(found) && f_read_word == 10'd128 + {4'd0, f_frame})
        regs_frames_read_back: assert (s_axil_rvalid && s_axil_rresp == 2'b00
                                       && s_axil_rdata == $past(f_frame_then));
    if ($past(found) && f_read_word == 10'd192 + {7'd0, f_left})
        regs_left_out_reads_back: assert (s_axil_rvalid && s_axil_rresp == 2'b00
                                          && s_axil_rdata == $past(f_left_then));
    if ($past(found) && f_read_word == f_setting)
        regs_setting_reads_back: assert (s_axil_rvalid && s_axil_rresp == 2'b00
                                         && s_axil_rdata == $past(f_value_then));
    if ($past(found) && (f_read_word == 10'd16 + {6'd0, f_n} || f_read_word == 10'd11
                         || f_read_word == 10'd12))
        regs_counters_read_back:
            assert (s_axil_rvalid && s_axil_rresp == 2'b00
                    && s_axil_rdata == (f_read_word == 10'd12 ? $past(f_orders_then)
                                        : f_read_word == 10'd11 ? $past(f_bad_then)
                                        : $past(f_reasons_then)));
    if ($past(busy && !command_done))
        regs_command_is_held:
            assert ($stable(row_swap) && $stable(participant_set) && $stable(row_index)
                    && $stable(participant_index) && $stable(participant_on)
                    && $stable(f_shadow));
    regs_one_command_at_a_time: assert (!(row_swap && participant_set));
    if ($past(row_swap || participant_set) && $past(command_done))
        regs_command_ends: assert (!row_swap && !participant_set);
    if ($past(s_axil_bvalid && !s_axil_bready))
        regs_answer_stable: assert (s_axil_bvalid && $stable(s_axil_bresp));
    if ($past(s_axil_rvalid && !s_axil_rready))
        regs_read_stable: assert (s_axil_rvalid && $stable(s_axil_rresp) && $stable(s_axil_rdata));
    regs_write_is_answered:
        assert (write == f_asked && (s_axil_bvalid || !$past(write))
                && (write_asked || write || s_axil_bvalid || !s_axil_awvalid || !s_axil_wvalid));
    if (asked) f_read: assert (f_read_word == $past(s_axil_araddr[11:2]));
    if (asked || found)
        f_read_known: assert (read_group == f_read_word[9:4]
                        && read_nth == 16'd1 << f_read_word[3:0]
                        && read_status == (f_read_word < 10'd16 ? 16'd1 << f_read_word[3:0] : 16'd0)
                        && read_somewhere == (f_read_word <= 10'd32 || (f_read_word >= 10'd64 && f_read_word < 10'd82)
                                              || (f_read_word >= 10'd128 && f_read_word < 10'd191)
                                              || (f_read_word >= 10'd192 && f_read_word < 10'd198))
                        && read_allowed == (read_somewhere && f_read_word != 10'd15 && f_read_word != 10'd32));
    if (found) f_answer: assert (rresp == (read_allowed ? OKAY : read_somewhere ? SLVERR : DECERR));
    f_one_write: assert (!(write && s_axil_bvalid));
    if (write)
        f_write: assert (f_write_word == $past(s_axil_awaddr[11:2]) && write_data == $past(s_axil_wdata)
                         && write_to_control == (f_whole && f_write_word == 10'd8)
                         && write_to_rate_interval == (f_whole && f_write_word == 10'd9)
                         && write_to_rate_burst == (f_whole && f_write_word == 10'd10)
                         && write_to_row_index == (f_whole && f_write_word == 10'd14)
                         && write_to_row_swap == (f_whole && f_write_word == 10'd15)
                         && write_to_participant_set == (f_whole && f_write_word == 10'd32)
                         && write_to_shadow == (f_whole && f_write_word >= 10'd64 && f_write_word < 10'd82)
                         && write_to_shadow_word[f_word] == (f_whole && f_write_word == 10'd64 + {5'd0, f_word})
                         && write_somewhere == (f_write_word <= 10'd32 || (f_write_word >= 10'd64 && f_write_word < 10'd82)
                                                || (f_write_word >= 10'd128 && f_write_word < 10'd191)
                                                || (f_write_word >= 10'd192 && f_write_word < 10'd198))
                         && f_whole == $past(&s_axil_wstrb)
                         && row_fits == (write_data < 3 * (1 << SLOT_BITS))
                         && participant_fits == (write_data[15:0] < (1 << PARTICIPANT_BITS)));
    regs_read_is_answered:
        assert (asked == $past(s_axil_arvalid && s_axil_arready) && found == $past(asked)
                && (s_axil_rvalid || !$past(found)) && (s_axil_arready || asked || found || s_axil_rvalid));
    f_one_read: assert ({1'b0, asked} + {1'b0, found} + {1'b0, s_axil_rvalid} <= 2'd1);
    if ($past(write) && s_axil_bresp != 2'b00)
        regs_refused_changes_nothing:
            assert ($stable(f_shadow) && $stable(rate_interval_ns) && $stable(rate_burst_ns)
                    && $stable(armed) && $stable(check_participants) && $stable(row_index)
                    && (!row_swap || $past(row_swap)) && (!participant_set || $past(participant_set)));
    if ($past(write && (f_write_word > 10'd32 && f_write_word < 10'd64 || f_write_word > 10'd81 && f_write_word < 10'd128
                        || f_write_word == 10'd191 || f_write_word >= 10'd198)))
        regs_nowhere_is_an_error: assert (s_axil_bresp == 2'b11);
    regs_reasons_saturate:
        assert (f_reasons == $past(f_reasons)
                + ($past(counting && counted_code[f_n]) && $past(f_reasons) != COUNT_FULL)
                && counting == $past(count_valid) && counted_code == $past(count_code));
    f_counting: assert (counting_reasons == (counting && counted_code != 16'd0));
    regs_errors_saturate:
        assert ($past(bad_count) > COUNT_FULL - 2
                ? bad_count >= $past(bad_count)
                : bad_count == $past(bad_count) + $past(was_write_bad) + $past(was_read_bad));
    f_bad: assert (was_write_bad == $past(write_bad) && was_read_bad == $past(read_bad));
    // An order that leaves in this cycle is counted in the next but one, whatever the bus does.
    regs_orders_counted:
        assert (order_count == $past(order_count) + $past(counting) && counting == $past(count_valid));
end
