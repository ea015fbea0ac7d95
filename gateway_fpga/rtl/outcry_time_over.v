// SPDX-License-Identifier: Apache-2.0
// A time that never goes back, counted in one clock and read in another: the ingress time of a port
// whose own clock comes and goes with its link.
//
// No reset touches it: buckets of the rate limit lie in block RAM, which outlives one too, and a time
// that began again at 0 would refuse everybody for as long as it had run before.  While rx_clk stands
// still rx_time_ns does; afterwards it is right again.  It counts from the bitstream's start.
//
// Cycles are counted, one at a time, and cross as a Gray code: rx_time_ns is at most four cycles of
// rx_clk and two of clk old.
`default_nettype none

module outcry_time_over #(
    // A cycle of clk is 2 to this power nanoseconds, 0 to 8.
    parameter CYCLE_NS_LOG2 = 2
) (
    input  wire        clk,
    input  wire        rx_clk,
    output wire [63:0] rx_time_ns
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (CYCLE_NS_LOG2 < 0 || CYCLE_NS_LOG2 > 8) begin : g_wrong_cycle_ns_log2
            CYCLE_NS_LOG2_is_not_0_to_8 wrong ();
        end
    endgenerate

    localparam BITS = 64 - CYCLE_NS_LOG2;
    localparam [BITS-1:0] ONE = 1;

    reg  [BITS-1:0] cycles;
    reg  [BITS-1:0] cycles_gray;
    reg  [BITS-1:0] rx_cycles;
    initial cycles      = {BITS{1'b0}};
    initial cycles_gray = {BITS{1'b0}};
    initial rx_cycles   = {BITS{1'b0}};

    wire [BITS-1:0] next_cycles = cycles + ONE;
    always @(posedge clk) begin
        cycles      <= next_cycles;
        cycles_gray <= next_cycles ^ (next_cycles >> 1);
    end

    wire [BITS-1:0] gray_seen;
    wire [BITS-1:0] seen;
    outcry_sync #(.WIDTH(BITS)) over (.clk(rx_clk), .from(cycles_gray), .to(gray_seen));
    outcry_gray #(.WIDTH(BITS)) back (.gray(gray_seen), .binary(seen));

    always @(posedge rx_clk) rx_cycles <= seen;
    assign rx_time_ns = {64'd0 | rx_cycles} << CYCLE_NS_LOG2;

endmodule

`default_nettype wire
