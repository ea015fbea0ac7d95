"""INSTRUMENT_STATE: an instrument is listed, suspended, takes only what makes positions smaller,
trades again, or is delisted.

The state is bits of the instrument's ``halt``, next to those of halts and pauses, so an order that
nothing stops is checked by that one word.  ``wire/instrument_states.py`` has the states and what
may follow each.
"""

import openoutcry.risk.constants as constants
from openoutcry.risk import totals
from openoutcry.risk.contract_layout import (
    EXPIRED_HALT,
    LIVE,
    MAX_PRICE,
    PAUSED_HALT,
    UNLISTED_HALT,
)
from openoutcry.risk.contracts import (
    amounts,
    can_be,
    contract_of,
    is_option,
    judge_all,
    pay_all,
    put,
)
from openoutcry.risk.layout import (
    CLOSE_ONLY_HALT,
    DELISTED_HALT,
    PRE_OPEN_HALT,
    SUSPENDED_HALT,
    RiskCell,
    RiskInstrument,
    RiskState,
)
from openoutcry.risk.protection_layout import OPERATORS_HALT, PROTECTIONS_HALT
from openoutcry.risk.spot import base_wallet, rules_of
from openoutcry.wire import enum_numbers
from openoutcry.wire.instrument_states import NEXT_BITS, InstrumentState
from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.memory import not_inlined
from openoutcry.wire.record_blocks import OrderRecord
from openoutcry.wire.records import ORDER
from openoutcry.wire.rule_changes import is_slot

BITS = {
    InstrumentState.DELISTED: DELISTED_HALT,
    InstrumentState.EXPIRED: EXPIRED_HALT,
    InstrumentState.ANNOUNCED: UNLISTED_HALT,
    InstrumentState.SUSPENDED: SUSPENDED_HALT,
    InstrumentState.CLOSE_ONLY: CLOSE_ONLY_HALT,
    InstrumentState.PRE_OPEN: PRE_OPEN_HALT,
}
"""Bit of each state but TRADING, which has none; of several that are set the first counts."""
OF_OPERATOR = SUSPENDED_HALT | CLOSE_ONLY_HALT | DELISTED_HALT | PRE_OPEN_HALT
STOPS_TRADING = (
    OPERATORS_HALT
    | PROTECTIONS_HALT
    | EXPIRED_HALT
    | PAUSED_HALT
    | UNLISTED_HALT
    | SUSPENDED_HALT
    | DELISTED_HALT
)
"""With one of these nothing trades in the instrument."""
HALTS = OPERATORS_HALT | PROTECTIONS_HALT | PAUSED_HALT | UNLISTED_HALT
"""With one of these an order is refused by HALTED, at the gateway already.  The core refuses those
of a state with checks of their own."""
NOT_MARKED = EXPIRED_HALT | UNLISTED_HALT | DELISTED_HALT
"""A contract with one of these follows no index."""
WITH_PRICE = 1
"""``qty_lots`` of an INSTRUMENT_STATE that settles the positions of a contract."""
ANNOUNCED, PRE_OPEN, TRADING, SUSPENDED = (
    enum_numbers.INSTRUMENT_STATE_ANNOUNCED,
    enum_numbers.INSTRUMENT_STATE_PRE_OPEN,
    enum_numbers.INSTRUMENT_STATE_TRADING,
    enum_numbers.INSTRUMENT_STATE_SUSPENDED,
)
CLOSE_ONLY, EXPIRED, DELISTED = (
    enum_numbers.INSTRUMENT_STATE_CLOSE_ONLY,
    enum_numbers.INSTRUMENT_STATE_EXPIRED,
    enum_numbers.INSTRUMENT_STATE_DELISTED,
)
BUY, SEQ = enum_numbers.SIDE_BUY, ORDER.offsets["seq"]


def state_in(halt: int) -> InstrumentState:
    """Return the state that the bits of a ``halt`` say."""
    found = (state for state, bit in BITS.items() if halt & bit)
    return next(found, InstrumentState.TRADING)


@kernel
def state_of(halt: int) -> int:
    """The same for kernels, as the state's number."""
    if halt & DELISTED_HALT != 0:
        return DELISTED
    if halt & EXPIRED_HALT != 0:
        return EXPIRED
    if halt & UNLISTED_HALT != 0:
        return ANNOUNCED
    if halt & SUSPENDED_HALT != 0:
        return SUSPENDED
    if halt & CLOSE_ONLY_HALT != 0:
        return CLOSE_ONLY
    return PRE_OPEN if halt & PRE_OPEN_HALT != 0 else TRADING


