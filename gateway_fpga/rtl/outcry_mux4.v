// SPDX-License-Identifier: Apache-2.0
// One of four.  Synthesis keeps it apart: it would otherwise turn a register that is chosen to stay
// as it is into one with an enable, which comes later than the choice.
`default_nettype none

(* keep_hierarchy *)
module outcry_mux4 #(
    parameter WIDTH = 63
) (
    input  wire [1:0]       select,
    input  wire [WIDTH-1:0] a,
    input  wire [WIDTH-1:0] b,
    input  wire [WIDTH-1:0] c,
    input  wire [WIDTH-1:0] d,
    output wire [WIDTH-1:0] chosen
);

    assign chosen = select[1] ? (select[0] ? d : c) : (select[0] ? b : a);

endmodule

`default_nettype wire
