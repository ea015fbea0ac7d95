// SPDX-License-Identifier: Apache-2.0
// The whole gateway on a ULX3S (LFE5U-85F): frames, registers and orders over its USB serial line.
//
// The board has no Ethernet, so frames come as messages (outcry_link.v) at 1 Mbaud; after that line
// it is the same RTL.  Time counts from the reset in steps of 40 ns: no PTP here.  LEDs: a heartbeat,
// and the orders that have left.
`default_nettype none

module outcry_ulx3s (
    input  wire       clk_25mhz,
    // FIRE1, high while pressed: reset.
    input  wire       btn,
    // Named by the USB chip: it transmits on txd.
    input  wire       ftdi_txd,
    output wire       ftdi_rxd,
    output wire [7:0] led
);

    wire clk = clk_25mhz;
    // A button is not synchronous to any clock: two flip-flops between it and any logic.  Each bounce
    // restarts the 16 cycles of reset.
    reg [1:0] btn_pin = 2'b11;
    always @(posedge clk) btn_pin <= {btn_pin[0], btn};
    reg [3:0] reset_left = 4'hF;
    wire      rst = reset_left != 4'd0;
    always @(posedge clk) begin
        if (btn_pin[1]) reset_left <= 4'hF;
        else if (rst) reset_left <= reset_left - 4'd1;
    end

    wire [7:0]   rx_data, tx_data;
    wire         rx_valid, tx_valid, tx_ready;
    wire [511:0] frame_tdata, order_tdata;
    wire [63:0]  frame_tkeep;
    wire [1:0]   ports_tready;
    wire         frame_tlast, frame_tvalid, frame_tready, order_tvalid, order_tready;
    wire [11:0]  awaddr, araddr;
    wire [31:0]  wdata, rdata;
    wire [1:0]   bresp, rresp;
    wire         awvalid, awready, wvalid, wready, bvalid, bready, arvalid, arready, rvalid, rready;

    reg [63:0] time_ns;
    reg [24:0] beat;
    reg [6:0]  orders;
    always @(posedge clk) begin
        if (rst) begin
            time_ns <= 64'd0;
            beat    <= 25'd0;
            orders  <= 7'd0;
        end else begin
            time_ns <= time_ns + 64'd40;
            beat    <= beat + 25'd1;
            if (order_tvalid && order_tready) orders <= orders + 7'd1;
        end
    end
    assign led = {beat[24], orders};

    outcry_uart #(
        .CYCLES(25)
    ) uart (
        .clk(clk), .rst(rst), .rxd(ftdi_txd), .rx_data(rx_data), .rx_valid(rx_valid),
        .txd(ftdi_rxd), .tx_data(tx_data), .tx_valid(tx_valid), .tx_ready(tx_ready)
    );

    outcry_link link (
        .clk(clk), .rst(rst),
        .rx_data(rx_data), .rx_valid(rx_valid),
        .tx_data(tx_data), .tx_valid(tx_valid), .tx_ready(tx_ready),
        .m_axis_tdata(frame_tdata), .m_axis_tkeep(frame_tkeep), .m_axis_tlast(frame_tlast),
        .m_axis_tvalid(frame_tvalid), .m_axis_tready(frame_tready),
        .s_axis_tdata(order_tdata), .s_axis_tvalid(order_tvalid), .s_axis_tready(order_tready),
        .m_axil_awaddr(awaddr), .m_axil_awvalid(awvalid), .m_axil_awready(awready),
        .m_axil_wdata(wdata), .m_axil_wvalid(wvalid), .m_axil_wready(wready),
        .m_axil_bresp(bresp), .m_axil_bvalid(bvalid), .m_axil_bready(bready),
        .m_axil_araddr(araddr), .m_axil_arvalid(arvalid), .m_axil_arready(arready),
        .m_axil_rdata(rdata), .m_axil_rresp(rresp), .m_axil_rvalid(rvalid), .m_axil_rready(rready)
    );

    outcry_top #(
        .PORTS(2)
    ) gateway (
        .clk(clk), .rst(rst), .time_ns(time_ns), .first_seq(64'd1), .udp_port(16'd9000),
        // The line carries frames to this board alone.
        .check_local(3'd0), .local_mac(48'd0), .local_ip(32'd0), .local_vlan(12'd0),
        // One line, one port: the other is there, quiet.
        .s_axis_tdata({512'd0, frame_tdata}), .s_axis_tkeep({64'd0, frame_tkeep}),
        .s_axis_tlast({1'b0, frame_tlast}), .s_axis_tvalid({1'b0, frame_tvalid}),
        .s_axis_tready(ports_tready),
        .m_axis_tkeep(), .m_axis_tlast(), .m_axis_tuser(),
        .m_axis_tdata(order_tdata), .m_axis_tvalid(order_tvalid), .m_axis_tready(order_tready),
        .s_axil_awaddr(awaddr), .s_axil_awprot(3'd0), .s_axil_awvalid(awvalid),
        .s_axil_awready(awready), .s_axil_wdata(wdata), .s_axil_wstrb(4'hF),
        .s_axil_wvalid(wvalid), .s_axil_wready(wready), .s_axil_bresp(bresp),
        .s_axil_bvalid(bvalid), .s_axil_bready(bready), .s_axil_araddr(araddr),
        .s_axil_arprot(3'd0), .s_axil_arvalid(arvalid), .s_axil_arready(arready),
        .s_axil_rdata(rdata), .s_axil_rresp(rresp), .s_axil_rvalid(rvalid),
        .s_axil_rready(rready)
    );
    assign frame_tready = ports_tready[0];

endmodule

`default_nettype wire
