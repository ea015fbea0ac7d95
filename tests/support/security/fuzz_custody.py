"""Random and mutated requests to custody's processes: the door of the portal, and a signer.

Each request is answered by the server that the process has, with the core's rules in memory and no
node.  What must hold: nothing is raised, and what the venue has not stated is not signed.
"""

import json
import random
from pathlib import Path
from typing import Any

from openoutcry.custody.door import Door
from openoutcry.custody.evm.contracts import COIN, Batch, Domain, Payment
from openoutcry.custody.evm.reader import EvmReader, batch_body
from openoutcry.custody.serve import Parts
from openoutcry.custody.settings import read_custody_file
from openoutcry.custody.signer import Signer
from openoutcry.custody.signer_policy import Limit, Policy
from openoutcry.custody.sockets import Server
from tests.support.adversary import session_noise as noise
from tests.support.custody.chains import NAME, TEXT, hot_keys
from tests.support.custody.core import Core
from tests.support.security.fuzz_doors import Fault

LTC = 10**8
OUTSIDE = "rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kfmv8vu"
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 7, 8, 1.5, 7.0, 1e999, -1e999, float("nan"), 10**400, 2**63, 2**62,
    "", "x", "7", "\uff17", "\ud800", "\0" * 5, "x" * 5_000, "9" * 5_000, NAME, "LTC", OUTSIDE,
    "0x", "0x" + "0" * 40, [], [[]], [None], ["wd0"], [{}], {}, {"a": 1}, {"token": 1},
    [{"token": "0x", "to": 1, "amount": 1e999}],
)  # fmt: skip
DOES = (
    "offers", "check", "form", "whitelist", "unlist", "listed", "withdraw", "withdrawals",
    "cancel", "address", "deposits", "sign", "refused", "announce", "state", "",
)  # fmt: skip
TERMS = {
    "chain": NAME, "participant": 7, "asset": "LTC", "address": OUTSIDE, "units": 2 * LTC,
    "label": "mine", "salt": "s", "device": "d", "reference": "r", "references": ["r"],
}  # fmt: skip
CLAIM = {
    "reference": "wd0", "participant": 7, "asset": "ETH", "chain": "EVM", "address": "0x",
    "units": 5, "salt": "s", "signature": "1:1",
    "statement": {"venue": "OUTCRY", "reference": "wd0", "participant": 7, "asset": "ETH",
                  "units": 5, "state": "sent"},
}  # fmt: skip


def spoiled(rng: random.Random, document: dict[str, Any]) -> dict[str, Any]:
    """With a few values replaced, at any depth, or left out."""
    out = {name: value for name, value in document.items() if rng.random() < 0.97}
    for _ in range(rng.randrange(3)):
        name = rng.choice([*document, "more"])
        inner = out.get(name)
        if isinstance(inner, dict) and inner and rng.random() < 0.7:
            out[name] = spoiled(rng, inner)
        elif isinstance(inner, list) and inner and isinstance(inner[0], dict):
            out[name] = [spoiled(rng, inner[0])]
        else:
            out[name] = rng.choice(VALUES)
    return out


def line(rng: random.Random, document: dict[str, Any]) -> bytes:
    what = rng.random()
    if what < 0.03:
        return noise.noise(rng, 300) + b"\n"
    if what < 0.05:
        return rng.choice((b"[" * 5_000, b"{}", b"1e999", b"null", b"\xff")) + b"\n"
    data = json.dumps(spoiled(rng, document)).encode() + b"\n"
    return noise.spoiled(rng, data) if what < 0.1 else data


def fuzz(server: Server, make: Any, count: int) -> dict[str, int]:
    done = {"messages": 0, "answers": 0, "refused": 0}
    for _ in range(count):
        answer = json.loads(server.answered(make()))
        done["messages"] += 1
        done["refused"] += "refused" in answer
        done["answers"] += not {"refused", "error"} & set(answer)
        if server.faults.count:
            raise Fault(f"{server.path.name}: {answer}")
    return done


def fuzz_door(folder: Path, count: int, seed: int | str) -> dict[str, int]:
    """Afterwards the core has the money that it had, less what was reserved as it was asked."""
    _, _, hot, cold = hot_keys()
    path = folder / "custody.toml"
    values = {"url": "http://u:p@127.0.0.1:1", "hot": hot, "cold": cold}
    path.write_text(TEXT.format(final=6, wait=3_600, **values))
    core = Core()
    core.balance(7, "LTC")[0] = 40 * LTC
    rng = random.Random(f"{seed} custody door")
    with (
        Parts(read_custody_file(path), core, sends=False) as parts,
        Server(folder / "door.sock", Door(parts).answer) as server,
    ):
        done = fuzz(server, lambda: line(rng, {"do": rng.choice(DOES), **TERMS}), count)
        if sum(core.balance(7, "LTC")) != 40 * LTC:
            raise Fault(f"money is gone: {core.balances}")
    return done


class NoHsm:
    """A module that is asked for nothing."""

    def sign(self, label: str, digest: bytes) -> tuple[int, int]:
        raise Fault(f"{label} has signed what the venue has not stated")

    def public_key(self, label: str) -> bytes:
        return bytes(33)


def fuzz_signer(folder: Path, count: int, seed: int | str) -> dict[str, int]:
    """None of the requests has a statement that the venue's key signed."""
    from embit import ec

    key = ec.PrivateKey(b"k" * 32).get_public_key().sec()
    domain = Domain(31337, b"\x11" * 20)
    reader = EvmReader("EVM", domain, {"ETH": COIN}, frozenset())
    body = batch_body(Batch(7, 1_800_000_000, (Payment(COIN, b"\x33" * 20, 5),)))
    limit = Limit("ETH", "EVM", 1, 100, 250, 400, 20, 60, 1_000)
    rng = random.Random(f"{seed} custody signer")

    def request() -> bytes:
        do = rng.choice(("sign", "sign", "sign", "announce", "state", "other"))
        terms = {"do": do, "number": 7, "chain": "EVM", "claims": [CLAIM], "body": body}
        return line(rng, terms | {"address": f"0x{rng.randrange(9):040x}"})

    with (
        Policy(folder / "signer.sqlite", "OUTCRY", key, [limit], 0) as policy,
        Server(folder / "signer.sock", Signer(NoHsm(), policy, [reader]).answer) as server,  # type: ignore[arg-type]
    ):
        return fuzz(server, request, count)
