// The gateway's registers: an AXI-Lite slave of 32-bit words (docs/registers.md is the map).
//
// A write is answered in the cycle after address and data are both there, a read in the cycle after
// its address.  Whatever cannot be done gets an error answer, changes nothing and is counted; the
// bus never hangs.  row_swap and participant_set answer at once and are carried out when the
// validator says so (`command_done`); until then `status` is busy, and neither they nor what they
// use can be written.
`default_nettype none
`include "outcry_wire.vh"
`include "outcry_registers.vh"

module outcry_regs #(
    parameter SLOT_BITS = `OUTCRY_SLOT_BITS,
    parameter PARTICIPANT_BITS = `OUTCRY_PARTICIPANT_BITS,
    // Bits of each saturating counter, at most 32.
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
    // Events of the ports in front, each one cycle long.
    input  wire [15:0]                  port_events
);

    localparam [1:0]  OKAY = 2'b00, SLVERR = 2'b10, DECERR = 2'b11;
    localparam [9:0]  SHADOW_WORDS = 10'd18;
    localparam [31:0] ROWS         = `OUTCRY_WAYS << SLOT_BITS;
    localparam [31:0] PARTICIPANTS = 32'd1 << PARTICIPANT_BITS;
    localparam [COUNTER_BITS-1:0] COUNT_ONE = 1;
    localparam [COUNTER_BITS-1:0] COUNT_FULL = {COUNTER_BITS{1'b1}};

    // ---------------------------------------------------------------------------------------------
    // Which word is meant, and what may be done to it.

    wire [9:0] write_word = s_axil_awaddr[11:2];
    wire [9:0] read_word  = s_axil_araddr[11:2];
    wire [9:0] write_part = write_word - `OUTCRY_REG_ROW_SHADOW;
    wire [9:0] read_part  = read_word - `OUTCRY_REG_ROW_SHADOW;
    wire       write_to_shadow = write_part < SHADOW_WORDS;
    wire       read_of_shadow  = read_part < SHADOW_WORDS;
    wire       write_somewhere = write_word <= `OUTCRY_REG_PARTICIPANT_SET || write_to_shadow;
    wire       read_somewhere  = read_word <= `OUTCRY_REG_PARTICIPANT_SET || read_of_shadow;

    reg  row_swap_reg;
    reg  participant_set_reg;
    wire busy = row_swap_reg || participant_set_reg;

    reg write_allowed;
    always @* begin
        case (write_word)
            `OUTCRY_REG_CONTROL, `OUTCRY_REG_RATE_INTERVAL_NS, `OUTCRY_REG_RATE_BURST_NS:
                write_allowed = 1'b1;
            `OUTCRY_REG_ROW_INDEX:
                write_allowed = !busy && s_axil_wdata < ROWS;
            `OUTCRY_REG_ROW_SWAP:
                write_allowed = !busy;
            `OUTCRY_REG_PARTICIPANT_SET:
                write_allowed = !busy && {16'd0, s_axil_wdata[15:0]} < PARTICIPANTS;
            default:
                write_allowed = !busy && write_to_shadow;
        endcase
        if (s_axil_wstrb != 4'b1111) write_allowed = 1'b0;
    end

    wire read_allowed = read_somewhere && read_word != `OUTCRY_REG_ROW_SWAP
                        && read_word != `OUTCRY_REG_PARTICIPANT_SET;

    // ---------------------------------------------------------------------------------------------
    // The bus.

    reg        running;
    reg        bvalid;
    reg [1:0]  bresp;
    reg        rvalid;
    reg [1:0]  rresp;
    reg [31:0] rdata;

    wire write = running && s_axil_awvalid && s_axil_wvalid && !bvalid;
    wire read  = running && s_axil_arvalid && !rvalid;
    wire write_bad = write && !write_allowed;
    wire read_bad  = read && !read_allowed;

    assign s_axil_awready = write;
    assign s_axil_wready  = write;
    assign s_axil_bvalid  = bvalid;
    assign s_axil_bresp   = bresp;
    assign s_axil_arready = running && !rvalid;
    assign s_axil_rvalid  = rvalid;
    assign s_axil_rresp   = rresp;
    assign s_axil_rdata   = rdata;

    always @(posedge clk) begin
        if (rst) begin
            running <= 1'b0;
            bvalid  <= 1'b0;
            rvalid  <= 1'b0;
        end else begin
            running <= 1'b1;
            if (write) bvalid <= 1'b1;
            else if (s_axil_bready) bvalid <= 1'b0;
            if (read) rvalid <= 1'b1;
            else if (s_axil_rready) rvalid <= 1'b0;
        end
    end

    always @(posedge clk) begin
        if (write) bresp <= write_allowed ? OKAY : write_somewhere ? SLVERR : DECERR;
        if (read) rresp <= read_allowed ? OKAY : read_somewhere ? SLVERR : DECERR;
        if (read) rdata <= read_allowed ? read_value : 32'd0;
    end

    // ---------------------------------------------------------------------------------------------
    // What can be written.

    reg                        check_participants_reg;
    reg [31:0]                 rate_interval_ns_reg;
    reg [31:0]                 rate_burst_ns_reg;
    reg [SLOT_BITS+1:0]        row_index_reg;
    reg [`OUTCRY_ROW_BITS-1:0] row_shadow_reg;
    reg [PARTICIPANT_BITS-1:0] participant_index_reg;
    reg                        participant_on_reg;

    assign check_participants = check_participants_reg;
    assign rate_interval_ns   = rate_interval_ns_reg;
    assign rate_burst_ns      = rate_burst_ns_reg;
    assign row_swap           = row_swap_reg;
    assign row_index          = row_index_reg;
    assign row_shadow         = row_shadow_reg;
    assign participant_set    = participant_set_reg;
    assign participant_index  = participant_index_reg;
    assign participant_on     = participant_on_reg;

    wire done = write && write_allowed;

    always @(posedge clk) begin
        if (rst) begin
            check_participants_reg <= 1'b0;
            rate_interval_ns_reg   <= 32'd0;
            rate_burst_ns_reg      <= 32'd0;
            row_index_reg          <= {SLOT_BITS+2{1'b0}};
            row_shadow_reg         <= {`OUTCRY_ROW_BITS{1'b0}};
            row_swap_reg           <= 1'b0;
            participant_set_reg    <= 1'b0;
        end else begin
            if (command_done) begin
                row_swap_reg        <= 1'b0;
                participant_set_reg <= 1'b0;
            end
            if (done) begin
                case (write_word)
                    `OUTCRY_REG_CONTROL:          check_participants_reg <= s_axil_wdata[0];
                    `OUTCRY_REG_RATE_INTERVAL_NS: rate_interval_ns_reg <= s_axil_wdata;
                    `OUTCRY_REG_RATE_BURST_NS:    rate_burst_ns_reg <= s_axil_wdata;
                    `OUTCRY_REG_ROW_INDEX:        row_index_reg <= s_axil_wdata[SLOT_BITS+1:0];
                    `OUTCRY_REG_ROW_SWAP:         row_swap_reg <= 1'b1;
                    `OUTCRY_REG_PARTICIPANT_SET:  participant_set_reg <= 1'b1;
                    default:                      row_shadow_reg[32*write_part[4:0] +: 32] <= s_axil_wdata;
                endcase
            end
        end
    end

    always @(posedge clk) begin
        if (done && write_word == `OUTCRY_REG_PARTICIPANT_SET) begin
            participant_index_reg <= s_axil_wdata[PARTICIPANT_BITS-1:0];
            participant_on_reg    <= s_axil_wdata[31];
        end
    end

    // ---------------------------------------------------------------------------------------------
    // Counters; those of reasons, port events and bad accesses stay at their highest value.

    reg [16*COUNTER_BITS-1:0]  reason_count;
    reg [16*COUNTER_BITS-1:0]  port_count;
    reg [COUNTER_BITS-1:0]     bad_count;
    reg [ORDER_COUNT_BITS-1:0] order_count;
    reg [31:0]                 order_count_high;
    reg                        counting;
    reg [15:0]                 counted_code;
    reg [15:0]                 counted_events;

    // One cycle later, so that the counters hang on no path of the data.
    always @(posedge clk) begin
        counted_code   <= count_code;
        counted_events <= port_events;
    end

    genvar n;
    generate
        for (n = 0; n < 16; n = n + 1) begin : g_count
            wire [COUNTER_BITS-1:0] reasons = reason_count[n*COUNTER_BITS +: COUNTER_BITS];
            wire [COUNTER_BITS-1:0] events  = port_count[n*COUNTER_BITS +: COUNTER_BITS];
            always @(posedge clk) begin
                if (rst) begin
                    reason_count[n*COUNTER_BITS +: COUNTER_BITS] <= {COUNTER_BITS{1'b0}};
                    port_count[n*COUNTER_BITS +: COUNTER_BITS]   <= {COUNTER_BITS{1'b0}};
                end else begin
                    if (counting && counted_code[n] && reasons != COUNT_FULL)
                        reason_count[n*COUNTER_BITS +: COUNTER_BITS] <= reasons + COUNT_ONE;
                    if (running && counted_events[n] && events != COUNT_FULL)
                        port_count[n*COUNTER_BITS +: COUNTER_BITS] <= events + COUNT_ONE;
                end
            end
        end
    endgenerate

    // A write and a read can go wrong at once.
    wire [COUNTER_BITS:0] bad_next = {1'b0, bad_count} + {{COUNTER_BITS{1'b0}}, write_bad}
                                     + {{COUNTER_BITS{1'b0}}, read_bad};

    always @(posedge clk) begin
        if (rst) begin
            counting         <= 1'b0;
            order_count      <= {ORDER_COUNT_BITS{1'b0}};
            order_count_high <= 32'd0;
            bad_count        <= {COUNTER_BITS{1'b0}};
        end else begin
            counting <= count_valid;
            if (counting) order_count <= order_count + {{ORDER_COUNT_BITS-1{1'b0}}, 1'b1};
            if (read && read_word == `OUTCRY_REG_ORDER_COUNT)
                order_count_high <= {{64-ORDER_COUNT_BITS{1'b0}}, order_count[ORDER_COUNT_BITS-1:32]};
            bad_count <= bad_next[COUNTER_BITS] ? COUNT_FULL : bad_next[COUNTER_BITS-1:0];
        end
    end

    // ---------------------------------------------------------------------------------------------
    // What can be read.

    localparam [63:0] LAYOUT_HASH = `OUTCRY_LAYOUT_HASH;
    reg [31:0] read_value;
    wire [COUNTER_BITS-1:0] read_reasons = reason_count[read_word[3:0]*COUNTER_BITS +: COUNTER_BITS];
    wire [COUNTER_BITS-1:0] read_events  = port_count[read_word[3:0]*COUNTER_BITS +: COUNTER_BITS];
    always @* begin
        case (read_word)
            `OUTCRY_REG_MAGIC:                read_value = `OUTCRY_GATEWAY_MAGIC;
            `OUTCRY_REG_MAP_HASH:             read_value = `OUTCRY_MAP_HASH;
            `OUTCRY_REG_LAYOUT_HASH:          read_value = LAYOUT_HASH[31:0];
            `OUTCRY_REG_LAYOUT_HASH + 10'd1:  read_value = LAYOUT_HASH[63:32];
            `OUTCRY_REG_WAYS:                 read_value = `OUTCRY_WAYS;
            `OUTCRY_REG_SLOTS:                read_value = 32'd1 << SLOT_BITS;
            `OUTCRY_REG_PARTICIPANTS:         read_value = PARTICIPANTS;
            `OUTCRY_REG_STATUS:               read_value = {31'd0, busy};
            `OUTCRY_REG_CONTROL:              read_value = {31'd0, check_participants_reg};
            `OUTCRY_REG_RATE_INTERVAL_NS:     read_value = rate_interval_ns_reg;
            `OUTCRY_REG_RATE_BURST_NS:        read_value = rate_burst_ns_reg;
            `OUTCRY_REG_BAD_ACCESS_COUNT:     read_value = {{32-COUNTER_BITS{1'b0}}, bad_count};
            `OUTCRY_REG_ORDER_COUNT:          read_value = order_count[31:0];
            `OUTCRY_REG_ORDER_COUNT + 10'd1:  read_value = order_count_high;
            `OUTCRY_REG_ROW_INDEX:            read_value = {{30-SLOT_BITS{1'b0}}, row_index_reg};
            default: begin
                if (read_word[9:4] == 6'd1) read_value = {{32-COUNTER_BITS{1'b0}}, read_reasons};
                else if (read_word[9:4] == 6'd2) read_value = {{32-COUNTER_BITS{1'b0}}, read_events};
                else read_value = row_shadow_reg[32*read_part[4:0] +: 32];
            end
        endcase
    end

`ifdef FORMAL
`include "outcry_regs_formal.vh"
`endif

endmodule

`default_nettype wire
