// SPDX-License-Identifier: Apache-2.0
// A few bits for each order inside a module that gives what it takes, in turn: written as the order
// goes in, read as it comes out.
//
// read_tag is that of the order which leaves next.  Eight places: more than the gateway holds.
`default_nettype none

module outcry_tags #(
    // Bits of a tag, 1 to 64.
    parameter WIDTH = 3
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             write,
    input  wire [WIDTH-1:0] write_tag,
    input  wire             read,
    output wire [WIDTH-1:0] read_tag
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (WIDTH < 1 || WIDTH > 64) begin : g_wrong_width
            WIDTH_is_not_1_to_64 wrong ();
        end
    endgenerate

    reg [WIDTH-1:0] tags [0:7];
    reg [2:0]       next_write;
    reg [2:0]       next_read;

    assign read_tag = tags[next_read];

    always @(posedge clk) if (write) tags[next_write] <= write_tag;

    always @(posedge clk) begin
        if (rst) begin
            next_write <= 3'd0;
            next_read  <= 3'd0;
        end else begin
            if (write) next_write <= next_write + 3'd1;
            if (read)  next_read <= next_read + 3'd1;
        end
    end

`ifdef FORMAL_TAGS
`include "outcry_tags_formal.vh"
`endif

endmodule

`default_nettype wire
