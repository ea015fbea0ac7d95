// SPDX-License-Identifier: Apache-2.0
// A skid buffer: cuts the combinational path of tready, and every output is a register.
//
// Latency 1 cycle, throughput 1 beat a cycle.  AXI-Stream on both sides; the payload is whatever
// the caller packs into WIDTH bits.
`default_nettype none

module outcry_skid #(
    // Bits of payload carried with each beat, 8 to 4096.
    parameter WIDTH = 512
) (
    input  wire             clk,
    input  wire             rst,

    input  wire [WIDTH-1:0] s_axis_tdata,
    input  wire             s_axis_tvalid,
    output wire             s_axis_tready,

    output wire [WIDTH-1:0] m_axis_tdata,
    output wire             m_axis_tvalid,
    input  wire             m_axis_tready
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (WIDTH < 8 || WIDTH > 4096) begin : g_wrong_width
            WIDTH_is_not_8_to_4096 wrong ();
        end
    endgenerate

    // Data registers stay out of the reset: they are not read while valid is low.
    reg [WIDTH-1:0] out_data;
    reg             out_valid;
    reg [WIDTH-1:0] skid_data;
    reg             skid_valid;
    // Low in reset, so that no beat is taken that would be lost.
    reg             running;

    assign s_axis_tready = running && !skid_valid;
    assign m_axis_tdata  = out_data;
    assign m_axis_tvalid = out_valid;

    wire take = s_axis_tvalid && s_axis_tready;
    wire free = !out_valid || m_axis_tready;

    always @(posedge clk) begin
        if (free) out_data <= skid_valid ? skid_data : s_axis_tdata;
        if (take) skid_data <= s_axis_tdata;
    end

    always @(posedge clk) begin
        if (rst) begin
            out_valid  <= 1'b0;
            skid_valid <= 1'b0;
            running    <= 1'b0;
        end else begin
            running <= 1'b1;
            if (free) begin
                out_valid  <= skid_valid || take;
                skid_valid <= 1'b0;
            end else if (take) begin
                skid_valid <= 1'b1;
            end
        end
    end

`ifdef FORMAL
`include "outcry_skid_formal.vh"
`endif

endmodule

`default_nettype wire
