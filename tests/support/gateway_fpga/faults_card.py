"""Further faults made by hand: those of the modules between a MAC that cannot wait and the parser,
and of the tags of ports (faults_gateway.py)."""

from tests.support.gateway_fpga.faults_gateway import Group


def _queue(kind: str, file: str, *changes: tuple[str, str]) -> Group:
    return Group(kind, file, "outcry_frame_fifo", "bench_frame_fifo", ".", changes)


def _ingress(kind: str, file: str, *changes: tuple[str, str]) -> Group:
    return Group(kind, file, "outcry_ingress", "bench_ingress", ".", changes)


QUEUE = "outcry_frame_fifo"
CARD = (
    _queue(
        "a frame leaves in part, or that should not",
        QUEUE,
        ("fits = room && !lost && !cut;", "fits = room && !cut;"),
        ("fits = room && !lost && !cut;", "fits = room && !lost;"),
        ("fits = room && !lost && !cut;", "fits = !lost && !cut;"),
        ("write_last && fits && !write_bad", "write_last && fits"),
        ("write_last && fits && !write_bad", "write_last && !write_bad"),
        ("lost <= !fits && !write_last;", "lost <= !fits;"),
        ("lost <= !fits && !write_last;", "lost <= !room && !write_last;"),
        ("committed <= written + ONE;", "committed <= written;"),
        ("end else if (write_last || !fits) begin", "end else if (write_last) begin"),
        ("end else if (write_last || !fits) begin", "end else if (!fits) begin"),
        (
            "                written <= committed;\n                lost    <= 1'b0;",
            "                lost    <= 1'b0;",
        ),
        (
            "                lost    <= 1'b0;\n            end else if (write)",
            "            end else if (write)",
        ),
        ("cut           <= cut && amid_next;", "cut           <= 1'b0;"),
        ("cut           <= amid_next;", "cut           <= 1'b0;"),
        ("cut           <= cut && amid_next;", "cut           <= cut;"),
        ("!write_abort && (write ? !write_last : amid)", "(write ? !write_last : amid)"),
        ("!write_abort && (write ? !write_last : amid)", "!write_abort && (write || amid)"),
        ("if (write && fits) words", "if (write) words"),
    ),
    _queue(
        "a pointer crosses wrongly, or a word is lost, doubled or kept",
        QUEUE,
        ("(released != committed) ? ONE", "(released != written) ? ONE"),
        (
            "released_gray <= next_released ^ (next_released >> 1);",
            "released_gray <= committed ^ (committed >> 1);",
        ),
        (
            "released_gray <= next_released ^ (next_released >> 1);",
            "released_gray <= next_released;",
        ),
        ("read_gray <= next_read ^ (next_read >> 1);", "read_gray <= next_read;"),
        ("written - read_known != DEPTH;", "written - read_known != DEPTH - ONE;"),
        ("written - read_known != DEPTH;", "written - read_seen != DEPTH - ONE;"),
        ("next = m_axis_tready || !out_valid;", "next = m_axis_tready;"),
        ("next = m_axis_tready || !out_valid;", "next = 1'b1;"),
        ("if (next) out_data <=", "out_data <="),
        ("if (next) out_valid <= some;", "if (next) out_valid <= 1'b1;"),
        ("(next && some) ? ONE", "next ? ONE"),
    ),
    _queue(
        "a reset leaves something of before",
        QUEUE,
        ("held = wanted || asked || answer_seen;", "held = wanted || asked;"),
        ("held = wanted || asked || answer_seen;", "held = wanted;"),
        ("if (rst || held) begin", "if (rst) begin"),
        ("answer <= asked_seen;", "answer <= 1'b0;"),
        ("answer <= asked_seen;", "answer <= 1'b1;"),
        ("if (asked_seen) begin", "if (1'b0) begin"),
        ("if (!asked) asked <= wanted && !answer_seen;", "if (!asked) asked <= 1'b0;"),
        ("else if (answer_seen) asked <= 1'b0;", "else asked <= 1'b0;"),
        ("if (rst) wanted <= 1'b1;", "if (rst && !held) wanted <= 1'b1;"),
        ("            released      <= {POINTER{1'b0}};\n", ""),
        ("            committed     <= {POINTER{1'b0}};\n", ""),
        ("            read      <= {POINTER{1'b0}};\n", ""),
        ("            out_valid <= 1'b0;\n        end else begin", "        end else begin"),
        (
            ".write_clk(write_clk), .write_rst(asked_seen), .event_seen(ends && write_bad)",
            ".write_clk(write_clk), .write_rst(1'b0), .event_seen(ends && write_bad)",
        ),
    ),
    _queue(
        "a frame is counted twice, not at all or as something else",
        QUEUE,
        ("event_seen(ends && write_bad)", "event_seen(write && write_bad)"),
        ("event_seen(ends && write_bad)", "event_seen(ends && write_bad && fits)"),
        ("event_seen(ends && !write_bad && !fits)", "event_seen(ends && !fits)"),
        ("event_seen(ends && !write_bad && !fits)", "event_seen(ends && !write_bad && !room)"),
        ("event_seen(ends && !write_bad && !fits)", "event_seen(write && !write_bad && !fits)"),
        (
            "write && write_last && !write_abort && !asked_seen && !cut;",
            "write && write_last && !asked_seen && !cut;",
        ),
        (
            "write && write_last && !write_abort && !asked_seen && !cut;",
            "write && write_last && !write_abort && !asked_seen;",
        ),
    ),
    _queue(
        "a frame is counted twice, not at all or as something else",
        "outcry_count_over",
        ("(event_seen && value != FULL)", "event_seen"),
        ("value_gray <= next_value ^ (next_value >> 1);", "value_gray <= next_value;"),
        ("else count <= seen;", "else count <= gray_seen;"),
        ("if (rst) count <= {WIDTH{1'b0}};\n        else count", "count"),
    ),
    _queue(
        "a pointer crosses wrongly, or a word is lost, doubled or kept",
        "outcry_gray",
        ("^gray[WIDTH-1:nth];", "gray[nth];"),
        ("^gray[WIDTH-1:nth];", "^gray[nth:0];"),
    ),
    _ingress(
        "a word stands in another place, or with another frame's time",
        "outcry_widen",
        ("(s_axis_tlast || nth == 3'd7);", "(s_axis_tlast || nth == 3'd6);"),
        ("(s_axis_tlast || nth == 3'd7);", "(nth == 3'd7);"),
        ("s_axis_tvalid && (s_axis_tlast", "(s_axis_tlast"),
        ("nth    <= s_axis_tlast ? 3'd0 : nth + 3'd1;", "nth    <= nth + 3'd1;"),
        ("m_axis_tkeep <= {56'd0, s_axis_tkeep};", "m_axis_tkeep[7:0] <= s_axis_tkeep;"),
        ("m_axis_tdata <= {448'd0, s_axis_tdata};", "m_axis_tdata[63:0] <= s_axis_tdata;"),
        ("m_axis_tkeep[8*nth +: 8]   <= s_axis_tkeep;", "m_axis_tkeep[8*nth +: 8]   <= 8'hFF;"),
        ("if (!in_frame) m_time_ns <= time_ns;", "m_time_ns <= time_ns;"),
        ("if (!in_frame) m_time_ns <= time_ns;", "if (nth == 3'd0) m_time_ns <= time_ns;"),
        ("in_frame <= !s_axis_tlast;", "in_frame <= 1'b1;"),
        ("s_axis_tlast && s_axis_tuser;", "s_axis_tuser && 1'b0;"),
        ("m_axis_tlast <= s_axis_tlast;", "m_axis_tlast <= 1'b0;"),
        ("            nth           <= 3'd0;\n", ""),
        ("            in_frame        <= 1'b0;\n", ""),
    ),
    _ingress(
        "a word stands in another place, or with another frame's time",
        "outcry_ingress",
        (".write_abort(rx_rst)", ".write_abort(1'b0)"),
        (".rst(rx_rst)", ".rst(1'b0)"),
        (".write_bad(wide_tuser)", ".write_bad(1'b0)"),
        (
            "{wide_time_ns, wide_tlast, wide_tkeep, wide_tdata}",
            "{rx_time_ns, wide_tlast, wide_tkeep, wide_tdata}",
        ),
    ),
    Group(
        "an order has another's port",
        "outcry_tags",
        "outcry_top",
        "bench_top",
        "idle=0/hold=0|idle=1/hold=3|mid_frame",
        (
            (
                "if (write) next_write <= next_write + 3'd1;",
                "if (write) next_write <= next_write + 3'd2;",
            ),
            ("if (read)  next_read", "next_read"),
            ("if (write) tags[next_write]", "tags[next_write]"),
            ("            next_read  <= 3'd0;\n", ""),
            ("            next_write <= 3'd0;\n", ""),
        ),
    ),
    Group(
        "an order has another's port",
        "outcry_core",
        "outcry_top",
        "bench_top",
        "idle=0/hold=0|idle=1/hold=3|mid_frame",
        (
            (".write(merged_tvalid && merged_tready)", ".write(merged_tvalid)"),
            (".read(m_axis_tvalid && m_axis_tready)", ".read(m_axis_tvalid)"),
            ("m_axis_tlast = 1'b1;", "m_axis_tlast = m_axis_tuser[0];"),
            ("m_axis_tkeep = {64{1'b1}};", "m_axis_tkeep = {1'b0, {63{1'b1}}};"),
        ),
    ),
    Group(
        "a frame is counted twice, not at all or as something else",
        "outcry_core",
        "outcry_card",
        "bench_card",
        "idle=never/hold=never|without_room",
        (
            ("= lost_frames[port*64 +: 64];", "= lost_frames[63:0];"),
            (
                "= lost_frames[port*64 +: 64];",
                "= {lost_frames[port*64 +: 32], lost_frames[port*64+32 +: 32]};",
            ),
        ),
    ),
)
