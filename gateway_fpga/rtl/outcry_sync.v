// SPDX-License-Identifier: Apache-2.0
// Brings bits into another clock's domain: two flip-flops in a row.
//
// Of WIDTH bits together either one changes at a time (a Gray code) or the taker waits until they
// stand still: each bit arrives in a cycle of its own.
`default_nettype none

module outcry_sync #(
    // Bits side by side, 1 to 64.
    parameter WIDTH = 1
) (
    input  wire             clk,
    input  wire [WIDTH-1:0] from,
    output wire [WIDTH-1:0] to
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (WIDTH < 1 || WIDTH > 64) begin : g_wrong_width
            WIDTH_is_not_1_to_64 wrong ();
        end
    endgenerate

    // Constraints find them by these names (gateway_fpga/card/outcry_cdc.xdc).
    (* ASYNC_REG = "TRUE" *) reg [WIDTH-1:0] sync_first;
    (* ASYNC_REG = "TRUE" *) reg [WIDTH-1:0] sync_second;
    initial sync_first  = {WIDTH{1'b0}};
    initial sync_second = {WIDTH{1'b0}};

    always @(posedge clk) begin
        sync_first  <= from;
        sync_second <= sync_first;
    end
    assign to = sync_second;

endmodule

`default_nettype wire
