// SPDX-License-Identifier: Apache-2.0
// Properties of outcry_arbiter; the sentences stand in formal/properties.py.

reg f_started = 1'b0;
always @(posedge clk) f_started <= 1'b1;
always @* if (!f_started) assume (rst);

// Inside the stage, found by name after flattening.
(* hierconn *) wire                 \stage.skid_valid ;
(* hierconn *) wire [PORTS+511:0]   \stage.skid_data ;
wire             f_second       = \stage.skid_valid ;
wire [511:0]     f_second_data  = \stage.skid_data [511:0];
wire [PORTS-1:0] f_second_port  = \stage.skid_data [PORTS+511:512];

// The senders keep to AXI-Stream.
integer f_i;
always @(posedge clk) if (f_started && !$past(rst))
    for (f_i = 0; f_i < PORTS; f_i = f_i + 1)
        if ($past(s_axis_tvalid[f_i] && !s_axis_tready[f_i])) assume (s_axis_tvalid[f_i]);

// One port, any, is watched, and of its orders one, any.
(* anyconst *) reg [PORTS-1:0] f_port;
always @* assume (f_port != 0 && (f_port & (f_port - 1'b1)) == 0);
wire f_asks   = (s_axis_tvalid & f_port) != 0;
wire f_served = (s_axis_tvalid & s_axis_tready & f_port) != 0;
wire f_any    = (s_axis_tvalid & s_axis_tready) != 0;
wire f_left   = m_axis_tvalid && m_axis_tready && m_axis_tuser == f_port;

reg [2:0]   f_in = 3'd0;
reg [2:0]   f_out = 3'd0;
(* anyconst *) reg [2:0] f_watched;
reg [447:0] f_data;
reg [511:0] f_asked;
always @* begin
    f_asked = 512'd0;
    for (f_i = 0; f_i < PORTS; f_i = f_i + 1)
        if (f_port[f_i]) f_asked = s_axis_tdata[512*f_i +: 512];
end
// How many orders of others passed while it asked.
reg [3:0]   f_waited = 4'd0;
// The number that the next order to leave must have.
reg [63:0]  f_seq;

always @(posedge clk) begin
    if (rst) begin
        f_in     <= 3'd0;
        f_out    <= 3'd0;
        f_waited <= 4'd0;
        f_seq    <= first_seq;
    end else begin
        if (f_served) f_in <= f_in + 3'd1;
        if (f_left) f_out <= f_out + 3'd1;
        if (f_served && f_in == f_watched) f_data <= f_asked[447:0];
        if (!f_asks || f_served) f_waited <= 4'd0;
        else if (f_any) f_waited <= f_waited + 4'd1;
        if (m_axis_tvalid && m_axis_tready) f_seq <= f_seq + 64'd1;
    end
end

// Steps from the turn on to the watched port.
reg [3:0] f_steps;
reg [PORTS-1:0] f_walk;
always @* begin
    f_steps = 4'd0;
    f_walk = turn;
    for (f_i = 0; f_i < PORTS; f_i = f_i + 1)
        if (f_walk != f_port) begin
            f_walk  = {f_walk[PORTS-2:0], f_walk[PORTS-1]};
            f_steps = f_steps + 4'd1;
        end
end

wire f_mine_first  = m_axis_tvalid && m_axis_tuser == f_port;
wire f_mine_second = f_second && f_second_port == f_port;

always @(posedge clk) if (f_started) begin
    arbiter_serves_one_at_a_time:
        assert ((s_axis_tready & (s_axis_tready - 1'b1)) == 0
                && (s_axis_tready & ~s_axis_tvalid) == 0);
    arbiter_fair: assert (f_waited < PORTS);
    f_turn: assert (turn != 0 && (turn & (turn - 1'b1)) == 0);
    f_bound: assert (!f_asks || f_waited + f_steps < PORTS);
    if (s_axis_tvalid != 0 && ready)
        arbiter_wastes_no_cycle: assert (f_any);

    arbiter_sequence_consecutive:
        assert (!m_axis_tvalid || m_axis_tdata[`OUTCRY_ORDER_SEQ] == f_seq);
    f_seq_second: assert (!f_second || f_second_data[`OUTCRY_ORDER_SEQ] == f_seq + 64'd1);
    f_seq_next: assert (next_seq == f_seq + {63'd0, m_axis_tvalid} + {63'd0, f_second});

    arbiter_nothing_lost_or_doubled:
        assert (f_in - f_out == {2'd0, f_mine_first} + {2'd0, f_mine_second});
    arbiter_order_kept:
        assert (!(f_mine_first && f_out == f_watched) || m_axis_tdata[447:0] == f_data);
    f_order_second:
        assert (!(f_mine_second && f_out + {2'd0, f_mine_first} == f_watched)
                || f_second_data[447:0] == f_data);
    if (!$past(rst) && $past(m_axis_tvalid && !m_axis_tready))
        arbiter_output_stable:
            assert (m_axis_tvalid && m_axis_tdata == $past(m_axis_tdata)
                    && m_axis_tuser == $past(m_axis_tuser));
end
