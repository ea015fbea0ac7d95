// SPDX-License-Identifier: Apache-2.0
// What a card compares frames with and how it numbers orders, as registers of the host: UDP port, MAC,
// IPv4 address, VLAN and the first sequence number (docs/fpga.md has the map).
//
// An AXI-Lite slave of 13 bits of address.  Bit 12 is set: these registers.  Otherwise the access goes on
// to the gateway's own registers, one write and one read at a time.  Settings change only while the
// gateway is held in reset (control bit 0 is 0), so no frame and no number ever sees a part of them; an
// access to the gateway's registers meanwhile gets an error answer, and the bus never hangs.  The reset
// waits until a read that has gone on to the gateway is answered.
`default_nettype none

module outcry_local #(
    // What the registers have after a reset, and whether the gateway then runs.
    parameter [0:0]  START = 1'b1,
    parameter [63:0] FIRST_SEQ = 64'd1,
    parameter [15:0] UDP_PORT = 16'd9000,
    parameter [2:0]  CHECK_LOCAL = 3'd7,
    parameter [47:0] LOCAL_MAC = 48'd0,
    parameter [31:0] LOCAL_IP = 32'd0,
    parameter [11:0] LOCAL_VLAN = 12'd0
) (
    input  wire        clk,
    input  wire        rst,

    // From the host.
    input  wire [12:0] s_axil_awaddr,
    input  wire [2:0]  s_axil_awprot,
    input  wire        s_axil_awvalid,
    output wire        s_axil_awready,
    input  wire [31:0] s_axil_wdata,
    input  wire [3:0]  s_axil_wstrb,
    input  wire        s_axil_wvalid,
    output wire        s_axil_wready,
    output wire [1:0]  s_axil_bresp,
    output wire        s_axil_bvalid,
    input  wire        s_axil_bready,
    input  wire [12:0] s_axil_araddr,
    input  wire [2:0]  s_axil_arprot,
    input  wire        s_axil_arvalid,
    output wire        s_axil_arready,
    output wire [31:0] s_axil_rdata,
    output wire [1:0]  s_axil_rresp,
    output wire        s_axil_rvalid,
    input  wire        s_axil_rready,

    // To the gateway's registers.
    output wire [11:0] m_axil_awaddr,
    output wire [2:0]  m_axil_awprot,
    output wire        m_axil_awvalid,
    input  wire        m_axil_awready,
    output wire [31:0] m_axil_wdata,
    output wire [3:0]  m_axil_wstrb,
    output wire        m_axil_wvalid,
    input  wire        m_axil_wready,
    input  wire [1:0]  m_axil_bresp,
    input  wire        m_axil_bvalid,
    output wire        m_axil_bready,
    output wire [11:0] m_axil_araddr,
    output wire [2:0]  m_axil_arprot,
    output wire        m_axil_arvalid,
    input  wire        m_axil_arready,
    input  wire [31:0] m_axil_rdata,
    input  wire [1:0]  m_axil_rresp,
    input  wire        m_axil_rvalid,
    output wire        m_axil_rready,

    // The gateway's reset, and what it reads: steady unless the reset is high.
    output wire        hold,
    output wire [63:0] first_seq,
    output wire [15:0] udp_port,
    output wire [2:0]  check_local,
    output wire [47:0] local_mac,
    output wire [31:0] local_ip,
    output wire [11:0] local_vlan
);

    localparam [1:0] OKAY = 2'b00, SLVERR = 2'b10, DECERR = 2'b11;

    // The words, by their number.
    localparam [9:0] MAGIC_WORD = 10'd0;
    localparam [9:0] CONTROL_WORD = 10'd1;
    localparam [9:0] STATUS_WORD = 10'd2;
    localparam [9:0] FIRST_SEQ_WORD = 10'd4;
    localparam [9:0] FIRST_SEQ_HIGH_WORD = 10'd5;
    localparam [9:0] UDP_PORT_WORD = 10'd6;
    localparam [9:0] CHECK_LOCAL_WORD = 10'd7;
    localparam [9:0] LOCAL_MAC_WORD = 10'd8;
    localparam [9:0] LOCAL_MAC_HIGH_WORD = 10'd9;
    localparam [9:0] LOCAL_IP_WORD = 10'd10;
    localparam [9:0] LOCAL_VLAN_WORD = 10'd11;
    // The letters OCLO, the first one lowest.
    localparam [31:0] MAGIC = 32'h4F4C434F;

    // What becomes of an access: one of these registers', or gone on to the gateway; then its answer.
    localparam [1:0] IDLE = 2'd0, OURS = 2'd1, FORWARD = 2'd2, ANSWER = 2'd3;
    reg [1:0]  read_state;

    // ---------------------------------------------------------------------------------------------
    // The settings, and whether the gateway runs.

    reg        wanted;
    reg        running;
    reg [63:0] first_seq_reg;
    reg [15:0] udp_port_reg;
    reg [2:0]  check_local_reg;
    reg [47:0] local_mac_reg;
    reg [31:0] local_ip_reg;
    reg [11:0] local_vlan_reg;
    // High from the edge that also resets these registers: the gateway begins by what they hold.
    reg        hold_reg;

    assign hold        = hold_reg;
    assign first_seq   = first_seq_reg;
    assign udp_port    = udp_port_reg;
    assign check_local = check_local_reg;
    assign local_mac   = local_mac_reg;
    assign local_ip    = local_ip_reg;
    assign local_vlan  = local_vlan_reg;

    // ---------------------------------------------------------------------------------------------
    // Writes.

    reg [1:0]  write_state;
    reg [11:0] write_address;
    reg [31:0] write_data;
    reg [3:0]  write_strobes;
    reg        address_left, data_left;
    reg [1:0]  write_answer;
    wire [9:0] write_word = write_address[11:2];

    // The bits that a word cannot hold; a word that is not there, or is only read, holds none.
    reg        is_setting;
    reg        write_fits;
    always @* begin
        is_setting = 1'b1;
        case (write_word)
            FIRST_SEQ_WORD, FIRST_SEQ_HIGH_WORD, LOCAL_MAC_WORD, LOCAL_IP_WORD: write_fits = 1'b1;
            UDP_PORT_WORD, LOCAL_MAC_HIGH_WORD: write_fits = write_data[31:16] == 16'd0;
            CHECK_LOCAL_WORD: write_fits = write_data[31:3] == 29'd0;
            LOCAL_VLAN_WORD:  write_fits = write_data[31:12] == 20'd0;
            CONTROL_WORD: begin
                is_setting = 1'b0;
                write_fits = write_data[31:1] == 31'd0;
            end
            default: begin
                is_setting = 1'b0;
                write_fits = 1'b0;
            end
        endcase
    end
    wire write_there = is_setting || write_word == MAGIC_WORD || write_word == CONTROL_WORD
        || write_word == STATUS_WORD;
    wire write_allowed = write_strobes == 4'b1111 && write_fits
        && (!is_setting || !(wanted || running));
    wire write_ours = write_state == OURS && write_allowed;
    wire write_taken = write_state == IDLE && s_axil_awvalid && s_axil_wvalid;

    assign s_axil_awready = write_taken;
    assign s_axil_wready  = write_taken;
    assign s_axil_bvalid  = write_state == ANSWER;
    assign s_axil_bresp   = write_answer;
    assign m_axil_awaddr  = write_address;
    assign m_axil_awprot  = 3'd0;
    assign m_axil_awvalid = address_left;
    assign m_axil_wdata   = write_data;
    assign m_axil_wstrb   = write_strobes;
    assign m_axil_wvalid  = data_left;
    assign m_axil_bready  = write_state == FORWARD;

    always @(posedge clk) begin
        if (rst) begin
            write_state  <= IDLE;
            address_left <= 1'b0;
            data_left    <= 1'b0;
        end else begin
            if (m_axil_awready) address_left <= 1'b0;
            if (m_axil_wready) data_left <= 1'b0;
            case (write_state)
                IDLE: if (write_taken) begin
                    if (s_axil_awaddr[12]) write_state <= OURS;
                    else if (wanted && running) begin
                        write_state  <= FORWARD;
                        address_left <= 1'b1;
                        data_left    <= 1'b1;
                    end else write_state <= ANSWER;
                end
                OURS: write_state <= ANSWER;
                FORWARD: if (m_axil_bvalid) write_state <= ANSWER;
                default: if (s_axil_bready) write_state <= IDLE;
            endcase
        end
    end

    always @(posedge clk) begin
        if (write_taken) begin
            write_address <= s_axil_awaddr[11:0];
            write_data    <= s_axil_wdata;
            write_strobes <= s_axil_wstrb;
        end
        // That of a gateway which is held; the other states have their own.
        if (write_state == IDLE) write_answer <= SLVERR;
        if (write_state == OURS)
            write_answer <= write_allowed ? OKAY : write_there ? SLVERR : DECERR;
        if (write_state == FORWARD) write_answer <= m_axil_bresp;
    end

    always @(posedge clk) begin
        if (rst) begin
            wanted          <= START;
            running         <= START;
            hold_reg        <= 1'b1;
            first_seq_reg   <= FIRST_SEQ;
            udp_port_reg    <= UDP_PORT;
            check_local_reg <= CHECK_LOCAL;
            local_mac_reg   <= LOCAL_MAC;
            local_ip_reg    <= LOCAL_IP;
            local_vlan_reg  <= LOCAL_VLAN;
        end else begin
            // A write that goes on to the gateway is answered before another one is taken.
            if (wanted) running <= 1'b1;
            else if (read_state == IDLE) running <= 1'b0;
            hold_reg <= !running;
            if (write_ours) case (write_word)
                CONTROL_WORD:        wanted <= write_data[0];
                FIRST_SEQ_WORD:      first_seq_reg[31:0] <= write_data;
                FIRST_SEQ_HIGH_WORD: first_seq_reg[63:32] <= write_data;
                UDP_PORT_WORD:       udp_port_reg <= write_data[15:0];
                CHECK_LOCAL_WORD:    check_local_reg <= write_data[2:0];
                LOCAL_MAC_WORD:      local_mac_reg[31:0] <= write_data;
                LOCAL_MAC_HIGH_WORD: local_mac_reg[47:32] <= write_data[15:0];
                LOCAL_IP_WORD:       local_ip_reg <= write_data;
                default:             local_vlan_reg <= write_data[11:0];
            endcase
        end
    end

    // ---------------------------------------------------------------------------------------------
    // Reads.

    reg [11:0] read_address;
    reg        read_left;
    reg [1:0]  read_answer;
    reg [31:0] read_data;
    wire [9:0] read_word = read_address[11:2];
    wire       read_taken = read_state == IDLE && s_axil_arvalid;

    reg        read_there;
    reg [31:0] read_ours;
    always @* begin
        read_there = 1'b1;
        case (read_word)
            MAGIC_WORD:          read_ours = MAGIC;
            CONTROL_WORD:        read_ours = {31'd0, wanted};
            STATUS_WORD:         read_ours = {31'd0, running};
            FIRST_SEQ_WORD:      read_ours = first_seq_reg[31:0];
            FIRST_SEQ_HIGH_WORD: read_ours = first_seq_reg[63:32];
            UDP_PORT_WORD:       read_ours = {16'd0, udp_port_reg};
            CHECK_LOCAL_WORD:    read_ours = {29'd0, check_local_reg};
            LOCAL_MAC_WORD:      read_ours = local_mac_reg[31:0];
            LOCAL_MAC_HIGH_WORD: read_ours = {16'd0, local_mac_reg[47:32]};
            LOCAL_IP_WORD:       read_ours = local_ip_reg;
            LOCAL_VLAN_WORD:     read_ours = {20'd0, local_vlan_reg};
            default: begin
                read_there = 1'b0;
                read_ours  = 32'd0;
            end
        endcase
    end

    assign s_axil_arready = read_state == IDLE;
    assign s_axil_rvalid  = read_state == ANSWER;
    assign s_axil_rresp   = read_answer;
    assign s_axil_rdata   = read_data;
    assign m_axil_araddr  = read_address;
    assign m_axil_arprot  = 3'd0;
    assign m_axil_arvalid = read_left;
    assign m_axil_rready  = read_state == FORWARD;

    always @(posedge clk) begin
        if (rst) begin
            read_state <= IDLE;
            read_left  <= 1'b0;
        end else begin
            if (m_axil_arready) read_left <= 1'b0;
            case (read_state)
                IDLE: if (read_taken) begin
                    if (s_axil_araddr[12]) read_state <= OURS;
                    else if (wanted && running) begin
                        read_state <= FORWARD;
                        read_left  <= 1'b1;
                    end else read_state <= ANSWER;
                end
                OURS: read_state <= ANSWER;
                FORWARD: if (m_axil_rvalid) read_state <= ANSWER;
                default: if (s_axil_rready) read_state <= IDLE;
            endcase
        end
    end

    always @(posedge clk) begin
        if (read_taken) read_address <= s_axil_araddr[11:0];
        if (read_state == IDLE) begin
            read_answer <= SLVERR;
            read_data   <= 32'd0;
        end
        if (read_state == OURS) begin
            read_answer <= read_there ? OKAY : DECERR;
            read_data   <= read_ours;
        end
        if (read_state == FORWARD) begin
            read_answer <= m_axil_rresp;
            read_data   <= m_axil_rdata;
        end
    end

endmodule

`default_nettype wire
