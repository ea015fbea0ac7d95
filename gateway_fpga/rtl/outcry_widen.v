// SPDX-License-Identifier: Apache-2.0
// From the 64-bit stream of a 10G MAC, which cannot wait, to beats of 512 bits.
//
// Eight words become a beat; the last beat of a frame is as full as the frame is.  Bytes that are not
// kept are whatever the MAC gave, words that did not come are 0.  Each beat has the time at which the
// frame's first word came, and of its last beat m_axis_tuser says whether the MAC calls it bad.
//
// Latency 1 cycle from a beat's last word; there is no tready on either side.
`default_nettype none

module outcry_widen (
    input  wire         clk,
    // Forgets the frame that is on its way.
    input  wire         rst,

    // Nanoseconds since the epoch, in this clock's domain.
    input  wire [63:0]  time_ns,

    input  wire [63:0]  s_axis_tdata,
    input  wire [7:0]   s_axis_tkeep,
    input  wire         s_axis_tlast,
    // With tlast: the frame is bad (its check sequence, its coding).
    input  wire         s_axis_tuser,
    input  wire         s_axis_tvalid,

    output reg  [511:0] m_axis_tdata,
    output reg  [63:0]  m_axis_tkeep,
    output reg          m_axis_tlast,
    output reg          m_axis_tuser,
    output reg  [63:0]  m_time_ns,
    output reg          m_axis_tvalid
);

    // Which word of its beat comes next; whether a frame has begun.
    reg [2:0] nth;
    reg       in_frame;

    always @(posedge clk) begin
        if (rst) begin
            nth           <= 3'd0;
            in_frame        <= 1'b0;
            m_axis_tvalid <= 1'b0;
        end else begin
            m_axis_tvalid <= s_axis_tvalid && (s_axis_tlast || nth == 3'd7);
            if (s_axis_tvalid) begin
                nth    <= s_axis_tlast ? 3'd0 : nth + 3'd1;
                in_frame <= !s_axis_tlast;
            end
        end
    end

    always @(posedge clk) begin
        if (s_axis_tvalid) begin
            // The beat before is taken in the very cycle in which its registers start the next one.
            if (nth == 3'd0) begin
                m_axis_tdata <= {448'd0, s_axis_tdata};
                m_axis_tkeep <= {56'd0, s_axis_tkeep};
            end else begin
                m_axis_tdata[64*nth +: 64] <= s_axis_tdata;
                m_axis_tkeep[8*nth +: 8]   <= s_axis_tkeep;
            end
            m_axis_tlast <= s_axis_tlast;
            m_axis_tuser <= s_axis_tlast && s_axis_tuser;
            if (!in_frame) m_time_ns <= time_ns;
        end
    end

`ifdef FORMAL_WIDEN
`include "outcry_widen_formal.vh"
`endif

endmodule

`default_nettype wire
