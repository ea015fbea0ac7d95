"""Delivery against payment in two phases, and what fails.

Of the trades that are due it seeks a large part of which every member can deliver its net.  It
first takes trades out in rounds until no member is short, then puts back what can settle after all
(:func:`_taken_out`, :func:`_put_back`).

The trades that are left settle as a whole.  First every net delivery is reserved, from the member
to the clearing account (a pending transfer).  Then all pending transfers are posted, and the
clearing account passes on what it has.  It ends with 0 of everything.  Until all are reserved
nothing has moved, and nothing needs to be moved back.

The trades that were not put back fail.  They are due again on the next day, and the short member
pays a penalty to the member that was to receive.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np

from openoutcry.ledger.settlement.netting import net
from openoutcry.ledger.settlement.trades import CLEARING, Trades
from openoutcry.wire.errors import SettlementError

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
    """A trade that did not settle: the short member, the asset, and the penalty."""

    at: int
    """Row of the trades given."""
    short: str
    asset: str
    penalty_units: int
    """In units of the trade's cash asset."""


class Owed(NamedTuple):
    """A penalty that its debtor could not pay yet."""

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
    negative balance, and a penalty that is not part of a whole.
    """
    if not 0 <= penalty_ppm <= PARTS:
        raise SettlementError(f"a penalty of {penalty_ppm} millionths is not between 0 and {PARTS}")
    for (member, asset), units in balances.items():
        if units < 0:
            raise SettlementError(f"{member} has {units} {asset}; a balance must not be negative")
    due = [at for at in range(len(trades)) if trades.days[trades.due[at]] <= day]
    short = _taken_out(trades, due, balances)
    kept = [at for at in due if at not in short]
    after = dict(balances)
    transfers = _two_phases(trades.chosen(np.array(kept, np.int64)), after)
    fails = [
        Fail(at, *short[at], _penalty(int(trades.cash_units[at]), penalty_ppm))
        for at in sorted(short)
    ]
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


Key = tuple[str, str]
"""A member and an asset."""
MAX_LINKED = 16
"""How many failing trades are checked together, of which each needs another one."""


def _taken_out(
    trades: Trades, due: list[int], balances: Mapping[tuple[str, str], int]
) -> dict[int, Key]:
    """The rows that fail, each with the short member and the asset.

    In rounds: each checks the members that are short of an asset when it begins, in the order of
    their names and assets.  It takes out each member's latest trades that deliver this asset until
    the member is short no more.  The next round checks members that this makes short.  Then what
    can settle after all is put back.  The latest are those due last, of a day those given last.
    Equal input fails equally.
    """
    due = sorted(due, key=lambda at: (trades.due[at], at))
    rows = {at: trades.row(at) for at in due}
    room: dict[Key, int] = defaultdict(int, balances)
    """What each would have of each asset if the trades that are in settled."""
    legs: dict[Key, list[int]] = defaultdict(list)
    for at in due:
        for key, units in _moves(rows[at]):
            room[key] += units
            if units < 0:
                legs[key].append(at)
    out: dict[int, Key] = {}
    short = sorted(key for key in legs if room[key] < 0)
    while short:
        changed: set[Key] = set()
        for key in short:
            while room[key] < 0:
                at = legs[key].pop()
                if at in out:
                    continue
                out[at] = key
                _apply(rows[at], room, -1)
                changed.update(key for key, _ in _moves(rows[at]))
        short = sorted(key for key in changed if room[key] < 0)
    _put_back(rows, room, out, [at for at in due if at in out])
    for at, key in out.items():
        # Of those that still lack what the trade would deliver the one that it was taken out for.
        lacking = [one for one, units in _moves(rows[at]) if room[one] + units < 0]
        out[at] = key if key in lacking else min(lacking)
    return out


def _put_back(
    rows: Mapping[int, "Row"], room: dict[Key, int], out: dict[int, Key], order: list[int]
) -> None:
    """Take out of ``out`` what can settle: the trades due first, of a day those given first.

    Each is tried alone; after one is put back, those that deliver what it brings are tried again,
    in the same order.  When none can settle alone, each is tried together with those that bring
    what is short then, the first of them for each, up to ``MAX_LINKED``.  So trades of a chain or
    of a ring settle together or not at all.
    """
    place = {at: number for number, at in enumerate(order)}
    needs: dict[Key, list[int]] = defaultdict(list)
    brings: dict[Key, list[int]] = defaultdict(list)
    for at in order:
        for key, units in _moves(rows[at]):
            (needs if units < 0 else brings)[key].append(at)
    waiting, queued = list(range(len(order))), set(order)
    linked = list(order)
    while True:
        heapify(waiting)
        while waiting:
            at = order[heappop(waiting)]
            queued.discard(at)
            if at in out and all(room[key] + units >= 0 for key, units in _moves(rows[at])):
                _return(at, rows, room, out, needs, place, waiting, queued)
        linked = [at for at in linked if at in out]
        group = next(filter(None, (_linked(at, rows, room, out, brings) for at in linked)), None)
        if group is None:
            return
        for at in group:
            _return(at, rows, room, out, needs, place, waiting, queued)


def _return(
    at: int,
    rows: Mapping[int, "Row"],
    room: dict[Key, int],
    out: dict[int, Key],
    needs: Mapping[Key, list[int]],
    place: Mapping[int, int],
    waiting: list[int],
    queued: set[int],
) -> None:
    """Put a trade back; what delivers what it brings waits to be tried again."""
    del out[at]
    _apply(rows[at], room, 1)
    for key, units in _moves(rows[at]):
        for other in needs.get(key, ()) if units > 0 else ():
            if other in out and other not in queued:
                queued.add(other)
                heappush(waiting, place[other])


def _linked(
    at: int,
    rows: Mapping[int, "Row"],
    room: dict[Key, int],
    out: Mapping[int, Key],
    brings: Mapping[Key, list[int]],
) -> list[int]:
    """The trade and those without which it cannot settle; empty if others cannot help it, or if it
    needs too many."""
    group = [at]
    change: dict[Key, int] = defaultdict(int)
    while True:
        for key, units in _moves(rows[group[-1]]):
            change[key] += units
        short = min((key for key, units in change.items() if room[key] + units < 0), default=None)
        if short is None:
            return group
        found = next(
            (one for one in brings.get(short, ()) if one in out and one not in group), None
        )
        if found is None or len(group) == MAX_LINKED:
            return []
        group.append(found)


def _apply(row: "Row", room: dict[Key, int], sign: int) -> None:
    for key, units in _moves(row):
        room[key] += sign * units


Row = tuple[int, date, str, str, str, int, str, int]
"""``Trades.row``."""


def _moves(row: Row) -> tuple[tuple[Key, int], ...]:
    """Return the changes by a trade, by member and asset."""
    _, _, buyer, seller, asset, units, cash_asset, cash = row
    return (
        ((buyer, asset), units),
        ((seller, asset), -units),
        ((buyer, cash_asset), -cash),
        ((seller, cash_asset), cash),
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

    Raises ``SettlementError`` naming the member that cannot deliver: then there is nothing to post.
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

    Raises ``SettlementError``, before anything has moved, where the nets do not sum to 0 or a
    member no longer has what was reserved.
    """
    sums: dict[str, int] = defaultdict(int)
    for (_, asset), units in nets.items():
        sums[asset] += units
    open_assets = sorted(asset for asset, units in sums.items() if units)
    if open_assets:
        raise SettlementError(f"{', '.join(open_assets)}: the nets do not sum to 0")
    if pending != reserve(nets, balances):
        raise SettlementError("the pending obligations do not match the nets")
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
