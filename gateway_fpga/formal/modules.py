# SPDX-License-Identifier: Apache-2.0
"""The modules of the RTL as they are proved: their files, and what may take any value meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Module:
    """A module as it is proved: ``files`` lowest first, ``depth`` cycles of induction.

    ``script`` are Yosys commands that put free values in place of what the properties do not speak
    of: what is proved of any value is proved of the real one. With ``apart``, each property is
    proved by itself, and only what it depends on is looked at. With ``multiclock`` the module's
    clocks have nothing to do with one another; ``depth`` then counts the edges of any.
    """

    name: str
    files: tuple[str, ...]
    depth: int = 3
    parameters: Mapping[str, int] = field(default_factory=dict)
    defines: tuple[str, ...] = ()
    script: str = ""
    top: str = ""
    apart: bool = False
    multiclock: bool = False

    @property
    def module(self) -> str:
        """The Verilog module; a module may be proved in several parts."""
        return self.top or self.name


# Words in the queue and checksums may be anything.
FREE_DATA = """
cutpoint t:$mem_v2
cutpoint w:b_sums w:h_ip_sum_0 w:h_ip_sum_1 w:h_ip_sum_2 %u %u %u %ci1 c:* %i
opt_clean
"""

# The flow of beats does not depend on what the verdict says, nor on where a symbol may be.
FREE_VERDICT = """
cutpoint c:*_rom* c:buckets* c:bits* t:$mul
cutpoint w:quarters w:verdict w:bucket w:sum4 w:carry4 w:read_mask w:row_price10000
cutpoint w:price_pieces w:qty_pieces w:g_check*.lower w:g_check*.upper w:read_price5
opt_clean
memory_map
opt -fast
"""
# A flag is its definition whatever the tables hold, and whatever the products add up to.
FREE_TABLES = """
cutpoint c:*_rom* w:price_pieces w:qty_pieces c:buckets* c:bits* c:g_table* t:$mul
memory_map
opt -fast
"""
# What is looked up depends on the residue alone.
FREE_RESIDUES = """
cutpoint c:*hash_rom* w:price_pieces w:qty_pieces c:buckets* c:bits* c:g_table* t:$mul
memory_map
opt -fast
"""
# The rate depends on no symbol and no price.
FREE_SYMBOLS = """
cutpoint c:*_rom* c:bits* c:g_table* t:$mul
cutpoint w:quarters w:sum4 w:carry4 w:row_price10000 w:price_pieces w:qty_pieces
cutpoint w:g_check*.lower w:g_check*.upper w:read_price5
opt_clean
memory_map
opt -fast
"""
SMALL_TABLE = {"SLOT_BITS": 1, "PARTICIPANT_BITS": 2}

VALIDATOR = (
    *("outcry_add", "outcry_sum4", "outcry_csa", "outcry_mux4", "outcry_xor4"),
    "outcry_validator",
)

MODULES = {
    module.name: module
    for module in (
        Module("outcry_skid", ("outcry_skid",), parameters={"WIDTH": 8}),
        Module("outcry_timestamp", ("outcry_skid", "outcry_timestamp")),
        Module("outcry_arbiter", ("outcry_skid", "outcry_turn", "outcry_arbiter")),
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
            script=FREE_DATA,
            top="outcry_udp_parser",
        ),
        Module(
            "outcry_validator",
            VALIDATOR,
            parameters=SMALL_TABLE,
            script=FREE_VERDICT,
        ),
        Module(
            "outcry_validator_stall",
            VALIDATOR,
            parameters=SMALL_TABLE,
            defines=("FORMAL_STALL",),
            script=FREE_VERDICT,
            top="outcry_validator",
        ),
        Module(
            "outcry_validator_rate",
            VALIDATOR,
            depth=3,
            parameters=SMALL_TABLE,
            defines=("FORMAL_RATE",),
            script=FREE_SYMBOLS,
            top="outcry_validator",
        ),
        Module(
            "outcry_validator_flags",
            VALIDATOR,
            depth=5,
            parameters=SMALL_TABLE,
            defines=("FORMAL_FLAGS",),
            script=FREE_TABLES,
            top="outcry_validator",
            apart=True,
        ),
        Module(
            "outcry_validator_fives",
            VALIDATOR,
            depth=3,
            parameters=SMALL_TABLE,
            defines=("FORMAL_FLAGS", "FORMAL_FIVES"),
            script=FREE_RESIDUES,
            top="outcry_validator",
            apart=True,
        ),
        Module(
            "outcry_frame_fifo",
            ("outcry_sync", "outcry_gray", "outcry_count_over", "outcry_frame_fifo"),
            depth=4,
            parameters={"WIDTH": 8, "DEPTH_LOG2": 2, "COUNTER_WIDTH": 2},
            defines=("FORMAL_FRAME_FIFO",),
            script="opt_merge -share_all\nmemory_map\nopt -fast",
            multiclock=True,
        ),
        Module(
            "outcry_regs",
            ("outcry_regs",),
            parameters={
                "SLOT_BITS": 2,
                "PARTICIPANT_BITS": 3,
                "COUNTER_BITS": 3,
                "ORDER_COUNT_BITS": 33,
            },
        ),
    )
}
