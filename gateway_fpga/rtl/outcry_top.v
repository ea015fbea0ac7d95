// SPDX-License-Identifier: Apache-2.0
// From Ethernet to validated, sequenced orders, for MACs that can wait: PORTS times the timestamp, and
// what follows (outcry_core).
//
// From the last beat of a frame of one order to its beat out: timestamp 1, parser 7, arbiter 1,
// validator 4 cycles, 13 together.
`default_nettype none
`include "outcry_wire.vh"
`include "outcry_registers.vh"

module outcry_top #(
    // Ethernet ports, 1 to as many as the registers have counters for.
    parameter PORTS = `OUTCRY_FRAME_PORTS,
    // Orders that wait after each parser, as a power of two, 5 to 12.
    parameter DEPTH_LOG2 = 6,
    parameter SLOT_BITS = `OUTCRY_SLOT_BITS,
    parameter PARTICIPANT_BITS = `OUTCRY_PARTICIPANT_BITS
) (
    input  wire                    clk,
    input  wire                    rst,

    // Nanoseconds since the epoch, disciplined by PTP, in this clock's domain.
    input  wire [63:0]             time_ns,
    // Sequence number of the first order after reset.
    input  wire [63:0]             first_seq,
    input  wire [15:0]             udp_port,
    // What else a frame's destination is compared with: bit 0 its MAC, 1 its IPv4 address, 2 its VLAN.
    input  wire [2:0]              check_local,
    input  wire [47:0]             local_mac,
    input  wire [31:0]             local_ip,
    // 0: no tag, or one that names no VLAN.
    input  wire [11:0]             local_vlan,

    input  wire [PORTS*512-1:0]    s_axis_tdata,
    input  wire [PORTS*64-1:0]     s_axis_tkeep,
    input  wire [PORTS-1:0]        s_axis_tlast,
    input  wire [PORTS-1:0]        s_axis_tvalid,
    output wire [PORTS-1:0]        s_axis_tready,

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

    wire [PORTS*512-1:0] stamped_tdata;
    wire [PORTS*64-1:0]  stamped_tkeep;
    wire [PORTS-1:0]     stamped_tlast;
    wire [PORTS*64-1:0]  stamped_tuser;
    wire [PORTS-1:0]     stamped_tvalid;
    wire [PORTS-1:0]     stamped_tready;

    genvar port;
    generate
        for (port = 0; port < PORTS; port = port + 1) begin : g_port
            outcry_timestamp timestamp (
                .clk(clk),
                .rst(rst),
                .time_ns(time_ns),
                .s_axis_tdata(s_axis_tdata[port*512 +: 512]),
                .s_axis_tkeep(s_axis_tkeep[port*64 +: 64]),
                .s_axis_tlast(s_axis_tlast[port]),
                .s_axis_tvalid(s_axis_tvalid[port]),
                .s_axis_tready(s_axis_tready[port]),
                .m_axis_tdata(stamped_tdata[port*512 +: 512]),
                .m_axis_tkeep(stamped_tkeep[port*64 +: 64]),
                .m_axis_tlast(stamped_tlast[port]),
                .m_axis_tuser(stamped_tuser[port*64 +: 64]),
                .m_axis_tvalid(stamped_tvalid[port]),
                .m_axis_tready(stamped_tready[port])
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
        .s_axis_tdata(stamped_tdata),
        .s_axis_tkeep(stamped_tkeep),
        .s_axis_tlast(stamped_tlast),
        .s_axis_tuser(stamped_tuser),
        .s_axis_tvalid(stamped_tvalid),
        .s_axis_tready(stamped_tready),
        .lost_frames({PORTS*64{1'b0}}),
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
