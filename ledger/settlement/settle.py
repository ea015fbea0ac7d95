"""Delivery against payment in two phases, and what fails.

Of the trades that are due, the largest part is sought of which every member can deliver its net:
while a member is short of an asset, the latest of its trades that delivers this asset is taken out,
with both its legs.  What is left settles as a whole: first every net delivery is reserved, from the
member to the clearing account (a pending transfer), then all pending transfers are posted and the
clearing account passes on what it has.  It ends with 0 of everything.  Until all are reserved
nothing has moved, and nothing needs to be moved back.  What was taken out fails: it is due again on
the next day, and who was short pays a penalty to who was to receive.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np

from openoutcry.ledger.errors import SettlementError
from openoutcry.ledger.settlement.netting import net
from openoutcry.ledger.settlement.trades import CLEARING, Trades

Balances = dict[tuple[str, str], int]
"""Units by (member, asset)."""
PARTS = 1_000_000
PENDING, POST, DELIVER, PENALTY = "pending", "post", "deliver", "penalty"


class Transfer(NamedTuple):
    """One movement.  ``pending`` reserves and moves nothing, ``post`` completes it; ``deliver`` is
    the clearing account's, ``penalty`` from member to member."""

    phase: str
    payer: str
    payee: str
    asset: str
    units: int


class Fail(NamedTuple):
    """A trade that did not settle: who was short of what, and what that costs."""

    at: int
    """Row of the trades given."""
    short: str
    asset: str
    penalty_units: int
    """Of the trade's cash asset."""


class Owed(NamedTuple):
    """A penalty that who owes it could not pay yet."""

    trade_id: int
    payer: str
    payee: str
    asset: str
    units: int


@dataclass(frozen=True)
class Settled:
    """One settlement: ``balances`` are those after it; ``settled`` and ``fails`` together are all
    trades that were due, by row."""

    transfers: list[Transfer]
    balances: Balances
    settled: list[int]
    fails: list[Fail]
    owed: list[Owed]
    """Penalties that are still open, the oldest first."""

    def waiting(self, count: int) -> list[int]:
        """The rows of ``count`` trades that are not due yet."""
        done = {*self.settled, *(fail.at for fail in self.fails)}
        return [at for at in range(count) if at not in done]


def settle(
    trades: Trades,
    balances: Mapping[tuple[str, str], int],
    day: date,
    penalty_ppm: int = 100,
    owed: Iterable[Owed] = (),
) -> Settled:
    """Settle what is due on a day or was due before it.

    balances: what each member has of each asset, at least 0.  penalty_ppm: of a failing trade's
    cash, in millionths, for this day, half-even to a whole unit. Raises ``SettlementError`` for a
    negative balance, and a penalty that is no part of a whole.
    """
    if not 0 <= penalty_ppm <= PARTS:
        raise SettlementError(f"a penalty of {penalty_ppm} millionths is none of 0 to {PARTS}")
    for (member, asset), units in balances.items():
        if units < 0:
            raise SettlementError(f"{member} has {units} {asset}: nobody settles from a debt")
    due = [at for at in range(len(trades)) if trades.days[trades.due[at]] <= day]
    short = _taken_out(trades, due, balances)
    kept = [at for at in due if at not in short]
    after = dict(balances)
    transfers = _two_phases(trades.chosen(np.array(kept, np.int64)), after)
    fails = [Fail(at, *short[at], _penalty(int(trades.cash_units[at]), penalty_ppm))
             for at in sorted(short)]  # fmt: skip
    still_owed = []
    for claim in [*owed, *(_claim(trades, fail) for fail in fails if fail.penalty_units)]:
        if after.get((claim.payer, claim.asset), 0) < claim.units:
            still_owed.append(claim)
        else:
            _move(after, Transfer(PENALTY, *claim[1:]), transfers)
    return Settled(transfers, after, kept, fails, still_owed)


def _claim(trades: Trades, fail: Fail) -> Owed:
    trade_id, _, buyer, seller, _, _, cash_asset, _ = trades.row(fail.at)
    payee = buyer if fail.short == seller else seller
    return Owed(trade_id, fail.short, payee, cash_asset, fail.penalty_units)


def _penalty(cash_units: int, penalty_ppm: int) -> int:
    whole, rest = divmod(cash_units * penalty_ppm, PARTS)
    return whole + (2 * rest > PARTS or (2 * rest == PARTS and whole % 2))


