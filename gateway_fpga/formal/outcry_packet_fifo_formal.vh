// SPDX-License-Identifier: Apache-2.0
// Properties of outcry_packet_fifo; the sentences stand in formal/properties.py.

reg f_started = 1'b0;
always @(posedge clk) f_started <= 1'b1;
always @* if (!f_started) assume (rst);

// What the writer promises; of the parser it is proved.
always @* begin
    assume (!write || free != 0);
    assume (!discard || (!write && !commit));
end

wire [DEPTH_LOG2:0] f_held    = written - read;
wire [DEPTH_LOG2:0] f_settled = committed - read;

// A place, any, is watched: a pointer with its lap bit.
(* anyconst *) reg [DEPTH_LOG2:0] f_watched;
reg [WIDTH-1:0] f_data;
wire [DEPTH_LOG2:0] f_ahead = f_watched - read;
wire f_is_held = f_ahead < f_held;

always @(posedge clk) if (write && written == f_watched) f_data <= write_data;


always @(posedge clk) if (f_started) begin
    fifo_never_overflows: assert (f_held <= DEPTH);
    fifo_free_is_exact: assert (free + f_held == DEPTH);
    fifo_only_committed_leaves: assert (f_settled <= f_held);
    f_word: assert (!f_is_held || words[f_watched[DEPTH_LOG2-1:0]] == f_data);
    fifo_order_kept:
        assert (!(out_valid && f_watched == read - ONE) || out_data == f_data);
    if (!$past(rst) && $past(m_axis_tvalid && !m_axis_tready))
        fifo_output_stable: assert (m_axis_tvalid && m_axis_tdata == $past(m_axis_tdata));
    if (!$past(rst) && $past(discard))
        fifo_discard_forgets: assert (written == committed && committed == $past(committed));
    if (!$past(rst) && $past(commit))
        fifo_commit_settles_all: assert (committed == $past(written));
    if (!$past(rst) && $past(some && (m_axis_tready || !out_valid)))
        fifo_one_word_a_cycle: assert (m_axis_tvalid && read == $past(read) + ONE);
    else if (!$past(rst))
        fifo_leaves_once: assert (read == $past(read) && (!m_axis_tvalid || $past(m_axis_tvalid && !m_axis_tready)));
end
