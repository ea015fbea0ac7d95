"""ARCHITECTURE.md says by which files an order over REST goes through the portal: here they are
recorded while one does."""

import json
import os
import re
import signal
import sys

from openoutcry import PACKAGE
from tests import ROOT
from tests.support.portal import traced_portal
from tests.support.waiting import wait_until

MAX_FILES = 35
"""Outside ``wire/``, of the portal's own process."""
TERMS = {"side": "SELL", "type": "LIMIT", "quantity": "0.1", "price": "60000"}
TERMS |= {"symbol": "BTCUSD", "timeInForce": "GTC"}

BESIDE = {
    # A key that was not used for a moment is read from the database again.
    "portal/accounts",
    "portal/database.py",
    # Tasks of the portal with timers of their own, one of which may be due meanwhile.
    "portal/money",
    "portal/observed.py",
    "portal/pings.py",
    "portal/processes.py",
    "portal/quotes",
    "portal/trading/holds.py",
    "portal/trading/people.py",
    "ring/identity.py",
    "routing",
    "venue",
}
"""Files and folders of what may run at the same time; of the way is what the table names."""


NOT_ALWAYS = {"pipeline/top.py"}
"""Whether the venue's run ends is not asked before every order."""


def path_section() -> str:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    return text.partition("## The path of a REST order")[2].partition("\n## ")[0]


def listed() -> dict[str, list[str]]:
    """Return the table's files, each with the functions that it names."""
    rows = re.findall(r"`(\w+(?:/\w+)+\.py)`((?:,? `\w+`)*)", path_section().partition("| |")[2])
    return {file: re.findall(r"`(\w+)`", names) for file, names in rows}


def is_beside(file: str) -> bool:
    return any(file == name or file.startswith(f"{name}/") for name in BESIDE)


def test_the_table_names_every_file_on_the_way_and_no_other(portal_venue):
    person = portal_venue.person(USD=10**12, BTC=10**9)
    out = portal_venue.folder / "traced.json"
    portal_venue.stop_portal()
    portal_venue.serve = (sys.executable, traced_portal.__file__)
    try:
        portal_venue.start_portal()
        with portal_venue.client(person) as client:
            for name in ("first", "traced"):  # the first logs on at the venue
                out.unlink(missing_ok=True)
                os.kill(portal_venue.web(), signal.SIGUSR1)
                wait_until(out.with_suffix(".began").exists)
                answer = client.request("POST", "/api/v3/order", **TERMS, newClientOrderId=name)
                assert answer.status_code == 200, answer.text
                os.kill(portal_venue.web(), signal.SIGUSR1)
                wait_until(out.exists)
    finally:
        del portal_venue.serve
        portal_venue.stop_portal()
        portal_venue.start_portal()
    called = {tuple(name.split(":")) for name in json.loads(out.read_text())}
    ways = {file for file, _ in called if not file.startswith("wire/")}
    files = {file for file in ways if not is_beside(file) or file in listed()}
    files |= NOT_ALWAYS
    assert files == listed().keys(), "correct the table in ARCHITECTURE.md"
    assert len(files) <= MAX_FILES
    assert f"counts {len(files)} files" in path_section()
    for file, names in listed().items():
        assert {(file, name) for name in names} <= called, file


def test_what_runs_beside_exists():
    assert all((PACKAGE / name).exists() for name in BESIDE)
