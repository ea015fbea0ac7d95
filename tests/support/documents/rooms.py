"""What the tests of rooms in several tiers share."""

from functools import cache

from tests import folder_of

AT_THE_TOP = ("bench", "dpdk_shim", "gateway_fpga", "matcher", "ptp", "ring")
"""Rooms whose folders are at the top of the tree: people come for them.  The package has a link to
each; every other room is a folder of the package."""
LOWER = {
    "wire",
    "ring",
    "matcher",
    "flow",
    "gateway_fpga",
    "dpdk_shim",
    "ptp",
    "journal",
    "host",
    "replay",
    "report",
    "order_entry",
    "market_data",
    "risk",
    "client",
    "replica",
}
ABOVE = {
    "derivatives",
    "pipeline",
    "venue",
    "ledger",
    "surveillance",
    "operations",
    "console",
    "backtest",
    "portal",
    "custody",
    "routing",
}
MAY_IMPORT = {
    "wire": set(),
    "ring": {"wire"},
    "matcher": {"wire"},
    "risk": {"wire", "derivatives"},
    "flow": {"wire"},
    "gateway_fpga": {"wire", "host", "report"},
    "dpdk_shim": {"wire", "ring"},
    "ptp": {"wire", "ring"},
    "journal": {"wire", "ring", "ptp"},
    "host": {"wire", "dpdk_shim"},
    "replay": {"wire", "matcher", "risk", "ptp", "journal", "host"},
    "report": {"wire", "host"},
    "order_entry": {"wire", "ring", "journal", "host", "replay"},
    "market_data": {"wire", "ring", "journal", "host", "replay"},
    "ledger": {"wire", "replay"},
    "replica": {"wire", "ring", "matcher", "journal", "host", "replay"},
    "surveillance": {"wire", "replay", "order_entry", "report"},
    "client": {"wire", "order_entry"},
    "derivatives": {"wire"},
    "pipeline": LOWER - {"client"},
    "venue": LOWER - {"client"} | {"pipeline", "derivatives"},
    "backtest": {"wire", "matcher", "flow", "journal", "replay", "report", "ledger", "routing"},
    "operations": {"wire", "ring", "risk", "ptp", "journal", "host", "replay", "pipeline", "venue"},
    "console": {
        "wire",
        "ring",
        "ptp",
        "order_entry",
        "market_data",
        "replica",
        "risk",
        "client",
        "surveillance",
        "pipeline",
        "venue",
        "operations",
        "portal",
    },
    "portal": {
        "wire",
        "ring",
        "matcher",
        "risk",
        "derivatives",
        "journal",
        "host",
        "replay",
        "order_entry",
        "ledger",
        "client",
        "pipeline",
        "venue",
        "operations",
        "custody",
        "routing",
    },
    "custody": {"wire", "risk", "order_entry", "surveillance", "client", "venue"},
    "routing": {"wire", "order_entry", "client", "market_data", "report", "venue"},
    "bench": LOWER | ABOVE,
    "cli": LOWER | ABOVE | {"bench"},
    "tests": LOWER | ABOVE | {"bench", "cli"},
}
"""A room may import itself and these; the table is the one of ARCHITECTURE.md."""
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
CONTRACT = "openoutcry.pipeline.contract"
HAVE_STAGES = {"journal", "order_entry", "market_data", "replica"}
"""Rooms with a stage of the pipeline import what a stage is given, too."""


@cache
def rooms():
    """Every room that has come into being: a folder of the table with a module in it."""
    return [room for room in MAY_IMPORT if any(folder_of(room).rglob("*.py"))]
