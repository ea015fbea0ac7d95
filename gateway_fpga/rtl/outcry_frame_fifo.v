// SPDX-License-Identifier: Apache-2.0
// A queue of whole frames between two clocks, for a writer that cannot wait.
//
// A frame leaves only once its last word has come, and only if it is not bad and all of its words had
// room; otherwise it leaves nothing but its count, and the next one is taken.  The reader's side is
// AXI-Stream; a frame's words leave one a cycle.
//
// Pointers and counts cross as Gray codes, which change one bit at a time: what is committed, a frame
// at once, is let go word by word.  From the last word of a frame to its first word offered: 2 cycles
// of write_clk, then at most 5 of clk.
//
// rst is of the reader's clock.  It empties both sides, hand in hand: the reader asks, the writer does
// so and answers, and only when the answer is withdrawn is anything offered.  However the clocks stand
// to one another and whenever it comes, no word and no count from before it is left; with write_clk
// standing still nothing is offered.  Of a frame that a reset cuts, the rest is forgotten.
`default_nettype none

module outcry_frame_fifo #(
    // Bits of a word, 8 to 4096.
    parameter WIDTH = 641,
    // The queue holds 2**DEPTH_LOG2 words, 2 to 12.
    parameter DEPTH_LOG2 = 7,
    // Bits of each counter, 2 to 32; they stop at their largest value.
    parameter COUNTER_WIDTH = 32
) (
    input  wire                     write_clk,
    // The writer has lost its place: the frame on its way is forgotten.
    input  wire                     write_abort,
    input  wire [WIDTH-1:0]         write_data,
    input  wire                     write_last,
    // Read with write_last.
    input  wire                     write_bad,
    input  wire                     write,

    input  wire                     clk,
    input  wire                     rst,
    output wire [WIDTH-1:0]         m_axis_tdata,
    output wire                     m_axis_tvalid,
    input  wire                     m_axis_tready,
    // Frames that were bad, and others that had no room; in clk's domain.
    output wire [COUNTER_WIDTH-1:0] bad_frames,
    output wire [COUNTER_WIDTH-1:0] no_room_frames
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (WIDTH < 8 || WIDTH > 4096) begin : g_wrong_width
            WIDTH_is_not_8_to_4096 wrong ();
        end
        if (DEPTH_LOG2 < 2 || DEPTH_LOG2 > 12) begin : g_wrong_depth_log2
            DEPTH_LOG2_is_not_2_to_12 wrong ();
        end
        if (COUNTER_WIDTH < 2 || COUNTER_WIDTH > 32) begin : g_wrong_counter_width
            COUNTER_WIDTH_is_not_2_to_32 wrong ();
        end
    endgenerate

    // A pointer has one bit more than an index, so that full and empty differ.
    localparam POINTER = DEPTH_LOG2 + 1;
    localparam [DEPTH_LOG2:0] ONE   = 1;
    localparam [DEPTH_LOG2:0] DEPTH = ONE << DEPTH_LOG2;

    reg [WIDTH-1:0] words [0:(1<<DEPTH_LOG2)-1];

    // ---- the reset's two hands: asked by the reader, answered by the writer ----------------------
    reg  wanted;
    reg  asked;
    reg  answer;
    wire asked_seen;
    wire answer_seen;
    // The bitstream's: a reset wants them defined, and so does a simulator.
`ifndef FORMAL_FRAME_FIFO
    initial wanted = 1'b1;
