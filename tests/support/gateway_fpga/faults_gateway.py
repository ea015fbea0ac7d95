"""Two hundred further faults made by hand (`make fpga-faults`): those of the validator and its
registers.  Each is one text of the RTL, which stands there once, and what it is replaced by."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Faults of one class in one file.  ``first`` of the module's own bench is run first, as it is
    where they should show; then all of it."""

    kind: str
    file: str
    toplevel: str
    bench: str
    first: str
    changes: tuple[tuple[str, str], ...]


GATEWAY = "bench_gateway,bench_gateway_rows,bench_gateway_edges,bench_gateway_bus"


def _validator(kind: str, first: str, *changes: tuple[str, str]) -> Group:
    return Group(kind, "outcry_validator", "outcry_gateway", GATEWAY, first, changes)


def _regs(kind: str, first: str, *changes: tuple[str, str]) -> Group:
    return Group(kind, "outcry_regs", "outcry_gateway", GATEWAY, first, changes)


MANY = "every_verdict"
EDGE = "exact_in_every_bit|rows_of_any_bits|every_verdict"
RATE = "the_rate_at"
TYPE, KIND, BIT = "`OUTCRY_ORDER_TYPE_", "`OUTCRY_COMMAND_KIND_", "`OUTCRY_ERROR_BIT_"
ENTRY = "({16{read_new || read_replace || read_expiry}} & ENTRY_CHECKS)"
PRICED = "({16{read_replace || (read_new && !read_unpriced)}} & PRICE_CHECKS)"
OFF = "!armed || (check_participants && (read_outside || !read_bit))"
DONE = "!read_valid && !row_valid && !check_valid"
BUCKET = "!check_taken ? check_kept : check_ahead ? check_moved : check_fresh"
BOTH = "check_price_positive && check_qty_positive && |(check_hit & way_notional)"
LOW = "(row_price10000 < low && (!by_side || row_new_sell))"
HIGH = "(high < row_price10000 && (!by_side || row_new_buy))"

