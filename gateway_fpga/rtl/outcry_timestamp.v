// SPDX-License-Identifier: Apache-2.0
// Ingress timestamp: says of each packet when its first beat was first offered.
//
// The time comes from a counter of nanoseconds since the epoch that a PTP servo disciplines in this
// clock's domain.  It is read in the first cycle of the packet's first tvalid, not when the beat
// is taken: back-pressure from within must not make an order look younger.  Every beat of the packet
// carries it in m_axis_tuser.
//
// Latency 1 cycle, throughput 1 beat a cycle.
`default_nettype none

module outcry_timestamp (
    input  wire         clk,
    input  wire         rst,

    // Nanoseconds since the epoch, in this clock's domain.
    input  wire [63:0]  time_ns,

    input  wire [511:0] s_axis_tdata,
    input  wire [63:0]  s_axis_tkeep,
    input  wire         s_axis_tlast,
    input  wire         s_axis_tvalid,
    output wire         s_axis_tready,

    output wire [511:0] m_axis_tdata,
    output wire [63:0]  m_axis_tkeep,
    output wire         m_axis_tlast,
    output wire [63:0]  m_axis_tuser,
    output wire         m_axis_tvalid,
    input  wire         m_axis_tready
);

    // From the first offer of a packet's first beat until its last beat is taken.
    reg        held;
    reg [63:0] held_ns;

    wire [63:0] stamp_ns = held ? held_ns : time_ns;
    wire        ends     = s_axis_tready && s_axis_tlast;

    always @(posedge clk) begin
        if (rst) held <= 1'b0;
        else if (s_axis_tvalid) held <= !ends;
    end

    always @(posedge clk) if (s_axis_tvalid) held_ns <= stamp_ns;

    wire [640:0] held_back;
    assign {m_axis_tuser, m_axis_tlast, m_axis_tkeep, m_axis_tdata} = held_back;

    outcry_skid #(
        .WIDTH(512 + 64 + 1 + 64)
    ) stage (
        .clk(clk),
        .rst(rst),
        .s_axis_tdata({stamp_ns, s_axis_tlast, s_axis_tkeep, s_axis_tdata}),
        .s_axis_tvalid(s_axis_tvalid),
        .s_axis_tready(s_axis_tready),
        .m_axis_tdata(held_back),
        .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready)
    );

`ifdef FORMAL
`include "outcry_timestamp_formal.vh"
`endif

endmodule

`default_nettype wire
