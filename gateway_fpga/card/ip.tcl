# SPDX-License-Identifier: Apache-2.0
# The vendor's two blocks of outcry_u50, as it names their ports.  Not tried with Vivado.
create_ip -name xdma -vendor xilinx.com -library ip -module_name xdma_0
set_property -dict [list \
    CONFIG.pl_link_cap_max_link_width {X16} \
    CONFIG.pl_link_cap_max_link_speed {8.0_GT/s} \
    CONFIG.axi_data_width {512_bit} \
    CONFIG.axisten_freq {250} \
    CONFIG.xdma_axi_intf_mm {AXI_Stream} \
    CONFIG.axilite_master_en {true} \
    CONFIG.axilite_master_size {8} \
    CONFIG.axilite_master_scale {Kilobytes} \
] [get_ips xdma_0]

create_ip -name xxv_ethernet -vendor xilinx.com -library ip -module_name xxv_ethernet_0
set_property -dict [list \
    CONFIG.LINE_RATE {10} \
    CONFIG.NUM_OF_CORES {1} \
    CONFIG.CORE {Ethernet MAC+PCS/PMA 64-bit} \
    CONFIG.DATA_PATH_INTERFACE {AXI Stream} \
    CONFIG.GT_REF_CLK_FREQ {161.1328125} \
    CONFIG.INCLUDE_AXI4_INTERFACE {0} \
] [get_ips xxv_ethernet_0]
generate_target all [get_ips]
