// SPDX-License-Identifier: Apache-2.0
// Merge several gateways into one sequenced stream.
//
// One beat is one order, so any beat may follow any other: round robin by beat, and no port waits
// for more than PORTS - 1 beats of others while the output moves.  Each order gets the next sequence
// number, from first_seq as it stood in reset; m_axis_tuser says which port it came from, one bit a
// port.
//
// Latency 1 cycle, throughput 1 beat a cycle over all ports.
`default_nettype none
`include "outcry_wire.vh"

module outcry_arbiter #(
    // Gateways to merge, 1 to 16.
    parameter PORTS = 3
) (
    input  wire                 clk,
    input  wire                 rst,

    // Sequence number of the first order after reset.
    input  wire [63:0]          first_seq,

    input  wire [PORTS*512-1:0] s_axis_tdata,
    input  wire [PORTS-1:0]     s_axis_tvalid,
    output wire [PORTS-1:0]     s_axis_tready,

    output wire [511:0]         m_axis_tdata,
    output wire [PORTS-1:0]     m_axis_tuser,
    output wire                 m_axis_tvalid,
    input  wire                 m_axis_tready
);

    // Elaboration ends here with the parameter's name when it is out of its range.
    generate
        if (PORTS < 1 || PORTS > 16) begin : g_wrong_ports
            PORTS_is_not_1_to_16 wrong ();
        end
    endgenerate

    // The port that comes first now, one bit a port: the one after the last that was served.
    localparam [PORTS-1:0] FIRST = 1;
    reg [PORTS-1:0] turn;
    reg [63:0]      next_seq;

    wire [PORTS-1:0] grant;
    outcry_turn #(.PORTS(PORTS)) finder (.turn(turn), .requests(s_axis_tvalid), .grant(grant));

    wire ready;
    wire take = ready && (s_axis_tvalid != {PORTS{1'b0}});
    assign s_axis_tready = ready ? grant : {PORTS{1'b0}};

    always @(posedge clk) begin
        if (rst) begin
            turn     <= FIRST;
            next_seq <= first_seq;
        end else if (take) begin
            turn     <= (grant << 1) | (grant >> (PORTS - 1));
            next_seq <= next_seq + 64'd1;
        end
    end

    reg [511:0] order;
    reg [31:0]  port;
    always @* begin
        order = 512'd0;
        for (port = 32'd0; port < PORTS; port = port + 32'd1)
            order = order | (s_axis_tdata[port*512 +: 512] & {512{grant[port]}});
        order[`OUTCRY_ORDER_SEQ] = next_seq;
    end

    wire [PORTS+511:0] held_back;
    assign {m_axis_tuser, m_axis_tdata} = held_back;

    outcry_skid #(
        .WIDTH(PORTS + 512)
    ) stage (
        .clk(clk),
        .rst(rst),
        .s_axis_tdata({grant, order}),
        .s_axis_tvalid(s_axis_tvalid != {PORTS{1'b0}}),
        .s_axis_tready(ready),
        .m_axis_tdata(held_back),
        .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready)
    );

`ifdef FORMAL
`include "outcry_arbiter_formal.vh"
`endif

endmodule

`default_nettype wire
