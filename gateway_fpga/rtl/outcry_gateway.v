// SPDX-License-Identifier: Apache-2.0
// The gateway: the validator with its registers.  Parser, arbiter and timestamp stand before
// s_axis; what they count comes in by frames and left_out to be read.
//
// Orders of participant 0 are taken here: the exchange operator's own lane leads to s_axis, and of what
// comes from a network the parser has left them out.
`default_nettype none
`include "outcry_wire.vh"
`include "outcry_registers.vh"

module outcry_gateway #(
    parameter SLOT_BITS = `OUTCRY_SLOT_BITS,
    parameter PARTICIPANT_BITS = `OUTCRY_PARTICIPANT_BITS,
    parameter COUNTER_BITS = 32,
    parameter ORDER_COUNT_BITS = 64
) (
    input  wire         clk,
    input  wire         rst,

    input  wire [511:0] s_axis_tdata,
    input  wire         s_axis_tvalid,
    output wire         s_axis_tready,

    output wire [511:0] m_axis_tdata,
    output wire         m_axis_tvalid,
    input  wire         m_axis_tready,

    input  wire [11:0]  s_axil_awaddr,
    input  wire [2:0]   s_axil_awprot,
    input  wire         s_axil_awvalid,
    output wire         s_axil_awready,
    input  wire [31:0]  s_axil_wdata,
    input  wire [3:0]   s_axil_wstrb,
    input  wire         s_axil_wvalid,
    output wire         s_axil_wready,
    output wire [1:0]   s_axil_bresp,
    output wire         s_axil_bvalid,
    input  wire         s_axil_bready,
    input  wire [11:0]  s_axil_araddr,
    input  wire [2:0]   s_axil_arprot,
    input  wire         s_axil_arvalid,
    output wire         s_axil_arready,
    output wire [31:0]  s_axil_rdata,
    output wire [1:0]   s_axil_rresp,
    output wire         s_axil_rvalid,
    input  wire         s_axil_rready,

    // Frames by port and outcome, 32 bits each, port 0 lowest.
    input  wire [`OUTCRY_FRAME_PORTS*`OUTCRY_FRAME_OUTCOMES*32-1:0] frames,
    // Records left out by port and rule, in the same way.
    input  wire [`OUTCRY_FRAME_PORTS*`OUTCRY_LEFT_OUT*32-1:0] left_out
);

    wire                        armed;
    wire                        check_participants;
    wire [31:0]                 rate_interval_ns;
    wire [31:0]                 rate_burst_ns;
    wire                        row_swap;
    wire [SLOT_BITS+1:0]        row_index;
    wire [`OUTCRY_ROW_BITS-1:0] row_shadow;
    wire                        participant_set;
    wire [PARTICIPANT_BITS-1:0] participant_index;
    wire                        participant_on;
    wire                        command_done;

    outcry_validator #(
        .SLOT_BITS(SLOT_BITS),
        .PARTICIPANT_BITS(PARTICIPANT_BITS)
    ) validator (
        .clk(clk),
        .rst(rst),
        .s_axis_tdata(s_axis_tdata),
        .s_axis_tvalid(s_axis_tvalid),
        .s_axis_tready(s_axis_tready),
        .m_axis_tdata(m_axis_tdata),
        .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready),
        .armed(armed),
        .check_participants(check_participants),
        .rate_interval_ns(rate_interval_ns),
        .rate_burst_ns(rate_burst_ns),
        .row_swap(row_swap),
        .row_index(row_index),
        .row_shadow(row_shadow),
        .participant_set(participant_set),
        .participant_index(participant_index),
        .participant_on(participant_on),
        .command_done(command_done)
    );

    outcry_regs #(
        .SLOT_BITS(SLOT_BITS),
        .PARTICIPANT_BITS(PARTICIPANT_BITS),
        .COUNTER_BITS(COUNTER_BITS),
        .ORDER_COUNT_BITS(ORDER_COUNT_BITS)
    ) regs (
        .clk(clk),
        .rst(rst),
        .s_axil_awaddr(s_axil_awaddr),
        .s_axil_awprot(s_axil_awprot),
        .s_axil_awvalid(s_axil_awvalid),
        .s_axil_awready(s_axil_awready),
        .s_axil_wdata(s_axil_wdata),
        .s_axil_wstrb(s_axil_wstrb),
        .s_axil_wvalid(s_axil_wvalid),
        .s_axil_wready(s_axil_wready),
        .s_axil_bresp(s_axil_bresp),
        .s_axil_bvalid(s_axil_bvalid),
        .s_axil_bready(s_axil_bready),
        .s_axil_araddr(s_axil_araddr),
        .s_axil_arprot(s_axil_arprot),
        .s_axil_arvalid(s_axil_arvalid),
        .s_axil_arready(s_axil_arready),
        .s_axil_rdata(s_axil_rdata),
        .s_axil_rresp(s_axil_rresp),
        .s_axil_rvalid(s_axil_rvalid),
        .s_axil_rready(s_axil_rready),
        .armed(armed),
        .check_participants(check_participants),
        .rate_interval_ns(rate_interval_ns),
        .rate_burst_ns(rate_burst_ns),
        .row_swap(row_swap),
        .row_index(row_index),
        .row_shadow(row_shadow),
        .participant_set(participant_set),
        .participant_index(participant_index),
        .participant_on(participant_on),
        .command_done(command_done),
        .count_valid(m_axis_tvalid && m_axis_tready),
        .count_code(m_axis_tdata[`OUTCRY_ORDER_ERROR_CODE]),
        .frames(frames),
        .left_out(left_out)
    );

endmodule

`default_nettype wire
