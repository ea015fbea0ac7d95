"""A million messages to each door: sessions of each protocol, their logins, the two pages, sessions
over shared memory and TLS, the portal, custody's processes and the operator's desk.

    python -m tests.long.attacks.fuzz_doors [--messages 1000000] [--seed 4] [--doors D,…] [--keep]

Of the messages of a session one in LOGINS is a connection's first, and one in TLS a connection over
TLS; every other row takes the whole count.

A fault ends the program with a traceback.  Each row's messages are sent in parts, and each part
starts another venue and has another seed.  ``--keep`` puts each part into
docs/evidence/security.json as soon as it is done, with its commit, and a later run continues from
there; ``--again`` begins with no messages.
Order packets have shim_fuzz.json, and the feed's servers sessions_storms.json.
"""

import argparse
import json
import ssl
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from openoutcry.order_entry.spec import Protocol
from tests.support.certificates import self_signed
from tests.support.console.console_venue import ConsoleVenue, ended
from tests.support.order_entry.sessions_venue import PASSWORD, Client, Venue
from tests.support.portal.portal_venue import page_venue
from tests.support.security.evidence import keep_part, kept_row, origin
from tests.support.security.fuzz_custody import fuzz_door, fuzz_signer
from tests.support.security.fuzz_desk import fuzz_desk
from tests.support.security.fuzz_doors import DOORS, fuzz_logins, fuzz_page, fuzz_sessions
from tests.support.security.fuzz_new_doors import (
    fuzz_rest,
    fuzz_shm_logins,
    fuzz_shm_requests,
    fuzz_sockets,
    fuzz_tls,
    soup_login,
)

COMMAND = "python -m tests.long.attacks.fuzz_doors"
LOGINS, TLS = 20, 200
"""Among this many messages of a session one is a connection's first, and one a connection
over TLS."""
MEMORY = Path("/dev/shm")
"""Where custody's databases are: what is sent to them is judged, not the disk."""
Figures = dict[str, int]


@dataclass(frozen=True)
class Row:
    """What is counted by itself."""

    name: str
    fuzz: Callable[[int, str], Figures]
    """Takes how many messages, and the seed of the part."""
    a_part: int = 100_000
    one_of: int = 1
    """Among this many messages of the door one is of this row."""


def page(which: str, count: int, seed: str) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        floor = ConsoleVenue(Path(folder))
        try:
            floor.venue.start()
            if which == "console":
                floor.serve()
                process, url = floor.console, floor.url
            else:
                floor.serve_screen()
                process, url = floor.screen, floor.screen_url
            host, _, port = url.split("/")[2].partition(":")
            done = fuzz_page((host, int(port)), count, seed, "127.0.0.3")
            said = ended(process)
            assert not said, said
            assert not done["failures"], done
            assert done["answers"] > count // 10, done
            floor.console = floor.screen = None
        finally:
            floor.stop()
        return done


def tls(name: str, count: int, seed: str) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        paths = self_signed(Path(folder) / "c.pem", Path(folder) / "k.pem")
        rows = [
            {"name": "CALM", "participant": 1},
            {"name": "FIRM", "participant": 2, "protocol": int(Protocol.FIX44)},
        ]
        context = ssl.create_default_context(cafile=str(paths[0]))
        with Venue(rows, tls=[str(path) for path in paths], durability="none") as venue:
            address = "127.0.0.1", venue.ports[name]
            done = fuzz_tls(address, soup_login, count, seed, context)
            client = Client(venue.port, "CALM", PASSWORD, tls=context)
            assert client.answer[0] == "A"
            client.close()
    return done


def portal(fuzz: Callable[..., Figures], count: int, seed: str) -> Figures:
    with tempfile.TemporaryDirectory() as folder, page_venue(Path(folder), 24) as venue:
        # What is sent in the person's name may end all its keys; the other one stays.
        person = venue.person(("read", "trade", "withdraw"), USD=10**12)
        calm = venue.person(USD=10**12)
        done = fuzz(("127.0.0.1", venue.port), count, seed, "127.9.{}.{}", person)
        with venue.client(calm) as client:
            assert client.get("/api/v3/account").status_code == 200
        said = (Path(folder) / "portal.log").read_text()
        assert "Traceback" not in said, said[said.index("Traceback") :][:20_000]
        assert not done.get("failures"), done
        assert done["answers"] > count // 100, done
    return done


def in_memory(fuzz: Callable[..., Figures], count: int, seed: str) -> Figures:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        return fuzz(Path(folder), count, seed)


def of_protocol(door: Protocol) -> tuple[Row, ...]:
    return (
        Row(door.name, partial(fuzz_sessions, door)),
        Row(f"{door.name} logins", partial(fuzz_logins, door), 50_000, LOGINS),
    )


ROWS: dict[str, tuple[Row, ...]] = {
    **{door.name: of_protocol(door) for door in DOORS},
    "desk": (Row("the operator's desk", partial(in_memory, fuzz_desk)),),
    "custody": (
        Row("custody, the portal's door", partial(in_memory, fuzz_door)),
        Row("custody, a signer", partial(in_memory, fuzz_signer)),
    ),
    "shm": (
        Row("SHM", fuzz_shm_requests),
        Row("SHM logins", fuzz_shm_logins, 5_000, LOGINS),
    ),
    "pages": (Row("console", partial(page, "console")), Row("screen", partial(page, "screen"))),
    "portal": (
        Row("portal, WebSockets", partial(portal, fuzz_sockets), 50_000),
        Row("portal, REST", partial(portal, fuzz_rest), 50_000),
    ),
    "tls": tuple(
        Row(f"{name} over TLS", partial(tls, name), 5_000, TLS) for name in ("OUCH42", "FIX44")
    ),
}
"""By door, the cheapest first."""


def run(row: Row, asked: argparse.Namespace) -> None:
    """All parts of a row that are left."""
    target, since = asked.messages // row.one_of, origin(f"{COMMAND} --messages {asked.messages}")
    known = kept_row("doors", "door", row.name) if asked.keep and not asked.again else {}
    done = int(known.get("messages", 0))
    while done < target:
        begun, count = time.monotonic(), min(row.a_part, target - done)
        seed = f"{asked.seed}" if not done else f"{asked.seed} from {done}"
        figures = row.fuzz(count, seed)
        done += figures["messages"]
        took_s = time.monotonic() - begun
        print(
            f"{row.name}: {done:,} of {target:,}, {took_s:.0f} s", json.dumps(figures), flush=True
        )
        if asked.keep:
            known = keep_part("doors", "door", row.name, figures, known, since, asked.seed)
    print(f"{row.name}: {done:,} messages, no fault", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--doors", default=",".join(ROWS))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    for name in asked.doors.split(","):
        for row in ROWS[name]:
            run(row, asked)


if __name__ == "__main__":
    main()
