"""A million messages to each door: sessions of each protocol, their logins, the two pages, logins
over shared memory and over TLS, the portal, custody's processes and the operator's desk.

    python -m tests.long.attacks.fuzz_doors [--messages 1000000] [--seed 4] [--doors D,…] [--keep]

Doors of kernels and parsers in one thread take the whole count. A page, a login over TLS and the
portal are processes at the other end of TCP: these take one of PAGES, TLS and PORTAL messages.

A fault ends it with a traceback; ``--keep`` puts each door's figures into
docs/evidence/security.json as soon as it is done, in the place of its former ones.  Order packets
have shim_fuzz.json, and the feed's servers sessions_storms.json.
"""

import argparse
import json
import ssl
import tempfile
import time
from pathlib import Path
from typing import Any

from openoutcry.order_entry.spec import Protocol
from tests.support.certificates import self_signed
from tests.support.console.console_venue import ConsoleVenue, ended
from tests.support.order_entry.sessions_venue import PASSWORD, Client, Venue
from tests.support.portal.portal_venue import page_venue
from tests.support.security.evidence import keep_rows
from tests.support.security.fuzz_custody import fuzz_door, fuzz_signer
from tests.support.security.fuzz_desk import fuzz_desk
from tests.support.security.fuzz_doors import DOORS, fuzz_logins, fuzz_page, fuzz_sessions
from tests.support.security.fuzz_new_doors import (
    fuzz_rest,
    fuzz_shm_logins,
    fuzz_sockets,
    fuzz_tls,
    soup_login,
)

COMMAND = "python -m tests.long.attacks.fuzz_doors"
LOGINS = 20
"""Of so many messages of a session one is a connection's first."""
PAGES, TLS, PORTAL = 200, 200, 20
"""Of so many messages of a session one is a request to a page, over TCP; a connection over TLS; a
request to the portal's REST, and a message over its WebSockets."""
CUSTODY = 5
"""Of so many messages of a session one is a request to custody: it waits for a disk."""
MORE = ("pages", "shm", "tls", "portal", "custody", "desk")


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


def tls(count: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        paths = self_signed(Path(folder) / "c.pem", Path(folder) / "k.pem")
        rows = [
            {"name": "CALM", "participant": 1},
            {"name": "FIRM", "participant": 2, "protocol": int(Protocol.FIX44)},
        ]
        context = ssl.create_default_context(cafile=str(paths[0]))
        with Venue(rows, tls=[str(path) for path in paths], durability="none") as venue:
            done = {
                f"{name} over TLS": fuzz_tls(
                    ("127.0.0.1", venue.ports[name]), soup_login, count, seed, context
                )
                for name in ("OUCH42", "FIX44")
            }
            client = Client(venue.port, "CALM", PASSWORD, tls=context)
            assert client.answer[0] == "A"
            client.close()
    return done


def portal(count: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, page_venue(Path(folder), 24) as venue:
        # What is sent in the person's name may end all its keys; the other one stays.
        person = venue.person(("read", "trade", "withdraw"), USD=10**12)
        calm = venue.person(USD=10**12)
        address, source = ("127.0.0.1", venue.port), "127.9.{}.{}"
        done = {
            "portal, REST": fuzz_rest(address, count, seed, source, person),
            "portal, WebSockets": fuzz_sockets(address, count, seed, source, person),
        }
        with venue.client(calm) as client:
            assert client.get("/api/v3/account").status_code == 200
        said = (Path(folder) / "portal.log").read_text()
        assert "Traceback" not in said, said[:3_000]
        assert not done["portal, REST"]["failures"], done
    return done


def custody(count: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        return {
            "custody, the portal's door": fuzz_door(Path(one), count, seed),
            "custody, a signer": fuzz_signer(Path(other), count, seed),
        }


def desk(count: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return {"the operator's desk": fuzz_desk(Path(folder), count, seed)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=4)
    doors = [*(door.name for door in DOORS), *MORE]
    parser.add_argument("--doors", default=",".join(doors))
    parser.add_argument("--keep", action="store_true")
    asked = parser.parse_args()
    command = f"{COMMAND} --messages {asked.messages}"
    for name in asked.doors.split(","):
        begun, figures = time.monotonic(), dict[str, Any]()
        if name == "pages":
            figures = pages(asked.messages // PAGES, asked.seed)
        elif name == "tls":
            figures = tls(asked.messages // TLS, asked.seed)
        elif name == "portal":
            figures = portal(asked.messages // PORTAL, asked.seed)
        elif name == "custody":
            figures = custody(asked.messages // CUSTODY, asked.seed)
        elif name == "desk":
            figures = desk(asked.messages, asked.seed)
        elif name == "shm":
            figures["SHM logins"] = fuzz_shm_logins(asked.messages // LOGINS, asked.seed)
        else:
            door = Protocol[name]
            figures[name] = fuzz_sessions(door, asked.messages, asked.seed)
            figures[f"{name} logins"] = fuzz_logins(door, asked.messages // LOGINS, asked.seed)
        print(json.dumps(figures), f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
        if asked.keep:
            rows = [{"door": door, **done} for door, done in figures.items()]
            keep_rows("doors", "door", rows, command, asked.seed)


if __name__ == "__main__":
    main()
