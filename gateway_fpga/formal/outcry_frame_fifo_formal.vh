// SPDX-License-Identifier: Apache-2.0
// Properties of outcry_frame_fifo; the sentences stand in formal/properties.py.
//
// Two clocks that have nothing to do with one another, and no reset: it begins as a reset leaves it,
// and the benches reset at every cycle.
always @* assume (!rst);
initial begin
    wanted = 1'b0;
    {written, committed, released, released_gray, read_known, lost, cut} = 0;
    {read, read_gray, out_valid} = 0;
end

function [DEPTH_LOG2:0] f_number;
    input [DEPTH_LOG2:0] gray;
    integer f_n;
    begin
        f_number[DEPTH_LOG2] = gray[DEPTH_LOG2];
        for (f_n = DEPTH_LOG2 - 1; f_n >= 0; f_n = f_n - 1)
            f_number[f_n] = f_number[f_n+1] ^ gray[f_n];
    end
endfunction

// What is between the clocks: the flip-flops of outcry_sync once more (merged with them).
reg [DEPTH_LOG2:0] f_read_first, f_read_second, f_released_first, f_released_second;
reg f_ask_first, f_ask_second, f_answer_first, f_answer_second;
initial {f_read_first, f_read_second, f_released_first, f_released_second} = 0;
initial {f_ask_first, f_ask_second, f_answer_first, f_answer_second} = 0;
always @(posedge write_clk) begin
    f_read_first  <= read_gray;
    f_read_second <= f_read_first;
    f_ask_first   <= asked;
    f_ask_second  <= f_ask_first;
end
always @(posedge clk) begin
    f_released_first  <= released_gray;
    f_released_second <= f_released_first;
    f_answer_first    <= answer;
    f_answer_second   <= f_answer_first;
end

// How far each stands before what the writer knows of the reader, in the order of the way.
wire [DEPTH_LOG2:0] f_1 = f_number(f_read_second) - read_known;
wire [DEPTH_LOG2:0] f_2 = f_number(f_read_first) - read_known;
wire [DEPTH_LOG2:0] f_3 = read - read_known;
wire [DEPTH_LOG2:0] f_4 = f_number(f_released_second) - read_known;
wire [DEPTH_LOG2:0] f_5 = f_number(f_released_first) - read_known;
wire [DEPTH_LOG2:0] f_6 = released - read_known;
wire [DEPTH_LOG2:0] f_7 = committed - read_known;
wire [DEPTH_LOG2:0] f_8 = written - read_known;

// A place, any, is watched: a pointer with its lap bit.
(* anyconst *) reg [DEPTH_LOG2:0] f_watched;
reg [WIDTH-1:0] f_data;
always @(posedge write_clk)
    if (write && fits && written == f_watched) f_data <= write_data;
wire [DEPTH_LOG2:0] f_before = f_watched - read_known;

// Words of the frame that is under way.
reg [DEPTH_LOG2+3:0] f_words;
initial f_words = 0;
always @(posedge write_clk) begin
    if (write_abort || (write && write_last)) f_words <= 0;
    else if (write && !(&f_words)) f_words <= f_words + 1'b1;
end
wire [DEPTH_LOG2+3:0] f_trial = {3'd0, f_8 - f_7};

always @* begin
    f_open: assert (!wanted && !asked && !answer && !f_ask_first && !f_ask_second
                    && !f_answer_first && !f_answer_second && !cut);
    f_gray: assert (read_gray == (read ^ (read >> 1)) && released_gray == (released ^ (released >> 1)));
    f_over: assert (read_gray_seen == f_read_second && released_seen == f_released_second);
    f_reader_behind: assert (f_1 <= f_2 && f_2 <= f_3 && f_3 <= f_4 && f_4 <= f_5 && f_5 <= f_6);
    queue_never_overflows: assert (f_8 <= DEPTH);
    queue_only_committed_leaves: assert (f_3 <= f_7 && f_6 <= f_7 && f_7 <= f_8);
    queue_frame_is_whole: assert (lost || f_trial == f_words);
    f_lost: assert (!lost || f_trial == 0);
    f_word: assert (!(f_before >= f_3 && f_before < f_8) || words[f_watched[DEPTH_LOG2-1:0]] == f_data);
    queue_order_kept:
        assert (!(out_valid && f_watched == read - ONE) || out_data == f_data);
end
