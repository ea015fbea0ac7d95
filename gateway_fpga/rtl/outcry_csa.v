// SPDX-License-Identifier: Apache-2.0
// A carry-save adder: three numbers become two with the same sum, at the depth of one gate.
`default_nettype none

module outcry_csa #(
    parameter WIDTH = 126
) (
    input  wire [WIDTH-1:0] a,
    input  wire [WIDTH-1:0] b,
    input  wire [WIDTH-1:0] c,
    output wire [WIDTH-1:0] sum,
    output wire [WIDTH-1:0] carry
);

    assign sum   = a ^ b ^ c;
    assign carry = {(a[WIDTH-2:0] & b[WIDTH-2:0]) | (a[WIDTH-2:0] & c[WIDTH-2:0])
                    | (b[WIDTH-2:0] & c[WIDTH-2:0]), 1'b0};

endmodule

`default_nettype wire
