// Properties of outcry_regs; the sentences stand in formal/properties.py.

reg f_started = 1'b0;
always @(posedge clk) f_started <= 1'b1;
always @* if (!f_started) assume (rst);

// The validator says done only of a command.
always @* assume (!command_done || row_swap || participant_set);

// Any one counter and any one word of the shadow.
(* anyconst *) reg [3:0] f_n;
(* anyconst *) reg [4:0] f_word;
always @* assume (f_word < 5'd18);
wire [COUNTER_BITS-1:0] f_reasons = reason_count[f_n*COUNTER_BITS +: COUNTER_BITS];
wire [COUNTER_BITS-1:0] f_events  = port_count[f_n*COUNTER_BITS +: COUNTER_BITS];
wire [31:0]             f_shadow  = row_shadow_reg[32*f_word +: 32];
wire f_writes_shadow = write && s_axil_wstrb == 4'b1111 && write_word == 10'd64 + {5'd0, f_word} && !busy;
wire f_writes_rate   = write && s_axil_wstrb == 4'b1111 && write_word == 10'd9;

always @(posedge clk) if (f_started && !$past(rst) && !rst) begin
    regs_shadow_holds_what_was_written:
        assert (f_shadow == ($past(f_writes_shadow) ? $past(s_axil_wdata) : $past(f_shadow)));
    regs_rate_holds_what_was_written:
        assert (rate_interval_ns == ($past(f_writes_rate) ? $past(s_axil_wdata)
                                                          : $past(rate_interval_ns)));
    if ($past(read && read_word == 10'd64 + {5'd0, f_word}))
        regs_shadow_reads_back: assert (s_axil_rvalid && s_axil_rresp == 2'b00
                                        && s_axil_rdata == $past(f_shadow));
    if ($past(read && read_word == 10'd9))
        regs_rate_reads_back: assert (s_axil_rvalid && s_axil_rresp == 2'b00
                                      && s_axil_rdata == $past(rate_interval_ns));
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
    if ($past(running && s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid))
        regs_write_is_answered: assert (s_axil_bvalid);
    if ($past(running && s_axil_arvalid && !s_axil_rvalid))
        regs_read_is_answered: assert (s_axil_rvalid);
    if ($past(write) && s_axil_bresp != 2'b00)
        regs_refused_changes_nothing:
            assert ($stable(f_shadow) && $stable(rate_interval_ns) && $stable(rate_burst_ns)
                    && $stable(check_participants) && $stable(row_index)
                    && (!row_swap || $past(row_swap)) && (!participant_set || $past(participant_set)));
    if ($past(write && write_word > 10'd48 && (write_word < 10'd64 || write_word > 10'd81)))
        regs_nowhere_is_an_error: assert (s_axil_bresp == 2'b11);
    regs_reasons_saturate:
        assert (f_reasons == $past(f_reasons)
                + ($past(counting && counted_code[f_n]) && $past(f_reasons) != COUNT_FULL));
    regs_events_saturate:
        assert (f_events == $past(f_events)
                + ($past(running && counted_events[f_n]) && $past(f_events) != COUNT_FULL));
    regs_errors_saturate:
        assert ($past(bad_count) > COUNT_FULL - 2
                ? bad_count >= $past(bad_count)
                : bad_count == $past(bad_count) + $past(write_bad) + $past(read_bad));
    regs_orders_counted: assert (order_count == $past(order_count) + $past(counting));
end
