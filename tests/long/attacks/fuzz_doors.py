"""A million messages to each door: sessions of each protocol, their logins, the two pages.

    python -m tests.long.attacks.fuzz_doors [--messages 1000000] [--seed 4] [--doors D,…] [--keep]

A fault ends it with a traceback; ``--keep`` puts the figures into docs/evidence/security.json,
beside those of other kinds.  Order packets have shim_fuzz.json, and the feed's servers
sessions_storms.json.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from openoutcry.order_entry.spec import Protocol
from tests.support.console.console_venue import ConsoleVenue, ended
from tests.support.security.evidence import keep
from tests.support.security.fuzz_doors import DOORS, fuzz_logins, fuzz_page, fuzz_sessions

COMMAND = "python -m tests.long.attacks.fuzz_doors"
LOGINS = 20
"""Of so many messages of a session one is a connection's first."""
PAGES = 200
"""Of so many messages of a session one is a request to a page, over TCP."""


def pages(count: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        floor = ConsoleVenue(Path(folder))
        done = {}
        try:
            floor.venue.start()
            floor.serve()
            floor.serve_screen()
            for name, process, url in (
                ("console", floor.console, floor.url),
                ("screen", floor.screen, floor.screen_url),
            ):
                host, _, port = url.split("/")[2].partition(":")
                done[name] = fuzz_page((host, int(port)), count, seed, "127.0.0.3")
                said = ended(process)
                assert not said, said
                assert not done[name]["failures"], done[name]
            floor.console = floor.screen = None
        finally:
            floor.stop()
        return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--doors", default=",".join([*(door.name for door in DOORS), "pages"]))
    parser.add_argument("--keep", action="store_true")
    asked = parser.parse_args()
    figures: dict[str, Any] = {}
    for name in asked.doors.split(","):
        begun = time.monotonic()
        if name == "pages":
            figures |= pages(asked.messages // PAGES, asked.seed)
        else:
            door = Protocol[name]
            figures[name] = fuzz_sessions(door, asked.messages, asked.seed)
            figures[f"{name} logins"] = fuzz_logins(door, asked.messages // LOGINS, asked.seed)
        print(json.dumps(figures), f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    if asked.keep:
        keep("doors", figures, COMMAND, asked.seed)


if __name__ == "__main__":
    main()
