// SPDX-License-Identifier: Apache-2.0
// The sum of four numbers of BITS bits that stand LANE bits apart: twice the sum of two, a carry chain
// each.
`default_nettype none

module outcry_sum4 #(
    parameter BITS = 16,
    parameter LANE = 32
) (
    input  wire [4*LANE-1:0] terms,
    output wire [LANE-1:0]   sum
);

    wire [BITS:0]   low, high;
    wire [BITS+1:0] whole;
    outcry_add #(.WIDTH(BITS + 1)) add_low (
        .a({1'b0, terms[0 +: BITS]}), .b({1'b0, terms[LANE +: BITS]}), .sum(low)
    );
    outcry_add #(.WIDTH(BITS + 1)) add_high (
        .a({1'b0, terms[2*LANE +: BITS]}), .b({1'b0, terms[3*LANE +: BITS]}), .sum(high)
    );
    outcry_add #(.WIDTH(BITS + 2)) add (.a({1'b0, low}), .b({1'b0, high}), .sum(whole));
    assign sum = {{LANE-BITS-2{1'b0}}, whole};

endmodule

`default_nettype wire
