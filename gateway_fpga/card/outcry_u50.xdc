# SPDX-License-Identifier: Apache-2.0
# Alveo U50 (xcu50-fsvh2104-2-e): the pins that outcry_u50 uses, as the board's own constraints have
# them.  PCIe lanes follow from the block's place.  Not tried with Vivado.
set_property CONFIG_VOLTAGE 1.8 [current_design]
set_property BITSTREAM.GENERAL.COMPRESS TRUE [current_design]
set_operating_conditions -design_power_budget 63

# 161.1328125 MHz, from the board's clock generator.
set_property PACKAGE_PIN N36 [get_ports qsfp_refclk_p]
create_clock -period 6.206 -name qsfp_refclk [get_ports qsfp_refclk_p]
set_property PACKAGE_PIN J45 [get_ports qsfp_rx_p]
set_property PACKAGE_PIN D42 [get_ports qsfp_tx_p]

# 100 MHz, from the slot.
set_property PACKAGE_PIN AF9 [get_ports pcie_refclk_p]
create_clock -period 10.000 -name pcie_refclk [get_ports pcie_refclk_p]
set_property -dict {PACKAGE_PIN AW27 IOSTANDARD LVCMOS18 PULLUP true} [get_ports pcie_reset_n]
set_false_path -from [get_ports pcie_reset_n]

set_property -dict {PACKAGE_PIN J18 IOSTANDARD LVCMOS18} [get_ports hbm_cattrip]
