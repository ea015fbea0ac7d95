`default_nettype none
// A block of one's own: is the price of an order above 0, and not above a limit?
// An order is one beat of 512 bits; byte 0 is tdata[7:0], and its price is the first field
// (docs/wire.md). The answer comes one cycle later.
module price_band #(
    parameter signed [63:0] MAX_PRICE_TICKS = 64'd1000
) (
    input  wire         clk,
    input  wire         rst,
    input  wire [511:0] order_tdata,
    input  wire         order_tvalid,
    output reg          out_valid,
    output reg          not_positive,
    output reg          above_limit
);
  wire signed [63:0] price_ticks = order_tdata[63:0];

  always @(posedge clk) begin
    out_valid    <= order_tvalid && !rst;
    not_positive <= price_ticks <= 64'sd0;
    above_limit  <= price_ticks > MAX_PRICE_TICKS;
  end
endmodule
`default_nettype wire
