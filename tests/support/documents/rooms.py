"""What the tests of rooms in several tiers share."""

from functools import cache

from tests import folder_of

AT_THE_TOP = ("bench", "dpdk_shim", "gateway_fpga", "matcher", "ptp", "ring")
"""Rooms whose folders are at the top of the tree: people come for them.  The package has a link to
each; every other room is a folder of the package."""
FLOORS = {
    "ground": ("wire", "ring", "derivatives", "tape", "flow", "ptp", "dpdk_shim", "host", "report"),
    "core": ("matcher", "risk", "gateway_fpga"),
    "truth": ("journal",),
    "runtime": ("runtime",),
    "doors": ("order_entry", "market_data", "replica", "client", "pipeline"),
    "books": ("ledger", "surveillance"),
    "venue": ("venue", "operations", "faults"),
    "people": ("custody", "routing", "portal", "console"),
    "laboratory": ("backtest", "bench", "cli"),
    "tests": ("tests",),
}
"""Bottom to top.  A room imports from floors below, and from rooms before it on its floor."""
ROOMS = [room for rooms in FLOORS.values() for room in rooms]
MAY_IMPORT = {
    "wire": set(),
    "ring": {"wire"},
    "derivatives": {"wire"},
    "tape": {"wire"},
    "flow": {"wire", "tape"},
    "ptp": {"wire", "ring"},
    "dpdk_shim": {"wire", "ring"},
    "host": {"wire", "dpdk_shim"},
    "report": {"wire", "host"},
    "matcher": {"wire"},
    "risk": {"wire", "derivatives"},
    "gateway_fpga": {"wire", "host", "report"},
    "journal": {"wire", "ring", "ptp", "host", "matcher", "risk"},
    "runtime": {"wire", "ring", "dpdk_shim", "matcher", "gateway_fpga", "journal"},
    "order_entry": {"wire", "ring", "host", "journal", "runtime"},
    "market_data": {"wire", "ring", "tape", "host", "journal", "runtime"},
    "replica": {"wire", "ring", "host", "matcher", "journal", "runtime"},
    "client": {"wire", "order_entry"},
    "pipeline": {
        "wire",
        "ring",
        "flow",
        "ptp",
        "dpdk_shim",
        "host",
        "report",
        "matcher",
        "risk",
        "gateway_fpga",
        "journal",
        "runtime",
        "order_entry",
        "market_data",
        "replica",
    },
    "ledger": {"wire", "journal"},
    "surveillance": {"wire", "report", "journal", "order_entry"},
    "venue": {
        "wire",
        "ring",
        "derivatives",
        "dpdk_shim",
        "host",
        "matcher",
        "risk",
        "journal",
        "runtime",
        "order_entry",
        "market_data",
        "replica",
        "pipeline",
        "ledger",
    },
    "operations": {
        "wire",
        "ring",
        "ptp",
        "host",
        "report",
        "risk",
        "journal",
        "runtime",
        "market_data",
        "client",
        "pipeline",
        "venue",
    },
    "faults": {"wire", "host", "journal", "order_entry", "client", "venue"},
    "custody": {"wire", "order_entry", "client", "surveillance", "venue"},
    "routing": {"wire", "tape", "report", "order_entry", "market_data", "client", "venue"},
    "portal": {
        "wire",
        "derivatives",
        "host",
        "matcher",
        "risk",
        "journal",
        "runtime",
        "order_entry",
        "client",
        "pipeline",
        "ledger",
        "venue",
        "operations",
        "faults",
        "custody",
        "routing",
    },
    "console": {
        "wire",
        "ring",
        "ptp",
        "risk",
        "runtime",
        "order_entry",
        "market_data",
        "replica",
        "client",
        "pipeline",
        "surveillance",
        "venue",
        "operations",
        "portal",
    },
    "backtest": {"wire", "flow", "report", "matcher", "journal", "ledger", "routing"},
    "bench": set(ROOMS) - {"bench", "faults", "custody", "routing", "console", "cli", "tests"},
    "cli": set(ROOMS) - {"cli", "matcher", "tests"},
    "tests": set(ROOMS) - {"tests"},
}
"""A room may import itself and these, and imports each; the table is the one of ARCHITECTURE.md."""
MAY_INCLUDE = {"dpdk_shim": {"gateway_fpga", "ptp"}}
"""The shim's C includes two headers that their rooms give away: the gateway's rules
(``outcry_verdict.h``) and how to read the clock page (``outcry_clock.h``)."""
GENERATED = {
    "outcry_matcher.h",
    "shim_names.h",
    "Voutcry_gateway.h",
    "Voutcry_gateway___024root.h",
    "verilated.h",
    "shim.c",
}
"""Written into a build's folder, by the room itself or by Verilator."""


@cache
def rooms():
    """Every room that has come into being: a folder of the table with a module in it."""
    return [room for room in MAY_IMPORT if any(folder_of(room).rglob("*.py"))]
