// SPDX-License-Identifier: Apache-2.0
// A serial line, 8 data bits, no parity, 1 stop bit: bytes in and out.
`default_nettype none

module outcry_uart #(
    // Clock cycles a bit.
    parameter CYCLES = 25
) (
    input  wire       clk,
    input  wire       rst,

    input  wire       rxd,
    output reg  [7:0] rx_data,
    output reg        rx_valid,

    output wire       txd,
    input  wire [7:0] tx_data,
    input  wire       tx_valid,
    output wire       tx_ready
);

    // Two registers between the pin and any logic that depends on it.
    reg [1:0]  rx_pin;
    reg        rx_busy;
    reg [15:0] rx_wait;
    reg [3:0]  rx_bit;
    reg [7:0]  rx_shift;

    always @(posedge clk) begin
        rx_valid <= 1'b0;
        rx_pin   <= {rx_pin[0], rxd};
        if (rst) begin
            rx_busy <= 1'b0;
            rx_pin  <= 2'b11;
        end else if (!rx_busy) begin
            // To the middle of the first data bit.
            if (!rx_pin[1]) begin
                rx_busy <= 1'b1;
                rx_wait <= CYCLES + CYCLES / 2 - 1;
                rx_bit  <= 4'd0;
            end
        end else if (rx_wait != 16'd0) begin
            rx_wait <= rx_wait - 16'd1;
        end else begin
            rx_wait <= CYCLES - 1;
            rx_bit  <= rx_bit + 4'd1;
            if (rx_bit == 4'd8) begin
                // Without its stop bit it was no byte.
                rx_busy  <= 1'b0;
                rx_data  <= rx_shift;
                rx_valid <= rx_pin[1];
            end else begin
                rx_shift <= {rx_pin[1], rx_shift[7:1]};
            end
        end
    end

    reg [9:0]  tx_shift;
    reg [3:0]  tx_left;
    reg [15:0] tx_wait;
    assign txd      = tx_shift[0];
    assign tx_ready = tx_left == 4'd0;

    always @(posedge clk) begin
        if (rst) begin
            tx_shift <= 10'h3FF;
            tx_left  <= 4'd0;
            tx_wait  <= 16'd0;
        end else if (tx_left == 4'd0) begin
            if (tx_valid) begin
                tx_shift <= {1'b1, tx_data, 1'b0};
                tx_left  <= 4'd10;
                tx_wait  <= CYCLES - 1;
            end
        end else if (tx_wait != 16'd0) begin
            tx_wait <= tx_wait - 16'd1;
        end else begin
            tx_shift <= {1'b1, tx_shift[9:1]};
            tx_left  <= tx_left - 4'd1;
            tx_wait  <= CYCLES - 1;
        end
    end

endmodule

`default_nettype wire
