"""Publication from core to gateway: kills, halts, price bands and rules of instruments that have
changed, so that the gateway rejects early what the core would reject, and nothing else.

The core counts its changes (``risk.layout.PUBLICATION``).  The gateway reads that word before each
burst.  When it has changed, the gateway takes the changes into its rules, or with RTL into its
registers.  So a publication counts from a sequence number on, for the golden model, C and RTL
alike: either all orders of a burst are judged with it, or none.  The verdict is in the record and
in the journal, so a replay does not depend on when exactly the gateway saw a change.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.risk.layout as lay
from openoutcry.gateway_fpga import Settings, golden
from openoutcry.gateway_fpga.call import call_set
from openoutcry.gateway_fpga.golden import GatewayRules, RuleLimits, RuleRow
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.gateway_fpga.settings import (
    NO_COLLAR_HIGH,
    PARTICIPANTS,
    Limits,
    symbol_word,
)
from openoutcry.risk import totals
from openoutcry.risk.instrument_state import HALTS
from openoutcry.risk.layout import RiskInstrument, RiskState
from openoutcry.runtime.work import Work
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Layout, Words, i64
from openoutcry.wire.memory import (
    copy64,
    load_i64,
    mul_wrapping,
    store_i64,
)
from openoutcry.wire.record_blocks import InstrumentRecord
from openoutcry.wire.records import TICK_BANDS
from openoutcry.wire.registers import (
    ADDRESS,
    COLLAR_ONE,
    CONTROL_ARMED,
    CONTROL_CHECK_PARTICIPANTS,
    PRICE_FIVES_MAX,
    ROW_FIELDS,
    ROW_WORDS,
    WORD_BYTES,
)
from openoutcry.wire.rule_changes import BANDS, RulesBlock, row_in


class PublishedBlock(Layout):
    """Arguments of :func:`pull_risk_flags`."""

    region: int = i64("address of the risk state")
    rules: int = i64("address of the gateway's rules")
    seen: int = i64("publication that was taken last")
    features: int = i64("the rules' own features")
    set: int = i64("address of the RTL's ``set_function``, 0: the golden model validates")
    handle: int = i64("its handle")
    checking: int = i64("1: its registers say that participants are checked")
    people: int = i64("1: participants are published, too")
    rules_seen: int = i64("changes of rules that were taken, see ``rule_changes``")
    rows: int = i64("of each instrument a :class:`PublishedRow`")


ROWS = PublishedBlock.offset("rows")


class PublishedRow(Layout):
    """A row of an instrument."""

    row: int = i64("address of its row in the rules")
    limits: int = i64("address of its limits in the rules")
    own: int = i64("what of them is the settings' own: HALTED_FLAG, COLLAR_FLAG")
    index: int = i64("its place in the RTL's table")
    image: int = i64("its bits in that table")


IMAGE = PublishedRow.offset("image")

ROW_BLOCK_BYTES = IMAGE + 8 * ROW_WORDS
HALTED_FLAG, COLLAR_FLAG = 1, 2

_LOW = {field.name: field.low for field in ROW_FIELDS}
assert [_LOW[name] for name in ("collar_low", "collar_high", "notional_limit")] == [256, 336, 416]
assert [_LOW[name] for name in ("by_side", "halted")] == [574, 575]
assert [_LOW[name] for name in ("max_price_ticks", "min_qty_lots", "max_qty_lots")] == [
    64,
    128,
    192,
]
_STEPS = "price_twos", "price_fives", "qty_twos", "qty_fives"
assert [_LOW[name] for name in _STEPS] == [544, 552, 560, 568]
STEP_BITS = 0x3FFFFFFF << 32
"""Of the image's last word: those of the steps."""
NO_HIGH_UPPER = NO_COLLAR_HIGH >> 64
CONTROL, SHADOW = ADDRESS["control"], ADDRESS["row_shadow"]
ROW_INDEX, ROW_SWAP = ADDRESS["row_index"], ADDRESS["row_swap"]
PARTICIPANT_SET = ADDRESS["participant_set"]
ARMED, CHECKS = 1 << CONTROL_ARMED, 1 << CONTROL_CHECK_PARTICIPANTS
LOW_16, LOW_32 = 2**16 - 1, 2**32 - 1


