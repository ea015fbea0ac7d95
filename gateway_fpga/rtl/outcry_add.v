// SPDX-License-Identifier: Apache-2.0
// A sum as one carry chain.  Synthesis keeps it apart: it would otherwise turn several sums into a tree
// of gates, four LUTs deep, followed by a chain.
`default_nettype none

(* keep_hierarchy *)
module outcry_add #(
    parameter WIDTH = 18
) (
    input  wire [WIDTH-1:0] a,
    input  wire [WIDTH-1:0] b,
    output wire [WIDTH-1:0] sum
);

    assign sum = a + b;

endmodule

`default_nettype wire
