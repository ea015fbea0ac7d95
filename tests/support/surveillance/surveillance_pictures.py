"""The pictures of docs/surveillance.md: a case of each pattern, found in a seeded market and
replayed from its journal.

python -m tests.support.surveillance.surveillance_pictures [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

from openoutcry.bench.agent_days import chosen_manipulators, write_agent_day
from openoutcry.surveillance.detect.settings import read_settings
from openoutcry.surveillance.dossier import dossier
from openoutcry.surveillance.page import picture_file
from openoutcry.surveillance.run import CaseBook, run
from tests import ROOT

FOLDER = ROOT / "docs" / "assets" / "surveillance"
MARKETS = (
    (
        11,
        30,
        "all",
        (
            "spoofing",
            "wash_ring",
            "momentum_ignition",
            "ramping",
            "marking_close",
            "cross_market",
            "front_running",
            "quote_stuffing",
            "excessive_cancels",
        ),
    ),
    (1, 12, "layerer", ("layering",)),
)
"""Seed, minutes, manipulators, and of what the first case is drawn."""


def draw(folder: Path, markets: tuple[tuple[int, int, str, tuple[str, ...]], ...]) -> None:
    """Write ``PATTERN.svg`` of each pattern into the folder."""
    for seed, minutes, names, patterns in markets:
        with tempfile.TemporaryDirectory() as home:
            day = Path(home) / "day"
            write_agent_day(day, seed, minutes, chosen_manipulators(names))
            settings = read_settings(day / "surveillance.toml")
            run(day, settings)
            cases = CaseBook.of(day).cases
            for pattern in patterns:
                case = next(case for case in cases if case.detector == pattern)
                text = picture_file(dossier(day, case, settings))
                (folder / f"{pattern}.svg").write_text(text)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, MARKETS)
