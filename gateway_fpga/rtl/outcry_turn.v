// SPDX-License-Identifier: Apache-2.0
// The port served: the first that asks from the turn on, going round; one bit a port, none if none
// asks.  Synthesis keeps it apart: it would otherwise repeat it for each bit of the orders.
// (Subtracting the turn from two copies of the requests says the same, but by a carry chain: the
// arbiter then does 156 MHz.)
`default_nettype none

(* keep_hierarchy *)
module outcry_turn #(
    parameter [31:0] PORTS = 3
) (
    input  wire [PORTS-1:0] turn,
    input  wire [PORTS-1:0] requests,
    output reg  [PORTS-1:0] grant
);

    reg        open;
    reg [31:0] from, step;
    always @* begin
        grant = {PORTS{1'b0}};
        for (from = 32'd0; from < PORTS; from = from + 32'd1) begin
            open = turn[from];
            for (step = 32'd0; step < PORTS; step = step + 32'd1) begin
                if (open && requests[(from+step)%PORTS]) grant[(from+step)%PORTS] = 1'b1;
                open = open && !requests[(from+step)%PORTS];
            end
        end
    end

endmodule

`default_nettype wire
