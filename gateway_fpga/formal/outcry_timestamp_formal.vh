// SPDX-License-Identifier: Apache-2.0
// Properties of outcry_timestamp; the sentences stand in formal/properties.py.

reg f_started = 1'b0;
always @(posedge clk) f_started <= 1'b1;
always @* if (!f_started) assume (rst);

// Inside the stage, found by name after flattening.
(* hierconn *) wire         \stage.out_valid ;
(* hierconn *) wire         \stage.skid_valid ;
(* hierconn *) wire [640:0] \stage.skid_data ;
wire         f_second      = \stage.skid_valid ;
wire         f_second_last = \stage.skid_data [576];
wire [63:0]  f_second_ns   = \stage.skid_data [640:577];

// The sender keeps to AXI-Stream.
always @(posedge clk) if (f_started && !$past(rst) && $past(s_axis_tvalid && !s_axis_tready))
    assume (s_axis_tvalid && s_axis_tlast == $past(s_axis_tlast));

// What the time was when the packet that is being taken was first offered.
reg        f_offered = 1'b0;
reg [63:0] f_offered_ns;
wire [63:0] f_first_ns = f_offered ? f_offered_ns : time_ns;
always @(posedge clk) begin
    if (rst) f_offered <= 1'b0;
    else if (s_axis_tvalid) begin
        f_offered    <= !(s_axis_tready && s_axis_tlast);
        f_offered_ns <= f_first_ns;
    end
end

// The packet whose beats leave.
reg        f_inside = 1'b0;
reg [63:0] f_inside_ns;
// When the last packet that was taken had been offered.
reg [63:0] f_before_ns;
reg        f_before = 1'b0;
reg [63:0] f_time_ns;
always @(posedge clk) begin
    f_time_ns <= time_ns;
    if (rst) begin
        f_inside <= 1'b0;
        f_before <= 1'b0;
    end else if (m_axis_tvalid && m_axis_tready) begin
        f_inside    <= !m_axis_tlast;
        f_inside_ns <= m_axis_tuser;
        f_before    <= 1'b1;
        f_before_ns <= m_axis_tuser;
    end
end
// The counter does not go back.
always @(posedge clk) if (f_started) assume (time_ns >= f_time_ns);

always @(posedge clk) if (f_started) begin
    f_held: assert (held == f_offered && (!held || held_ns == f_offered_ns));
    if (s_axis_tvalid)
        timestamp_is_of_the_first_offer: assert (stamp_ns == f_first_ns);
    if (m_axis_tvalid && f_inside)
        timestamp_one_a_packet: assert (m_axis_tuser == f_inside_ns);
    if (m_axis_tvalid && f_before)
        timestamp_never_goes_back: assert (m_axis_tuser >= f_before_ns);
    if (!$past(rst) && $past(m_axis_tvalid && !m_axis_tready))
        timestamp_output_stable:
            assert (m_axis_tvalid && m_axis_tdata == $past(m_axis_tdata)
                    && m_axis_tkeep == $past(m_axis_tkeep) && m_axis_tlast == $past(m_axis_tlast)
                    && m_axis_tuser == $past(m_axis_tuser));

    // From the door to the exit, beat by beat.
    f_exit: assert (!(f_inside && !m_axis_tvalid) || (held && held_ns == f_inside_ns));
    f_first: assert (!(m_axis_tvalid && !f_second && !m_axis_tlast)
                     || (held && held_ns == m_axis_tuser));
    f_pair: assert (!(m_axis_tvalid && f_second && !m_axis_tlast) || f_second_ns == m_axis_tuser);
    f_last: assert (!(f_second && !f_second_last) || (held && held_ns == f_second_ns));
    f_past_0: assert (!f_before || f_before_ns <= f_time_ns);
    f_past_1: assert (!m_axis_tvalid || m_axis_tuser <= f_time_ns);
    f_past_2: assert (!f_second || f_second_ns <= f_time_ns);
    f_past_3: assert (!f_second || f_second_ns >= m_axis_tuser);
    f_past_4: assert (!held || held_ns <= f_time_ns);
    f_past_5: assert (!(held && f_before) || held_ns >= f_before_ns);
    f_past_6: assert (!(held && m_axis_tvalid) || held_ns >= m_axis_tuser);
    f_past_7: assert (!(held && f_second) || held_ns >= f_second_ns);
    f_same: assert (!f_inside || (f_before && f_inside_ns == f_before_ns));
end