def is_published(work: Work) -> bool:
    """Return whether the core publishes to this run's gateway.  Not with a preloaded input,
    which gives the same events whenever its stages ran, and not without a journal, as verdicts
    could not be rebuilt."""
    preloaded = any(one.count for one in work.shared.preloaded.values())
    if work.shared.region is None or preloaded or work.journal is None:
        return False
    return (work.core.hooks or {}).get("name") == "risk"


def publishes_people(work: Work) -> bool:
    """Return whether the core also publishes who is killed.  Not where the settings name the
    participants, nor beyond PARTICIPANTS, which have no bit."""
    if not is_published(work) or work.settings.check_participants:
        return False
    assert work.core.hooks is not None
    return int(work.core.hooks["participants"]) <= PARTICIPANTS


def with_all_participants(settings: Settings) -> Settings:
    """Bits in force once the core has killed a participant."""
    return replace(settings, participants_on=frozenset(range(PARTICIPANTS)))


def publication_of(
    work: Work, rules: npt.NDArray[np.int64], rtl: "LiveGateway | None"
) -> npt.NDArray[Any] | None:
    """The block of a run whose core publishes to the gateway, or None.  ``rules`` and ``rtl`` were
    made with :func:`with_all_participants` if it publishes people."""
    if not is_published(work):
        return None
    assert work.shared.region is not None
    header = work.shared.region.view(np.int64)[: lay.HEADER_BYTES // 8]
    symbols = work.instruments["symbol"].tolist()
    people = publishes_people(work)
    return publication_block(header.ctypes.data, rules, symbols, work.settings, rtl, people)


def publication_block(
    region: int,
    rules: npt.NDArray[np.int64],
    symbols: list[bytes],
    settings: Settings,
    rtl: LiveGateway | None,
    people: bool = True,
) -> npt.NDArray[np.int64]:
    """The block of the risk state at ``region``, whose instruments are these, in its order."""
    address = rules.ctypes.data
    registers = (rtl.set_function, rtl.handle) if rtl is not None else (0, 0)
    words = [region, address, -1, int(rules[golden.FEATURES_AT // 8]), *registers, 0]
    words += [int(people), -1]
    for symbol in symbols:
        word = int(np.uint64(symbol_word(symbol)).astype(np.int64))
        row = int(golden.find_row(word, GatewayRules.of(address)))
        chosen = settings.limits.get(symbol, Limits())
        own = HALTED_FLAG * chosen.halted
        own |= COLLAR_FLAG * (chosen.collar_bps != 0 or chosen.banded)
        index, image = rtl.driver.place_of(symbol) if rtl is not None else (0, 0)
        words += [row, row + int(rules[golden.LIMITS_AT // 8]), own, index]
        words += np.frombuffer(image.to_bytes(8 * ROW_WORDS, "little"), np.int64).tolist()
    return np.array(words, np.int64)


@kernel
def pull_risk_flags(block: PublishedBlock) -> int:
    """Bring the gateway to what the core has published; returns 1 if that was anything new."""
    region = RiskState(block.region)
    # A core that is not there yet (its process has not begun) has no participants.
    if region.magic != lay.MAGIC:
        return 0
    published = region.shared_publication
    if published == block.seen:
        return 0
    block.seen = published
    features = block.features
    if block.people != 0:
        features |= take_participants(block, region)
    table = RulesBlock(region + region.rules_at if region.rules_at != 0 else 0)
    if table != 0:
        if table.changes == block.rules_seen:
            table = RulesBlock(0)
        else:
            block.rules_seen = table.changes
    for instrument in range(region.instruments):
        row = PublishedRow(block + ROWS + instrument * ROW_BLOCK_BYTES)
        is_new = False
        if table != 0:
            now = row_in(table, instrument)
            if now.symbol != RuleRow(row.row).symbol:
                take_symbol(GatewayRules(block.rules), row, now.symbol)
            is_new = take_rules(row, now)
        features |= take_instrument(block, row, totals.instrument_row(region, instrument), is_new)
    GatewayRules(block.rules).features = features
    checking = (features & golden.CHECKS_PARTICIPANTS) // golden.CHECKS_PARTICIPANTS
    if block.set != 0 and checking != block.checking:
        set_register(block, CONTROL, ARMED | CHECKS * checking)
        block.checking = checking
    return 1


@kernel
def take_participants(block: PublishedBlock, region: RiskState) -> int:
    """The participants' bits; returns the feature that asks for them, 0 if none is killed.  As in
    the registers, a bit that changes fills the participant's bucket."""
    rules = GatewayRules(block.rules)
    people = rules + rules.people_at
    market = region.market_kill != 0
    anybody = 0
    for participant in range(PARTICIPANTS):
        killed = market and participant != 0
        if participant < region.participants:
            row = totals.participant_row(region, participant)
            group = totals.group_row(region, row.group)
            flags = row.flags & lay.KILLED_FLAGS
            stopped = flags != 0 or group.kill != 0
            # Only the core refuses a participant under liquidation: the parts come under its
            # number.
            killed = killed or (stopped and flags & lay.KILLED_BY_MARGIN == 0)
        if killed:
            anybody = golden.CHECKS_PARTICIPANTS
        if killed == (Words(people)[participant] < 0):
            Words(people)[participant] = 0 if killed else golden.SIGN
            if block.set != 0:
                set_register(block, PARTICIPANT_SET, participant | (0 if killed else 1 << 31))
    return anybody


@kernel
def take_instrument(
    block: PublishedBlock, row: PublishedRow, state: RiskInstrument, is_new: bool
) -> int:
    """Take an instrument's halt and bands from its row in the risk state; returns the feature that
    they need, or 0 without any.  ``is_new``: other words of its row have changed already."""
    rules, limits, own = RuleRow(row.row), row.limits, row.own
    # Of its state (expired, suspended, delisted) the core says so, by other words.
    halts = state.halt & HALTS
    halted = 1 if halts != 0 or own & HALTED_FLAG != 0 else 0
    changed = is_new or halted != rules.is_halted
    rules.is_halted = halted
    banded = 0
    if own & COLLAR_FLAG == 0:
        banded = 1 if state.banded != 0 else 0
        changed |= take_bands(limits, state, banded)
    if changed and block.set != 0:
        set_row(block, row)
    return golden.HAS_LIMITS if halted | banded != 0 else 0


@kernel
def take_symbol(rules: GatewayRules, row: PublishedRow, symbol: int) -> None:
    """Give an instrument its row under the symbol that it has got.  Under its slot's own symbol
    nothing is let in from here on."""
    before, now = RuleRow(row.row), golden.find_row(symbol, rules)
    copy64(now, before)
    copy64(now + rules.limits_at, row.limits)
    before.is_halted = 1
    now.symbol = symbol
    row.row = now
    row.limits = now + rules.limits_at


@kernel
def take_rules(row: PublishedRow, now: InstrumentRecord) -> bool:
    """Take an instrument's rules into the gateway's, and into the image of its row; returns whether
    they are others than before."""
    rules, image = RuleRow(row.row), row + IMAGE
    price, qty = checked_step(now), now.qty_step_lots
    price_twos, qty_twos = twos_of(price), twos_of(qty)
    price_fives, qty_fives = fives_of(price), fives_of(qty)
    changed = rules.max_price != now.max_price_ticks
    changed |= rules.min_qty != now.min_qty_lots or rules.max_qty != now.max_qty_lots
    changed |= rules.price_twos != (1 << price_twos) - 1 or rules.qty_twos != (1 << qty_twos) - 1
    changed |= rules.price_fives != price_fives or rules.qty_fives != qty_fives
    if not changed:
        return False
    rules.max_price, rules.min_qty, rules.max_qty = (
        now.max_price_ticks,
        now.min_qty_lots,
        now.max_qty_lots,
    )
    rules.price_twos, rules.qty_twos = (1 << price_twos) - 1, (1 << qty_twos) - 1
    rules.price_fives, rules.qty_fives = price_fives, qty_fives
    Words(image)[1] = now.max_price_ticks
    Words(image)[2] = now.min_qty_lots
    Words(image)[3] = now.max_qty_lots
    steps = price_twos << 32 | price_fives << 40 | qty_twos << 48 | qty_fives << 56
    Words(image)[8] = Words(image)[8] & ~STEP_BITS | steps
    return True


@kernel
def checked_step(now: InstrumentRecord) -> int:
    """Like ``settings.checked_price_step``."""
    common = now.price_step_ticks
    for band in range(TICK_BANDS):
        at = now + BANDS + 16 * band
        step = Words(at)[1]
        if step == 0:
            break
        if Words(at)[0] <= 1:
            common = step  # nothing positive lies below this band
        while step != 0:
            common, step = step, common % step
    return common


@kernel
def twos_of(step: int) -> int:
    """Return how many factors of two a step has."""
    count = 0
    while (step >> count) & 1 == 0:
        count += 1
    return count


@kernel
def fives_of(step: int) -> int:
    """Return how many factors of five a step has, as many as are checked."""
    count = 0
    while count < PRICE_FIVES_MAX and step % 5 == 0:
        step //= 5
        count += 1
    return count


@kernel
def take_bands(limits: int, state: RiskInstrument, banded: int) -> bool:
    """Into the rules' limits; whether they are others than before.  What passes the gateway has a
    price above 0: a band below that lets nothing through."""
    low_upper, low, high_upper, high = 0, 0, NO_HIGH_UPPER, -1
    if banded != 0:
        sells, buys = (
            max(state.band_low, 0),
            max(state.band_high, 0),
        )
        low_upper, low = golden.product_high(sells, COLLAR_ONE), mul_wrapping(sells, COLLAR_ONE)
        high_upper, high = golden.product_high(buys, COLLAR_ONE), mul_wrapping(buys, COLLAR_ONE)
    changed = replaced(limits + golden.BY_SIDE_AT, banded)
    changed |= replaced(limits + golden.COLLAR_LOW_AT, low_upper)
    changed |= replaced(limits + golden.COLLAR_LOW_AT + 8, low)
    changed |= replaced(limits + golden.COLLAR_HIGH_AT, high_upper)
    changed |= replaced(limits + golden.COLLAR_HIGH_AT + 8, high)
    return changed


@kernel
def replaced(at: int, word: int) -> bool:
    """Store a word; returns whether it has changed. ``at``: its address."""
    before: int = load_i64(at)
    store_i64(at, word)
    return before != word


@kernel
def set_row(block: PublishedBlock, row: PublishedRow) -> None:
    """The instrument's row as the rules have it into the RTL's table, all at once."""
    rules, limits, image = RuleRow(row.row), RuleLimits(row.limits), row + IMAGE
    low, high = (
        Words(limits + golden.COLLAR_LOW_AT)[1],
        Words(limits + golden.COLLAR_HIGH_AT)[1],
    )
    low_upper, high_upper = (
        load_i64(limits + golden.COLLAR_LOW_AT),
        load_i64(limits + golden.COLLAR_HIGH_AT),
    )
    Words(image)[4] = low
    Words(image)[5] = low_upper & LOW_16 | high << 16
    ends = (high >> 48) & LOW_16 | (high_upper & LOW_16) << 16
    Words(image)[6] = Words(image)[6] & ~LOW_32 | ends
    bits = rules.is_halted << 1 | limits.by_side
    Words(image)[8] = Words(image)[8] & (1 << 62) - 1 | bits << 62
    for word in range(2 * ROW_WORDS):
        value = Words(image)[word // 2] >> 32 * (word & 1) & LOW_32
        set_register(block, SHADOW + WORD_BYTES * word, value)
    set_register(block, ROW_INDEX, row.index)
    set_register(block, ROW_SWAP, 1)


@kernel
def set_register(block: PublishedBlock, address: int, value: int) -> None:
    """Write a register of the gateway."""
    call_set(block.set, block.handle, address, value)
