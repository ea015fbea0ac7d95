"""Deposits and withdrawals as movements: each has a reference and a life of several steps.

A block after the wallets (``spot_layout.py``).  Each step is one RISK command, MOVEMENT:

    withdrawal   REQUEST -> APPROVE -> SEND -> FINISH, or CANCEL before SEND, or FAIL after it
    deposit      SEE -> CREDIT -> REVERSE, or REVERSE before CREDIT

    REQUEST        available to reserved         FINISH   reserved to outside
    CANCEL, FAIL   reserved to available         CREDIT   outside to available
    REVERSE        available to outside; what is not there is the wallet's shortfall

A movement's reference is that of the request with its first step; its number is the sequence number
of that command.  A reference is one movement as long as the movement is remembered: while it is
open, and of those that have ended the newest, as far as there is room.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import openoutcry.risk.layout as lay
from openoutcry.risk import constants, spot_layout, totals
from openoutcry.risk.bits import MovementRefusal, MovementState, MovementStep
from openoutcry.risk.layout import RiskState
from openoutcry.risk.requests import (
    TEXT_WORDS,
    RequestTable,
    reference_bytes,
    reference_text,
    row_of,
)
from openoutcry.risk.row_index import find_entry, forget_entry, index_entries
from openoutcry.risk.spot import (
    block_of,
    find_asset,
    has_room,
    missing,
    owes,
    pay_shortfall,
    wallet_in,
)
from openoutcry.risk.spot_layout import LARGEST_TOTAL, SpotAsset, SpotBlock, Wallet
from openoutcry.wire.kernel import VERIFY, kernel, kernel_outlined
from openoutcry.wire.layout import Layout, i64
from openoutcry.wire.memory import load_i64, not_inlined, store_i64
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import ORDER

MAX_MOVEMENTS = 1 << 22
(REQUEST, APPROVE, SEND, FINISH, CANCEL, FAIL, SEE, CREDIT, REVERSE) = (
    int(step) for step in MovementStep
)
CREDITED = constants.STATE_CREDITED
(
    NO_REFERENCE, UNKNOWN_STEP, UNKNOWN_ASSET, AMOUNT, UNKNOWN_PARTICIPANT, IS_CLOSED, IS_SUSPENDED,
    SHORTFALL, NOT_AVAILABLE, KNOWN_REFERENCE, FULL, UNKNOWN_MOVEMENT, WRONG_STATE, TOO_MUCH,
) = (int(word) for word in MovementRefusal)  # fmt: skip
OPEN_STATES = frozenset(
    {MovementState.REQUESTED, MovementState.APPROVED, MovementState.SENT, MovementState.SEEN}
)
"""States of a movement that has not ended."""
OPEN = sum(1 << int(state) for state in OPEN_STATES)
FROM_STATES = {
    MovementStep.REQUEST: (),
    MovementStep.APPROVE: (MovementState.REQUESTED,),
    MovementStep.SEND: (MovementState.APPROVED,),
    MovementStep.FINISH: (MovementState.SENT,),
    MovementStep.CANCEL: (MovementState.REQUESTED, MovementState.APPROVED),
    MovementStep.FAIL: (MovementState.SENT,),
    MovementStep.SEE: (),
    MovementStep.CREDIT: (MovementState.SEEN,),
    MovementStep.REVERSE: (MovementState.SEEN, MovementState.CREDITED),
}
"""States in which a step is permitted; none: it is the first.  A step leads to the state with its
number."""
PERMITTED = (0, *(sum(1 << int(state) for state in FROM_STATES[step]) for step in MovementStep))
"""The same by step, a bit for each state."""


class MovementTable(Layout, size_bytes=128):
    """The header of the block."""

    capacity: int = i64("movements that are remembered")
    index_mask: int = i64("entries of either index, less one")
    count: int = i64("movements so far")
    open: int = i64("movements that have not ended")
    next_row: int = i64("row where a row to use again is looked for")
    refused_seq: int = i64("of the last step that was refused: its command,")
    refused_why: int = i64("and ``MovementRefusal``")


class Movement(Layout, size_bytes=128):
    """The row of a movement."""

    text: int = i64("its reference, 32 characters, padded with NUL")
    text_1: int = i64("and so on")
    text_2: int = i64("and so on")
    text_3: int = i64("and so on")
    number: int = i64("command with its first step")
    participant: int = i64("whose wallet")
    asset: int = i64("number of the asset")
    amount: int = i64("whole units of the asset")
    state: int = i64("``MovementState``")
    steps: int = i64("steps that have happened, a bit each by ``MovementStep``")
    changed_seq: int = i64("command with its last step")
    began_ns: int = i64("sequenced time of its first step, ns since the epoch")
    changed_ns: int = i64("sequenced time of its last step, ns since the epoch")
    operator: int = i64("operator that requested the first step, or 0")
    short: int = i64("shortfall that its reversal made")


HEADER_BYTES, ROW_BYTES = MovementTable.size_bytes, Movement.size_bytes
NUMBER_AT = Movement.offset("number")
NAMED_AT = ORDER.offsets["price_ticks"]
"""Where a step that is not the first has the movement's number."""