VALIDATOR = (
    _validator(
        "a kind or a type is asked other checks than its own",
        MANY,
        (f"(256'd1 << {TYPE}MARKET) |", f"(256'd1 << {TYPE}LIMIT) |"),
        (f" | (256'd1 << {TYPE}MARKET_TO_LIMIT)", ""),
        (f"| (256'd1 << {TYPE}STOP) |", "|"),
        (f"\n        | (256'd1 << {TYPE}MARKET_BUDGET)", ""),
        (f"\n        | (256'd1 << {TYPE}TRAILING_STOP_BPS);", ";"),
        ("UNPRICED_TYPES[read_type]", "UNPRICED_TYPES[{4'd0, read_type[3:0]}]"),
        (
            f"(16'd1 << {BIT}QTY_NOT_POSITIVE) | (16'd1 << {BIT}QTY_STEP);",
            f"(16'd1 << {BIT}QTY_NOT_POSITIVE);",
        ),
        (f"\n        | (16'd1 << {BIT}RATE);", ";"),
        (f"(16'd1 << {BIT}SIDE) | (16'd1 << {BIT}ORDER_TYPE)", f"(16'd1 << {BIT}ORDER_TYPE)"),
        ("({16{!read_symbolless}} & SYMBOL_CHECK)", "SYMBOL_CHECK"),
        (ENTRY, "({16{read_new || read_replace}} & ENTRY_CHECKS)"),
        (ENTRY, "({16{read_new || read_expiry}} & ENTRY_CHECKS)"),
        (PRICED, "({16{(read_replace || read_new) && !read_unpriced}} & PRICE_CHECKS)"),
        (PRICED, "({16{read_new && !read_unpriced}} & PRICE_CHECKS)"),
        ("({16{read_new || read_replace}} & QTY_CHECKS)", "({16{read_new}} & QTY_CHECKS)"),
        ("({16{read_reduce}} & REDUCE_CHECKS)", "({16{read_reduce}} & QTY_CHECKS)"),
        ("({16{read_new}} & FORM_CHECKS)", "({16{read_new || read_replace}} & FORM_CHECKS)"),
        ("({16{read_mass}} & SIDE_CHECK)", "16'd0"),
        ("(read_mass || read_risk) && read", "read_mass && read"),
        (
            "((read_mass || read_risk) && read_data[`OUTCRY_ORDER_SYMBOL] == 64'd0)",
            "(read_mass || read_risk)",
        ),
    ),
    _validator(
        "a command is taken for good, or for wrong, by part of what it says",
        MANY,
        (f"\n        || read_kind == {KIND}PHASE", ""),
        ("        || read_risk\n", ""),
        ("read_aux != 64'd0);", "read_aux[31:0] != 32'd0);"),
        ("read_kind == 8'd0 || read_kind >", "read_kind >"),
        (f"read_kind > {KIND}TERMS\n", f"read_kind >= {KIND}TERMS\n"),
        ("read_participant != 16'd0);", "read_participant[9:0] != 10'd0);"),
        ("read_side > `OUTCRY_SIDE_SELL", "{6'd0, read_side[1:0]} > `OUTCRY_SIDE_SELL"),
        (f"(read_side == 8'd0 && read_kind != {KIND}MASS_CANCEL)", "read_side == 8'd0"),
        ("read_type == 8'd0 || read_type >", "read_type >"),
        (f"read_type > {TYPE}TAKE_PROFIT_LIMIT", f"read_type >= {TYPE}TAKE_PROFIT_LIMIT"),
        ("read_duration == 4'd0 || ", ""),
        ("> `OUTCRY_TIME_IN_FORCE_AT_CLOSE", ">= `OUTCRY_TIME_IN_FORCE_AT_CLOSE"),
        ("> `OUTCRY_SELF_TRADE_DECREMENT", ">= `OUTCRY_SELF_TRADE_DECREMENT"),
        ("!read_price[63] && read_price != 64'd0", "!read_price[63]"),
        ("!read_qty[63] && read_qty != 64'd0", "read_qty != 64'd0"),
        (
            "row_symbol_given    <= read_data[`OUTCRY_ORDER_SYMBOL] != 64'd0;",
            "row_symbol_given    <= 1'b1;",
        ),
    ),
    _validator(
        "a beat is lost, doubled or held, or a command meets an order",
        "a_command|a_reset|latency|through_a_reset|an_order_is_offered",
        ("running && advance && !command;", "running && advance;"),
        ("running && advance && !command;", "running && !command;"),
        ("wire advance = !out_valid || m_axis_tready;", "wire advance = m_axis_tready;"),
        ("s_axis_tvalid && running && !command;", "s_axis_tvalid && !command;"),
        ("s_axis_tvalid && running && !command;", "s_axis_tvalid && running;"),
        (DONE, "!row_valid && !check_valid"),
        (DONE, "!read_valid && !check_valid"),
        ("            read_valid  <= 1'b0;\n", ""),
        ("            row_valid   <= 1'b0;\n", ""),
        ("            check_valid <= 1'b0;\n", ""),
        ("            out_valid   <= 1'b0;\n", ""),
        ("if (advance) fetched <=", "fetched <="),
        ("if (advance) row <=", "row <="),
        ("if (advance) read_bit <=", "read_bit <="),
        ("if (advance) read_bucket <=", "read_bucket <="),
        (
            "out_data                           <= check_data;",
            "out_data                           <= {check_data[511:449], 1'b0, check_data[447:0]};",
        ),
        ("<= verdict;", "<= verdict | check_data[`OUTCRY_ORDER_ERROR_CODE];"),
    ),
    _validator(
        "a table is written in another place, or another time",
        "a_command|settings_change_between|a_bucket_is_filled",
        (
            "row_index[SLOT_BITS+1:SLOT_BITS] == way;",
            "{1'b0, row_index[SLOT_BITS]} == (way & 32'd1);",
        ),
        ("swap_now = row_swap && command_done && !rst;", "swap_now = row_swap && !rst;"),
        ("rows[row_index[SLOT_BITS-1:0]] <=", "rows[{1'b0, row_index[SLOT_BITS-2:0]}] <="),
        ("+ 2*LANE +: SLOT_BITS", "+ LANE +: SLOT_BITS"),
        ("in_symbol[4*half +: 4]", "{1'b0, in_symbol[4*half +: 3]}"),
        ("set_now = participant_set && command_done &&", "set_now = participant_set &&"),
        ("bits[participant_index] <= participant_on;", "bits[participant_index] <= 1'b1;"),
        (
            "in_index = in_participant[PARTICIPANT_BITS-1:0];",
            "in_index = {1'b0, in_participant[PARTICIPANT_BITS-2:0]};",
        ),
        ("if (bucket_write) buckets", "if (bucket_write && advance) buckets"),
        (OFF, "!armed || (check_participants && !read_bit)"),
        (OFF, "!armed || (check_participants && read_outside) || !read_bit"),
        (OFF, "check_participants && (read_outside || !read_bit)"),
    ),
    _validator(
        "a number is taken without a bit of it",
        f"{MANY}|of_fives|notional_is_exact",
        ("(32'd7 * WEIGHT)", "(32'd6 * WEIGHT)"),
        ("(32'd15 * WEIGHT)", "(32'd13 * WEIGHT)"),
        ("padded_price = {1'd0, in_price[62:0]}", "padded_price = {2'd0, in_price[61:0]}"),
        ("padded_qty   = {1'd0, in_qty[62:0]}", "padded_qty   = {2'd0, in_qty[61:0]}"),
        ("LEFT[{padded_qty[", "LEFT[{padded_price["),
        ("{3'd0, in_price[62:0]} + {1'd0, in_price[62:0], 2'd0}", "{1'd0, in_price[62:0], 2'd0}"),
        ("{in_price[62:0], 4'd0} - {4'd0, in_price[62:0]}", "{in_price[62:0], 4'd0}"),
        ("{16'd0, a} * {16'd0, b}", "{16'd0, a} * {17'd0, b[14:0]}"),
        ("read_products[95:64], 32'd0", "read_products[63:32], 32'd0"),
        ("{read_products[509:480],", "{30'd0,"),
        ("{46'd0, read_products[415:384], 48'd0}", "{46'd0, 32'd0, 48'd0}"),
        ("low_rom[price_residue[8:0]]", "low_rom[{1'b0, price_residue[7:0]}]"),
        ("lack_rom[qty_residue[17:9]]", "lack_rom[{1'b0, qty_residue[16:9]}]"),
        ("lacks[17:15] == 3'd0", "1'b1"),
        ("lacks[8:6] == low[8:6]", "1'b1"),
        ("same_digits(row_price_low, row_price_lack)", "same_digits(row_qty_low, row_price_lack)"),
    ),
    _validator(
        "a row's limit is one off, or another's",
        EDGE,
        ("symbol == row_symbol &&", "symbol[62:0] == row_symbol[62:0] &&"),
        ("symbol == row_symbol &&", "symbol[63:8] == row_symbol[63:8] &&"),
        ("max_price < row_price;", "max_price <= row_price;"),
        ("row_qty < min_qty ||", "row_qty <= min_qty ||"),
        ("|| max_qty < row_qty;", "|| max_qty <= row_qty;"),
        ("row_price_zeros < price_twos", "row_price_zeros <= price_twos"),
        ("row_qty_zeros < qty_twos", "{1'b0, row_qty_zeros[4:0]} < qty_twos"),
        (LOW, "(row_price10000 <= low && (!by_side || row_new_sell))"),
        (LOW, "(row_price10000 < low && !by_side)"),
        (HIGH, "(high <= row_price10000 && (!by_side || row_new_buy))"),
        (HIGH, "(high < row_price10000 && !by_side)"),
        ("read_new && read_side == `OUTCRY_SIDE_BUY;", "read_side == `OUTCRY_SIDE_BUY;"),
        ("read_new && read_side == `OUTCRY_SIDE_SELL;", "read_side == `OUTCRY_SIDE_SELL;"),
        ("~(6'b111111 << price_fives)", "~(6'b111110 << price_fives)"),
        ("<< qty_fives)", "<< price_fives)"),
        ("row_notional_sum[125:64]}", "row_notional_sum[124:63]}"),
        ("this_row[`OUTCRY_ROW_MAX_PRICE_TICKS] ^ SIGN", "this_row[`OUTCRY_ROW_MAX_PRICE_TICKS]"),
        ("this_row[`OUTCRY_ROW_MIN_QTY_LOTS] ^ SIGN", "this_row[`OUTCRY_ROW_MIN_QTY_LOTS]"),
        ("left[63] || (left", "(left"),
        ("left[62:1] == 62'd0", "left[62:2] == 61'd0"),
        ("left[0] ? lower == 2'b10 : lower != 2'b00", "lower != 2'b00"),
    ),
    _validator(
        "a flag without one of its conditions",
        f"{MANY}|rows_of_any",
        ("check_price_twos[way] || ", ""),
        ("check_qty_twos[way] || ", ""),
        ("|(check_hit & check_above);", "|check_above;"),
        ("check_qty_positive && |(check_hit & check_qty_out);", "|(check_hit & check_qty_out);"),
        ("check_hit == 3'd0;", "check_hit[1:0] == 2'd0;"),
        ("check_price_positive && |(check_hit & way_price_step)", "|(check_hit & way_price_step)"),
        ("check_qty_positive && |(check_hit & way_qty_step)", "|(check_hit & way_qty_step)"),
        ("check_price_positive && |(check_hit & check_collar)", "|(check_hit & check_collar)"),
        (BOTH, "check_price_positive && |(check_hit & way_notional)"),
        (BOTH, "check_qty_positive && |(check_hit & way_notional)"),
        ("|(check_hit & check_halted);", "|(check_hit[1:0] & check_halted[1:0]);"),
        ("= check_participant_off;", "= check_participant_off && check_hit != 3'd0;"),
        ("code & check_mask;", "code & (check_mask | 16'h0080);"),
    ),
    _validator(
        "a bucket is another's, another time's or one off",
        RATE,
        ("read_after_row   <= read_valid && ", "read_after_row   <= "),
        ("read_after_check <= row_valid && ", "read_after_check <= "),
        ("read_after_out   <= check_taken && check_index == in_index", "read_after_out   <= 1'b0"),
        ("read_valid && read_mask[`OUTCRY_ERROR_BIT_RATE] &&", "read_valid &&"),
        ("read_asked && read_follows && !(|taken_by);", "read_follows && !(|taken_by);"),
        ("row_from[1] <= read_follows && |taken_by;", "row_from[1] <= |taken_by;"),
        (BUCKET, "check_ahead ? check_moved : check_fresh"),
        (BUCKET, "!check_taken ? check_kept : check_moved"),
        ("over = {row_now_burst < check_fresh", "over = {row_now_burst <= check_fresh"),
        ("row_now_burst < row_bucket};", "row_now_burst <= row_bucket};"),
        ("row_bucket + wide_interval", "row_bucket"),
        ("check_fresh + wide_interval", "check_fresh"),
        ("{31'd0, row_interval};", "{32'd0, row_interval[30:0]};"),
        ("row_now_wide = {1'b0, row_now};", "row_now_wide = {2'd0, row_now[60:0]};"),
        ("check_taken <= |taken_by;", "check_taken <= |row_is_from;"),
        ("set_now || (check_taken && !rst);", "check_taken && !rst;"),
        (
            "row_rate_refused    <= read_outside && rate_interval_ns != 32'd0;",
            "row_rate_refused    <= read_outside;",
        ),
        ("row_rate_refused || |(row_is_from & over)", "|(row_is_from & over)"),
    ),
)

