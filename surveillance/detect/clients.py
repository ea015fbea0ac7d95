# (intrinsics have no types that mypy could see)
"""Trading ahead of a declared client order: by its broker, or by somebody who seems to know.

An owner's lots on the client's side between the moment the order was known and its entry are held
against what it turned round within some minutes behind it, and at what price.
"""

import openoutcry.surveillance.detect.layout as lay
from openoutcry.surveillance.detect import tables as tab
from openoutcry.surveillance.detect.moves import value_of
from openoutcry.surveillance.parameters import offset
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import load_i64, not_inlined, store_i64

AHEAD, AFTER = offset("front_ahead_ns"), offset("front_after_ns")
PERCENT, TURNED, TIMES = (
    offset("front_percent"), offset("front_turned_percent"), offset("insider_times"),
)  # fmt: skip
FRONT, INSIDER = int(lay.Detector.FRONT_RUNNING), int(lay.Detector.INSIDER_TIMING)


@kernel
def client_entered(state: int, instrument: int, who: int, side: int) -> None:
    """A client's order is entered: is it one that was declared?"""
    now = load_i64(state + lay.NOW)
    for number in range(load_i64(state + lay.CLIENT_COUNT)):
        row = load_i64(state + lay.CLIENTS) + number * lay.CLIENT_BYTES
        if (
            load_i64(row + lay.T_CLIENT) == who
            and load_i64(row + lay.T_INSTRUMENT) == instrument
            and load_i64(row + lay.T_SIDE) == side
            and load_i64(row + lay.T_ENTERED) == lay.NONE
            and load_i64(row + lay.T_KNOWN) <= now
        ):
            store_i64(row + lay.T_ENTERED, now)
            store_i64(row + lay.T_ENTERED_SEQ, load_i64(state + lay.CAUSE))
            return


@kernel_outlined
def around_clients(
    state: int, book: int, cell: int, side: int, price: int, lots: int, who: int
) -> None:
    """One party of a trade in an instrument: ahead of or behind a client's declared order."""
    not_inlined()
    now, instrument = load_i64(state + lay.NOW), load_i64(cell + lay.C_INSTRUMENT)
    owner = load_i64(cell + lay.C_OWNER)
    for number in range(load_i64(state + lay.CLIENT_COUNT)):
        row = load_i64(state + lay.CLIENTS) + number * lay.CLIENT_BYTES
        known, entered = load_i64(row + lay.T_KNOWN), load_i64(row + lay.T_ENTERED)
        if load_i64(row + lay.T_INSTRUMENT) != instrument or now < known:
            continue
        if load_i64(row + lay.T_CLIENT) == who:
            continue
        ahead = entered == lay.NONE and now <= known + tab.parameter(state, AHEAD)
        behind = entered != lay.NONE and now <= entered + tab.parameter(state, AFTER)
        same = side == load_i64(row + lay.T_SIDE)
        if ahead and same:
            tally = side_of(state, number, owner)
            if load_i64(tally + lay.S_AHEAD) == 0:
                store_i64(tally + lay.S_FIRST_SEQ, load_i64(state + lay.CAUSE))
                store_i64(tally + lay.S_FIRST_NS, now)
            tab.bump(tally + lay.S_AHEAD, lots)
            tab.bump(tally + lay.S_AHEAD_VALUE, value_of(book, price, lots))
        elif behind and not same:
            tally = side_of(state, number, owner)
            if load_i64(tally + lay.S_AHEAD) != 0 and load_i64(tally + lay.S_TOLD) == 0:
                tab.bump(tally + lay.S_TURNED, lots)
                tab.bump(tally + lay.S_TURNED_VALUE, value_of(book, price, lots))
                judge(state, cell, row, tally, who)


@kernel
def side_of(state: int, number: int, owner: int) -> int:
    """What an owner has traded around a declared order; the kernel made sure of room."""
    return tab.keyed_row(
        load_i64(state + lay.SIDES), load_i64(state + lay.SIDE_MASK), lay.SIDE_BYTES,
        (number << 16 | owner) + 1, state + lay.SIDE_USED,
    )  # fmt: skip


@kernel
def judge(state: int, cell: int, row: int, tally: int, who: int) -> None:
    """Enough taken ahead, enough of it turned round; of others than the broker only what is at a
    gain and far out of their common."""
    ahead, turned = load_i64(tally + lay.S_AHEAD), load_i64(tally + lay.S_TURNED)
    if ahead * 100 < tab.parameter(state, PERCENT) * load_i64(row + lay.T_LOTS):
        return
    if turned * 100 < tab.parameter(state, TURNED) * ahead:
        return
    paid = load_i64(tally + lay.S_AHEAD_VALUE) / ahead
    got = load_i64(tally + lay.S_TURNED_VALUE) / turned
    apart = got - paid if load_i64(row + lay.T_SIDE) == 1 else paid - got
    owner = load_i64(cell + lay.C_OWNER)
    detector = FRONT
    if owner != tab.owner_of(state, load_i64(row + lay.T_BROKER)):
        detector = INSIDER
        if apart <= 0.0:
            return
        windows = min(load_i64(cell + lay.V_COUNT), lay.VOLUMES)
        total = 0
        for slot in range(windows):
            total += load_i64(cell + lay.V_RING + 8 * slot)
        if windows == 0 or ahead * windows < tab.parameter(state, TIMES) * total:
            return
    store_i64(tally + lay.S_TOLD, 1)
    instrument = load_i64(cell + lay.C_INSTRUMENT)
    first_ns, first = load_i64(tally + lay.S_FIRST_NS), load_i64(tally + lay.S_FIRST_SEQ)
    hit = tab.tell(state, detector, instrument, 80 if detector == FRONT else 50, first_ns, first)
    tab.add_member(hit, who)
    gain = int(apart * 2 * min(turned, 1 << 31))
    tab.measures(hit, ahead, 0, gain, 1)
    tab.evidence(hit, 0, first)
    tab.evidence(hit, 1, load_i64(row + lay.T_ENTERED_SEQ))
    tab.evidence(hit, 2, load_i64(state + lay.CAUSE))
