// SPDX-License-Identifier: Apache-2.0
// What of the vendor's is in outcry_u50: empty, so that Yosys and Verilator can read the rest.
(* blackbox *)
module xdma_0 (
    input  wire         sys_clk, sys_clk_gt, sys_rst_n,
    input  wire [15:0]  pci_exp_rxp, pci_exp_rxn,
    output wire [15:0]  pci_exp_txp, pci_exp_txn,
    output wire         axi_aclk, axi_aresetn,
    input  wire         usr_irq_req,
    input  wire [511:0] s_axis_c2h_tdata_0,
    input  wire [63:0]  s_axis_c2h_tkeep_0,
    input  wire         s_axis_c2h_tlast_0, s_axis_c2h_tvalid_0,
    output wire         s_axis_c2h_tready_0,
    input  wire         m_axis_h2c_tready_0,
    output wire [31:0]  m_axil_awaddr, m_axil_wdata, m_axil_araddr,
    output wire [2:0]   m_axil_awprot, m_axil_arprot,
    output wire [3:0]   m_axil_wstrb,
    output wire         m_axil_awvalid, m_axil_wvalid, m_axil_bready, m_axil_arvalid, m_axil_rready,
    input  wire         m_axil_awready, m_axil_wready, m_axil_bvalid, m_axil_arready, m_axil_rvalid,
    input  wire [1:0]   m_axil_bresp, m_axil_rresp,
    input  wire [31:0]  m_axil_rdata
);
endmodule

(* blackbox *)
module xxv_ethernet_0 (
    input  wire        gt_refclk_p, gt_refclk_n, gt_rxp_in, gt_rxn_in,
    output wire        gt_txp_out, gt_txn_out,
    input  wire        dclk, sys_reset,
    output wire        rx_clk_out_0, user_rx_reset_0,
    input  wire        rx_core_clk_0,
    output wire [63:0] rx_axis_tdata_0,
    output wire [7:0]  rx_axis_tkeep_0,
    output wire        rx_axis_tlast_0, rx_axis_tuser_0, rx_axis_tvalid_0,
    input  wire        ctl_rx_enable_0, ctl_rx_delete_fcs_0, ctl_rx_ignore_fcs_0,
    input  wire [14:0] ctl_rx_max_packet_len_0,
    input  wire [7:0]  ctl_rx_min_packet_len_0,
    input  wire        ctl_tx_enable_0, tx_axis_tvalid_0
);
endmodule

(* blackbox *)
module IBUFDS_GTE4 (input wire I, IB, CEB, output wire O, ODIV2);
endmodule
