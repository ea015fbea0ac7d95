"""Contracts under hostile commands, with a look at every balance and margin after each of them: no
unit is made or lost, no participant past its margin is left alone, and none is liquidated that had
enough."""

import numpy as np

import openoutcry.risk.layout as lay
from openoutcry.derivatives.margin import parameters_of
from openoutcry.derivatives.margin_kernels import held_now, margin_now, worst_margin
from openoutcry.derivatives.margin_layout import MarginWork, work_of
from openoutcry.flow.mixed import START_TICKS, MixedFlow
from openoutcry.matcher import process_batch
from openoutcry.matcher.rules import Rules
from openoutcry.risk import bits, constants, totals
from openoutcry.risk.after import after
from openoutcry.risk.before import APPLIED, before
from openoutcry.risk.bits import NO_LIMIT, Setting
from openoutcry.risk.collateral import (
    collateral_of,
    collateral_row,
    follow_pledges,
    pledges_of,
)
from openoutcry.risk.contract_layout import LIVE, STAGED
from openoutcry.risk.contracts import contract_of, is_option, lot_value, margined_lots
from openoutcry.risk.layout import RiskState
from openoutcry.risk.portfolio import portfolio_of, table_of
from openoutcry.risk.portfolio import work_of as kept_work_of
from openoutcry.risk.region import at_once, setting
from openoutcry.risk.spot import block_of, conserved, wallet_in
from openoutcry.venue.liquidation import next_part
from openoutcry.venue.liquidation_table import LiquidationSpec
from openoutcry.venue.waterfall import fee_due, step_due
from openoutcry.wire import enum_numbers
from openoutcry.wire.enums import CommandKind, OrderType, Side, TimeInForce
from openoutcry.wire.indirect import call_batch_kernel, kernel_address
from openoutcry.wire.kernel import kernel
from openoutcry.wire.layout import Words
from openoutcry.wire.record_blocks import EventRecord, OrderRecord
from openoutcry.wire.records import RECORD_BYTES
from openoutcry.wire.wide import half_even
from tests.oracles.risk.contracts import PRICED
from tests.support.risk.collateral import (
    COLLATERAL,
    PLEDGED,
    collateral_given,
    pledge,
    seizure,
)
from tests.support.risk.contracts import (
    CONTRACTS,
    EXPIRY_NS,
    FEE_BPS,
    FUND,
    LEVERAGED,
    MULTIPLIERS,
    OTHERS,
    PERPETUALS,
    adjustment,
    contract_instruments,
)
from tests.support.risk.portfolio import portfolio_given
from tests.support.risk.risk_core import PARTICIPANTS
from tests.support.risk.risk_loop import Loop
from tests.support.risk.risk_reference import operator_command
from tests.support.risk.spot import in_asset

EVERY, AMONG, CHUNK = 16, 4_096, 512
"""A command of the operator among so many, drawn from so many; commands from one look of the
liquidation to the next."""
THOROUGH = 64
"""After each so many commands every margin is made from nothing."""
STEPS = 24
"""Of a liquidation, at most, before the next chunk."""
RULES = {
    1: "a unit was made or lost",
    2: "a contract is held long and short by different amounts",
    3: "equity is not the balance and the options at their marks",
    4: "below its margin, and not called, though a mark has come since it traded one of several",
    5: "called with enough",
    6: "liquidated with enough",
    7: "an order entered past the initial margin",
    8: "a margin is not what it is made from nothing",
    9: "a unit of an asset was made or lost, or more is pledged than reserved",
    10: "a setting is in force that was not applied, or one is not that was",
    11: "a batch was applied that is not whole, or two settings of one contract were staged",
}
PAID_IN, FEES, ACCEPTED, PARTS, COVERS, TAKEOVERS, SEIZURES, REFUSED, CALLED, BATCHES = range(10)
"""Words of what is counted."""
MARK, DAY, PERIOD, ENDED, WHAT, VALUE, SECOND, ROW_WORDS = range(8)
"""Words of what is noted of a contract: what is in force, and what is staged.  Of an asset that can
be pledged MARK and DAY are its price."""
PRICES = len(PLEDGED)
RATIOS = (1, 2), (1, 2), (2, 1), (1, 3), (3, 1), (2, 3), (3, 2)
"""Of adjustments; more often so that a lot is less."""
NEW, RISK = enum_numbers.COMMAND_KIND_NEW, bits.RISK_KIND
FILLED, ENTERED = enum_numbers.EVENT_KIND_FILLED, enum_numbers.EVENT_KIND_ACCEPTED


