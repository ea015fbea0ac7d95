// SPDX-License-Identifier: Apache-2.0
// Properties of outcry_skid; the sentences stand in formal/properties.py.

reg f_started = 1'b0;
always @(posedge clk) f_started <= 1'b1;
always @* if (!f_started) assume (rst);

// Beats in and out, modulo 8: more than can be inside.  One of them, any, is watched.
reg [2:0] f_in = 3'd0;
reg [2:0] f_out = 3'd0;
(* anyconst *) reg [2:0] f_watched;
reg [WIDTH-1:0] f_data;

always @(posedge clk) begin
    if (rst) begin
        f_in  <= 3'd0;
        f_out <= 3'd0;
    end else begin
        if (take) f_in <= f_in + 3'd1;
        if (m_axis_tvalid && m_axis_tready) f_out <= f_out + 3'd1;
        if (take && f_in == f_watched) f_data <= s_axis_tdata;
    end
end

wire [2:0] f_inside = f_in - f_out;

always @(posedge clk) if (f_started) begin
    skid_nothing_lost_or_doubled:
        assert (f_inside == {2'd0, out_valid} + {2'd0, skid_valid} && (out_valid || !skid_valid));
    skid_order_kept:
        assert (!(out_valid && f_out == f_watched) || out_data == f_data);
    f_skid_second:
        assert (!(skid_valid && f_out + 3'd1 == f_watched) || skid_data == f_data);
    if ($past(rst))
        skid_takes_nothing_in_reset: assert (!s_axis_tready && !m_axis_tvalid);
    if (!$past(rst) && $past(m_axis_tvalid && !m_axis_tready))
        skid_output_stable: assert (m_axis_tvalid && m_axis_tdata == $past(m_axis_tdata));
    if (!$past(rst) && $past(s_axis_tready && m_axis_tready))
        skid_full_rate: assert (s_axis_tready);
end
