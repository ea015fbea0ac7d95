// SPDX-License-Identifier: Apache-2.0
// One port of a 10G MAC that cannot wait, brought into the gateway's clock: 64 bits to 512
// (outcry_widen), then whole good frames only (outcry_frame_fifo).
//
// A frame with a wrong check sequence, and one without room, leave nothing but their counts.
`default_nettype none

module outcry_ingress #(
    // Beats of 64 bytes that wait, as a power of two, 5 to 12: the largest packet has 24.
    parameter DEPTH_LOG2 = 7,
    // Bits of each counter, 2 to 32; they stop at their largest value.
    parameter COUNTER_WIDTH = 32
) (
    input  wire                     rx_clk,
    // The MAC restarts: the frame under way is discarded.  High at the first edge of rx_clk.
    input  wire                     rx_rst,
    // Nanoseconds since the epoch, in rx_clk's domain.
    input  wire [63:0]              rx_time_ns,
    input  wire [63:0]              s_axis_tdata,
    input  wire [7:0]               s_axis_tkeep,
    input  wire                     s_axis_tlast,
    // With tlast: the frame is bad.
    input  wire                     s_axis_tuser,
    input  wire                     s_axis_tvalid,

    input  wire                     clk,
    input  wire                     rst,
    output wire [511:0]             m_axis_tdata,
    output wire [63:0]              m_axis_tkeep,
    output wire                     m_axis_tlast,
    // When the frame's first word came.
    output wire [63:0]              m_axis_tuser,
    output wire                     m_axis_tvalid,
    input  wire                     m_axis_tready,
    // In clk's domain.
    output wire [COUNTER_WIDTH-1:0] bad_frames,
    output wire [COUNTER_WIDTH-1:0] no_room_frames
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (DEPTH_LOG2 < 5 || DEPTH_LOG2 > 12) begin : g_wrong_depth_log2
            DEPTH_LOG2_is_not_5_to_12 wrong ();
        end
    endgenerate

    wire [511:0] wide_tdata;
    wire [63:0]  wide_tkeep;
    wire         wide_tlast;
    wire         wide_tuser;
    wire [63:0]  wide_time_ns;
    wire         wide_tvalid;

    outcry_widen widen (
        .clk(rx_clk),
        .rst(rx_rst),
        .time_ns(rx_time_ns),
        .s_axis_tdata(s_axis_tdata),
        .s_axis_tkeep(s_axis_tkeep),
        .s_axis_tlast(s_axis_tlast),
        .s_axis_tuser(s_axis_tuser),
        .s_axis_tvalid(s_axis_tvalid),
        .m_axis_tdata(wide_tdata),
        .m_axis_tkeep(wide_tkeep),
        .m_axis_tlast(wide_tlast),
        .m_axis_tuser(wide_tuser),
        .m_time_ns(wide_time_ns),
        .m_axis_tvalid(wide_tvalid)
    );

    outcry_frame_fifo #(
        .WIDTH(64 + 1 + 64 + 512),
        .DEPTH_LOG2(DEPTH_LOG2),
        .COUNTER_WIDTH(COUNTER_WIDTH)
    ) queue (
        .write_clk(rx_clk),
        .write_abort(rx_rst),
        .write_data({wide_time_ns, wide_tlast, wide_tkeep, wide_tdata}),
        .write_last(wide_tlast),
        .write_bad(wide_tuser),
        .write(wide_tvalid),
        .clk(clk),
        .rst(rst),
        .m_axis_tdata({m_axis_tuser, m_axis_tlast, m_axis_tkeep, m_axis_tdata}),
        .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready),
        .bad_frames(bad_frames),
        .no_room_frames(no_room_frames)
    );

endmodule

`default_nettype wire