@kernel
def equity_of(state: RiskState, who: int) -> int:
    """Balance, and options at their marks."""
    total = totals.participant_row(state, who).balance
    for index in range(state.instruments):
        rules = totals.instrument_row(state, index)
        position = totals.cell_of(state, who, index).position
        if rules.contract_at != 0 and position != 0:
            contract = contract_of(state, rules)
            if is_option(contract):
                total += position * lot_value(contract, contract.mark)
    return total


@kernel
def maintenance_of(state: RiskState, who: int, scratch: int, rows: int) -> int:
    """Scenario margin of the positions, made from nothing; 0 without."""
    block = portfolio_of(state)
    if block == 0:
        return 0
    held, table = 0, table_of(state, block)
    for index in range(state.instruments):
        scenario = totals.instrument_row(state, index).scenario
        position = totals.cell_of(state, who, index).position
        if scenario != 0 and position != 0:
            Words(rows)[2 * held] = scenario - 1
            Words(rows)[2 * held + 1] = position
            held += 1
    worst_margin(table, Words(rows), held, Words(rows), 0, MarginWork(scratch))
    follow_pledges(table, MarginWork(scratch), pledges_of(kept_work_of(state, block, who)))
    return held_now(table, MarginWork(scratch))


@kernel
def has_too_little(state: RiskState, who: int, portfolio: int) -> bool:
    """Whether it is below its maintenance margin, of which ``portfolio`` is by scenarios."""
    row = totals.participant_row(state, who)
    if row.maintenance_bps == 0 or row.credit == NO_LIMIT:
        return False
    margined = 0
    for index in range(state.instruments):
        rules = totals.instrument_row(state, index)
        position = totals.cell_of(state, who, index).position
        margined += margined_lots(rules, position) * rules.margin
    left = equity_of(state, who) + row.credit - portfolio
    # Rounded against the participant, as a product and not a quotient; both are far from 2**63.
    return (
        margined // 10_000 * row.maintenance_bps
        + (margined % 10_000 * row.maintenance_bps + 9_999) // 10_000
        > left
    )


@kernel
def needed_of(state: RiskState, who: int) -> int:
    """What a participant's positions and orders need, initially."""
    row, block = totals.participant_row(state, who), portfolio_of(state)
    if block == 0:
        return row.reserved
    work = kept_work_of(state, block, who)
    return row.reserved - work.premiums + margin_now(table_of(state, block), work)


@kernel
def available_to(state: RiskState, who: int) -> int:
    """What that is compared with."""
    row = totals.participant_row(state, who)
    has = row.balance if portfolio_of(state) == 0 else equity_of(state, who)
    return has + row.credit + collateral_of(state, who)


@kernel
def pledges_fit(state: RiskState, who: int) -> bool:
    """Whether what is pledged is reserved in wallets."""
    portfolio, spot = portfolio_of(state), block_of(state)
    if portfolio == 0 or spot == 0:
        return True
    table, work = table_of(state, portfolio), kept_work_of(state, portfolio, who)
    for number in range(table.collaterals):
        asset, amount = collateral_row(table, number).asset, pledges_of(work)[number]
        if amount < 0 or amount > wallet_in(state, spot, asset, who).reserved:
            return False
    return True


