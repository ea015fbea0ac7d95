"""A test venue by the command itself: `outcry serve venue.toml --faults faults.toml`."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from openoutcry.client import FixClient, OuchClient
from tests.support.certificates import self_signed
from tests.support.order_entry.sessions_venue import HASH, PASSWORD
from tests.support.pipeline import warm_outcry
from tests.support.processes import OUTCRY, free_port
from tests.support.venue.served_venue import VENUE, ServedVenue, never_closes

SESSION = """
[[session]]
name = "{name}"
protocol = "{protocol}"
participant = {participant}
password = "{hash}"
cancel_on_disconnect = "none"
second_login = "take-over"
"""
PORT = """
[[port]]
protocol = "{protocol}"
address = "127.0.0.1:{port}"
"""
MARKET_DATA = """
[market_data]
a = "239.193.7.1:{feed}"
interface = "127.0.0.1"
ttl = 0
fix = "127.0.0.1:{port}"
"""


class FaultsVenue(ServedVenue):
    """A venue that never closes, with a port for each protocol and a session for each name."""

    def __init__(self, folder: Path, sessions: dict[str, tuple[str, ...]], faults: str) -> None:
        """``sessions``: names by protocol; MEET is another participant's."""
        self.ports = {protocol: free_port() for protocol in sessions}
        self.feed = free_port()
        text = MARKET_DATA.format(feed=free_port(), port=self.feed)
        text += '[[participant]]\nnumber = 2\nname = "two"\n[[instrument]]\nsymbol = "LEAD"\n'
        for protocol, names in sessions.items():
            text += PORT.format(protocol=protocol, port=self.ports[protocol])
            if protocol == "fix-4.2":
                self.certificate, _ = self_signed(folder / "a.pem", folder / "a.key")
                text += 'certificate = "a.pem"\nkey = "a.key"\n'
            for name in names:
                terms = {"name": name, "protocol": protocol, "hash": HASH}
                text += SESSION.format(participant=1 + (name == "MEET"), **terms)
        limits = "min_price_ticks = 1\nmax_price_ticks = 40_000_000\nmax_qty_lots = 1_000_000\n"
        text = re.sub(r'symbol = "\w+"\n', rf"\g<0>{limits}", never_closes(VENUE) + text)
        super().__init__(folder, "2026-11-23T10:00", "", text)
        (folder / "faults.toml").write_text(faults.replace("PASSWORD", PASSWORD))

    def start(self) -> None:
        command = [*OUTCRY, "serve", "venue.toml", "--faults", "faults.toml", "--json"]
        self.process = warm_outcry.Process(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def record(self, session: str = "") -> list[dict[str, Any]]:
        """What was done, to one session or to all."""
        path = self.folder / "faults.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        rows = [json.loads(line) for line in lines]
        return [row for row in rows if session in ("", row.get("session"))]

    def ouch(self, name: str, protocol: str = "ouch-4.2", **more: Any) -> OuchClient:
        """Log a session in over OUCH."""
        version = protocol.removeprefix("ouch-")
        port = self.ports[protocol]
        return OuchClient("127.0.0.1", port, name, PASSWORD, version=version, **more)

    def fix(self, name: str, **more: Any) -> FixClient:
        """Log a session on over FIX 4.4."""
        terms = {"target": "TEST"} | more
        return FixClient("127.0.0.1", self.ports["fix-4.4"], name, PASSWORD, **terms)
