// SPDX-License-Identifier: Apache-2.0
// A serial line as the gateway's network and bus, for a board without Ethernet.
//
// Messages are framed by SLIP (RFC 1055): 0xC0 ends one, 0xDB escapes.  The first byte says what it
// is; all numbers are little-endian.
//
//   host to board   'E' an Ethernet frame without its check sequence
//                   'R' address (2)                  read a register
//                   'W' address (2) value (4)        write a register
//   board to host   'O' an order record (64)         validated, sequenced
//                   'A' answer (1) value (4)         AXI-Lite's response, and what was read
//
// The line is thousands of times slower than the gateway: a beat is always taken before the next is
// full, so nothing here waits for the gateway but orders and answers for the line.
`default_nettype none

module outcry_link (
    input  wire         clk,
    input  wire         rst,

    input  wire [7:0]   rx_data,
    input  wire         rx_valid,
    output reg  [7:0]   tx_data,
    output reg          tx_valid,
    input  wire         tx_ready,

    output reg  [511:0] m_axis_tdata,
    output reg  [63:0]  m_axis_tkeep,
    output reg          m_axis_tlast,
    output reg          m_axis_tvalid,
    input  wire         m_axis_tready,

    input  wire [511:0] s_axis_tdata,
    input  wire         s_axis_tvalid,
    output wire         s_axis_tready,

    output wire [11:0]  m_axil_awaddr,
    output reg          m_axil_awvalid,
    input  wire         m_axil_awready,
    output wire [31:0]  m_axil_wdata,
    output reg          m_axil_wvalid,
    input  wire         m_axil_wready,
    input  wire [1:0]   m_axil_bresp,
    input  wire         m_axil_bvalid,
    output wire         m_axil_bready,
    output wire [11:0]  m_axil_araddr,
    output reg          m_axil_arvalid,
    input  wire         m_axil_arready,
    input  wire [31:0]  m_axil_rdata,
    input  wire [1:0]   m_axil_rresp,
    input  wire         m_axil_rvalid,
    output wire         m_axil_rready
);

    localparam [7:0] SLIP_END = 8'hC0, SLIP_ESC = 8'hDB, SLIP_ESC_END = 8'hDC, SLIP_ESC_ESC = 8'hDD;

    // ---- from the line: SLIP off ---------------------------------------------------------------
    reg  escaped;
    wire ends = rx_valid && rx_data == SLIP_END;
    wire byte_valid = rx_valid && rx_data != SLIP_END && rx_data != SLIP_ESC;
    wire [7:0] byte_data = !escaped ? rx_data : rx_data == SLIP_ESC_END ? SLIP_END : SLIP_ESC;
    always @(posedge clk) begin
        if (rst) escaped <= 1'b0;
        else if (rx_valid) escaped <= rx_data == SLIP_ESC;
    end

    // ---- the message's kind, and its bytes into a beat ------------------------------------------
    reg [7:0]   kind;       // 0 before the first byte
    reg [511:0] beat;
    reg [6:0]   count;      // bytes in the beat
    wire        frame = kind == "E";

    always @(posedge clk) begin
        if (m_axis_tready) m_axis_tvalid <= 1'b0;
        if (m_axil_awready) m_axil_awvalid <= 1'b0;
        if (m_axil_wready) m_axil_wvalid <= 1'b0;
        if (m_axil_arready) m_axil_arvalid <= 1'b0;
        if (rst) begin
            kind           <= 8'd0;
            count          <= 7'd0;
            m_axis_tvalid  <= 1'b0;
            m_axil_awvalid <= 1'b0;
            m_axil_wvalid  <= 1'b0;
            m_axil_arvalid <= 1'b0;
        end else if (ends) begin
            kind  <= 8'd0;
            count <= 7'd0;
            if (frame && count != 7'd0) begin
                m_axis_tvalid <= 1'b1;
                m_axis_tlast  <= 1'b1;
                m_axis_tdata  <= beat;
                m_axis_tkeep  <= ~(64'hFFFFFFFFFFFFFFFF << count);
            end
            m_axil_arvalid <= kind == "R" && count == 7'd2;
            m_axil_awvalid <= kind == "W" && count == 7'd6;
            m_axil_wvalid  <= kind == "W" && count == 7'd6;
        end else if (byte_valid) begin
            if (kind == 8'd0) begin
                kind <= byte_data;
            end else if (count != 7'd64) begin
                beat[8*count[5:0] +: 8] <= byte_data;
                count <= count + 7'd1;
            end else begin
                // The beat is full and the message goes on.
                m_axis_tvalid <= frame;
                m_axis_tlast  <= 1'b0;
                m_axis_tdata  <= beat;
                m_axis_tkeep  <= 64'hFFFFFFFFFFFFFFFF;
                beat[7:0]     <= byte_data;
                count         <= 7'd1;
            end
        end
    end

    assign m_axil_awaddr = beat[11:0];
    assign m_axil_araddr = beat[11:0];
    assign m_axil_wdata  = beat[47:16];

    // ---- to the line: one message at a time, answers first --------------------------------------
    reg [519:0] out;        // bytes still to be sent, the next one lowest
    reg [6:0]   left;
    reg         out_end;
    reg         out_escape;
    wire        idle = left == 7'd0 && !out_end;
    wire        answered = m_axil_bvalid || m_axil_rvalid;
    assign m_axil_bready = idle;
    assign m_axil_rready = idle && !m_axil_bvalid;
    assign s_axis_tready = idle && !answered;

    wire special = out[7:0] == SLIP_END || out[7:0] == SLIP_ESC;

    always @(posedge clk) begin
        if (rst) begin
            left       <= 7'd0;
            out_end    <= 1'b0;
            out_escape <= 1'b0;
            tx_valid   <= 1'b0;
        end else if (idle) begin
            if (tx_ready) tx_valid <= 1'b0;
            if (m_axil_bvalid) begin
                out     <= {504'd0, 6'd0, m_axil_bresp, "A"};
                left    <= 7'd6;
                out_end <= 1'b1;
            end else if (m_axil_rvalid) begin
                out     <= {472'd0, m_axil_rdata, 6'd0, m_axil_rresp, "A"};
                left    <= 7'd6;
                out_end <= 1'b1;
            end else if (s_axis_tvalid) begin
                out     <= {s_axis_tdata, "O"};
                left    <= 7'd65;
                out_end <= 1'b1;
            end
        end else if (!tx_valid || tx_ready) begin
            tx_valid <= 1'b1;
            if (left == 7'd0) begin
                tx_data <= SLIP_END;
                out_end <= 1'b0;
            end else if (special && !out_escape) begin
                tx_data    <= SLIP_ESC;
                out_escape <= 1'b1;
            end else begin
                tx_data    <= !out_escape ? out[7:0]
                              : out[7:0] == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
                out_escape <= 1'b0;
                out        <= {8'd0, out[519:8]};
                left       <= left - 7'd1;
            end
        end
    end

endmodule

`default_nettype wire
