"""Trading ahead of a declared client order: by its broker, or by a participant that seems to know.

An owner's lots on the client's side count from the moment the order was known to its entry.  They
are compared with what the owner traded back within some minutes after it, and at what price.
"""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import constants
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.layout import (
    ClientOrder,
    ClientSide,
    DetectorBook,
    DetectorCell,
    DetectorState,
    VolumeWindow,
)
from openoutcry.surveillance.detect.moves import value_of
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Words
from openoutcry.wire.memory import not_inlined

AHEAD, AFTER = offset("front_ahead_ns"), offset("front_after_ns")
PERCENT, TURNED, TIMES = (
    offset("front_percent"),
    offset("front_turned_percent"),
    offset("insider_times"),
)
FRONT, INSIDER = constants.FRONT_RUNNING, constants.INSIDER_TIMING


@kernel
def client_entered(state: DetectorState, instrument: int, participant: int, side: int) -> None:
    """A client's order is entered: is it one that was declared?"""
    now = state.now
    for number in range(state.client_count):
        row = ClientOrder(state.clients + number * lay.CLIENT_BYTES)
        if (
            row.client == participant
            and row.instrument == instrument
            and row.side == side
            and row.entered == lay.NONE
            and row.known <= now
        ):
            row.entered = now
            row.entered_seq = state.cause
            return


@kernel_outlined
def around_clients(
    state: DetectorState,
    book: DetectorBook,
    cell: DetectorCell,
    side: int,
    price: int,
    lots: int,
    participant: int,
) -> None:
    """One party of a trade in an instrument: ahead of or after a client's declared order."""
    not_inlined()
    now, instrument = state.now, cell.instrument
    owner = cell.owner
    for number in range(state.client_count):
        row = ClientOrder(state.clients + number * lay.CLIENT_BYTES)
        known, entered = row.known, row.entered
        if row.instrument != instrument or now < known:
            continue
        if row.client == participant:
            continue
        ahead = entered == lay.NONE and now <= known + tab.parameter(state, AHEAD)
        behind = entered != lay.NONE and now <= entered + tab.parameter(state, AFTER)
        same = side == row.side
        if ahead and same:
            tally = side_of(state, number, owner)
            if tally.ahead == 0:
                tally.first_seq = state.cause
                tally.first_ns = now
            tab.bump(tally + lay.S_AHEAD, lots)
            tab.bump(tally + lay.S_AHEAD_VALUE, value_of(book, price, lots))
        elif behind and not same:
            tally = side_of(state, number, owner)
            if tally.ahead != 0 and tally.told == 0:
                tab.bump(tally + lay.S_TURNED, lots)
                tab.bump(tally + lay.S_TURNED_VALUE, value_of(book, price, lots))
                judge(state, cell, row, tally, participant)


@kernel
def side_of(state: DetectorState, number: int, owner: int) -> ClientSide:
    """Return an owner's trading around a declared order; the kernel made sure of room."""
    return ClientSide(
        tab.keyed_row(
            state.sides,
            state.side_mask,
            lay.SIDE_BYTES,
            (number << 16 | owner) + 1,
            state + lay.SIDE_USED,
        )
    )


@kernel
def judge(
    state: DetectorState, cell: DetectorCell, row: ClientOrder, tally: ClientSide, participant: int
) -> None:
    """Enough taken ahead, enough of it turned round; of others than the broker only what is at a
    gain and far out of their common."""
    ahead, turned = tally.ahead, tally.turned
    if ahead * 100 < tab.parameter(state, PERCENT) * row.lots:
        return
    if turned * 100 < tab.parameter(state, TURNED) * ahead:
        return
    paid = tally.ahead_value / ahead
    got = tally.turned_value / turned
    apart = got - paid if row.side == 1 else paid - got
    owner = cell.owner
    detector = FRONT
    if owner != tab.owner_of(state, row.broker):
        detector = INSIDER
        if apart <= 0.0:
            return
        windows = min(VolumeWindow(cell).count, lay.VOLUMES)
        total = 0
        for slot in range(windows):
            total += Words(cell + lay.V_RING)[slot]
        if windows == 0 or ahead * windows < tab.parameter(state, TIMES) * total:
            return
    tally.told = 1
    instrument = cell.instrument
    first_ns, first = tally.first_ns, tally.first_seq
    hit = tab.begin_hit(
        state, detector, instrument, 80 if detector == FRONT else 50, first_ns, first
    )
    tab.add_member(hit, participant)
    gain = int(apart * 2 * min(turned, 1 << 31))
    tab.measures(hit, ahead, 0, gain, 1)
    tab.evidence(hit, 0, first)
    tab.evidence(hit, 1, row.entered_seq)
    tab.evidence(hit, 2, state.cause)
