// SPDX-License-Identifier: Apache-2.0
// From a Gray code back to a number: each bit is the parity of the bits from it up.
`default_nettype none

module outcry_gray #(
    // Bits, 2 to 64.
    parameter WIDTH = 8
) (
    input  wire [WIDTH-1:0] gray,
    output wire [WIDTH-1:0] binary
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (WIDTH < 2 || WIDTH > 64) begin : g_wrong_width
            WIDTH_is_not_2_to_64 wrong ();
        end
    endgenerate

    genvar nth;
    generate
        for (nth = 0; nth < WIDTH; nth = nth + 1) begin : g_bit
            assign binary[nth] = ^gray[WIDTH-1:nth];
        end
    endgenerate

endmodule

`default_nettype wire
