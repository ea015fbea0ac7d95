// SPDX-License-Identifier: Apache-2.0
// outcry_card with one port, and the registers of outcry_local before it: all of a card but the vendor's
// blocks, in one module that a bench can drive.
//
// The host's window has 8 KiB: the gateway's registers, then those of outcry_local.
`default_nettype none
`include "outcry_registers.vh"

module outcry_local_card #(
    // What outcry_local has after a reset, and whether the gateway then runs.
    parameter [0:0]  START = 1'b1,
    parameter [63:0] FIRST_SEQ = 64'd1,
    parameter [15:0] UDP_PORT = 16'd9000,
    parameter [2:0]  CHECK_LOCAL = 3'd7,
    parameter [47:0] LOCAL_MAC = 48'd0,
    parameter [31:0] LOCAL_IP = 32'd0,
    parameter [11:0] LOCAL_VLAN = 12'd0,
    // Of outcry_card.
    parameter DEPTH_LOG2 = 6,
    parameter RX_DEPTH_LOG2 = 7,
    parameter SLOT_BITS = `OUTCRY_SLOT_BITS,
    parameter PARTICIPANT_BITS = `OUTCRY_PARTICIPANT_BITS
) (
    input  wire         clk,
    input  wire         rst,

    // As outcry_card has them.
    input  wire         rx_clk,
    input  wire         rx_rst,
    input  wire [63:0]  rx_time_ns,
    input  wire [63:0]  s_axis_tdata,
    input  wire [7:0]   s_axis_tkeep,
    input  wire         s_axis_tlast,
    input  wire         s_axis_tuser,
    input  wire         s_axis_tvalid,
    output wire [511:0] m_axis_tdata,
    output wire [63:0]  m_axis_tkeep,
    output wire         m_axis_tlast,
    output wire         m_axis_tvalid,
    input  wire         m_axis_tready,

    input  wire [12:0]  s_axil_awaddr,
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
    input  wire [12:0]  s_axil_araddr,
    input  wire [2:0]   s_axil_arprot,
    input  wire         s_axil_arvalid,
    output wire         s_axil_arready,
    output wire [31:0]  s_axil_rdata,
    output wire [1:0]   s_axil_rresp,
    output wire         s_axil_rvalid,
    input  wire         s_axil_rready
);

    wire        hold;
    wire [63:0] first_seq;
    wire [15:0] udp_port;
    wire [2:0]  check_local;
    wire [47:0] local_mac;
    wire [31:0] local_ip;
    wire [11:0] local_vlan;
    wire [11:0] awaddr, araddr;
    wire [2:0]  awprot, arprot;
    wire [31:0] wdata, rdata;
    wire [3:0]  wstrb;
    wire [1:0]  bresp, rresp;
    wire        awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready;

    // There is one port: it says nothing.
    wire        port;

    outcry_local #(
        .START(START), .FIRST_SEQ(FIRST_SEQ), .UDP_PORT(UDP_PORT), .CHECK_LOCAL(CHECK_LOCAL),
        .LOCAL_MAC(LOCAL_MAC), .LOCAL_IP(LOCAL_IP), .LOCAL_VLAN(LOCAL_VLAN)
    ) settings (
        .clk(clk), .rst(rst),
        .s_axil_awaddr(s_axil_awaddr), .s_axil_awprot(s_axil_awprot),
        .s_axil_awvalid(s_axil_awvalid), .s_axil_awready(s_axil_awready),
        .s_axil_wdata(s_axil_wdata), .s_axil_wstrb(s_axil_wstrb), .s_axil_wvalid(s_axil_wvalid),
        .s_axil_wready(s_axil_wready), .s_axil_bresp(s_axil_bresp),
        .s_axil_bvalid(s_axil_bvalid), .s_axil_bready(s_axil_bready),
        .s_axil_araddr(s_axil_araddr), .s_axil_arprot(s_axil_arprot),
        .s_axil_arvalid(s_axil_arvalid), .s_axil_arready(s_axil_arready),
        .s_axil_rdata(s_axil_rdata), .s_axil_rresp(s_axil_rresp), .s_axil_rvalid(s_axil_rvalid),
        .s_axil_rready(s_axil_rready),
        .m_axil_awaddr(awaddr), .m_axil_awprot(awprot), .m_axil_awvalid(awvalid),
        .m_axil_awready(awready), .m_axil_wdata(wdata), .m_axil_wstrb(wstrb),
        .m_axil_wvalid(wvalid), .m_axil_wready(wready), .m_axil_bresp(bresp),
        .m_axil_bvalid(bvalid), .m_axil_bready(bready), .m_axil_araddr(araddr),
        .m_axil_arprot(arprot), .m_axil_arvalid(arvalid), .m_axil_arready(arready),
        .m_axil_rdata(rdata), .m_axil_rresp(rresp), .m_axil_rvalid(rvalid), .m_axil_rready(rready),
        .hold(hold), .first_seq(first_seq), .udp_port(udp_port), .check_local(check_local),
        .local_mac(local_mac), .local_ip(local_ip), .local_vlan(local_vlan)
    );

    outcry_card #(
        .PORTS(1), .DEPTH_LOG2(DEPTH_LOG2), .RX_DEPTH_LOG2(RX_DEPTH_LOG2), .SLOT_BITS(SLOT_BITS),
        .PARTICIPANT_BITS(PARTICIPANT_BITS)
    ) gateway (
        .clk(clk), .rst(hold), .first_seq(first_seq), .udp_port(udp_port),
        .check_local(check_local), .local_mac(local_mac), .local_ip(local_ip),
        .local_vlan(local_vlan),
        .rx_clk(rx_clk), .rx_rst(rx_rst), .rx_time_ns(rx_time_ns),
        .s_axis_tdata(s_axis_tdata), .s_axis_tkeep(s_axis_tkeep), .s_axis_tlast(s_axis_tlast),
        .s_axis_tuser(s_axis_tuser), .s_axis_tvalid(s_axis_tvalid),
        .m_axis_tdata(m_axis_tdata), .m_axis_tkeep(m_axis_tkeep), .m_axis_tlast(m_axis_tlast),
        .m_axis_tuser(port), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready),
        .s_axil_awaddr(awaddr), .s_axil_awprot(awprot), .s_axil_awvalid(awvalid),
        .s_axil_awready(awready), .s_axil_wdata(wdata), .s_axil_wstrb(wstrb),
        .s_axil_wvalid(wvalid), .s_axil_wready(wready), .s_axil_bresp(bresp),
        .s_axil_bvalid(bvalid), .s_axil_bready(bready), .s_axil_araddr(araddr),
        .s_axil_arprot(arprot), .s_axil_arvalid(arvalid), .s_axil_arready(arready),
        .s_axil_rdata(rdata), .s_axil_rresp(rresp), .s_axil_rvalid(rvalid), .s_axil_rready(rready)
    );

endmodule

`default_nettype wire
