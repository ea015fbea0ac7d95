// SPDX-License-Identifier: Apache-2.0
// What docs/gateway.md promises of outcry_gateway at its ports, as assertions, and what a bench has to
// have seen, as cover points: for any simulator of SystemVerilog.  Compile this file with the RTL
// and it is bound to every instance; it looks at ports only and drives nothing.
//
// The proofs of gateway_fpga/formal/ say more, of the inside too.
`default_nettype none
`include "outcry_wire.vh"
`include "outcry_registers.vh"

module outcry_gateway_sva (
    input wire         clk,
    input wire         rst,

    input wire [511:0] s_axis_tdata,
    input wire         s_axis_tvalid,
    input wire         s_axis_tready,

    input wire [511:0] m_axis_tdata,
    input wire         m_axis_tvalid,
    input wire         m_axis_tready,

    input wire [11:0]  s_axil_awaddr,
    input wire         s_axil_awvalid,
    input wire         s_axil_awready,
    input wire [31:0]  s_axil_wdata,
    input wire [3:0]   s_axil_wstrb,
    input wire         s_axil_wvalid,
    input wire         s_axil_wready,
    input wire [1:0]   s_axil_bresp,
    input wire         s_axil_bvalid,
    input wire         s_axil_bready,
    input wire [11:0]  s_axil_araddr,
    input wire         s_axil_arvalid,
    input wire         s_axil_arready,
    input wire [31:0]  s_axil_rdata,
    input wire [1:0]   s_axil_rresp,
    input wire         s_axil_rvalid,
    input wire         s_axil_rready
);

    localparam [1:0] OKAY = 2'b00, EXOKAY = 2'b01, SLVERR = 2'b10, DECERR = 2'b11;
    // An order comes out with at most so many clock edges between, while the taker is ready.
    localparam [2:0] LATENCY = 3'd4;

    wire taken = s_axis_tvalid && s_axis_tready;
    wire left  = m_axis_tvalid && m_axis_tready;
    wire write_taken = s_axil_awvalid && s_axil_awready && s_axil_wvalid && s_axil_wready;

    // ---- the orders inside, in order: what came in, and whether the gateway was unarmed ------------
    reg [511:0] orders [0:7];
    reg         unarmed [0:7];
    reg [3:0]   held;
    reg [2:0]   next_in;
    reg [2:0]   next_out;
    reg [2:0]   waited;
    // May be armed: a whole word with that bit has been written since the reset.
    reg         armed;
    wire        arms = write_taken && s_axil_wstrb == 4'b1111
                       && s_axil_awaddr[11:2] == `OUTCRY_REG_CONTROL
                       && s_axil_wdata[`OUTCRY_CONTROL_ARMED];

    wire [511:0] came = orders[next_out];
    wire [15:0]  code = m_axis_tdata[`OUTCRY_ORDER_ERROR_CODE];
    wire [7:0]   kind = m_axis_tdata[`OUTCRY_ORDER_KIND];
    wire         enters = kind == `OUTCRY_COMMAND_KIND_NEW || kind == `OUTCRY_COMMAND_KIND_REPLACE
                          || kind == `OUTCRY_COMMAND_KIND_SET_EXPIRY;

    function automatic [511:0] without_verdict(input [511:0] order);
        without_verdict = order;
        without_verdict[`OUTCRY_ORDER_ERROR_CODE] = 16'd0;
    endfunction

    always @(posedge clk) begin
        if (rst) begin
            held   <= 4'd0;
            next_in  <= 3'd0;
            next_out <= 3'd0;
            waited   <= 3'd0;
            armed    <= 1'b0;
        end else begin
            held <= held + {3'd0, taken} - {3'd0, left};
            if (taken) begin
                orders[next_in]  <= s_axis_tdata;
                unarmed[next_in] <= !armed && !arms;
                next_in          <= next_in + 3'd1;
            end
            if (left) next_out <= next_out + 3'd1;
            waited <= (held == 4'd0 || m_axis_tvalid) ? 3'd0 : waited + 3'd1;
            armed  <= armed || arms;
        end
    end

    // ---- AXI: what is offered stands until it is taken ---------------------------------------------
    verdict_stands: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && !m_axis_tready |=> m_axis_tvalid && $stable(m_axis_tdata));
    write_answer_stands: assert property (@(posedge clk) disable iff (rst)
        s_axil_bvalid && !s_axil_bready |=> s_axil_bvalid && $stable(s_axil_bresp));
    read_answer_stands: assert property (@(posedge clk) disable iff (rst)
        s_axil_rvalid && !s_axil_rready
        |=> s_axil_rvalid && $stable(s_axil_rresp) && $stable(s_axil_rdata));
    write_answer_is_one_of_three: assert property (@(posedge clk) disable iff (rst)
        s_axil_bvalid |-> s_axil_bresp != EXOKAY);
    read_answer_is_one_of_three: assert property (@(posedge clk) disable iff (rst)
        s_axil_rvalid |-> s_axil_rresp != EXOKAY);
    refused_read_is_empty: assert property (@(posedge clk) disable iff (rst)
        s_axil_rvalid && s_axil_rresp != OKAY |-> s_axil_rdata == 32'd0);
    reset_silences: assert property (@(posedge clk)
        rst |=> !m_axis_tvalid && !s_axil_bvalid && !s_axil_rvalid);

    // ---- orders ------------------------------------------------------------------------------------
    order_was_taken: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid |-> held != 4'd0);
    order_has_room: assert property (@(posedge clk) disable iff (rst)
        held <= 4'd8);
    order_is_unchanged: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && held != 4'd0
        |-> without_verdict(m_axis_tdata) == without_verdict(came));
    order_leaves_in_time: assert property (@(posedge clk) disable iff (rst)
        waited < LATENCY);
    unarmed_lets_nobody_in: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && held != 4'd0 && unarmed[next_out] && enters
        |-> code[`OUTCRY_ERROR_BIT_PARTICIPANT]);

    taking_away_is_never_limited: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && (kind == `OUTCRY_COMMAND_KIND_CANCEL || kind == `OUTCRY_COMMAND_KIND_REDUCE
            || kind == `OUTCRY_COMMAND_KIND_MASS_CANCEL || kind == `OUTCRY_COMMAND_KIND_DISCONNECT)
        |-> code[14:10] == 5'd0);
    disconnect_always_passes: assert property (@(posedge clk) disable iff (rst)
        m_axis_tvalid && kind == `OUTCRY_COMMAND_KIND_DISCONNECT |-> code == 16'd0);

    // ---- what a bench has to have seen: the coverage model, a name each ----------------------------
    `define OUTCRY_SEEN(name, condition) \
        name: cover property (@(posedge clk) disable iff (rst) condition);

    // Every reason, alone among the orders' reasons and with others.
    `OUTCRY_SEEN(refused_for_PRICE_NOT_POSITIVE, left && code[`OUTCRY_ERROR_BIT_PRICE_NOT_POSITIVE])
    `OUTCRY_SEEN(only_PRICE_NOT_POSITIVE, left && code == 16'd1 << `OUTCRY_ERROR_BIT_PRICE_NOT_POSITIVE)
    `OUTCRY_SEEN(refused_for_PRICE_ABOVE_LIMIT, left && code[`OUTCRY_ERROR_BIT_PRICE_ABOVE_LIMIT])
    `OUTCRY_SEEN(only_PRICE_ABOVE_LIMIT, left && code == 16'd1 << `OUTCRY_ERROR_BIT_PRICE_ABOVE_LIMIT)
    `OUTCRY_SEEN(refused_for_QTY_NOT_POSITIVE, left && code[`OUTCRY_ERROR_BIT_QTY_NOT_POSITIVE])
    `OUTCRY_SEEN(only_QTY_NOT_POSITIVE, left && code == 16'd1 << `OUTCRY_ERROR_BIT_QTY_NOT_POSITIVE)
    `OUTCRY_SEEN(refused_for_QTY_OUT_OF_LIMITS, left && code[`OUTCRY_ERROR_BIT_QTY_OUT_OF_LIMITS])
    `OUTCRY_SEEN(only_QTY_OUT_OF_LIMITS, left && code == 16'd1 << `OUTCRY_ERROR_BIT_QTY_OUT_OF_LIMITS)
    `OUTCRY_SEEN(refused_for_SIDE, left && code[`OUTCRY_ERROR_BIT_SIDE])
    `OUTCRY_SEEN(only_SIDE, left && code == 16'd1 << `OUTCRY_ERROR_BIT_SIDE)
    `OUTCRY_SEEN(refused_for_ORDER_TYPE, left && code[`OUTCRY_ERROR_BIT_ORDER_TYPE])
    `OUTCRY_SEEN(only_ORDER_TYPE, left && code == 16'd1 << `OUTCRY_ERROR_BIT_ORDER_TYPE)
    `OUTCRY_SEEN(refused_for_TIME_IN_FORCE, left && code[`OUTCRY_ERROR_BIT_TIME_IN_FORCE])
    `OUTCRY_SEEN(only_TIME_IN_FORCE, left && code == 16'd1 << `OUTCRY_ERROR_BIT_TIME_IN_FORCE)
    `OUTCRY_SEEN(refused_for_SYMBOL, left && code[`OUTCRY_ERROR_BIT_SYMBOL])
    `OUTCRY_SEEN(only_SYMBOL, left && code == 16'd1 << `OUTCRY_ERROR_BIT_SYMBOL)
    `OUTCRY_SEEN(refused_for_PRICE_STEP, left && code[`OUTCRY_ERROR_BIT_PRICE_STEP])
    `OUTCRY_SEEN(only_PRICE_STEP, left && code == 16'd1 << `OUTCRY_ERROR_BIT_PRICE_STEP)
    `OUTCRY_SEEN(refused_for_QTY_STEP, left && code[`OUTCRY_ERROR_BIT_QTY_STEP])
    `OUTCRY_SEEN(only_QTY_STEP, left && code == 16'd1 << `OUTCRY_ERROR_BIT_QTY_STEP)
    `OUTCRY_SEEN(refused_for_COLLAR, left && code[`OUTCRY_ERROR_BIT_COLLAR])
    `OUTCRY_SEEN(only_COLLAR, left && code == 16'd1 << `OUTCRY_ERROR_BIT_COLLAR)
    `OUTCRY_SEEN(refused_for_NOTIONAL, left && code[`OUTCRY_ERROR_BIT_NOTIONAL])
    `OUTCRY_SEEN(only_NOTIONAL, left && code == 16'd1 << `OUTCRY_ERROR_BIT_NOTIONAL)
    `OUTCRY_SEEN(refused_for_PARTICIPANT, left && code[`OUTCRY_ERROR_BIT_PARTICIPANT])
    `OUTCRY_SEEN(only_PARTICIPANT, left && code == 16'd1 << `OUTCRY_ERROR_BIT_PARTICIPANT)
    `OUTCRY_SEEN(refused_for_HALTED, left && code[`OUTCRY_ERROR_BIT_HALTED])
    `OUTCRY_SEEN(only_HALTED, left && code == 16'd1 << `OUTCRY_ERROR_BIT_HALTED)
    `OUTCRY_SEEN(refused_for_RATE, left && code[`OUTCRY_ERROR_BIT_RATE])
    `OUTCRY_SEEN(only_RATE, left && code == 16'd1 << `OUTCRY_ERROR_BIT_RATE)
    `OUTCRY_SEEN(refused_for_KIND, left && code[`OUTCRY_ERROR_BIT_KIND])
    `OUTCRY_SEEN(only_KIND, left && code == 16'd1 << `OUTCRY_ERROR_BIT_KIND)
    // Every kind of command, let through and refused.
    `OUTCRY_SEEN(passes_NEW, left && kind == `OUTCRY_COMMAND_KIND_NEW && code == 16'd0)
    `OUTCRY_SEEN(refused_NEW, left && kind == `OUTCRY_COMMAND_KIND_NEW && code != 16'd0)
    `OUTCRY_SEEN(passes_CANCEL, left && kind == `OUTCRY_COMMAND_KIND_CANCEL && code == 16'd0)
    `OUTCRY_SEEN(refused_CANCEL, left && kind == `OUTCRY_COMMAND_KIND_CANCEL && code != 16'd0)
    `OUTCRY_SEEN(passes_REDUCE, left && kind == `OUTCRY_COMMAND_KIND_REDUCE && code == 16'd0)
    `OUTCRY_SEEN(refused_REDUCE, left && kind == `OUTCRY_COMMAND_KIND_REDUCE && code != 16'd0)
    `OUTCRY_SEEN(passes_REPLACE, left && kind == `OUTCRY_COMMAND_KIND_REPLACE && code == 16'd0)
    `OUTCRY_SEEN(refused_REPLACE, left && kind == `OUTCRY_COMMAND_KIND_REPLACE && code != 16'd0)
    `OUTCRY_SEEN(passes_SET_EXPIRY, left && kind == `OUTCRY_COMMAND_KIND_SET_EXPIRY && code == 16'd0)
    `OUTCRY_SEEN(refused_SET_EXPIRY, left && kind == `OUTCRY_COMMAND_KIND_SET_EXPIRY && code != 16'd0)
    `OUTCRY_SEEN(passes_MASS_CANCEL, left && kind == `OUTCRY_COMMAND_KIND_MASS_CANCEL && code == 16'd0)
    `OUTCRY_SEEN(refused_MASS_CANCEL, left && kind == `OUTCRY_COMMAND_KIND_MASS_CANCEL && code != 16'd0)
    `OUTCRY_SEEN(passes_DISCONNECT, left && kind == `OUTCRY_COMMAND_KIND_DISCONNECT && code == 16'd0)
    `OUTCRY_SEEN(passes_TIME, left && kind == `OUTCRY_COMMAND_KIND_TIME && code == 16'd0)
    `OUTCRY_SEEN(refused_TIME, left && kind == `OUTCRY_COMMAND_KIND_TIME && code != 16'd0)
    `OUTCRY_SEEN(passes_PHASE, left && kind == `OUTCRY_COMMAND_KIND_PHASE && code == 16'd0)
    `OUTCRY_SEEN(refused_PHASE, left && kind == `OUTCRY_COMMAND_KIND_PHASE && code != 16'd0)
    `OUTCRY_SEEN(passes_RISK, left && kind == `OUTCRY_COMMAND_KIND_RISK && code == 16'd0)
    `OUTCRY_SEEN(refused_RISK, left && kind == `OUTCRY_COMMAND_KIND_RISK && code != 16'd0)
    `OUTCRY_SEEN(passes_TERMS, left && kind == `OUTCRY_COMMAND_KIND_TERMS && code == 16'd0)
    `OUTCRY_SEEN(refused_TERMS, left && kind == `OUTCRY_COMMAND_KIND_TERMS && code != 16'd0)
    // Every pattern of strobes, every answer of the bus, taken late too.
    `OUTCRY_SEEN(strobes_0000, write_taken && s_axil_wstrb == 4'b0000)
    `OUTCRY_SEEN(strobes_0001, write_taken && s_axil_wstrb == 4'b0001)
    `OUTCRY_SEEN(strobes_0010, write_taken && s_axil_wstrb == 4'b0010)
    `OUTCRY_SEEN(strobes_0011, write_taken && s_axil_wstrb == 4'b0011)
    `OUTCRY_SEEN(strobes_0100, write_taken && s_axil_wstrb == 4'b0100)
    `OUTCRY_SEEN(strobes_0101, write_taken && s_axil_wstrb == 4'b0101)
    `OUTCRY_SEEN(strobes_0110, write_taken && s_axil_wstrb == 4'b0110)
    `OUTCRY_SEEN(strobes_0111, write_taken && s_axil_wstrb == 4'b0111)
    `OUTCRY_SEEN(strobes_1000, write_taken && s_axil_wstrb == 4'b1000)
    `OUTCRY_SEEN(strobes_1001, write_taken && s_axil_wstrb == 4'b1001)
    `OUTCRY_SEEN(strobes_1010, write_taken && s_axil_wstrb == 4'b1010)
    `OUTCRY_SEEN(strobes_1011, write_taken && s_axil_wstrb == 4'b1011)
    `OUTCRY_SEEN(strobes_1100, write_taken && s_axil_wstrb == 4'b1100)
    `OUTCRY_SEEN(strobes_1101, write_taken && s_axil_wstrb == 4'b1101)
    `OUTCRY_SEEN(strobes_1110, write_taken && s_axil_wstrb == 4'b1110)
    `OUTCRY_SEEN(strobes_1111, write_taken && s_axil_wstrb == 4'b1111)
    `OUTCRY_SEEN(write_OKAY, s_axil_bvalid && s_axil_bresp == OKAY)
    `OUTCRY_SEEN(write_SLVERR, s_axil_bvalid && s_axil_bresp == SLVERR)
    `OUTCRY_SEEN(write_DECERR, s_axil_bvalid && s_axil_bresp == DECERR)
    `OUTCRY_SEEN(write_answer_held, s_axil_bvalid && !s_axil_bready)
    `OUTCRY_SEEN(read_OKAY, s_axil_rvalid && s_axil_rresp == OKAY)
    `OUTCRY_SEEN(read_SLVERR, s_axil_rvalid && s_axil_rresp == SLVERR)
    `OUTCRY_SEEN(read_DECERR, s_axil_rvalid && s_axil_rresp == DECERR)
    `OUTCRY_SEEN(read_answer_held, s_axil_rvalid && !s_axil_rready)
    `OUTCRY_SEEN(write_and_read_at_once, write_taken && s_axil_arvalid && s_axil_arready)
    // The stream: back-pressure on either side, full rate, an order while unarmed.
    `OUTCRY_SEEN(verdict_held, m_axis_tvalid && !m_axis_tready)
    `OUTCRY_SEEN(input_held, s_axis_tvalid && !s_axis_tready)
    `OUTCRY_SEEN(one_each_cycle, left && $past(left) && $past(left, 2))
    `OUTCRY_SEEN(unarmed_refused, left && unarmed[next_out] && enters)
    // A reset with so many orders inside.
    reset_with_1_inside: cover property (@(posedge clk) rst && held == 4'd1);
    reset_with_2_inside: cover property (@(posedge clk) rst && held == 4'd2);
    reset_with_3_inside: cover property (@(posedge clk) rst && held == 4'd3);
    reset_with_4_inside: cover property (@(posedge clk) rst && held == 4'd4);

endmodule

bind outcry_gateway outcry_gateway_sva sva (.*);

`default_nettype wire
