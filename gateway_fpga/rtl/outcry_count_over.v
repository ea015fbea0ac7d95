// SPDX-License-Identifier: Apache-2.0
// Counts events of one clock for readers in another's domain; stops at its largest value.
//
// The count crosses as a Gray code, of which one bit changes with each event: what is read is a count
// that stood there a few cycles before, never a mixture of two.
`default_nettype none

module outcry_count_over #(
    // Bits of the counter, 2 to 32.
    parameter WIDTH = 32
) (
    input  wire             write_clk,
    input  wire             write_rst,
    input  wire             event_seen,

    input  wire             clk,
    input  wire             rst,
    output reg  [WIDTH-1:0] count
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (WIDTH < 2 || WIDTH > 32) begin : g_wrong_width
            WIDTH_is_not_2_to_32 wrong ();
        end
    endgenerate

    localparam [WIDTH-1:0] ONE  = 1;
    localparam [WIDTH-1:0] FULL = {WIDTH{1'b1}};

    reg  [WIDTH-1:0] value;
    reg  [WIDTH-1:0] value_gray;
    wire [WIDTH-1:0] next_value = value + ((event_seen && value != FULL) ? ONE : {WIDTH{1'b0}});

    always @(posedge write_clk) begin
        if (write_rst) begin
            value      <= {WIDTH{1'b0}};
            value_gray <= {WIDTH{1'b0}};
        end else begin
            value      <= next_value;
            value_gray <= next_value ^ (next_value >> 1);
        end
    end

    wire [WIDTH-1:0] gray_seen;
    wire [WIDTH-1:0] seen;
    outcry_sync #(.WIDTH(WIDTH)) over (.clk(clk), .from(value_gray), .to(gray_seen));
    outcry_gray #(.WIDTH(WIDTH)) back (.gray(gray_seen), .binary(seen));

    always @(posedge clk) begin
        if (rst) count <= {WIDTH{1'b0}};
        else count <= seen;
    end

endmodule

`default_nettype wire
