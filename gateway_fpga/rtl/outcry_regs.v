// SPDX-License-Identifier: Apache-2.0
// The gateway's registers: an AXI-Lite slave of 32-bit words (docs/registers.md is the map).
//
// A write is answered two cycles after address and data are both there: one for them, one for what
// they mean.  A read is answered three cycles after its address: one for the address, one for the
// word in each group of 16, one for the group.  No order waits for either.  Whatever cannot be done
// gets an error answer, changes nothing and is counted; the bus never hangs.  row_swap and
// participant_set answer at once and are carried out when the validator says so (`command_done`);
// until then `status` is busy, and neither they nor what they use can be written.
`default_nettype none
`include "outcry_wire.vh"
`include "outcry_registers.vh"

module outcry_regs #(
    parameter SLOT_BITS = `OUTCRY_SLOT_BITS,
    parameter PARTICIPANT_BITS = `OUTCRY_PARTICIPANT_BITS,
    // Bits of each saturating counter, 1 to 32.
    parameter COUNTER_BITS = 32,
    // Bits of the order count, 33 to 64.
    parameter ORDER_COUNT_BITS = 64
) (
    input  wire                         clk,
    input  wire                         rst,

    input  wire [11:0]                  s_axil_awaddr,
    input  wire [2:0]                   s_axil_awprot,
    input  wire                         s_axil_awvalid,
    output wire                         s_axil_awready,
    input  wire [31:0]                  s_axil_wdata,
    input  wire [3:0]                   s_axil_wstrb,
    input  wire                         s_axil_wvalid,
    output wire                         s_axil_wready,
    output wire [1:0]                   s_axil_bresp,
    output wire                         s_axil_bvalid,
    input  wire                         s_axil_bready,
    input  wire [11:0]                  s_axil_araddr,
    input  wire [2:0]                   s_axil_arprot,
    input  wire                         s_axil_arvalid,
    output wire                         s_axil_arready,
    output wire [31:0]                  s_axil_rdata,
    output wire [1:0]                   s_axil_rresp,
    output wire                         s_axil_rvalid,
    input  wire                         s_axil_rready,

    // To the validator.
    output wire                         armed,
    output wire                         check_participants,
    output wire [31:0]                  rate_interval_ns,
    output wire [31:0]                  rate_burst_ns,
    output wire                         row_swap,
    output wire [SLOT_BITS+1:0]         row_index,
    output wire [`OUTCRY_ROW_BITS-1:0]  row_shadow,
    output wire                         participant_set,
    output wire [PARTICIPANT_BITS-1:0]  participant_index,
    output wire                         participant_on,
    input  wire                         command_done,

    // An order left with this verdict.
    input  wire                         count_valid,
    input  wire [15:0]                  count_code,
    // The ports' own counters of frames by outcome, 32 bits each, port 0 lowest.
    input  wire [`OUTCRY_FRAME_PORTS*`OUTCRY_FRAME_OUTCOMES*32-1:0] frames,
    // And of records left out of packets that were taken, in the same way.
    input  wire [`OUTCRY_FRAME_PORTS*`OUTCRY_LEFT_OUT*32-1:0] left_out
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (SLOT_BITS < 1 || SLOT_BITS > `OUTCRY_SLOT_BITS) begin : g_wrong_slot_bits
            SLOT_BITS_is_not_1_to_9 wrong ();
        end
        if (PARTICIPANT_BITS < 1 || PARTICIPANT_BITS > 16) begin : g_wrong_participant_bits
            PARTICIPANT_BITS_is_not_1_to_16 wrong ();
        end
        if (COUNTER_BITS < 1 || COUNTER_BITS > 32) begin : g_wrong_counter_bits
            COUNTER_BITS_is_not_1_to_32 wrong ();
        end
        if (ORDER_COUNT_BITS < 33 || ORDER_COUNT_BITS > 64) begin : g_wrong_order_count_bits
            ORDER_COUNT_BITS_is_not_33_to_64 wrong ();
        end
    endgenerate

    localparam [1:0]  OKAY = 2'b00, SLVERR = 2'b10, DECERR = 2'b11;
    localparam        SHADOW_WORDS = 18;
    localparam [31:0] FRAME_WORDS  = `OUTCRY_FRAME_PORTS * `OUTCRY_FRAME_OUTCOMES;
    // Those of them in their last group of 16.
    localparam [31:0] LAST_FRAMES  = FRAME_WORDS - 32'd48;
    localparam [31:0] LEFT_OUT_WORDS = `OUTCRY_FRAME_PORTS * `OUTCRY_LEFT_OUT;
    localparam [31:0] ROWS         = `OUTCRY_WAYS << SLOT_BITS;
    localparam [31:0] PARTICIPANTS = 32'd1 << PARTICIPANT_BITS;
    localparam [COUNTER_BITS-1:0] COUNT_ONE = 1;
    localparam [COUNTER_BITS-1:0] COUNT_FULL = {COUNTER_BITS{1'b1}};

    // Is there a register?  Written by groups of 16 words, which is no deeper than it must be.
    function is_somewhere;
        input [9:0] word;
        case (word[9:4])
            6'd0, 6'd1, 6'd4, 6'd8, 6'd9, 6'd10: is_somewhere = 1'b1;
            6'd2:    is_somewhere = word[3:0] == 4'd0;
            6'd5:    is_somewhere = word[3:1] == 3'd0;
            6'd11:   is_somewhere = {28'd0, word[3:0]} < LAST_FRAMES;
            6'd12:   is_somewhere = {28'd0, word[3:0]} < LEFT_OUT_WORDS;
            default: is_somewhere = 1'b0;
        endcase
    endfunction

    // ---------------------------------------------------------------------------------------------
    // Which word is meant, and what may be done to it.

    // The write that is being carried out, and what its data are less than.
    reg        write;
    reg [31:0] write_data;
    reg        row_fits;
    reg        participant_fits;
    // Found as its address came, of a whole word only: what it goes to.
    reg        write_to_control, write_to_rate_interval, write_to_rate_burst;
    reg        write_to_row_index, write_to_row_swap, write_to_participant_set;
    reg        write_to_shadow;
    reg [SHADOW_WORDS-1:0] write_to_shadow_word;
    reg        write_somewhere;
    wire [9:0] given_word  = s_axil_awaddr[11:2];
    wire       given_whole = s_axil_wstrb == 4'b1111;

    reg  row_swap_reg;
    reg  participant_set_reg;
    wire busy = row_swap_reg || participant_set_reg;

    wire write_allowed = write_to_control || write_to_rate_interval || write_to_rate_burst
        || (!busy && (write_to_shadow || write_to_row_swap))
        || (!busy && row_fits && write_to_row_index)
        || (!busy && participant_fits && write_to_participant_set);

    // The word that is asked for, and, once its address is there, the word that is being read and
    // what is known of it: found out before, because every word's bits hang on it.
    wire [9:0] asked_word  = s_axil_araddr[11:2];
    // Its group of 16 words, and one bit a word of the group.
    reg [5:0]  read_group;
    reg [15:0] read_nth;
    reg        read_somewhere;
    reg        read_write_only;
    wire       read_allowed = read_somewhere && !read_write_only;
    reg [15:0] read_status;

    // ---------------------------------------------------------------------------------------------
    // The bus.

    reg        running;
    reg        bvalid;
    reg [1:0]  bresp;
    // A read's address is there; its word has been found in each group.
    reg        asked;
    reg        found;
    reg        rvalid;
    reg [1:0]  rresp;
    reg [31:0] rdata;

    wire write_asked = running && s_axil_awvalid && s_axil_wvalid && !write && !bvalid;
    wire read  = s_axil_arready && s_axil_arvalid;
    wire write_bad = write && !write_allowed;
    wire read_bad  = asked && !read_allowed;

    assign s_axil_awready = write_asked;
    assign s_axil_wready  = write_asked;
    assign s_axil_bvalid  = bvalid;
    assign s_axil_bresp   = bresp;
    assign s_axil_arready = running && !asked && !found && !rvalid;
    assign s_axil_rvalid  = rvalid;
    assign s_axil_rresp   = rresp;
    assign s_axil_rdata   = rdata;

    always @(posedge clk) begin
        if (rst) begin
            running <= 1'b0;
            write   <= 1'b0;
            bvalid  <= 1'b0;
            asked   <= 1'b0;
            found   <= 1'b0;
            rvalid  <= 1'b0;
        end else begin
            running <= 1'b1;
            write   <= write_asked;
            if (write) bvalid <= 1'b1;
            else if (s_axil_bready) bvalid <= 1'b0;
            asked <= read;
            found <= asked;
            if (found) rvalid <= 1'b1;
            else if (s_axil_rready) rvalid <= 1'b0;
        end
    end

    integer shadow;
    // What an asked word holds: the last level of the reads below.
    reg [31:0] found_word;

    always @(posedge clk) begin
        if (write_asked) begin
            write_to_control         <= given_whole && given_word == `OUTCRY_REG_CONTROL;
            write_to_rate_interval   <= given_whole && given_word == `OUTCRY_REG_RATE_INTERVAL_NS;
            write_to_rate_burst      <= given_whole && given_word == `OUTCRY_REG_RATE_BURST_NS;
            write_to_row_index       <= given_whole && given_word == `OUTCRY_REG_ROW_INDEX;
            write_to_row_swap        <= given_whole && given_word == `OUTCRY_REG_ROW_SWAP;
            write_to_participant_set <= given_whole && given_word == `OUTCRY_REG_PARTICIPANT_SET;
            write_to_shadow          <= given_whole && (given_word[9:4] == 6'd4 || given_word[9:1] == 9'd40);
            for (shadow = 0; shadow < SHADOW_WORDS; shadow = shadow + 1)
                write_to_shadow_word[shadow] <= given_whole
                    && given_word == `OUTCRY_REG_ROW_SHADOW + shadow[9:0];
            write_somewhere          <= is_somewhere(given_word);
            write_data       <= s_axil_wdata;
            row_fits         <= s_axil_wdata < ROWS;
            participant_fits <= {16'd0, s_axil_wdata[15:0]} < PARTICIPANTS;
        end
        if (write) bresp <= write_allowed ? OKAY : write_somewhere ? SLVERR : DECERR;
        if (read) begin
            read_group     <= asked_word[9:4];
            read_nth       <= 16'd1 << asked_word[3:0];
            read_somewhere <= is_somewhere(asked_word);
            read_write_only <= asked_word == `OUTCRY_REG_ROW_SWAP
                               || asked_word == `OUTCRY_REG_PARTICIPANT_SET;
            // One bit a word of the first 16.
            read_status    <= (16'd1 << asked_word[3:0]) & {16{asked_word[9:4] == 6'd0}};
        end
        if (asked) rresp <= read_allowed ? OKAY : read_somewhere ? SLVERR : DECERR;
        if (found) rdata <= rresp == OKAY ? found_word : 32'd0;
    end

    // ---------------------------------------------------------------------------------------------
    // What can be written; what is allowed is said above, but nothing waits for all of that.

    // Only software sets it, once the tables are loaded: a reset closes the gateway.
    reg                        armed_reg;
    reg                        check_participants_reg;
    reg [31:0]                 rate_interval_ns_reg;
    reg [31:0]                 rate_burst_ns_reg;
    reg [SLOT_BITS+1:0]        row_index_reg;
    reg [`OUTCRY_ROW_BITS-1:0] row_shadow_reg;
    reg [PARTICIPANT_BITS-1:0] participant_index_reg;
    reg                        participant_on_reg;

    assign armed              = armed_reg;
    assign check_participants = check_participants_reg;
    assign rate_interval_ns   = rate_interval_ns_reg;
    assign rate_burst_ns      = rate_burst_ns_reg;
    assign row_swap           = row_swap_reg;
    assign row_index          = row_index_reg;
    assign row_shadow         = row_shadow_reg;
    assign participant_set    = participant_set_reg;
    assign participant_index  = participant_index_reg;
    assign participant_on     = participant_on_reg;

    always @(posedge clk) begin
        if (rst) begin
            armed_reg              <= 1'b0;
            check_participants_reg <= 1'b0;
            rate_interval_ns_reg   <= 32'd0;
            rate_burst_ns_reg      <= 32'd0;
            row_index_reg          <= {SLOT_BITS+2{1'b0}};
            row_swap_reg           <= 1'b0;
            participant_set_reg    <= 1'b0;
        end else begin
            if (command_done) begin
                row_swap_reg        <= 1'b0;
                participant_set_reg <= 1'b0;
            end
            if (write) begin
                if (write_to_control) begin
                    check_participants_reg <= write_data[`OUTCRY_CONTROL_CHECK_PARTICIPANTS];
                    armed_reg              <= write_data[`OUTCRY_CONTROL_ARMED];
                end
                if (write_to_rate_interval) rate_interval_ns_reg <= write_data;
                if (write_to_rate_burst)    rate_burst_ns_reg <= write_data;
            end
            if (write && !busy && row_fits && write_to_row_index)
                row_index_reg <= write_data[SLOT_BITS+1:0];
            if (write && !busy && write_to_row_swap)
                row_swap_reg <= 1'b1;
            if (write && !busy && participant_fits && write_to_participant_set)
                participant_set_reg <= 1'b1;
        end
    end

    always @(posedge clk) begin
        // Used only once participant_set_reg is set: a number that does not fit is not looked at.
        if (write && !busy && write_to_participant_set) begin
            participant_index_reg <= write_data[PARTICIPANT_BITS-1:0];
            participant_on_reg    <= write_data[31];
        end
    end

    genvar n;
    generate
        for (n = 0; n < SHADOW_WORDS; n = n + 1) begin : g_shadow
            always @(posedge clk) begin
                if (rst) row_shadow_reg[32*n +: 32] <= 32'd0;
                else if (write && !busy && write_to_shadow_word[n])
                    row_shadow_reg[32*n +: 32] <= write_data;
            end
        end
    endgenerate

    // ---------------------------------------------------------------------------------------------
    // Counters; those of reasons and bad accesses stay at their highest value.

    reg [16*COUNTER_BITS-1:0]  reason_count;
    reg [COUNTER_BITS-1:0]     bad_count;
    reg [ORDER_COUNT_BITS-1:0] order_count;
    reg [31:0]                 order_count_high;
    reg                        counting;
    // Most orders have no reason: a simulator then need not look at sixteen counters.
    reg                        counting_reasons;
    reg [15:0]                 counted_code;

    // One cycle later, so that the counters hang on no path of the data.
    always @(posedge clk) counted_code <= count_code;

    integer reason;
    always @(posedge clk) begin
        if (rst) begin
            reason_count <= {16*COUNTER_BITS{1'b0}};
        end else if (counting_reasons) begin
            for (reason = 0; reason < 16; reason = reason + 1)
                if (counted_code[reason]
                        && reason_count[reason*COUNTER_BITS +: COUNTER_BITS] != COUNT_FULL)
                    reason_count[reason*COUNTER_BITS +: COUNTER_BITS] <=
                        reason_count[reason*COUNTER_BITS +: COUNTER_BITS] + COUNT_ONE;
        end
    end

    // A write and a read can go wrong at once; they too are counted a cycle later.
    reg  was_write_bad;
    reg  was_read_bad;
    wire [COUNTER_BITS:0] bad_next = {1'b0, bad_count} + {{COUNTER_BITS{1'b0}}, was_write_bad}
                                     + {{COUNTER_BITS{1'b0}}, was_read_bad};

    always @(posedge clk) begin
        if (rst) begin
            counting         <= 1'b0;
            counting_reasons <= 1'b0;
            order_count      <= {ORDER_COUNT_BITS{1'b0}};
            order_count_high <= 32'd0;
            was_write_bad    <= 1'b0;
            was_read_bad     <= 1'b0;
            bad_count        <= {COUNTER_BITS{1'b0}};
        end else begin
            counting         <= count_valid;
            counting_reasons <= count_valid && count_code != 16'd0;
            if (counting) order_count <= order_count + {{ORDER_COUNT_BITS-1{1'b0}}, 1'b1};
            if (asked && read_status[12])
                order_count_high <= {{64-ORDER_COUNT_BITS{1'b0}}, order_count[ORDER_COUNT_BITS-1:32]};
            was_write_bad <= write_bad;
            was_read_bad  <= read_bad;
            bad_count <= bad_next[COUNTER_BITS] ? COUNT_FULL : bad_next[COUNTER_BITS-1:0];
        end
    end

    // ---------------------------------------------------------------------------------------------
    // What can be read.

    localparam [63:0] LAYOUT_HASH = `OUTCRY_LAYOUT_HASH;
    wire [31:0] status_word =
          ({32{read_status[0]}} & `OUTCRY_GATEWAY_MAGIC)
        | ({32{read_status[1]}} & `OUTCRY_MAP_HASH)
        | ({32{read_status[2]}} & LAYOUT_HASH[31:0])
        | ({32{read_status[3]}} & LAYOUT_HASH[63:32])
        | ({32{read_status[4]}} & `OUTCRY_WAYS)
        | ({32{read_status[5]}} & (32'd1 << SLOT_BITS))
        | ({32{read_status[6]}} & PARTICIPANTS)
        | ({32{read_status[7]}} & {31'd0, busy})
        | ({32{read_status[8]}} & {30'd0, armed_reg, check_participants_reg})
        | ({32{read_status[9]}} & rate_interval_ns_reg)
        | ({32{read_status[10]}} & rate_burst_ns_reg)
        | ({32{read_status[11]}} & {{32-COUNTER_BITS{1'b0}}, bad_count})
        | ({32{read_status[12]}} & order_count[31:0])
        | ({32{read_status[13]}} & order_count_high)
        | ({32{read_status[14]}} & {{30-SLOT_BITS{1'b0}}, row_index_reg});

    // The words of a group of 16 whose bit is set.
    function [31:0] picked;
        input [511:0] words;
        input [15:0]  nth;
        integer       word;
        begin
            picked = 32'd0;
            for (word = 0; word < 16; word = word + 1)
                picked = picked | (words[32*word +: 32] & {32{nth[word]}});
        end
    endfunction

    // Groups of 16 words as the address counts them; of what is refused it does not matter which.
    wire [511:0] reason_words;
    generate
        for (n = 0; n < 16; n = n + 1) begin : g_reason
            assign reason_words[32*n +: 32] =
                {{32-COUNTER_BITS{1'b0}}, reason_count[n*COUNTER_BITS +: COUNTER_BITS]};
        end
    endgenerate
    reg [31:0] found_status, found_reasons, found_shadow0, found_shadow1;
    reg [31:0] found_frames0, found_frames1, found_frames2, found_frames3, found_left_out;
    always @(posedge clk) begin
        // A simulator then selects no word without a read: a tenth less work an order (measured).
        if (asked) begin
            found_status  <= status_word;
            found_reasons <= picked(reason_words, read_nth);
            found_shadow0 <= picked(row_shadow_reg[511:0], read_nth);
            found_shadow1 <= picked({448'd0, row_shadow_reg[575:512]}, read_nth);
            found_frames0 <= picked(frames[511:0], read_nth);
            found_frames1 <= picked(frames[1023:512], read_nth);
            found_frames2 <= picked(frames[1535:1024], read_nth);
            found_frames3 <= picked({32'd0, frames[2015:1536]}, read_nth);
            found_left_out <= picked({320'd0, left_out}, read_nth);
        end
    end

    always @* begin
        case (read_group)
            6'd0:    found_word = found_status;
            6'd1:    found_word = found_reasons;
            6'd4:    found_word = found_shadow0;
            6'd5:    found_word = found_shadow1;
            6'd8:    found_word = found_frames0;
            6'd9:    found_word = found_frames1;
            6'd10:   found_word = found_frames2;
            6'd11:   found_word = found_frames3;
            default: found_word = found_left_out;
        endcase
    end

`ifdef FORMAL
`include "outcry_regs_formal.vh"
`endif

endmodule

`default_nettype wire