ADDRESSES = "every_address|each_bad|read_back|a_command_waits"
BUS = "read_back|a_command|nothing_is_taken"
REGS = (
    _regs(
        "an address is somewhere else, or allowed when it is not",
        ADDRESSES,
        ("6'd8, 6'd9, 6'd10:", "6'd8, 6'd10:"),
        ("word[3:0] == 4'd0;", "1'b1;"),
        ("word[3:1] == 3'd0;", "word[3:0] == 4'd0;"),
        ("< LAST_FRAMES;", "<= LAST_FRAMES;"),
        ("(!busy && (write_to_shadow ||", "((write_to_shadow ||"),
        ("(!busy && row_fits && write_to_row_index)", "(row_fits && write_to_row_index)"),
        ("(!busy && participant_fits &&", "(!busy &&"),
        (
            "write_allowed ? OKAY : write_somewhere ? SLVERR : DECERR",
            "write_allowed ? OKAY : SLVERR",
        ),
        ("read_allowed ? OKAY : read_somewhere ? SLVERR : DECERR", "read_allowed ? OKAY : DECERR"),
        ("\n                               || asked_word == `OUTCRY_REG_PARTICIPANT_SET;", ";"),
        ("given_word[9:1] == 9'd40", "given_word[9:0] == 10'd80"),
        ("s_axil_wdata < ROWS;", "{1'b0, s_axil_wdata[30:0]} < ROWS;"),
        ("rresp == OKAY ? found_word : 32'd0", "found_word"),
    ),
    _regs(
        "the bus hangs, or gives an answer that was never taken",
        BUS,
        ("&& s_axil_wvalid && !write && !bvalid;", "&& s_axil_wvalid && !write;"),
        ("s_axil_awvalid && s_axil_wvalid && !write", "s_axil_awvalid && !write"),
        ("!asked && !found && !rvalid;", "!asked && !found;"),
        (
            "if (write) bvalid <= 1'b1;\n            else if (s_axil_bready) bvalid <= 1'b0;",
            "bvalid <= write;",
        ),
        (
            "if (found) rvalid <= 1'b1;\n            else if (s_axil_rready) rvalid <= 1'b0;",
            "rvalid <= found;",
        ),
        ("wire busy = row_swap_reg || participant_set_reg;", "wire busy = row_swap_reg;"),
        ("                row_swap_reg        <= 1'b0;\n", ""),
        ("& {31'd0, busy})", "& {31'd0, row_swap_reg})"),
    ),
    _regs(
        "a register keeps, or takes, what it should not",
        "read_back|a_reset|row_index|only_whole",
        ("rate_interval_ns_reg   <= 32'd0;", "rate_interval_ns_reg   <= rate_interval_ns_reg;"),
        ("rate_burst_ns_reg      <= 32'd0;", "rate_burst_ns_reg      <= rate_burst_ns_reg;"),
        ("check_participants_reg <= 1'b0;", "check_participants_reg <= check_participants_reg;"),
        (
            "row_index_reg          <= {SLOT_BITS+2{1'b0}};",
            "row_index_reg          <= row_index_reg;",
        ),
        ("row_swap_reg           <= 1'b0;", "row_swap_reg           <= row_swap_reg;"),
        ("participant_set_reg    <= 1'b0;", "participant_set_reg    <= participant_set_reg;"),
        ("if (rst) row_shadow_reg[32*n +: 32] <= 32'd0;\n                else if", "if"),
        ("(write && !busy && write_to_shadow_word[n])", "(write && write_to_shadow_word[n])"),
        ("if (write && !busy && write_to_row_swap)", "if (write && write_to_row_swap)"),
        (
            "if (write && !busy && write_to_participant_set) begin",
            "if (write && write_to_participant_set) begin",
        ),
        ("participant_on_reg    <= write_data[31];", "participant_on_reg    <= write_data[30];"),
        ("<= write_data[`OUTCRY_CONTROL_CHECK_PARTICIPANTS];", "<= |write_data;"),
        ("(32'd1 << SLOT_BITS)", "32'd512"),
        ("armed_reg, check_participants_reg}", "1'b0, check_participants_reg}"),
    ),
    _regs(
        "something is counted twice, not at all or as something else",
        "count|read_back",
        ("counted_code[reason]\n", "counted_code[15-reason]\n"),
        ("count_valid && count_code != 16'd0;", "count_valid && count_code[7:0] != 8'd0;"),
        ("counting         <= count_valid;", "counting         <= count_valid && !write;"),
        ("if (asked && read_status[12])", "if (asked)"),
        (
            "bad_next[COUNTER_BITS] ? COUNT_FULL : bad_next[COUNTER_BITS-1:0]",
            "bad_next[COUNTER_BITS-1:0]",
        ),
        ("\n                                     + {{COUNTER_BITS{1'b0}}, was_read_bad};", ";"),
        ("6'd9:    found_word = found_frames1;", "6'd9:    found_word = found_frames0;"),
        ("frames[2015:1536]", "frames[1983:1504]"),
        ("{448'd0, row_shadow_reg[575:512]}", "{480'd0, row_shadow_reg[543:512]}"),
    ),
    Group(
        "something is counted twice, not at all or as something else",
        "outcry_gateway",
        "outcry_gateway",
        GATEWAY,
        "count",
        ((".count_valid(m_axis_tvalid && m_axis_tready)", ".count_valid(m_axis_tvalid)"),),
    ),
)
