"""Every property of the RTL that is proved: its assertion's label, what it says, how to break it.

The assertions stand in ``<module>_formal.vh`` beside this file.  Assertions whose label begins with
``f_`` are steps of an induction: they are proved too, but say nothing to a user.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Module:
    """A module as it is proved: ``files`` lowest first, ``depth`` cycles of induction.

    ``script`` are Yosys commands that put free values in place of what the properties do not speak
    of: what is proved of any value is proved of the real one.
    """

    name: str
    files: tuple[str, ...]
    depth: int = 3
    parameters: Mapping[str, int] = field(default_factory=dict)
    defines: tuple[str, ...] = ()
    script: str = ""
    top: str = ""
    engine: str = "smtbmc z3"

    @property
    def module(self) -> str:
        """The Verilog module; a module may be proved in several parts."""
        return self.top or self.name


@dataclass(frozen=True)
class Property:
    """``broken`` is a text that stands once in the RTL (``file``, without it the module's own) and
    what it is replaced by for the variant that must be caught within ``depth`` cycles, with
    ``parameters`` that bring the fault about sooner."""

    name: str
    module: str
    sentence: str
    broken: tuple[str, str]
    file: str = ""
    depth: int = 12
    parameters: Mapping[str, int] = field(default_factory=dict)


# Words in the queue and checksums may be anything.
FREE_DATA = """
cutpoint t:$mem_v2
cutpoint w:b_sums w:h_ip_sum_0 w:h_ip_sum_1 w:h_ip_sum_2 %u %u %u %ci1 c:* %i
opt_clean
"""

MODULES = {
    module.name: module
    for module in (
        Module("outcry_skid", ("outcry_skid",), parameters={"WIDTH": 8}),
        Module("outcry_timestamp", ("outcry_skid", "outcry_timestamp")),
        Module("outcry_arbiter", ("outcry_skid", "outcry_arbiter")),
        Module(
            "outcry_packet_fifo",
            ("outcry_packet_fifo",),
            parameters={"WIDTH": 8, "DEPTH_LOG2": 3},
            defines=("FORMAL_PACKET_FIFO",),
        ),
        Module(
            "outcry_udp_parser",
            ("outcry_packet_fifo", "outcry_udp_parser"),
            depth=2,
            parameters={"DEPTH_LOG2": 5, "COUNTER_WIDTH": 3},
            script=FREE_DATA,
        ),
        Module(
            "outcry_udp_parser_data",
            ("outcry_packet_fifo", "outcry_udp_parser"),
            depth=2,
            parameters={"DEPTH_LOG2": 5, "COUNTER_WIDTH": 3},
            defines=("FORMAL_DATA",),
            engine="smtbmc --stbv z3",
            script=FREE_DATA,
            top="outcry_udp_parser",
        ),
    )
}

PROPERTIES = (
    Property(
        "skid_nothing_lost_or_doubled",
        "outcry_skid",
        "Beats taken less beats given are those inside, always.",
        ("end else if (take) begin", "end else if (take && !m_axis_tvalid) begin"),
    ),
    Property(
        "skid_order_kept",
        "outcry_skid",
        "The n-th beat out has the data of the n-th beat in.",
        ("skid_valid ? skid_data : s_axis_tdata", "s_axis_tdata"),
    ),
    Property(
        "skid_output_stable",
        "outcry_skid",
        "An offered beat stands unchanged until it is taken.",
        ("if (free) out_data <=", "out_data <="),
    ),
    Property(
        "skid_takes_nothing_in_reset",
        "outcry_skid",
        "After a cycle of reset nothing is offered and nothing taken.",
        ("running    <= 1'b0;", "running    <= 1'b1;"),
    ),
    Property(
        "skid_full_rate",
        "outcry_skid",
        "Ready, with the receiver ready, stays ready: a beat every cycle.",
        ("running && !skid_valid", "running && !out_valid"),
    ),
    Property(
        "timestamp_is_of_the_first_offer",
        "outcry_timestamp",
        "A packet's time is the counter in the first cycle its first beat was offered.",
        ("if (s_axis_tvalid) held_ns", "if (s_axis_tready) held_ns"),
    ),
    Property(
        "timestamp_one_a_packet",
        "outcry_timestamp",
        "All beats of a packet bear one time.",
        ("held ? held_ns : time_ns", "time_ns"),
    ),
    Property(
        "timestamp_never_goes_back",
        "outcry_timestamp",
        "While the counter does not go back, neither do the times of packets.",
        ("held ? held_ns : time_ns", "held ? held_ns : time_ns ^ {63'd0, s_axis_tlast}"),
    ),
    Property(
        "timestamp_output_stable",
        "outcry_timestamp",
        "An offered beat stands unchanged until it is taken.",
        ("if (free) out_data <=", "out_data <="),
        file="outcry_skid",
    ),
    Property(
        "arbiter_fair",
        "outcry_arbiter",
        "A port that asks sees at most two orders of others pass before its own.",
        ("grant[PORTS-2:0], grant[PORTS-1]", "turn"),
    ),
    Property(
        "arbiter_serves_one_at_a_time",
        "outcry_arbiter",
        "At most one port is served in a cycle, and only one that asks.",
        ("ready ? grant :", "ready ? grant | turn :"),
    ),
    Property(
        "arbiter_wastes_no_cycle",
        "outcry_arbiter",
        "If any port asks and there is room, one is served.",
        ("first[2*PORTS-1:PORTS] | first[PORTS-1:0]", "first[PORTS-1:0]"),
    ),
    Property(
        "arbiter_sequence_consecutive",
        "outcry_arbiter",
        "The orders that leave are numbered from first_seq on without a hole.",
        ("next_seq <= next_seq + 64'd1", "next_seq <= next_seq + {63'd0, grant[0]}"),
    ),
    Property(
        "arbiter_nothing_lost_or_doubled",
        "outcry_arbiter",
        "Of each port, orders taken less orders given are those inside.",
        (".s_axis_tdata({grant, order})", ".s_axis_tdata({turn, order})"),
    ),
    Property(
        "arbiter_order_kept",
        "outcry_arbiter",
        "The n-th order of a port that leaves is the n-th that came, all bits but its number.",
        ("{512{grant[port]}}", "{512{s_axis_tvalid[port]}}"),
    ),
    Property(
        "arbiter_output_stable",
        "outcry_arbiter",
        "An offered order stands unchanged until it is taken.",
        ("if (free) out_data <=", "out_data <="),
        file="outcry_skid",
    ),
    Property(
        "fifo_never_overflows",
        "outcry_packet_fifo",
        "A writer that looks at free never overwrites a word that is still to leave.",
        ("DEPTH - (written - read)", "DEPTH - (committed - read)"),
    ),
    Property(
        "fifo_free_is_exact",
        "outcry_packet_fifo",
        "Free and held words are always the whole queue.",
        ("DEPTH - (written - read)", "DEPTH - (written - committed)"),
    ),
    Property(
        "fifo_only_committed_leaves",
        "outcry_packet_fifo",
        "The reader never passes what was committed: no underflow, nothing on trial leaves.",
        ("read != committed", "read != written"),
    ),
    Property(
        "fifo_order_kept",
        "outcry_packet_fifo",
        "The word that leaves is the last one written in its place: nothing changed or swapped.",
        ("if (next) out_data <=", "out_data <="),
    ),
    Property(
        "fifo_leaves_once",
        "outcry_packet_fifo",
        "Nothing appears at the output that was not read from the queue.",
        ("if (next) out_valid <= some;", "if (some) out_valid <= some;"),
    ),
    Property(
        "fifo_one_word_a_cycle",
        "outcry_packet_fifo",
        "A committed word and a free output: it is offered in the next cycle.",
        ("m_axis_tready || !out_valid", "m_axis_tready"),
    ),
    Property(
        "fifo_discard_forgets",
        "outcry_packet_fifo",
        "After a discard only committed words are held.",
        ("written <= committed;", "written <= read;"),
    ),
    Property(
        "fifo_commit_settles_all",
        "outcry_packet_fifo",
        "After a commit all that was written before may leave.",
        ("committed <= written;", "committed <= written - ONE;"),
    ),
    Property(
        "fifo_output_stable",
        "outcry_packet_fifo",
        "An offered word stands unchanged until it is taken.",
        ("if (next) out_data <=", "out_data <="),
    ),
    Property(
        "parser_never_lets_go_half",
        "outcry_udp_parser",
        "A frame is let go only with all of its 1 to 22 orders in the queue, and nothing else.",
        ("{6'd0, d_bytes} != d_frame_length", "{6'd0, d_bytes} > d_frame_length"),
    ),
    Property(
        "parser_takes_only_our_packets",
        "outcry_udp_parser_data",
        "What is let go is whole IPv4 and UDP to our port, our magic, layout and sequence.",
        ("a_first_seq > MAX_FIRST_SEQ", "a_first_seq[63]"),
    ),
    Property(
        "parser_takes_only_packets_of_orders",
        "outcry_udp_parser",
        "What is let go is a packet of orders by its kind, which stands in the second beat.",
        ("a_kind != `OUTCRY_PACKET_KIND_ORDERS", "a_kind > `OUTCRY_PACKET_KIND_EVENTS"),
    ),
    Property(
        "parser_refused_leaves_nothing",
        "outcry_udp_parser",
        "After a refusal the queue holds nothing on trial.",
        (".discard(e_last && !outcome[REASON_NONE])", ".discard(e_last && outcome[REASON_KEEP])"),
    ),
    Property(
        "parser_order_is_the_frames",
        "outcry_udp_parser_data",
        "An order is 64 bytes in a row of its frame, with the ingress time and no verdict in it.",
        ("order = c_vlan ?", "order = h_vlan ?"),
    ),
    Property(
        "parser_queue_never_overflows",
        "outcry_udp_parser",
        "No order is written to a full queue.",
        ("UNDER_WAY = 5", "UNDER_WAY = 4"),
        depth=20,
        parameters={"DEPTH_LOG2": 3},
    ),
    Property(
        "parser_verdict_before_next_order",
        "outcry_udp_parser",
        "A frame's verdict is out before the next frame writes an order.",
        ("c_write <= b_write;", "c_write <= a_write;"),
    ),
    Property(
        "parser_one_verdict_a_frame",
        "outcry_udp_parser",
        "Every tlast taken leads to one verdict.",
        ("d_last  <= c_valid && c_last;", "d_last  <= c_last;"),
    ),
    Property(
        "parser_one_outcome_a_frame",
        "outcry_udp_parser",
        "Every verdict is counted under exactly one outcome.",
        ("outcome & (~outcome + 19'd1)", "outcome"),
    ),
    Property(
        "parser_counters_saturate",
        "outcry_udp_parser",
        "A counter counts each of its frames, stops at its largest value and never goes back.",
        ("counted[reason] && value != {COUNTER_WIDTH{1'b1}}", "counted[reason]"),
        parameters={"COUNTER_WIDTH": 1},
    ),
    Property(
        "parser_never_stuck",
        "outcry_udp_parser",
        "With nothing left to give, the parser is ready in the next cycle.",
        ("UNDER_WAY = 5", "UNDER_WAY = 32"),
    ),
    Property(
        "parser_output_stable",
        "outcry_udp_parser",
        "An offered order stands unchanged until it is taken.",
        ("if (next) out_data <=", "out_data <="),
        file="outcry_packet_fifo",
        depth=20,
    ),
)
