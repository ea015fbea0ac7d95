"""What the chain has is what came in less what went out, by block; else everything stops.

The node's own search for outputs is compared with custody's records, and these with the movements
of the venue.  Only what three sources say alike is right.  More on the chain than custody has seen
is an alarm, and stops nothing: anyone can pay to an address.
"""

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from openoutcry.custody.breaker import Breaker
from openoutcry.custody.errors import CustodyError, readable
from openoutcry.custody.rail import Rail
from openoutcry.custody.settings import AssetSpec, CustodyFile
from openoutcry.custody.store import Store
from openoutcry.custody.venue import Venue, VenueError

LOOKS = 3
IN_A_BLOCK = "height is not null and state not in ('gone', 'reversed', 'internal', 'unsupported')"


@dataclass(frozen=True)
class Balance:
    """Balance of one asset at one block, in the chain's smallest unit."""

    asset: str
    chain: str
    height: int
    on_chain: int
    """Amount that the node finds."""
    recorded: int
    """Amount that came in less what went out, by custody's records."""
    owed: int
    """Amount that custody has had credited at the venue, less what the venue has had paid."""
    not_owed: int
    """Dust, the venue's own money, and what belongs to no participant."""
    fees: int
    to_cold: int
    in_flight: int
    """Deposits in a block that are not credited, less payments in a block that are not done."""

    @property
    def is_whole(self) -> bool:
        """Return whether the node, the records and what is owed agree."""
        return self.on_chain == self.recorded == self._mine

    @property
    def is_surplus(self) -> bool:
        """Only more than was seen: no money is missing."""
        return self.on_chain > self.recorded == self._mine

    @property
    def _mine(self) -> int:
        return self.owed + self.not_owed + self.in_flight - self.fees - self.to_cold