def block_bytes(capacity: int) -> int:
    """Header, index of references, index of numbers, rows."""
    return HEADER_BYTES + 16 * index_entries(capacity) + ROW_BYTES * capacity


def enter_block(words: npt.NDArray[np.int64], at: int, capacity: int) -> None:
    """Make the zeroed bytes from ``at`` on a block without movements."""
    words[(at + MovementTable.offset("capacity")) // 8] = capacity
    words[(at + MovementTable.offset("index_mask")) // 8] = index_entries(capacity) - 1


# Kernels


@kernel
def rows_at(table: MovementTable) -> int:
    """Return the address of the movements' rows, after both indices."""
    return table + HEADER_BYTES + 16 * (table.index_mask + 1)


@kernel
def movement_row(table: MovementTable, number: int) -> Movement:
    """Return a movement's row, by its number."""
    return Movement(rows_at(table) + ROW_BYTES * number)


@kernel
def text_entry(table: MovementTable, text: int) -> int:
    """Address of the entry of a reference, or of the free one where it would be."""
    return find_entry(
        table + HEADER_BYTES, table.index_mask, rows_at(table), ROW_BYTES, text, TEXT_WORDS
    )


@kernel
def number_entry(table: MovementTable, number_at: int) -> int:
    """The same of the number that lies at an address."""
    index = table + HEADER_BYTES + 8 * (table.index_mask + 1)
    return find_entry(index, table.index_mask, rows_at(table) + NUMBER_AT, ROW_BYTES, number_at, 1)


@kernel
def forget_row(table: MovementTable, row: Movement) -> None:
    """Take a movement out of both indices, by reference and by number."""
    mask, rows = table.index_mask, rows_at(table)
    index = table + HEADER_BYTES
    forget_entry(index, mask, rows, ROW_BYTES, row, TEXT_WORDS)
    index += 8 * (mask + 1)
    forget_entry(index, mask, rows + NUMBER_AT, ROW_BYTES, row + NUMBER_AT, 1)


@kernel
def row_to_use(table: MovementTable) -> int:
    """Number of a row without a movement, or with one that has ended, which is forgotten."""
    if table.count < table.capacity:
        return table.count
    if VERIFY:
        assert table.open < table.capacity, "one has ended"
    number = table.next_row
    while (OPEN >> movement_row(table, number).state) & 1 != 0:
        number = (number + 1) % table.capacity
    table.next_row = (number + 1) % table.capacity
    forget_row(table, movement_row(table, number))
    return number


@kernel_outlined
def apply_movement(state: RiskState, order: OrderRecord, participant: int, amount: int) -> bool:
    """MOVEMENT; False, and only the reason is kept, if the step is not permitted."""
    not_inlined()
    block = block_of(state)
    if block == 0 or block.movements_at == 0:
        return False
    table = MovementTable(state + block.movements_at)
    step = order.time_in_force
    if step in (REQUEST, SEE):
        why = begin(state, block, table, order, participant, amount, step)
    else:
        why = go_on(state, block, table, order, participant, amount, step)
    if why != 0:
        table.refused_seq = order.seq
        table.refused_why = why
    return why == 0


@kernel
def begin(
    state: RiskState,
    block: SpotBlock,
    table: MovementTable,
    order: OrderRecord,
    participant: int,
    amount: int,
    step: int,
) -> int:
    """The first step: 0, or why it is refused."""
    if order.side == 0 or state.requests_at == 0:
        return NO_REFERENCE
    index = find_asset(state, block, order.price_ticks)
    if index < 0:
        return UNKNOWN_ASSET
    if amount < 1 or amount > LARGEST_TOTAL:
        return AMOUNT
    if participant == 0:
        return UNKNOWN_PARTICIPANT
    flags = totals.participant_row(state, participant).flags
    if flags & lay.CLOSED_FLAG != 0:
        return IS_CLOSED
    requests = RequestTable(state + state.requests_at)
    text = row_of(requests, requests.opened - 1)
    if load_i64(text_entry(table, text)) != 0:
        return KNOWN_REFERENCE
    if table.open >= table.capacity:
        return FULL
    wallet = wallet_in(state, block, index, participant)
    if step == REQUEST:
        if flags & lay.SUSPENDED_FLAG != 0:
            return IS_SUSPENDED
        if owes(state, block, participant):
            return SHORTFALL
        if wallet.available < amount:
            return NOT_AVAILABLE
        wallet.available -= amount
        wallet.reserved += amount
    number = row_to_use(table)
    row = movement_row(table, number)
    row.text, row.text_1 = text.text, text.text_1
    row.text_2, row.text_3 = text.text_2, text.text_3
    row.number, row.changed_seq = order.seq, order.seq
    row.participant, row.asset, row.amount = participant, index, amount
    row.state = step
    row.steps = 1 << step
    row.began_ns, row.changed_ns = state.now_ns, state.now_ns
    row.operator, row.short = order.order_id, 0
    store_i64(text_entry(table, row), number + 1)
    store_i64(number_entry(table, row + NUMBER_AT), number + 1)
    table.count += 1
    table.open += 1
    return 0


@kernel
def go_on(
    state: RiskState,
    block: SpotBlock,
    table: MovementTable,
    order: OrderRecord,
    participant: int,
    amount: int,
    step: int,
) -> int:
    """A step that is not the first: 0, or why it is refused."""
    if step < APPROVE or step > REVERSE:
        return UNKNOWN_STEP
    number = load_i64(number_entry(table, order + NAMED_AT))
    if number == 0:
        return UNKNOWN_MOVEMENT
    row = movement_row(table, number - 1)
    if row.participant != participant or row.amount != amount:
        return UNKNOWN_MOVEMENT
    was = row.state
    if (PERMITTED[step] >> was) & 1 == 0:
        return WRONG_STATE
    asset = SpotAsset(state + block.asset_at + row.asset * spot_layout.ASSET_BYTES)
    wallet = wallet_in(state, block, row.asset, participant)
    if step in (APPROVE, SEND):
        if totals.participant_row(state, participant).flags & lay.SUSPENDED_FLAG != 0:
            return IS_SUSPENDED
        if owes(state, block, participant):
            return SHORTFALL
    elif step == CREDIT:
        if not has_room(asset, amount):
            return TOO_MUCH
        asset.net += amount
        wallet.available += amount
        pay_shortfall(asset, wallet)
    elif step == REVERSE:
        if was == CREDITED and not take_back(asset, wallet, row):
            return TOO_MUCH
    else:
        if VERIFY:
            assert wallet.reserved >= amount, "a withdrawal under way has its amount reserved"
        wallet.reserved -= amount
        if step == FINISH:
            asset.net -= amount
        else:
            wallet.available += amount
            pay_shortfall(asset, wallet)
    row.state = step
    row.steps |= 1 << step
    row.changed_seq, row.changed_ns = order.seq, state.now_ns
    if (OPEN >> was) & 1 != 0 and (OPEN >> step) & 1 == 0:
        table.open -= 1
    return 0


@kernel
def take_back(asset: SpotAsset, wallet: Wallet, row: Movement) -> bool:
    """A credited deposit goes out again; False if the asset's shortfalls would be too much."""
    was = wallet.shortfall
    wallet.available -= row.amount
    short = missing(wallet)
    if asset.granted + asset.short - was + short > LARGEST_TOTAL:
        wallet.available += row.amount
        return False
    row.short = short - was
    wallet.shortfall = short
    asset.short += short - was
    asset.net -= row.amount
    return True


@kernel
def has_open_movement(state: RiskState, block: SpotBlock, participant: int) -> bool:
    """Slow: all movements are checked."""
    if block.movements_at == 0:
        return False
    table = MovementTable(state + block.movements_at)
    for number in range(min(table.count, table.capacity)):
        row = movement_row(table, number)
        if row.participant == participant and (OPEN >> row.state) & 1 != 0:
            return True
    return False


# Movements, as Python has them


@dataclass(frozen=True)
class OneMovement:
    """A movement as it was when it was read."""

    reference: str
    number: int
    participant: int
    asset: str
    amount: int
    state: MovementState
    steps: frozenset[MovementStep]
    changed_seq: int
    began_ns: int
    changed_ns: int
    operator: int
    short: int

    @property
    def is_deposit(self) -> bool:
        """Return whether it brings money in; the others are withdrawals."""
        return MovementStep.SEE in self.steps

    @property
    def is_open(self) -> bool:
        """Return whether a later step can still change it."""
        return self.state in OPEN_STATES


def _first(text: str) -> tuple[bytes, bytes]:
    """Return the first bytes of a reference that begins so, and which bits of them count."""
    return text.encode("ascii"), b"\xff" * len(text)


class MovementsView:
    """The block, as arrays over its own bytes."""

    def __init__(self, words: npt.NDArray[np.int64], at: int, names: list[str]) -> None:
        """``words``: of the risk state, ``at``: the block's offset in bytes; ``names``: of the
        assets."""
        self.names = names
        self.header = words[at // 8 :][: HEADER_BYTES // 8]
        capacity = int(self.header[MovementTable.offset("capacity") // 8])
        first = at // 8 + HEADER_BYTES // 8 + 2 * index_entries(capacity)
        self.rows = words[first:][: capacity * ROW_BYTES // 8].reshape(capacity, ROW_BYTES // 8)

    def __len__(self) -> int:
        """Return how many are remembered."""
        return min(self.word("count"), len(self.rows))

    def word(self, name: str) -> int:
        """Return a field of the table's header, by its name."""
        return int(self.header[MovementTable.offset(name) // 8])

    @property
    def used(self) -> npt.NDArray[np.int64]:
        """The rows that are in use: int64 of (movements, words of a row)."""
        return self.rows[: len(self)]

    def find(self, reference: str) -> OneMovement | None:
        """The movement with this reference; None: it is not remembered."""
        words = np.frombuffer(reference_bytes(reference), np.int64)
        used = self.used
        places = np.flatnonzero(used[:, 1] == words[1])  # few begin alike and continue alike
        places = places[(used[places, : len(words)] == words).all(axis=1)]
        return self._one(used[places[-1]].copy()) if len(places) else None

    def chosen(
        self,
        states: Iterable[MovementState],
        participant: int | None = None,
        without: str = "",
        before: int = 0,
        most: int = 0,
    ) -> list[OneMovement]:
        """Movements in these states, the oldest first; ``without``: those whose reference begins
        so, 8 characters at most, of which there may be many; ``before``: with a smaller number;
        ``most``: the newest alone.  0: all."""
        used = self.used
        wanted = sum(1 << int(state) for state in states)
        chosen = wanted >> used[:, Movement.offset("state") // 8] & 1 != 0
        if participant is not None:
            chosen &= used[:, Movement.offset("participant") // 8] == participant
        if without:
            begin, mask = (int.from_bytes(text, "little") for text in _first(without))
            chosen &= used[:, 0] & mask != begin
        numbers = used[:, NUMBER_AT // 8]
        if before:
            chosen &= numbers < before
        places = np.flatnonzero(chosen)
        places = places[np.argsort(numbers[places])][-most:]
        return [self._one(row) for row in used[places]]

    def _one(self, row: npt.NDArray[np.int64]) -> OneMovement:
        def word(name: str) -> int:
            return int(row[Movement.offset(name) // 8])

        return OneMovement(
            reference_text(row[:TEXT_WORDS]),
            word("number"),
            word("participant"),
            self.names[word("asset")],
            word("amount"),
            MovementState(word("state")),
            frozenset(step for step in MovementStep if word("steps") >> step & 1),
            word("changed_seq"),
            word("began_ns"),
            word("changed_ns"),
            word("operator"),
            word("short"),
        )
