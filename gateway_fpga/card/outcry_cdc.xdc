# SPDX-License-Identifier: Apache-2.0
# What Vivado must be told of the crossings between receive clocks and the gateway's clock.
#
# Read after synthesis, scoped to nothing: every crossing is an outcry_sync, whose first flip-flops take
# Gray codes or single bits.  Not tried with Vivado.
#
# A pointer or count crosses in less than one period of the faster clock, and its bits arrive within one
# period of each other: then what is read is a value that stood there.
set outcry_first [get_cells -hierarchical -filter {NAME =~ *sync_first_reg*}]
set_property ASYNC_REG TRUE $outcry_first
set_property ASYNC_REG TRUE [get_cells -hierarchical -filter {NAME =~ *sync_second_reg*}]

set_max_delay -datapath_only 3.0 \
    -from [get_cells -hierarchical -filter {NAME =~ *queue/released_gray_reg*}] \
    -to [get_cells -hierarchical -filter {NAME =~ *queue/released_over/sync_first_reg*}]
set_max_delay -datapath_only 3.0 \
    -from [get_cells -hierarchical -filter {NAME =~ *queue/read_gray_reg*}] \
    -to [get_cells -hierarchical -filter {NAME =~ *queue/read_over/sync_first_reg*}]
set_max_delay -datapath_only 3.0 \
    -from [get_cells -hierarchical -filter {NAME =~ *queue/*/value_gray_reg*}] \
    -to [get_cells -hierarchical -filter {NAME =~ *queue/*/over/sync_first_reg*}]
set_bus_skew 3.0 \
    -from [get_cells -hierarchical -filter {NAME =~ *queue/released_gray_reg*}] \
    -to [get_cells -hierarchical -filter {NAME =~ *queue/released_over/sync_first_reg*}]
set_bus_skew 3.0 \
    -from [get_cells -hierarchical -filter {NAME =~ *queue/read_gray_reg*}] \
    -to [get_cells -hierarchical -filter {NAME =~ *queue/read_over/sync_first_reg*}]
set_bus_skew 3.0 \
    -from [get_cells -hierarchical -filter {NAME =~ *queue/*/value_gray_reg*}] \
    -to [get_cells -hierarchical -filter {NAME =~ *queue/*/over/sync_first_reg*}]
# The time counts cycles of 4 ns: its bits must arrive within one of them.
set_max_delay -datapath_only 3.0 \
    -from [get_cells -hierarchical -filter {NAME =~ *port_time/cycles_gray_reg*}] \
    -to [get_cells -hierarchical -filter {NAME =~ *port_time/over/sync_first_reg*}]
set_bus_skew 3.0 \
    -from [get_cells -hierarchical -filter {NAME =~ *port_time/cycles_gray_reg*}] \
    -to [get_cells -hierarchical -filter {NAME =~ *port_time/over/sync_first_reg*}]
# The reset's question and its answer are one bit each and wait for one another.
set_max_delay -datapath_only 6.0 -to [get_cells -hierarchical -filter {NAME =~ *queue/ask/sync_first_reg*}]
set_max_delay -datapath_only 6.0 \
    -to [get_cells -hierarchical -filter {NAME =~ *queue/answering/sync_first_reg*}]
# A word is read from the queue's memory only cycles after it was written there.  A memory of LUTs has a
# path of its own from one clock to the other; block RAM has none.
set_max_delay -datapath_only 3.0 -from [get_clocks -of_objects [get_cells -hierarchical -filter \
    {NAME =~ *queue/written_reg*}]] -to [get_cells -hierarchical -filter {NAME =~ *queue/out_data_reg*}]