def _taken_out(
    trades: Trades, due: list[int], balances: Mapping[tuple[str, str], int]
) -> dict[int, tuple[str, str]]:
    """The rows that fail, each with who is short and of what.

    Members and assets are looked at in the order of their names, trades from the latest back: equal
    input fails equally.
    """
    nets: dict[tuple[str, str], int] = defaultdict(int)
    legs: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    rows = {at: trades.row(at) for at in due}
    for at in due:
        _, _, buyer, seller, asset, units, cash_asset, cash = rows[at]
        for who, what, sign in _moves(buyer, seller, asset, units, cash_asset, cash):
            nets[who, what] += sign
            if sign < 0:
                legs[who, what].append((at, -sign))
    out: dict[int, tuple[str, str]] = {}
    short = sorted(key for key in legs if nets[key] + balances.get(key, 0) < 0)
    while short:
        changed = set()
        for key in short:
            while nets[key] + balances.get(key, 0) < 0:
                at, _ = legs[key].pop()
                if at in out:
                    continue
                out[at] = key
                _, _, buyer, seller, asset, units, cash_asset, cash = rows[at]
                for who, what, sign in _moves(buyer, seller, asset, units, cash_asset, cash):
                    nets[who, what] -= sign
                    changed.add((who, what))
        short = sorted(key for key in changed if nets[key] + balances.get(key, 0) < 0)
    return out


def _moves(
    buyer: str, seller: str, asset: str, units: int, cash_asset: str, cash: int
) -> tuple[tuple[str, str, int], ...]:
    """What a trade does to whom."""
    return (
        (buyer, asset, units),
        (seller, asset, -units),
        (buyer, cash_asset, -cash),
        (seller, cash_asset, cash),
    )


def _two_phases(trades: Trades, balances: Balances) -> list[Transfer]:
    """Reserve and post the nets of the trades, of all days together; changes the balances."""
    total: dict[tuple[str, str], int] = defaultdict(int)
    nets = net(trades)
    for member, asset, units in zip(
        nets.member.tolist(), nets.asset.tolist(), nets.units, strict=True
    ):
        total[trades.members[member], trades.assets[asset]] += units
    pending = reserve(total, balances)
    return pending + post(total, pending, balances)


def reserve(
    nets: Mapping[tuple[str, str], int], balances: Mapping[tuple[str, str], int]
) -> list[Transfer]:
    """Phase 1: a pending transfer for each net delivery.  Nothing has moved.

    Raises ``SettlementError`` naming who cannot deliver: then there is nothing to post.
    """
    pending = []
    for (member, asset), units in sorted(nets.items()):
        if units < 0:
            have = balances.get((member, asset), 0)
            if have < -units:
                raise SettlementError(f"{member} has {have} {asset} where {-units} are due")
            pending.append(Transfer(PENDING, member, CLEARING, asset, -units))
    return pending


def post(
    nets: Mapping[tuple[str, str], int], pending: list[Transfer], balances: Balances
) -> list[Transfer]:
    """Phase 2: post every pending transfer, and pass on what the clearing account has then.

    Raises ``SettlementError``, before anything has moved, where the nets are not 0 in sum or a
    member no longer has what was reserved.
    """
    sums: dict[str, int] = defaultdict(int)
    for (_, asset), units in nets.items():
        sums[asset] += units
    open_assets = sorted(asset for asset, units in sums.items() if units)
    if open_assets:
        raise SettlementError(f"{', '.join(open_assets)}: the nets are not 0 in sum")
    if pending != reserve(nets, balances):
        raise SettlementError("what is pending is not what the nets call for")
    done: list[Transfer] = []
    for transfer in pending:
        _move(balances, transfer._replace(phase=POST), done)
    for (member, asset), units in sorted(nets.items()):
        if units > 0:
            _move(balances, Transfer(DELIVER, CLEARING, member, asset, units), done)
    for asset in sums:
        assert balances.pop((CLEARING, asset), 0) == 0, asset
    return done


def _move(balances: Balances, transfer: Transfer, transfers: list[Transfer]) -> None:
    """Move it, and note that it was."""
    payer, payee = (transfer.payer, transfer.asset), (transfer.payee, transfer.asset)
    balances[payer] = balances.get(payer, 0) - transfer.units
    balances[payee] = balances.get(payee, 0) + transfer.units
    assert balances[payer] >= 0
    transfers.append(transfer)
