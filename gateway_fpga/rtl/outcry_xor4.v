// SPDX-License-Identifier: Apache-2.0
// The sum without carries of four, one LUT a bit.  Synthesis keeps it apart: the logic before and
// after it is mapped separately, and a tree of these is exactly as deep as it is drawn.
`default_nettype none

(* keep_hierarchy *)
module outcry_xor4 #(
    parameter WIDTH = 27
) (
    input  wire [WIDTH-1:0] a,
    input  wire [WIDTH-1:0] b,
    input  wire [WIDTH-1:0] c,
    input  wire [WIDTH-1:0] d,
    output wire [WIDTH-1:0] sum
);

    assign sum = a ^ b ^ c ^ d;

endmodule

`default_nettype wire
