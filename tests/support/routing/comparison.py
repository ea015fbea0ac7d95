"""The file of parents against what two real venues say: their sessions and their journals."""

import json
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from openoutcry.client.fix import FixClient, FixNumbers
from openoutcry.client.ouch import OuchClient
from openoutcry.client.waiting import ClientError
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, starting_point
from openoutcry.routing.parents import ENDED, ParentStore
from openoutcry.routing.settings import read_settings
from openoutcry.wire.enums import EventKind
from tests.support.waiting import wait_until

ROUTER = 1
"""The router's participant."""
QUIET_S = 1.0


def traded_lots(folder: Path) -> int:
    """What the router's orders have traded at a venue, says a replay of its journal."""
    lots = 0
    reader = JournalReader(folder / "journal")
    for batch in events_of(reader, starting_point(reader)):
        events = np.array(batch.events)
        fills = events[(events["participant"] == ROUTER) & (events["kind"] == EventKind.FILLED)]
        lots += int(fills["qty_lots"].sum())
    return lots


def _login(make):
    """A client; None while the venue still counts the last router as connected."""
    try:
        return make()
    except ClientError:
        return None


def _over_ouch(door, word):
    """Token and lots of each message of an order: 0 where it was accepted, else what traded."""
    make = partial(OuchClient, *door["orders"], door["session"], word, sequence=1)
    with wait_until(partial(_login, make), "a login") as client:
        while (message := client.next(QUIET_S)) is not None:
            if message.kind in "AE":
                yield message["token"], int(message["shares"]) if message.kind == "E" else 0


def _over_fix(door, word, file):
    """As over OUCH, from the session's first message on; without the file no router logged on."""
    if not file.exists():
        return
    numbers = FixNumbers(json.loads(file.read_text())["reserved"], 1)
    target = door["target"] or door["name"]
    more = {"target": target, "numbers": numbers}
    make = partial(FixClient, *door["orders"], door["session"], word, **more)
    with wait_until(partial(_login, make), "a logon") as client:
        while (message := client.next(QUIET_S)) is not None:
            if message.get(150) in ("0", "F"):
                yield message[11], int(message.get(32) or 0)


def compare(folder: Path) -> Counter:
    """Parents and children against the venues.  Raises ``AssertionError`` for a difference."""
    found = Counter()
    settings = read_settings(folder / "routes.toml")
    word = (folder / "router.password").read_text()
    with ParentStore(settings.store, is_durable=False) as store:
        for name, door in settings.doors.items():
            ours: dict[str, list[int]] = {}
            file = settings.store.with_name(f"{settings.store.stem}-{name}.fix")
            is_fix = door["kind"] == "fix"
            for token, lots in _over_fix(door, word, file) if is_fix else _over_ouch(door, word):
                entry = ours.setdefault(token, [0, 0])
                entry[0] += lots == 0
                entry[1] += lots
            assert max((one[0] for one in ours.values()), default=0) <= 1, f"{name}: doubled"
            assert sum(v for _, v in ours.values()) == traded_lots(folder / name), name
            children = {
                c.order.token: c.filled
                for parent in store.parents.values()
                for c in parent.children
                if c.venue == name
            }
            wrong = {t: (v, children.get(t)) for t, (_, v) in ours.items() if v != children.get(t)}
            wrong |= {t: (0, v) for t, v in children.items() if v and t not in ours}
            assert not wrong, f"{name}: fills differ: {wrong}"
            found["lots"] += sum(children.values())
        for parent in store.parents.values():
            assert parent.filled <= parent.quantity, f"parent {parent.number} is overfilled"
            assert (parent.state, parent.leaves) == (ENDED, 0), f"parent {parent.number} is open"
            found["children"] += len(parent.children)
        found["parents"] = len(store.parents)
    return found
