// SPDX-License-Identifier: Apache-2.0
// The gateway on an Alveo U50: one 10G port (lane 1 of the QSFP28), orders and registers over PCIe.
//
// The MAC is Xilinx's 10G/25G Ethernet subsystem, DMA its XDMA in AXI4-Stream mode (card/ip.tcl makes
// both): registers are the 8 KiB at the start of XDMA's AXI-Lite window (the gateway's, then those of
// outcry_local), orders are its card-to-host stream 0, a packet of 64 bytes each.  The gateway runs in
// XDMA's clock, the port in the MAC's.
//
// The names of both IPs' ports are those of their product guides (PG210, PG195).  Elaborated and
// synthesised with the IPs as black boxes by Yosys; never built by Vivado, never on a card.
`default_nettype none

module outcry_u50 #(
    // What outcry_local's registers have until the host writes others.  Sequence number of the first order:
    parameter [63:0] FIRST_SEQ = 64'd1,
    parameter [15:0] UDP_PORT = 16'd9000,
    // What a frame's destination is compared with: bit 0 its MAC, 1 its IPv4 address, 2 its VLAN.
    // Until MAC and IPv4 address are given nothing passes: no frame goes to zeros.
    parameter [2:0]  CHECK_LOCAL = 3'd7,
    parameter [47:0] LOCAL_MAC = 48'd0,
    parameter [31:0] LOCAL_IP = 32'd0,
    // 0: no tag, or one that names no VLAN.
    parameter [11:0] LOCAL_VLAN = 12'd0
) (
    // 161.1328125 MHz.
    input  wire        qsfp_refclk_p,
    input  wire        qsfp_refclk_n,
    input  wire        qsfp_rx_p,
    input  wire        qsfp_rx_n,
    output wire        qsfp_tx_p,
    output wire        qsfp_tx_n,
    // 100 MHz.
    input  wire        pcie_refclk_p,
    input  wire        pcie_refclk_n,
    input  wire        pcie_reset_n,
    input  wire [15:0] pcie_rx_p,
    input  wire [15:0] pcie_rx_n,
    output wire [15:0] pcie_tx_p,
    output wire [15:0] pcie_tx_n,
    // Shuts the card down when high: no HBM is used here.
    output wire        hbm_cattrip
);

    assign hbm_cattrip = 1'b0;

    // ---- PCIe ------------------------------------------------------------------------------------
    wire pcie_refclk, pcie_refclk_gt;
    IBUFDS_GTE4 pcie_clock (
        .I(pcie_refclk_p), .IB(pcie_refclk_n), .CEB(1'b0), .O(pcie_refclk_gt), .ODIV2(pcie_refclk)
    );

    wire         clk, resetn;
    wire [31:0]  awaddr, araddr, wdata, rdata;
    wire [3:0]   wstrb;
    wire [2:0]   awprot, arprot;
    wire [1:0]   bresp, rresp;
    wire         awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready;
    wire [511:0] order_tdata;
    wire [63:0]  order_tkeep;
    wire         order_tlast, order_tvalid, order_tready;

    xdma_0 dma (
        .sys_clk(pcie_refclk), .sys_clk_gt(pcie_refclk_gt), .sys_rst_n(pcie_reset_n),
        .pci_exp_rxp(pcie_rx_p), .pci_exp_rxn(pcie_rx_n),
        .pci_exp_txp(pcie_tx_p), .pci_exp_txn(pcie_tx_n),
        .axi_aclk(clk), .axi_aresetn(resetn), .usr_irq_req(1'b0),
        .s_axis_c2h_tdata_0(order_tdata), .s_axis_c2h_tkeep_0(order_tkeep),
        .s_axis_c2h_tlast_0(order_tlast), .s_axis_c2h_tvalid_0(order_tvalid),
        .s_axis_c2h_tready_0(order_tready),
        // Nothing is sent to the card by its stream.
        .m_axis_h2c_tready_0(1'b1),
        .m_axil_awaddr(awaddr), .m_axil_awprot(awprot), .m_axil_awvalid(awvalid),
        .m_axil_awready(awready), .m_axil_wdata(wdata), .m_axil_wstrb(wstrb),
        .m_axil_wvalid(wvalid), .m_axil_wready(wready), .m_axil_bresp(bresp),
        .m_axil_bvalid(bvalid), .m_axil_bready(bready), .m_axil_araddr(araddr),
        .m_axil_arprot(arprot), .m_axil_arvalid(arvalid), .m_axil_arready(arready),
        .m_axil_rdata(rdata), .m_axil_rresp(rresp), .m_axil_rvalid(rvalid), .m_axil_rready(rready)
    );

    // ---- Ethernet --------------------------------------------------------------------------------
    wire        rx_clk, rx_rst;
    wire [63:0] rx_tdata;
    wire [7:0]  rx_tkeep;
    wire        rx_tlast, rx_tuser, rx_tvalid;

    xxv_ethernet_0 mac (
        .gt_refclk_p(qsfp_refclk_p), .gt_refclk_n(qsfp_refclk_n),
        .gt_rxp_in(qsfp_rx_p), .gt_rxn_in(qsfp_rx_n), .gt_txp_out(qsfp_tx_p), .gt_txn_out(qsfp_tx_n),
        // A free-running clock for its state machines.
        .dclk(clk), .sys_reset(!resetn),
        // The port's own clock is that of its receiver.
        .rx_clk_out_0(rx_clk), .rx_core_clk_0(rx_clk), .user_rx_reset_0(rx_rst),
        .rx_axis_tdata_0(rx_tdata), .rx_axis_tkeep_0(rx_tkeep), .rx_axis_tlast_0(rx_tlast),
        .rx_axis_tuser_0(rx_tuser), .rx_axis_tvalid_0(rx_tvalid),
        // Frames come without their check sequence, and with tuser when it was wrong.
        .ctl_rx_enable_0(1'b1), .ctl_rx_delete_fcs_0(1'b1), .ctl_rx_ignore_fcs_0(1'b0),
        .ctl_rx_max_packet_len_0(15'd1536), .ctl_rx_min_packet_len_0(8'd64),
        // Nothing is sent.
        .ctl_tx_enable_0(1'b0), .tx_axis_tvalid_0(1'b0)
    );

    // A time that the link's losses do not touch, in XDMA's clock of 250 MHz: no PTP here, it counts from
    // the bitstream's start.
    wire [63:0] rx_time_ns;
    outcry_time_over #(
        .CYCLE_NS_LOG2(2)
    ) port_time (
        .clk(clk), .rx_clk(rx_clk), .rx_time_ns(rx_time_ns)
    );

    // ---- the gateway -----------------------------------------------------------------------------
    reg rst;
    initial rst = 1'b1;
    always @(posedge clk) rst <= !resetn;

    outcry_local_card #(
        .FIRST_SEQ(FIRST_SEQ), .UDP_PORT(UDP_PORT), .CHECK_LOCAL(CHECK_LOCAL),
        .LOCAL_MAC(LOCAL_MAC), .LOCAL_IP(LOCAL_IP), .LOCAL_VLAN(LOCAL_VLAN)
    ) gateway (
        .clk(clk), .rst(rst),
        .rx_clk(rx_clk), .rx_rst(rx_rst), .rx_time_ns(rx_time_ns),
        .s_axis_tdata(rx_tdata), .s_axis_tkeep(rx_tkeep), .s_axis_tlast(rx_tlast),
        .s_axis_tuser(rx_tuser), .s_axis_tvalid(rx_tvalid),
        .m_axis_tdata(order_tdata), .m_axis_tkeep(order_tkeep), .m_axis_tlast(order_tlast),
        .m_axis_tvalid(order_tvalid), .m_axis_tready(order_tready),
        .s_axil_awaddr(awaddr[12:0]), .s_axil_awprot(awprot), .s_axil_awvalid(awvalid),
        .s_axil_awready(awready), .s_axil_wdata(wdata), .s_axil_wstrb(wstrb),
        .s_axil_wvalid(wvalid), .s_axil_wready(wready), .s_axil_bresp(bresp),
        .s_axil_bvalid(bvalid), .s_axil_bready(bready), .s_axil_araddr(araddr[12:0]),
        .s_axil_arprot(arprot), .s_axil_arvalid(arvalid), .s_axil_arready(arready),
        .s_axil_rdata(rdata), .s_axil_rresp(rresp), .s_axil_rvalid(rvalid), .s_axil_rready(rready)
    );

endmodule

`default_nettype wire
