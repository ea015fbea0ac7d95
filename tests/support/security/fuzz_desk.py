"""Random and mutated requests to the operator's desk: every request that it knows, of a venue with
wallets and of one with contracts.

What must hold: whatever is asked is worked out or refused in words, and nothing is raised.
"""

import json
import random
from pathlib import Path
from typing import Any
from unittest.mock import patch

from openoutcry.order_entry.passwords import dummy_hash
from openoutcry.venue import operators
from openoutcry.venue.contract_desk import CONTRACT_REQUESTS
from openoutcry.venue.corporate_desk import CORPORATE_REQUESTS
from openoutcry.venue.instruments_desk import INSTRUMENT_REQUESTS
from openoutcry.venue.money_desk import MONEY_REQUESTS
from openoutcry.venue.movement_desk import LISTING, MOVEMENT_REQUESTS
from openoutcry.venue.off_book_desk import OFF_BOOK
from openoutcry.venue.participants_desk import PARTICIPANT_REQUESTS
from openoutcry.venue.sessions_desk import SESSION_REQUESTS
from openoutcry.wire.errors import OutcryError
from tests.support.security.fuzz_doors import Fault
from tests.support.venue.contract_floor import CONTRACT_VENUE
from tests.support.venue.floor import InlineFloor
from tests.support.venue.inline import CHEAP
from tests.support.venue.spot_floor import FLOOR

DOES = (
    "set", "adv-roll", "kill", "enable", "halt", "resume", "auction", "disconnect",
    "emergency-close", "rehearse", "log-out", LISTING, *MONEY_REQUESTS, *MOVEMENT_REQUESTS,
    *CORPORATE_REQUESTS, *CONTRACT_REQUESTS, *PARTICIPANT_REQUESTS, *SESSION_REQUESTS,
    *INSTRUMENT_REQUESTS, OFF_BOOK, OFF_BOOK, "",
)  # fmt: skip
TERMS = {
    "participant": 1, "instrument": "GOLD", "asset": "BTC", "amount": 5, "price": 5_000,
    "limit": "credit", "value": 5, "what": "participant", "name": "1", "movement": "wd 1",
    "protocol": "ouch42", "state": "requested", "buyer": 1, "seller": 2, "lots": 5,
    "asked_by": "buyer", "call_s": 60,
}  # fmt: skip
NAMES = (
    *TERMS, "last", "first", "group", "burst", "operator", "code", "ticket", "reference", "units",
    "index", "rate", "schedule", "tier", "from_volume", "purpose", "after", "count", "target",
    "password_hash", "messages_per_s", "over_limit", "second_login", "max_open_orders", "key",
    "keep_orders", "why", "new", "old", "symbol", "volumes", "do", " ", "  ",
    "   ",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 9, 1.5, 1e999, float("nan"), 10**400, 2**31, 2**61, 2**62, 2**63,
    65_535, 65_536, "", "x", "\ud800", "\0" * 5, "x" * 5_000, "7", "\uff17", "\u00b2=5", "1=5",
    "1=" + "9" * 5_000, "GOLD", "TIN", "BTC", "USD", "1", "2", "wd 1", "received", "participant",
    "market", "instrument", "group", "session", "credit", "deposit", "none", "9" * 5_000, "fix44",
    "shm", "open", "\u202e",
)  # fmt: skip

CHEAP_HASH = dummy_hash(CHEAP)


def request(rng: random.Random) -> dict[str, Any]:
    out: dict[str, Any] = {name: value for name, value in TERMS.items() if rng.random() < 0.9}
    out["do"] = rng.choice(DOES)
    for _ in range(rng.randrange(5)):
        out[rng.choice(NAMES)] = rng.choice(VALUES)
    return out


def fuzz_desk(folder: Path, count: int, seed: int | str) -> dict[str, int]:
    """A password costs next to nothing to check here: of an operator who does not exist, too."""
    done = {"messages": 0, "answers": 0, "refused": 0}
    with patch.object(operators, "_nobodys_hash", lambda: CHEAP_HASH):
        for name, text in (("spot", FLOOR), ("contracts", CONTRACT_VENUE)):
            _fuzz_floor(folder / name, text, count // 2, f"{seed} desk {name}", done)
    return done


def _fuzz_floor(folder: Path, text: str, count: int, seed: str, done: dict[str, int]) -> None:
    folder.mkdir()
    floor, rng = InlineFloor(folder, text), random.Random(seed)
    floor.step()
    work_of = floor._desk.operations.work_of
    for _ in range(count):
        asked = json.loads(json.dumps(request(rng)))
        done["messages"] += 1
        try:
            work = work_of(asked)
        except OutcryError as error:
            done["refused"] += 1
            json.dumps(str(error))
        except Exception as error:
            raise Fault(f"{type(error).__name__} {error}: {asked}") from error
        else:
            done["answers"] += 1
            json.dumps(work.done)
    floor.drop()