@kernel
def follow_waiting(
    state: RiskState, order: OrderRecord, is_applied: bool, out: int, events: int, waits: int
) -> None:
    """Who trades and also holds something else may wait for the next mark, which judges all."""
    what, is_staged = order.order_type, order.time_in_force == STAGED
    is_mark = constants.SET_CONTRACT_MARK <= what <= constants.SET_CONTRACT_EXPIRE and not is_staged
    is_mark = is_mark or (what == constants.SET_CONTRACT_APPLY and order.aux != 0)
    for who in range(state.participants):
        if is_applied and is_mark:
            Words(waits)[who] = 0
    for place in range(events):
        event = EventRecord(out + place * RECORD_BYTES)
        if event.kind == FILLED:
            for index in range(state.instruments):
                lots = totals.cell_of(state, event.participant, index).position
                if index != event.instrument and lots != 0:
                    Words(waits)[event.participant] = 1


@kernel
def looked_at(
    state: RiskState,
    counts: int,
    called: int,
    waits: int,
    scratch: int,
    rows: int,
    is_thorough: bool,
) -> int:
    """Number of the first rule that is broken; 0: none is."""
    total = 0
    for who in range(state.participants):
        row = totals.participant_row(state, who)
        total += row.balance
        if row.funded + row.profit != equity_of(state, who):
            return 3
        if is_thorough:
            made = maintenance_of(state, who, scratch, rows) - collateral_of(state, who)
            if made != row.portfolio:
                return 8
            if not pledges_fit(state, who):
                return 9
        too_little = has_too_little(state, who, row.portfolio)
        is_called = row.flags & lay.KILLED_BY_MARGIN != 0
        if too_little and not is_called and who != FUND and Words(waits)[who] == 0:
            return 4  # what the fund pays does not call it
        if is_called and Words(called)[who] == 0:
            Words(counts)[CALLED] += 1
            if not too_little:
                return 5
        Words(called)[who] = 1 if is_called else 0
    if total != Words(counts)[PAID_IN] - Words(counts)[FEES]:
        return 1
    if is_thorough and conserved(state) == 0:
        return 9
    for index in range(state.instruments):
        lots = 0
        for who in range(state.participants):
            lots += totals.cell_of(state, who, index).position
        if lots != 0:
            return 2
    return 0


@kernel
def is_as_noted(state: RiskState, noted: int) -> bool:
    """Whether what is in force of contracts and of collateral's prices is what commands said."""
    for index in range(state.instruments):
        rules = totals.instrument_row(state, index)
        if rules.contract_at != 0:
            own, contract = Words(noted + index * ROW_WORDS * 8), contract_of(state, rules)
            if own[MARK] != contract.mark or own[DAY] != contract.day:
                return False
            if own[PERIOD] != contract.period or own[ENDED] != contract.state:
                return False
    block = portfolio_of(state)
    if block != 0:
        table = table_of(state, block)
        for number in range(table.collaterals):
            row = collateral_row(table, number)
            own = Words(noted + (state.instruments + number) * ROW_WORDS * 8)
            if own[MARK] != row.worth or own[DAY] != row.per:
                return False
    return True


@kernel
def put_noted(state: RiskState, place: int, own: Words, what: int, value: int, second: int) -> None:
    """Note that a setting is in force, of the instrument ``place``."""
    if what == constants.SET_COLLATERAL_PRICE:
        own[MARK] = value
        own[DAY] = second
    elif what == constants.SET_CONTRACT_ADJUST:
        if not is_option(contract_of(state, totals.instrument_row(state, place))):
            own[MARK] = half_even(own[MARK] * (value & 0xFFFFFFFF), value >> 32)
    elif what == constants.SET_CONTRACT_FUNDING:
        own[PERIOD] = second
    elif what == constants.SET_CONTRACT_EXPIRE:
        own[ENDED] = 1
    else:
        own[MARK] = value
        if what == constants.SET_CONTRACT_SETTLE:
            own[DAY] = second