class Reconciler:
    """``go_on`` looks at each new block once."""

    def __init__(
        self, file: CustodyFile, store: Store, venue: Venue, rails: dict[str, Rail]
    ) -> None:
        self.file, self.store, self.venue, self.rails = file, store, venue, rails
        self.breaker = Breaker(store)
        self._seen: dict[str, str] = {}
        self._surplus: dict[str, deque[int]] = {}
        """By asset: the surplus at the last blocks."""

    def go_on(self) -> int:
        """Check each chain that has a new block; 0: nothing is left to do at once.

        What is missing trips the breaker; more than was seen is an alarm."""
        for spec in self.file.chains:
            top = self.store.row(
                "select height, hash from blocks where chain = ? order by height desc limit 1",
                spec.name,
            )
            if top is None or self._seen.get(spec.name) == top["hash"]:
                continue
            try:
                found = self.balances(spec.name)
            except CustodyError as error:
                self.store.note("waits", f"reconcile {spec.name}", str(error))
                continue
            if found is None:
                continue
            self._seen[spec.name] = top["hash"]
            for text in [*self._missing(found), *self._shrunk(found, spec.final)]:
                self.breaker.trip(f"reconciliation of {text}")
        return 0

    def _shrunk(self, found: Sequence[Balance], final: int) -> list[str]:
        """Return which surplus is less than it was for ``final`` blocks: what left hides in it, and
        no fork takes it away."""
        texts = []
        for one in found:
            surplus, word = max(0, one.on_chain - one.recorded), f"surplus {one.asset}"
            least = int(self.store.word(word) or 0)
            if surplus < least:
                text = self.file.known_asset(one.asset).text_on_chain(least - surplus)
                texts.append(f"{one.asset}: {text} of what custody has not seen has left")
                self._surplus.pop(one.asset, None)
            last = self._surplus.setdefault(one.asset, deque(maxlen=final))
            last.append(surplus)
            if surplus < least or len(last) == final:
                self.store.set_word(word, str(min(last)))
        return texts

    def surplus(self, one: Balance, digits: int = 0) -> str:
        """Return what the chain has and custody has not seen, as decimal text; ``digits``: the
        first ones, and 0 for the others."""
        amount = one.on_chain - one.recorded
        rest = 10 ** max(0, len(str(amount)) - digits) if digits else 1
        return self.file.known_asset(one.asset).text_on_chain(amount - amount % rest)

    def _missing(self, found: Sequence[Balance]) -> list[str]:
        """Differences that stop withdrawals.  A surplus is noted as an alarm: a contract that ends
        itself leaves its coins to any address, without a log."""
        for one in found:
            if one.is_surplus:
                # Its first digit: strangers that add to it with each block make few alarms.
                text = f"{one.asset}: the chain has {self.surplus(one, 1)} or more that"
                self.store.note("alarm", f"surplus {one.asset}", f"{text} custody has not seen")
        return [
            f"{one.asset}: {asdict(one)}" for one in found if not (one.is_whole or one.is_surplus)
        ]

    def differences(
        self, brought_in: Callable[[], dict[str, int]], show: Callable[[Balance], None]
    ) -> list[str]:
        """Differences of chain, custody, core and ledger that ``LOOKS`` looks in a row find.

        What moves between two questions of one look is none.  Raises :class:`CustodyError` if a
        source cannot be asked now: that is no difference either."""
        lasting: list[str] = []
        for look in range(LOOKS):
            wrong = self.core_differences()
            for spec in self.file.chains:
                found = self.balances(spec.name)
                if found is None:
                    raise CustodyError(
                        f"{spec.name}: the node has a block that was not scanned; try again"
                    )
                wrong += self._missing(found)
                for one in found if not look else ():
                    show(one)
            wrong += self.ledger_differences(brought_in())
            lasting = [text for text in wrong if not look or text in lasting]
            if not lasting:
                break
        return lasting

    def balances(self, chain: str) -> list[Balance] | None:
        """None: a block came meanwhile, or the scanner has not taken the node's last one."""
        before = self._top(chain)
        with readable(chain):
            holdings = None if before is None else self.rails[chain].holdings(before)
        if before is None or holdings is None or self._top(chain) != before:
            return None
        with self.store.change():
            assets = [asset for asset in self.file.assets if asset.chain == chain]
            return [
                self._balance(asset, before[0], holdings.get(asset.name, 0)) for asset in assets
            ]

    def _top(self, chain: str) -> tuple[int, str] | None:
        query = "select height, hash from blocks where chain = ? order by height desc limit 1"
        row = self.store.row(query, chain)
        return None if row is None else (int(row["height"]), str(row["hash"]))

    def _balance(self, asset: AssetSpec, height: int, on_chain: int) -> Balance:
        query = f"select * from deposits where chain = ? and asset = ? and {IN_A_BLOCK}"
        came = owed = not_owed = in_flight = 0
        for row in self.store.rows(query, asset.chain, asset.name):
            amount = int(row["amount"])
            came += amount
            if row["state"] in ("dust", "unknown", "own"):
                not_owed += amount
            elif row["venue"] == "credited":
                owed += amount
            else:
                in_flight += amount
        query = "select * from drafts where chain = ? and height is not null"
        left = fees = to_cold = paid = 0
        for row in self.store.rows(query, asset.chain):
            leaves = json.loads(row["notes"]).get("leaves", {}).get(asset.name, {})
            fees += int(leaves.get("fee", 0))
            to_cold += int(leaves.get("cold", 0))
            paid += int(leaves.get("paid", 0))
            left += sum(int(one) for one in leaves.values())
            if row["state"] == "done":
                owed -= int(leaves.get("paid", 0))
            else:
                in_flight -= int(leaves.get("paid", 0))
        return Balance(
            asset.name,
            asset.chain,
            height,
            on_chain,
            came - left,
            owed,
            not_owed,
            fees,
            to_cold,
            in_flight,
        )

    def ledger_differences(self, brought_in: dict[str, int]) -> list[str]:
        """``brought_in``: by asset, what the ledger of the journal has as brought in from outside
        and not taken out.  A movement that custody did not make is found here."""
        found = []
        for asset in self.file.assets:
            mine, ledger = owed_units(self.store, asset.name), brought_in.get(asset.name, 0)
            if mine != ledger:
                found.append(f"{asset.name}: {mine} by custody's movements, {ledger} in the ledger")
        return found

    def core_differences(self) -> list[str]:
        """Movements whose state at the venue is another than custody's records say.

        Raises :class:`CustodyError` if the venue does not answer."""
        found = []
        for kind, query in (
            ("deposit", "select reference, participant, venue as state from deposits "
             "where venue <> '' and participant is not null"),
            ("withdrawal", "select reference, participant, state from withdrawals "
             "where state in ('sent', 'done')"),
        ):  # fmt: skip
            for row in self.store.rows(query):
                difference = self._difference(kind, row)
                if difference:
                    found.append(difference)
        return found

    def _difference(self, kind: str, row: Any) -> str:
        try:
            at_venue = self.venue.movement(kind, row["participant"], row["reference"])
        except VenueError as error:
            raise CustodyError(f"the venue does not answer: {error}") from None
        state = "no movement" if at_venue is None else at_venue["state"]
        if at_venue is None or state == row["state"]:
            return ""  # the core keeps 65,536 movements that have ended
        return f"{kind} {row['reference']}: {row['state']} here, {state} at the venue"


def owed_units(store: Store, asset: str) -> int:
    """Units that custody has credited at the venue, less those that it has paid."""
    credited = (
        "select coalesce(sum(units), 0) as n from deposits "
        "where asset = ? and venue = 'credited' and state in ('credited', 'final')"
    )
    paid = "select coalesce(sum(units), 0) as n from withdrawals where asset = ? and state = 'done'"
    came, went = store.row(credited, asset), store.row(paid, asset)
    assert came is not None
    assert went is not None
    return int(came["n"]) - int(went["n"])
