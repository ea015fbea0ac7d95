// SPDX-License-Identifier: Apache-2.0
// From frames that bear their ingress time to validated, sequenced orders: PORTS times the parser, the
// arbiter, the gateway with its registers.
//
// From the last beat of a frame of one order to its beat out: parser 7, arbiter 1, validator 4 cycles,
// 12 together.  Each order is a packet of one beat, and m_axis_tuser says by one bit which port it
// came in by.
`default_nettype none
`include "outcry_wire.vh"
`include "outcry_registers.vh"

module outcry_core #(
    // Ethernet ports, 1 to as many as the registers have counters for.
    parameter PORTS = `OUTCRY_FRAME_PORTS,
    // Orders that wait after each parser, as a power of two, 5 to 12.
    parameter DEPTH_LOG2 = 6,
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

    input  wire [PORTS*512-1:0]    s_axis_tdata,
    input  wire [PORTS*64-1:0]     s_axis_tkeep,
    input  wire [PORTS-1:0]        s_axis_tlast,
    // Ingress time, ns since the epoch: the same of all beats of a frame.
    input  wire [PORTS*64-1:0]     s_axis_tuser,
    input  wire [PORTS-1:0]        s_axis_tvalid,
    output wire [PORTS-1:0]        s_axis_tready,
    // Of each port, frames that never came here: bad ones, and above them those without room.
    input  wire [PORTS*64-1:0]     lost_frames,

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

    wire [PORTS*512-1:0] parsed_tdata;
    wire [PORTS-1:0]     parsed_tvalid;
    wire [PORTS-1:0]     parsed_tready;
    // Frames by port and outcome: REASON_ of outcry_udp_parser, then those that were lost before.
    localparam FRAME_BITS = `OUTCRY_FRAME_OUTCOMES * 32;
    localparam PARSER_BITS = `OUTCRY_PARSER_OUTCOMES * 32;
    wire [`OUTCRY_FRAME_PORTS*FRAME_BITS-1:0] frames;
    // Records left out, by port and rule.
    localparam LEFT_OUT_BITS = `OUTCRY_LEFT_OUT * 32;
    wire [`OUTCRY_FRAME_PORTS*LEFT_OUT_BITS-1:0] left_out;

    genvar port;
    generate
        for (port = 0; port < PORTS; port = port + 1) begin : g_port
            outcry_udp_parser #(
                .DEPTH_LOG2(DEPTH_LOG2),
                .COUNTER_WIDTH(32)
            ) parser (
                .clk(clk),
                .rst(rst),
                .udp_port(udp_port),
                .check_local(check_local),
                .local_mac(local_mac),
                .local_ip(local_ip),
                .local_vlan(local_vlan),
                .s_axis_tdata(s_axis_tdata[port*512 +: 512]),
                .s_axis_tkeep(s_axis_tkeep[port*64 +: 64]),
                .s_axis_tlast(s_axis_tlast[port]),
                .s_axis_tuser(s_axis_tuser[port*64 +: 64]),
                .s_axis_tvalid(s_axis_tvalid[port]),
                .s_axis_tready(s_axis_tready[port]),
                .m_axis_tdata(parsed_tdata[port*512 +: 512]),
                .m_axis_tvalid(parsed_tvalid[port]),
                .m_axis_tready(parsed_tready[port]),
                .frames(frames[port*FRAME_BITS +: PARSER_BITS]),
                .left_out(left_out[port*LEFT_OUT_BITS +: LEFT_OUT_BITS])
            );
            assign frames[port*FRAME_BITS + PARSER_BITS +: 64] = lost_frames[port*64 +: 64];
        end
        if (PORTS < `OUTCRY_FRAME_PORTS) begin : g_rest
            assign frames[`OUTCRY_FRAME_PORTS*FRAME_BITS-1:PORTS*FRAME_BITS] =
                {((`OUTCRY_FRAME_PORTS-PORTS)*FRAME_BITS){1'b0}};
            assign left_out[`OUTCRY_FRAME_PORTS*LEFT_OUT_BITS-1:PORTS*LEFT_OUT_BITS] =
                {((`OUTCRY_FRAME_PORTS-PORTS)*LEFT_OUT_BITS){1'b0}};
        end
    endgenerate

    wire [511:0]     merged_tdata;
    wire [PORTS-1:0] merged_tuser;
    wire             merged_tvalid;
    wire             merged_tready;

    outcry_arbiter #(
        .PORTS(PORTS)
    ) arbiter (
        .clk(clk),
        .rst(rst),
        .first_seq(first_seq),
        .s_axis_tdata(parsed_tdata),
        .s_axis_tvalid(parsed_tvalid),
        .s_axis_tready(parsed_tready),
        .m_axis_tdata(merged_tdata),
        .m_axis_tuser(merged_tuser),
        .m_axis_tvalid(merged_tvalid),
        .m_axis_tready(merged_tready)
    );

    outcry_gateway #(
        .SLOT_BITS(SLOT_BITS),
        .PARTICIPANT_BITS(PARTICIPANT_BITS)
    ) gateway (
        .clk(clk),
        .rst(rst),
        .s_axis_tdata(merged_tdata),
        .s_axis_tvalid(merged_tvalid),
        .s_axis_tready(merged_tready),
        .m_axis_tdata(m_axis_tdata),
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
        .s_axil_rready(s_axil_rready),
        .frames(frames),
        .left_out(left_out)
    );

    // The gateway returns every order that it takes, in order: so the port of entry waits in a queue
    // in parallel with it, one place for each rank and one more.
    assign m_axis_tkeep = {64{1'b1}};
    assign m_axis_tlast = 1'b1;
    outcry_tags #(
        .WIDTH(PORTS)
    ) port_tags (
        .clk(clk),
        .rst(rst),
        .write(merged_tvalid && merged_tready),
        .write_tag(merged_tuser),
        .read(m_axis_tvalid && m_axis_tready),
        .read_tag(m_axis_tuser)
    );

endmodule

`default_nettype wire