@kernel
def follow_applied(state: RiskState, order: OrderRecord, noted: int) -> bool:
    """Note a setting that the core says it has applied; False: it had to be refused."""
    what, rows = order.order_type, state.instruments
    if what == constants.SET_CONTRACT_APPLY:
        staged = 0
        for index in range(rows + PRICES):
            staged += Words(noted + index * ROW_WORDS * 8)[WHAT] != 0
        for index in range(rows + PRICES):
            own = Words(noted + index * ROW_WORDS * 8)
            if own[WHAT] != 0 and order.aux != 0:
                put_noted(state, index, own, own[WHAT], own[VALUE], own[SECOND])
            own[WHAT] = 0
        return order.aux == 0 or order.aux == staged
    is_price = what == constants.SET_COLLATERAL_PRICE
    is_one = constants.SET_CONTRACT_MARK <= what <= constants.SET_CONTRACT_EXPIRE
    if not (is_price or is_one or what == constants.SET_CONTRACT_ADJUST):
        return True
    place = rows + order.qty_lots if is_price else totals.find_symbol(state, order.symbol)
    own = Words(noted + place * ROW_WORDS * 8)
    if order.time_in_force != STAGED:
        put_noted(state, place, own, what, order.aux, order.price_ticks)
        return True
    if own[WHAT] != 0:
        return False
    own[WHAT] = what
    own[VALUE] = order.aux
    own[SECOND] = order.price_ticks
    return True


@kernel
def run_contracts_looked_at(
    batch, arena, region, orders, count, out, capacity, counts, called, waits, scratch, rows, noted
):
    """Commands done, and the rule that the last one broke."""
    state = RiskState(region)
    for index in range(count):
        order = OrderRecord(orders + index * RECORD_BYTES)
        kind, what, who = order.kind, order.order_type, order.participant
        closes = kind == RISK and what in (
            constants.SET_LIQUIDATE,
            constants.SET_COVER,
            constants.SET_DELEVERAGE,
        )
        if closes:
            who = order.qty_lots & 0xFFFF
        known = 0 < who < state.participants
        had_too_little = (
            closes
            and known
            and has_too_little(
                state,
                who,
                maintenance_of(state, who, scratch, rows) - collateral_of(state, who),
            )
        )
        needed = needed_of(state, who) if kind == NEW and known else 0
        verdict, events = before(state, order), 0
        if verdict == 0:
            _, events = call_batch_kernel(batch, arena, order, 1, out, capacity)
        after(state, order, out, events)
        if verdict & 0xFF != 0:
            Words(counts)[REFUSED] += 1
        for place in range(events):
            event = EventRecord(out + place * RECORD_BYTES)
            if event.kind == FILLED:
                fee = totals.instrument_row(state, event.instrument).fee
                Words(counts)[FEES] += fee * event.qty_lots
        if verdict == APPLIED and what == constants.SET_DEPOSIT and order.price_ticks == 0:
            Words(counts)[PAID_IN] += order.aux
        if verdict == APPLIED and what == constants.SET_SEIZE:
            Words(counts)[SEIZURES] += 1
        if verdict == APPLIED and what == constants.SET_CONTRACT_APPLY:
            Words(counts)[BATCHES] += order.aux != 0
        if verdict == APPLIED and not follow_applied(state, order, noted):
            return index + 1, 11
        if kind == RISK and not is_as_noted(state, noted):
            return index + 1, 10
        if closes and verdict == APPLIED:
            Words(counts)[PARTS] += what == constants.SET_LIQUIDATE
            Words(counts)[COVERS] += what == constants.SET_COVER
            Words(counts)[TAKEOVERS] += what == constants.SET_DELEVERAGE
            if not had_too_little:
                return index + 1, 6
        rested = events == 1 and EventRecord(out).kind == ENTERED
        if kind == NEW and known and rested:
            Words(counts)[ACCEPTED] += 1
            is_limited = totals.participant_row(state, who).credit != NO_LIMIT
            if is_limited and needed_of(state, who) > max(available_to(state, who), needed):
                return index + 1, 7
        is_thorough = order.seq % THOROUGH == 0
        follow_waiting(state, order, verdict == APPLIED, out, events, waits)
        broken = looked_at(state, counts, called, waits, scratch, rows, is_thorough)
        if broken != 0:
            return index + 1, broken
    return count, 0


