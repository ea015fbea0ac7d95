// SPDX-License-Identifier: Apache-2.0
// A queue that takes words on trial: what was written since the last commit leaves only once it is
// committed, and is forgotten when it is discarded.
//
// The writer must not write when free is 0, nor in the cycle of a discard.  Latency 2 cycles from
// commit to m_axis_tvalid, throughput 1 word a cycle.
`default_nettype none

module outcry_packet_fifo #(
    // Bits of a word, 8 to 4096.
    parameter WIDTH = 512,
    // The queue holds 2**DEPTH_LOG2 words, 1 to 12.
    parameter DEPTH_LOG2 = 6
) (
    input  wire                clk,
    input  wire                rst,

    input  wire [WIDTH-1:0]    write_data,
    input  wire                write,
    // Let go, or forget, all that was written before this cycle.
    input  wire                commit,
    input  wire                discard,
    output wire [DEPTH_LOG2:0] free,

    output wire [WIDTH-1:0]    m_axis_tdata,
    output wire                m_axis_tvalid,
    input  wire                m_axis_tready
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (WIDTH < 8 || WIDTH > 4096) begin : g_wrong_width
            WIDTH_is_not_8_to_4096 wrong ();
        end
        if (DEPTH_LOG2 < 1 || DEPTH_LOG2 > 12) begin : g_wrong_depth_log2
            DEPTH_LOG2_is_not_1_to_12 wrong ();
        end
    endgenerate

    localparam [DEPTH_LOG2:0] ONE   = 1;
    localparam [DEPTH_LOG2:0] DEPTH = ONE << DEPTH_LOG2;

    reg [WIDTH-1:0]    words [0:(1<<DEPTH_LOG2)-1];
    // One bit more than an index, so that full and empty differ.
    reg [DEPTH_LOG2:0] written;
    reg [DEPTH_LOG2:0] committed;
    reg [DEPTH_LOG2:0] read;
    reg [WIDTH-1:0]    out_data;
    reg                out_valid;

    assign free          = DEPTH - (written - read);
    assign m_axis_tdata  = out_data;
    assign m_axis_tvalid = out_valid;

    wire some = read != committed;
    wire next = m_axis_tready || !out_valid;

    always @(posedge clk) begin
        if (write) words[written[DEPTH_LOG2-1:0]] <= write_data;
        if (next) out_data <= words[read[DEPTH_LOG2-1:0]];
    end

    always @(posedge clk) begin
        if (rst) begin
            written   <= {(DEPTH_LOG2+1){1'b0}};
            committed <= {(DEPTH_LOG2+1){1'b0}};
            read      <= {(DEPTH_LOG2+1){1'b0}};
            out_valid <= 1'b0;
        end else begin
            if (discard) written <= committed;
            else if (write) written <= written + ONE;
            if (commit) committed <= written;
            if (next) out_valid <= some;
            if (next && some) read <= read + ONE;
        end
    end

`ifdef FORMAL_PACKET_FIFO
`include "outcry_packet_fifo_formal.vh"
`endif

endmodule

`default_nettype wire