@kernel_outlined
def enter_state(state: RiskState, order: OrderRecord, instrument: int) -> bool:
    """Apply INSTRUMENT_STATE; False, and nothing changed, if the state at hand does not lead there,
    or positions are in the way."""
    not_inlined()
    wanted = order.aux
    if instrument < 0 or wanted < 0 or wanted > DELISTED:
        return False
    rules = totals.instrument_row(state, instrument)
    if (NEXT_BITS[state_of(rules.halt)] >> wanted) & 1 == 0:
        return False
    if rules.spot_at != 0 and rules.halt & UNLISTED_HALT != 0 and is_slot(order.symbol):
        return False  # it has no symbol yet
    terms, price = order.qty_lots, order.price_ticks
    if wanted == PRE_OPEN and rules.contract_at != 0:
        return False  # CONTRACT_LIST lists it, at its first mark
    if wanted != DELISTED:
        if terms | price != 0:
            return False
    elif terms & WITH_PRICE != 0:
        if not settle_positions(state, rules, instrument, terms >> 1, price, order + SEQ):
            return False
    elif terms | price != 0 or has_positions(state, rules, instrument):
        return False
    leaves = OF_OPERATOR | UNLISTED_HALT if wanted == PRE_OPEN else OF_OPERATOR
    rules.halt = rules.halt & ~leaves | bit_of(wanted)
    totals.publish(state)
    return True


@kernel
def bit_of(wanted: int) -> int:
    """Return the bit of a state that the operator's command enters; 0 of TRADING."""
    if wanted == SUSPENDED:
        return SUSPENDED_HALT
    if wanted == CLOSE_ONLY:
        return CLOSE_ONLY_HALT
    if wanted == PRE_OPEN:
        return PRE_OPEN_HALT
    return DELISTED_HALT if wanted == DELISTED else 0


@kernel
def cancel_reason(wanted: int) -> int:
    """Return the Reason for which every open order is cancelled as a state begins; 0: none is."""
    if wanted == CLOSE_ONLY:
        return enum_numbers.REASON_CLOSE_ONLY
    return enum_numbers.REASON_DELISTED if wanted == DELISTED else 0


@kernel
def has_positions(state: RiskState, rules: RiskInstrument, instrument: int) -> bool:
    """Return whether a participant holds lots of it.  What is paid from wallets has no positions:
    its holders have the asset."""
    if rules.spot_at != 0:
        return False
    for participant in range(state.participants):
        if totals.cell_of(state, participant, instrument).position != 0:
            return True
    return False


@kernel
def settle_positions(
    state: RiskState, rules: RiskInstrument, instrument: int, count: int, price: int, seq_at: int
) -> bool:
    """Settle every position of a contract for good at a price, as at its expiry; False, and nothing
    changed, if that makes no sense or a total would pass 2**62.  Its open orders are cancelled
    within the same command."""
    if rules.contract_at == 0:
        return False
    contract = contract_of(state, rules)
    if contract.state != LIVE or contract.adjustments != count or contract.staged != 0:
        return False
    is_price = 0 <= price <= MAX_PRICE if is_option(contract) else can_be(contract, price)
    if not is_price:
        return False
    expire = constants.SET_CONTRACT_EXPIRE
    paid, gain, _ = amounts(rules, contract, expire, price)
    if not pay_all(state, instrument, paid, gain, seq_at, False):
        return False
    put(state, rules, contract, expire, price, 0, seq_at)
    judge_all(state, seq_at)
    return True


@kernel
def is_opening(
    state: RiskState,
    rules: RiskInstrument,
    cell: RiskCell,
    participant: int,
    side: int,
    new_lots: int,
    more_needed: int,
) -> bool:
    """Return whether an order would leave more than a smaller position or holding.  ``new_lots``:
    lots open on its side with it; ``more_needed``: what more it needs in its wallet.

    It counts with all open orders of its side: if all trade, the position is not past 0.  A sale
    of spot is of what is available, without credit; a buy only brings a wallet back that is below
    0.  A replace that makes an order smaller is no opening."""
    lots = cell.buy_lots if side == BUY else cell.sell_lots
    if rules.spot_at == 0:
        held = -cell.position if side == BUY else cell.position
        return new_lots > max(held, lots)
    spot = rules_of(state, rules)
    wallet = base_wallet(state, spot, participant)
    if side != BUY:
        return more_needed > max(wallet.available, 0)
    owed = -(wallet.available + wallet.reserved)
    return new_lots > lots and new_lots > owed // spot.lot_units