`endif
    initial asked  = 1'b0;
    initial answer = 1'b0;

    outcry_sync ask (.clk(write_clk), .from(asked), .to(asked_seen));
    outcry_sync answering (.clk(clk), .from(answer), .to(answer_seen));

    // Nothing is offered from a reset until the writer has been emptied and says no more that it is.
    wire held = wanted || asked || answer_seen;

    always @(posedge clk) begin
        // An answer to a question before this one does not count: it is waited for its end first.
        if (!asked) asked <= wanted && !answer_seen;
        else if (answer_seen) asked <= 1'b0;
        if (rst) wanted <= 1'b1;
        else if (!asked && !answer_seen) wanted <= 1'b0;
    end

    always @(posedge write_clk) answer <= asked_seen;

    // ---- the writer ------------------------------------------------------------------------------
    reg [DEPTH_LOG2:0] written;
    reg [DEPTH_LOG2:0] committed;
    reg [DEPTH_LOG2:0] released;
    reg [DEPTH_LOG2:0] released_gray;
    reg [DEPTH_LOG2:0] read_known;
    // A word of this frame had no room; the frame was cut by a reset; a frame has begun.
    reg                lost;
    reg                cut;
    reg                amid;
    initial amid = 1'b0;

    wire [DEPTH_LOG2:0] read_gray_seen;
    wire [DEPTH_LOG2:0] read_seen;
    reg  [DEPTH_LOG2:0] read_gray;
    outcry_sync #(.WIDTH(POINTER)) read_over (.clk(write_clk), .from(read_gray), .to(read_gray_seen));
    outcry_gray #(.WIDTH(POINTER)) read_back (.gray(read_gray_seen), .binary(read_seen));

    wire room = written - read_known != DEPTH;
    wire fits = room && !lost && !cut;
    wire amid_next = !write_abort && (write ? !write_last : amid);
    wire [DEPTH_LOG2:0] next_released = released + ((released != committed) ? ONE : {POINTER{1'b0}});

    always @(posedge write_clk) begin
        read_known <= read_seen;
        amid       <= amid_next;
        if (write && fits) words[written[DEPTH_LOG2-1:0]] <= write_data;
    end

    always @(posedge write_clk) begin
        if (asked_seen) begin
            written       <= {POINTER{1'b0}};
            committed     <= {POINTER{1'b0}};
            released      <= {POINTER{1'b0}};
            released_gray <= {POINTER{1'b0}};
            lost          <= 1'b0;
            cut           <= amid_next;
        end else begin
            cut           <= cut && amid_next;
            released      <= next_released;
            released_gray <= next_released ^ (next_released >> 1);
            if (write_abort) begin
                written <= committed;
                lost    <= 1'b0;
            end else if (write) begin
                lost <= !fits && !write_last;
                if (write_last && fits && !write_bad) begin
                    written   <= written + ONE;
                    committed <= written + ONE;
                end else if (write_last || !fits) begin
                    written <= committed;
                end else begin
                    written <= written + ONE;
                end
            end
        end
    end

    // ---- the reader ------------------------------------------------------------------------------
    reg [DEPTH_LOG2:0] read;
    reg [WIDTH-1:0]    out_data;
    reg                out_valid;

    wire [DEPTH_LOG2:0] released_seen;
    outcry_sync #(.WIDTH(POINTER)) released_over (.clk(clk), .from(released_gray), .to(released_seen));

    wire some = read_gray != released_seen;
    wire next = m_axis_tready || !out_valid;
    wire [DEPTH_LOG2:0] next_read = read + ((next && some) ? ONE : {POINTER{1'b0}});

    assign m_axis_tdata  = out_data;
    assign m_axis_tvalid = out_valid;

    always @(posedge clk) if (next) out_data <= words[read[DEPTH_LOG2-1:0]];

    always @(posedge clk) begin
        if (rst || held) begin
            read      <= {POINTER{1'b0}};
            read_gray <= {POINTER{1'b0}};
            out_valid <= 1'b0;
        end else begin
            read      <= next_read;
            read_gray <= next_read ^ (next_read >> 1);
            if (next) out_valid <= some;
        end
    end

    // ---- what was lost ---------------------------------------------------------------------------
    wire ends = write && write_last && !write_abort && !asked_seen && !cut;

    outcry_count_over #(.WIDTH(COUNTER_WIDTH)) bad (
        .write_clk(write_clk), .write_rst(asked_seen), .event_seen(ends && write_bad),
        .clk(clk), .rst(rst || held), .count(bad_frames)
    );
    outcry_count_over #(.WIDTH(COUNTER_WIDTH)) no_room (
        .write_clk(write_clk), .write_rst(asked_seen), .event_seen(ends && !write_bad && !fits),
        .clk(clk), .rst(rst || held), .count(no_room_frames)
    );

`ifdef FORMAL_FRAME_FIFO
`include "outcry_frame_fifo_formal.vh"
`endif

endmodule

`default_nettype wire
