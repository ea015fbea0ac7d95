"""How soon the page is painted and can be used in a browser that has never seen it.

    python -m tests.long.portal.first_paint [--runs 20] [--evidence]

A venue with quotes and its portal run on this machine.  Each run starts a headless Chromium with an
empty profile and opens the portal's address; runs take turns at both languages and at 1280 and
390 px.  ``paint`` is Chromium's first contentful paint.  ``use`` is when the first view shows its
instruments and takes clicks, which the page marks itself.  Both count from the begin of the
navigation.  With ``--evidence`` the figures go to docs/evidence/first_paint.json.
"""

import argparse
import itertools
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from openoutcry.report.evidence import write_evidence
from tests.support.console.console_browser import started
from tests.support.portal.portal_browser import browsed, quote
from tests.support.portal.portal_venue import MeasuredPortalVenue, PortalVenue

FUNDS = {"USD": 10**13, "BTC": 10**11}
TIMES = """() => ({
  paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  use: performance.getEntriesByName("interactive")[0].startTime,
})"""
VARIANTS = tuple(itertools.product(("en", "de"), (1280, 390)))
Times = dict[str, float]


def cold(venue: PortalVenue, language: str, width: int) -> Times:
    """Milliseconds until paint and use in a new browser."""
    with started() as browser, browsed(browser, venue, width, language=language) as page:
        page.expect("#main td").not_to_have_count(0)
        return dict(page.page.evaluate(TIMES))


def summed_up(times: list[Times], load: float) -> dict[str, Any]:
    """Median and slowest of each, in milliseconds."""
    figures: dict[str, Any] = {"runs": len(times)}
    for name in ("paint", "use"):
        values = [one[name] for one in times]
        figures[f"{name}_ms_p50"] = round(float(np.median(values)))
        figures[f"{name}_ms_worst"] = round(max(values))
    return figures | {"load_average": round(load, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--evidence", action="store_true")
    options = parser.parse_args()
    times = []
    with tempfile.TemporaryDirectory() as folder, MeasuredPortalVenue(Path(folder)) as venue:
        quote(venue, venue.person(**FUNDS))
        for language, width in itertools.islice(itertools.cycle(VARIANTS), options.runs):
            times.append(cold(venue, language, width))
            print(json.dumps({"language": language, "width_px": width} | times[-1]), flush=True)
    figures = summed_up(times, os.getloadavg()[0])
    print(json.dumps(figures))
    if options.evidence:
        command = f"python -m tests.long.portal.first_paint --runs {options.runs}"
        write_evidence("first_paint", figures, command)


if __name__ == "__main__":
    main()
