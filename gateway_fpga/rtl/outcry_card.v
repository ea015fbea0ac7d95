// SPDX-License-Identifier: Apache-2.0
// From 10G MACs that cannot wait to validated, sequenced orders for a card's DMA: PORTS times the
// ingress of 64 bits with a clock of its own, and what follows (outcry_core).
//
// The time of a frame is the MAC side's: rx_time_ns in each port's receive clock, as a MAC with IEEE
// 1588 has it.  Each port's receive clock, ready or not, is its own; constraints for what crosses
// stand in gateway_fpga/card/outcry_cdc.xdc.
`default_nettype none
`include "outcry_wire.vh"
`include "outcry_registers.vh"

module outcry_card #(
    // Ethernet ports, 1 to as many as the registers have counters for.
    parameter PORTS = `OUTCRY_FRAME_PORTS,
    // Orders that wait after each parser, as a power of two, 5 to 12.
    parameter DEPTH_LOG2 = 6,
    // Beats of 64 bytes that wait before each parser, as a power of two, 5 to 12.
    parameter RX_DEPTH_LOG2 = 7,
    parameter SLOT_BITS = `OUTCRY_SLOT_BITS,
    parameter PARTICIPANT_BITS = `OUTCRY_PARTICIPANT_BITS
) (
    input  wire                    clk,
    input  wire                    rst,

    // Sequence number of the first order after reset.
    input  wire [63:0]             first_seq,
    input  wire [15:0]             udp_port,
    // What else a frame's destination is compared with: bit 0 its MAC, 1 its IPv4 address, 2 its VLAN.
    input  wire [2:0]              check_local,
    input  wire [47:0]             local_mac,
    input  wire [31:0]             local_ip,
    // 0: no tag, or one that names no VLAN.
    input  wire [11:0]             local_vlan,

    // Of each port: its receive clock, the MAC's own reset in it, and the time in it.
    input  wire [PORTS-1:0]        rx_clk,
    input  wire [PORTS-1:0]        rx_rst,
    input  wire [PORTS*64-1:0]     rx_time_ns,
    // The MAC's stream, which knows no tready; tuser with tlast says that the frame is bad.
    input  wire [PORTS*64-1:0]     s_axis_tdata,
    input  wire [PORTS*8-1:0]      s_axis_tkeep,
    input  wire [PORTS-1:0]        s_axis_tlast,
    input  wire [PORTS-1:0]        s_axis_tuser,
    input  wire [PORTS-1:0]        s_axis_tvalid,

    // Each order is a packet of one beat; m_axis_tuser has one bit a port: the port of entry.
    output wire [511:0]            m_axis_tdata,
    output wire [63:0]             m_axis_tkeep,
    output wire                    m_axis_tlast,
    output wire [PORTS-1:0]        m_axis_tuser,
    output wire                    m_axis_tvalid,
    input  wire                    m_axis_tready,

    input  wire [11:0]             s_axil_awaddr,
    input  wire [2:0]              s_axil_awprot,
    input  wire                    s_axil_awvalid,
    output wire                    s_axil_awready,
    input  wire [31:0]             s_axil_wdata,
    input  wire [3:0]              s_axil_wstrb,
    input  wire                    s_axil_wvalid,
    output wire                    s_axil_wready,
    output wire [1:0]              s_axil_bresp,
    output wire                    s_axil_bvalid,
    input  wire                    s_axil_bready,
    input  wire [11:0]             s_axil_araddr,
    input  wire [2:0]              s_axil_arprot,
    input  wire                    s_axil_arvalid,
    output wire                    s_axil_arready,
    output wire [31:0]             s_axil_rdata,
    output wire [1:0]              s_axil_rresp,
    output wire                    s_axil_rvalid,
    input  wire                    s_axil_rready
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (PORTS < 1 || PORTS > `OUTCRY_FRAME_PORTS) begin : g_wrong_ports
            PORTS_is_not_1_to_3 wrong ();
        end
    endgenerate

    wire [PORTS*512-1:0] came_tdata;
    wire [PORTS*64-1:0]  came_tkeep;
    wire [PORTS-1:0]     came_tlast;
    wire [PORTS*64-1:0]  came_tuser;
    wire [PORTS-1:0]     came_tvalid;
    wire [PORTS-1:0]     came_tready;
    wire [PORTS*64-1:0]  lost_frames;

    genvar port;
    generate
        for (port = 0; port < PORTS; port = port + 1) begin : g_port
            outcry_ingress #(
                .DEPTH_LOG2(RX_DEPTH_LOG2)
            ) ingress (
                .rx_clk(rx_clk[port]),
                .rx_rst(rx_rst[port]),
                .rx_time_ns(rx_time_ns[port*64 +: 64]),
                .s_axis_tdata(s_axis_tdata[port*64 +: 64]),
                .s_axis_tkeep(s_axis_tkeep[port*8 +: 8]),
                .s_axis_tlast(s_axis_tlast[port]),
                .s_axis_tuser(s_axis_tuser[port]),
                .s_axis_tvalid(s_axis_tvalid[port]),
                .clk(clk),
                .rst(rst),
                .m_axis_tdata(came_tdata[port*512 +: 512]),
                .m_axis_tkeep(came_tkeep[port*64 +: 64]),
                .m_axis_tlast(came_tlast[port]),
                .m_axis_tuser(came_tuser[port*64 +: 64]),
                .m_axis_tvalid(came_tvalid[port]),
                .m_axis_tready(came_tready[port]),
                .bad_frames(lost_frames[port*64 +: 32]),
                .no_room_frames(lost_frames[port*64+32 +: 32])
            );
        end
    endgenerate

    outcry_core #(
        .PORTS(PORTS),
        .DEPTH_LOG2(DEPTH_LOG2),
        .SLOT_BITS(SLOT_BITS),
        .PARTICIPANT_BITS(PARTICIPANT_BITS)
    ) core (
        .clk(clk),
        .rst(rst),
        .first_seq(first_seq),
        .udp_port(udp_port),
        .check_local(check_local),
        .local_mac(local_mac),
        .local_ip(local_ip),
        .local_vlan(local_vlan),
        .s_axis_tdata(came_tdata),
        .s_axis_tkeep(came_tkeep),
        .s_axis_tlast(came_tlast),
        .s_axis_tuser(came_tuser),
        .s_axis_tvalid(came_tvalid),
        .s_axis_tready(came_tready),
        .lost_frames(lost_frames),
        .m_axis_tdata(m_axis_tdata),
        .m_axis_tkeep(m_axis_tkeep),
        .m_axis_tlast(m_axis_tlast),
        .m_axis_tuser(m_axis_tuser),
        .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready),
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
        .s_axil_rready(s_axil_rready)
    );

endmodule

`default_nettype wire