class HostileContracts:
    """One core with every kind of contract; each odd seed is under scenario margin, and every other
    of these has collateral."""

    def __init__(self, seed):
        self.rng, self.table = np.random.default_rng([seed, 56]), contract_instruments()
        self.symbols = self.table["symbol"].tolist()
        given = {"multipliers": MULTIPLIERS, "leveraged": LEVERAGED}
        given |= {"contracts": CONTRACTS, "fund": FUND}
        self.pledges = seed % 4 == 3
        if seed % 2:
            given = collateral_given(seed) if self.pledges else portfolio_given(seed)
        given["fee_bps"] = FEE_BPS * (seed % 3)
        self.loop = Loop(self.table, participants=PARTICIPANTS, groups=3, **given)
        self.view, self.rules = self.loop.view, [Rules(row) for row in self.table]
        self.spec = LiquidationSpec(mark_every_ms=1, every_ms=1, part_bps=2_500, band_bps=500)
        self.counts, self.called = np.zeros(10, np.int64), np.zeros(PARTICIPANTS, np.int64)
        self.waits = self.called.copy()
        """Participants that the next mark judges."""
        numbers = parameters_of(given["margin"]) if seed % 2 else None
        self.scratch = work_of(numbers) if numbers else np.zeros(1, np.int64)
        self.rows = np.zeros(2 * len(self.table), np.int64)
        self.noted = np.zeros((len(self.table) + len(PLEDGED), ROW_WORDS), np.int64)
        for index in CONTRACTS:
            self.noted[index, MARK] = self.view.contracts.of(index, "mark")
        if self.pledges:
            for row, one in enumerate(COLLATERAL):
                price = one.price.numerator, one.price.denominator
                self.noted[len(self.table) + row, [MARK, DAY]] = price
        self.seq, self.now_ns = 0, 0
        self.operators = self.of_the_operator()
        for who in range(PARTICIPANTS):
            self.fund(who)

    def fund(self, who):
        """A participant has something to lose, and is checked."""
        amount = int(self.rng.integers(10**7, 10**9))
        for what, value in (
            (Setting.DEPOSIT, amount),
            (Setting.CREDIT, int(self.rng.choice([0, 0, 10**6]))),
            (Setting.MAINTENANCE, int(self.rng.choice([5_000, 8_000, 10_000]))),
        ):
            self.send(setting(what, value, who))
        if self.pledges:
            for asset in PLEDGED:
                self.send(in_asset(Setting.DEPOSIT, 10**8, who, asset))

    def send(self, orders):
        orders["seq"] = np.arange(self.seq + 1, self.seq + 1 + len(orders))
        priced = (orders["kind"] == RISK) & np.isin(orders["order_type"], PRICED)
        for index in CONTRACTS if priced.any() else ():
            of_it = priced & (orders["symbol"] == self.symbols[index])
            count = self.view.contracts.of(index, "adjustments")
            orders["qty_lots"][of_it] = orders["qty_lots"][of_it] & 1 | count << 1
        self.seq += len(orders)
        taken, broken = run_contracts_looked_at(
            kernel_address(process_batch, 5),
            self.loop.engine.address,
            self.loop.region.ctypes.data,
            orders.ctypes.data,
            len(orders),
            self.loop.out.ctypes.data,
            len(self.loop.out),
            self.counts.ctypes.data,
            self.called.ctypes.data,
            self.waits.ctypes.data,
            self.scratch.ctypes.data,
            self.rows.ctypes.data,
            self.noted.ctypes.data,
        )
        assert broken == 0, (RULES[broken], self.seq - len(orders) + taken, orders[taken - 1])
        assert taken == len(orders)

    def of_the_operator(self):
        """Marks near and far, money in and out, funding, switches, and what makes no sense; each is
        one command, or a batch."""
        rng, rows = self.rng, []
        for _ in range(AMONG):
            if rng.random() < 0.15:
                rows.append(self.batch())
                continue
            index, who = int(rng.choice(list(CONTRACTS))), int(rng.integers(PARTICIPANTS))
            symbol, drawn = self.symbols[index], rng.random()
            if rng.random() < 0.02:
                rows.append(self.adjusted(symbol))
                continue
            if self.pledges and rng.random() < 0.4:
                rows.append(self.of_pledges(who))
            elif drawn < 0.5:
                what = Setting.CONTRACT_MARK if drawn < 0.45 else Setting.CONTRACT_SETTLE
                rows.append(setting(what, self.price(index), 0, symbol, 1))
            elif drawn < 0.6:
                rate = int(rng.integers(-(10**7), 10**7))
                symbol = self.symbols[int(rng.choice(PERPETUALS))]
                rows.append(setting(Setting.CONTRACT_FUNDING, rate, 0, symbol, 1))
            elif drawn < 0.85:
                amount = int(rng.integers(-(10**8), 10**8))
                rows.append(setting(Setting.DEPOSIT, amount, FUND if drawn < 0.65 else who))
            elif drawn < 0.9:
                rows.append(setting(Setting.FEE, int(rng.integers(20)), symbol=symbol))
            elif drawn < 0.93:
                rows.append(setting(Setting.CREDIT, int(rng.choice([0, 10**6, 10**8])), who))
            elif drawn < 0.95:
                share = int(rng.choice([5_000, 8_000, 10_000]))
                rows.append(setting(Setting.MAINTENANCE, share, who))
            elif drawn < 0.96:
                rows.append(setting(Setting.CONTRACT_EXPIRE, self.price(index), 0, symbol))
            else:  # for a participant that needs none, by figures that do not apply
                what = rng.choice([Setting.COVER, Setting.DELEVERAGE, Setting.LIQUIDATE])
                other = int(rng.integers(PARTICIPANTS)) << 16 if what == Setting.DELEVERAGE else 0
                lots = int(rng.integers(-100, 100))
                rows.append(setting(Setting(int(what)), lots, other | who, symbol, 7))
        return rows

    def batch(self):
        """What is in force at once: the marks of one look, settlement prices, funding, prices of
        collateral, expiries before their time; a third of it not whole, repeated or unknown."""
        rng = self.rng
        ones = [self.stageable(int(index)) for index in rng.permutation(list(CONTRACTS))]
        if self.pledges:
            for row in range(len(PLEDGED)):
                price = int(rng.integers(0, 10)), int(rng.integers(1, 50))
                ones.append(setting(Setting.COLLATERAL_PRICE, price[0], row, second=price[1]))
        ones = [ones[n] for n in rng.permutation(len(ones))[: int(rng.integers(2, 7))]]
        batch = at_once(ones, with_mark=bool(ones[0]["aux"][0] & 1))
        wrong = int(rng.integers(24))
        if wrong == 0:  # twice the same contract
            batch = at_once([*ones, ones[0]])
        elif wrong == 1:  # applied twice
            batch = np.concatenate([batch, batch[-1:]])
        elif wrong == 2:  # one is missing, or the drop of what was staged before, or the end
            batch = np.delete(batch, int(rng.choice([0, 1, len(batch) - 1])))
        elif wrong == 3:  # nothing was staged
            batch = batch[[0, -1]]
        elif wrong == 4:
            batch["aux"][-1] = int(rng.choice([len(ones) + 1, 1, -1, 2**63 - 1, -(2**63)]))
        elif wrong == 5:  # a contract or an asset that is not there, or is none
            batch["symbol"][1], batch["qty_lots"][1] = self.symbols[OTHERS[0]], 99
        elif wrong == 6:
            batch["aux"][1] = int(rng.choice([-(2**63), 2**63 - 1, 2**40 + 1]))
        elif wrong == 7:  # what cannot be staged is in force at once, or refused
            batch["order_type"][1] = int(rng.choice([Setting.CONTRACT_PAUSE, Setting.FEE]))
            batch["aux"][1] = 1
        return batch

    def adjusted(self, symbol):
        """An adjustment of a contract that is halted and has no orders; a fifth is not whole."""
        new, old = RATIOS[int(self.rng.integers(len(RATIOS)))]
        halt, resume = (setting(Setting.HALT, on, 0, symbol) for on in (1, 0))
        cancel = operator_command(CommandKind.MASS_CANCEL, symbol=symbol, aux=1)
        steps = [halt, cancel, adjustment(symbol, new, old), resume]
        missing = int(self.rng.integers(20))
        return np.concatenate([one for n, one in enumerate(steps) if n != missing])

    def stageable(self, index):
        rng, symbol, drawn = self.rng, self.symbols[index], self.rng.random()
        if drawn > 0.98:
            return adjustment(symbol, 2, 1)
        if drawn < 0.02:
            return setting(Setting.CONTRACT_EXPIRE, self.price(index), 0, symbol)
        if drawn < 0.2:
            rate = int(rng.integers(-(10**7), 10**7))
            what = Setting.CONTRACT_FUNDING if index in PERPETUALS else Setting.CONTRACT_SETTLE
            value = rate if index in PERPETUALS else self.price(index)
            return setting(what, value, 0, symbol, 1)
        return setting(Setting.CONTRACT_MARK, self.price(index), 0, symbol, 1)

    def of_pledges(self, who):
        """Pledges and releases, prices near and far, haircuts that make sense and that do not."""
        rng, drawn, row = self.rng, self.rng.random(), int(self.rng.integers(len(PLEDGED)))
        if drawn < 0.6:
            return pledge(who, PLEDGED[row], int(rng.integers(-(10**8), 10**8)))
        if drawn < 0.9:
            worth = int(rng.integers(0, 10))
            return setting(Setting.COLLATERAL_PRICE, worth, row, second=int(rng.integers(1, 50)))
        if drawn < 0.94:
            share, more = (int(rng.integers(10**6)) for _ in range(2))
            return setting(Setting.COLLATERAL_SHARE, share, row, second=more)
        if drawn < 0.98:
            return setting(Setting.MARGIN_APPLY, int(rng.integers(3)))
        return seizure(who, PLEDGED[row], int(rng.integers(100)), int(rng.integers(100)))

    def price(self, index):
        rng = self.rng
        if rng.random() < 0.02:
            return int(rng.choice([0, -5, 2**40 + 1, -(2**63), 2**63 - 1]))
        if index in (5, 6):
            return int(rng.integers(0, 30_000))
        far = 20_000 if rng.random() < 0.1 else 1_000
        return START_TICKS + int(rng.integers(-far, far))

    def run(self, count):
        """So many commands of the flow and what comes among and after them, to every contract's
        end."""
        gone = {self.symbols[index] for index in OTHERS}
        for chunk in MixedFlow(count, int(self.rng.integers(2**31))).chunks(1 << 13):
            who = chunk["participant"]
            chunk["participant"] = np.where(who > 0, 1 + who % (PARTICIPANTS - 1), 0)
            orders = chunk[~np.isin(chunk["symbol"], list(gone))]
            larger = (orders["kind"] == CommandKind.REPLACE) & (self.rng.random(len(orders)) < 0.5)
            orders["qty_lots"][larger] *= 8
            times = orders["aux"][orders["kind"] == CommandKind.TIME]
            self.now_ns = int(times.max(initial=self.now_ns))
            places = np.arange(0, len(orders), EVERY)
            drawn = [self.operators[n] for n in self.rng.integers(0, AMONG, len(places))]
            places, ones = np.repeat(places, list(map(len, drawn))), np.concatenate(drawn)
            of_day = ones["order_type"] == Setting.CONTRACT_SETTLE
            numbered = of_day | (ones["order_type"] == Setting.CONTRACT_FUNDING)
            ones["price_ticks"][numbered] = self.seq + np.arange(numbered.sum())
            orders = np.insert(orders, places, ones)
            for first in range(0, len(orders), CHUNK):
                self.send(orders[first : first + CHUNK].copy())
                self.liquidate()
        self.expire()

    def liquidate(self):
        """What the operator's lane does for those that are called; then they begin again."""
        flags = self.view.participants[:, lay.FLAGS // 8]
        killed = np.flatnonzero(flags & lay.KILLED_FLAGS).tolist()
        for who in killed:
            assert not int(flags[who]) & lay.KILLED_BY_ARITHMETIC
            self.send(operator_command(CommandKind.DISCONNECT, participant=who))
            for _ in range(STEPS):
                if not self.step(who):
                    break
            if not self.view.is_under(who):
                self.send(setting(Setting.KILL, 0, who))
                if self.view.equity(who) < 10**6:
                    self.fund(who)

    def step(self, who):
        """Whether there was one."""
        if not int(self.view.of(who, lay.FLAGS)) & lay.KILLED_BY_MARGIN:
            return False
        fee = fee_due(self.view)
        if fee is not None:
            self.send(fee[0])
            assert self.view.contracts.word("fee_due") == 0, fee
            return True
        due = step_due(self.view, who, self.names)
        if due is not None:
            record = due[0]
            if record["order_type"] == Setting.DELEVERAGE:
                record["time_in_force"] = 0  # its fills are the matcher's hook's
            done = self.counts[COVERS : SEIZURES + 1].sum()
            self.send(record)
            assert self.counts[COVERS : SEIZURES + 1].sum() == done + 1, due
            return True
        halts = self.view.instruments[:, lay.HALT // 8]
        tradable = [index for index in CONTRACTS if not halts[index]]
        part = next_part(self.view, who, tradable, self.rules, self.spec)
        if part is None or not self.view.is_under(who):
            return False
        symbol = self.symbols[part.index]
        notice = setting(Setting.LIQUIDATE, part.lots, who, symbol, part.price_ticks)
        self.send(notice)
        order = operator_command(
            CommandKind.NEW,
            participant=who,
            symbol=symbol,
            side=Side.BUY if part.lots > 0 else Side.SELL,
            qty_lots=abs(part.lots),
            price_ticks=part.price_ticks,
            order_id=lay.PART_IDS + self.view.word(lay.PARTS),
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.IOC,
        )
        before_lots = self.view.cell(who, part.index, lay.POSITION)
        self.send(order)
        return self.view.cell(who, part.index, lay.POSITION) != before_lots

    @property
    def names(self):
        return [symbol.decode() for symbol in self.symbols]

    def expire(self):
        for ns in (EXPIRY_NS, EXPIRY_NS + 1, EXPIRY_NS + 2):
            ends = []
            self.send(operator_command(CommandKind.TIME, aux=ns))
            for index in CONTRACTS:
                gone = operator_command(CommandKind.MASS_CANCEL, symbol=self.symbols[index], aux=1)
                self.send(gone)
                price = START_TICKS + int(self.rng.integers(-10_000, 10_000))
                ends.append(setting(Setting.CONTRACT_EXPIRE, price, 0, self.symbols[index]))
            due = [
                one for one, index in zip(ends, CONTRACTS, strict=True) if CONTRACTS[index][3] == ns
            ]
            self.send(at_once(due))
            for one in ends:  # those that have ended, and those that are not due
                self.send(one)
        contracts = self.view.contracts
        ends = [index for index, terms in CONTRACTS.items() if terms[3]]
        assert all(contracts.of(index, "state") != LIVE for index in ends)
        assert not self.view.cells[:, ends, lay.POSITION // 8].any()


def hostile_contracts(count, seed):
    """Figures of one core after so many commands of the flow."""
    core = HostileContracts(seed)
    core.run(count)
    names = ("accepted", "parts", "fund_payments", "takeovers", "seizures", "refused", "called")
    names += ("batches",)
    return {"commands": core.seq} | dict(zip(names, core.counts[ACCEPTED:].tolist(), strict=True))
