"""Contracts, the insurance fund and deleveraging in plain Python."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

from openoutcry.risk.bits import LARGEST, MAX_TERM, NO_LIMIT, Setting
from openoutcry.wire.enums import Side
from openoutcry.wire.order_ids import VENUE_ORDER_IDS
from tests.oracles.risk.corporate import move_price
from tests.oracles.risk.operator_commands import mark_others

if TYPE_CHECKING:
    from tests.oracles.risk.reference import Reference

FUTURE, PERPETUAL, CALL, PUT = 1, 2, 3, 4
BILLION = 10**9
MAX_PRICE = 2**40
MAX_MULTIPLIER = 2**55
STAGED = WITH_MARK = 1
PRICED = (
    *(Setting.CONTRACT_MARK, Setting.CONTRACT_SETTLE),
    *(Setting.CONTRACT_EXPIRE, Setting.CONTRACT_LIST),
)


@dataclass
class PlainContract:
    index: int
    kind: int
    inverse: bool
    multiplier: int
    expiry: int
    strike: int
    strike_multiplier: int
    margin_bps: int
    mark: int
    at_index: int = 0
    marked: int = 0
    marks: int = 0
    day: int = 0
    settlement: int = 0
    rate: int = 0
    period: int = 0
    carry: Fraction = Fraction(0)
    funded: int = 0
    settled: bool = False
    final: int = 0
    final_units: int = 0
    strike_rest: int = 0
    adjustments: int = 0
    ratio: int = 0
    adjusted_at: int = 0
    premiums: list[tuple[int, int]] | None = None
    """Of a perpetual whose premium is averaged: premiums, and the ms that each was in force."""
    premium_from: int = 0
    premium_to: int = 0
    staged: tuple[Setting, int, int] | None = None
    """Setting, value and second value that are in force with the rest of their batch."""

    @property
    def option(self) -> bool:
        return self.kind in (CALL, PUT)

    def value(self, price: int) -> int:
        """Return the value of a long lot."""
        if self.inverse and not self.option:
            return -int(Fraction(self.multiplier, price))
        return self.multiplier * price

    def payoff(self, price: int) -> int:
        """Return the payoff of a long option lot, by its underlying's final price."""
        sign = 1 if self.kind == CALL else -1
        if not self.inverse:
            exercise = self.strike_multiplier * self.strike + self.strike_rest
            return max(0, sign * (self.strike_multiplier * price - exercise))
        inside = max(0, sign * (price - self.strike))
        return int(min(Fraction(inside, max(price, 1)), 1) * self.strike_multiplier)

    def adjusted(self, ratio: int) -> "PlainContract | None":
        """It after a split of its underlying: a lot is worth the same, to half a tick; None if that
        cannot be."""
        new, old = divmod(ratio, 1 << 32)
        if not (1 <= new <= MAX_TERM and 1 <= old <= MAX_TERM) or self.inverse:
            return None
        after = replace(self, adjustments=self.adjustments + 1, ratio=ratio)
        prices = ["at_index"]
        if self.option:
            exercise = self.strike_multiplier * self.strike + self.strike_rest
            lot = Fraction(self.strike_multiplier * new, old)
            after.strike_multiplier = int(lot)
            if lot.denominator == 1:
                after.strike, after.strike_rest = divmod(exercise, int(lot))
            fits = 1 <= after.strike <= MAX_PRICE
        else:
            lot = Fraction(self.multiplier * new, old)
            after.multiplier = int(lot)
            prices += ["mark", "settlement"]
            fits = self.mark >= 1 and round(Fraction(self.mark * old, new)) >= 1
        for name in prices:
            was = getattr(self, name)
            now = round(Fraction(was * old, new))
            setattr(after, name, now)
            fits = fits and was >= 0 and now <= MAX_PRICE
        fits = fits and after.value(after.mark) <= LARGEST
        return after if fits and lot.denominator == 1 and lot <= MAX_MULTIPLIER else None

    def can_be(self, price: int) -> bool:
        least = 0 if self.option else 1 if self.inverse else -MAX_PRICE
        return least <= price <= MAX_PRICE

    def can_be_marked(self, price: int) -> bool:
        """A margin that follows the mark is more than nothing at it."""
        return self.can_be(price) and (not self.margin_bps or price > 0)


class PlainContracts:
    def __init__(
        self,
        risk: "Reference",
        contracts: Mapping[int, Sequence[int]],
        fund: int,
        fee_bps: int = 0,
        funded: Sequence[int] = (),
    ) -> None:
        self.risk, self.fund, self.fee_bps = risk, fund, fee_bps
        self.fee_due = self.fee_payer = self.fees = 0
        self.rows: dict[int, PlainContract] = {}
        self.delisting: PlainContract | None = None
        """The contract whose positions the command at hand settles before their expiry."""
        for index in sorted(contracts):
            kind, inverse, *terms = contracts[index]
            mark = risk.instruments[index].reference
            assert mark is not None
            one = PlainContract(index, kind, bool(inverse), *terms, mark=mark)
            self.rows[index] = one
            if index in funded:
                one.premiums, one.premium_from = [], -1
            if one.margin_bps:
                risk.instruments[index].margin = self.margin(one, mark)
        self.staged = self.applied = 0
        self.covered = self.covers = 0
        self.takeovers = self.taken_over = self.losses = 0

    @staticmethod
    def margin(one: PlainContract, price: int) -> int:
        return -(-abs(one.value(price)) * one.margin_bps // 10_000)

    def tick(self) -> None:
        for index, one in self.rows.items():
            if one.expiry and self.risk.now >= one.expiry:
                self.risk.instruments[index].expired = True

    # Trades

    def filled(self, order: Any, qty: int, price: int) -> None:
        risk, one = self.risk, self.rows[order.instrument]
        rules = risk.instruments[order.instrument]
        owner = risk.participants[order.participant]
        cell = risk.cells[order.participant][order.instrument]
        moved = qty if order.side == Side.BUY else -qty
        gain = moved * (one.value(one.mark) - one.value(price))
        cell.mark = cost_after(cell.mark, cell.position, moved, one.value(price))
        cell.position += moved
        paid = gain if rules.leveraged else -moved * one.value(price)
        owner.add("balance", paid, risk.seq)
        owner.add("profit", gain, risk.seq)
        for account in ("balance", "profit"):
            owner.add(account, -rules.fee * qty, risk.seq)
        owner.judge(risk.seq)
        if self.fee_bps and order.order_id == VENUE_ORDER_IDS + risk.parts:
            worth = min(abs(qty * one.value(price)), LARGEST)
            self.fee_due = min(self.fee_due - (-worth * self.fee_bps // 10_000), LARGEST)
            self.fee_payer = order.participant

    # Commands

    def apply(self, c: Any, what: Setting, instrument: int | None, who: int, value: int) -> bool:
        if what in (Setting.COVER, Setting.DELEVERAGE):
            other, who = divmod(who, 1 << 16)
            if not 0 <= other < len(self.risk.participants) > who:
                return False
            if what is Setting.COVER:
                return other == 0 and self.cover(who, value)
            paid = int(c["price_ticks"])
            side = int(c["time_in_force"])
            return instrument is not None and self.deleverage(
                who, other, instrument, value, paid, side
            )
        if what is Setting.LIQUIDATION_FEE:
            return self.pay_fee(who, value)
        if what is Setting.CONTRACT_APPLY:
            return self.put_together(value, who == WITH_MARK)
        one = None if instrument is None else self.rows.get(instrument)
        if one is None or one.settled:
            return False
        second = int(c["price_ticks"])
        is_staged = c["time_in_force"] == STAGED
        if what in PRICED and who >> 1 != one.adjustments:
            return False
        if what is Setting.CONTRACT_ADJUST and one.staged:
            return False
        if what is Setting.CONTRACT_LIST:
            rules = self.risk.instruments[one.index]
            if is_staged or not rules.unlisted or rules.expired or rules.delisted:
                return False
            one.staged, before = (Setting.CONTRACT_MARK, value, second), one.staged
            done = self.put([one])
            one.staged = before
            rules.unlisted = not done
            return done
        if what is Setting.CONTRACT_PAUSE:
            if is_staged or value not in (0, 1):
                return False
            self.risk.instruments[one.index].indexless = bool(value)
            return True
        if is_staged:
            if one.staged or not self.makes_sense(one, what, value, second):
                return False
            one.staged = what, value, second
            self.staged += 1
            return True
        one.staged, before = (what, value, second), one.staged
        done = self.put([one], who & 1 == 1 and what is not Setting.CONTRACT_ADJUST)
        one.staged = before
        return done

    def put_together(self, count: int, with_mark: bool) -> bool:
        """What is staged, of contracts and of collateral, at once; 0 drops it."""
        portfolio = self.risk.portfolio
        staged = [one for one in self.rows.values() if one.staged]
        if count < 0 or (count and count != self.staged):
            return False
        more = portfolio.take_prices if portfolio else lambda: None
        if count and not self.put(staged, with_mark, more):
            return False
        for one in staged:
            one.staged = None
        if portfolio:
            portfolio.staged_prices.clear()
        self.staged = 0
        self.applied += count > 0
        return True

    def put(
        self,
        ones: list[PlainContract],
        with_mark: bool = False,
        more: Callable[[], None] = lambda: None,
    ) -> bool:
        """Put what these have staged in force, if all of it makes sense and fits; everybody is
        judged once."""
        risk, steps = self.risk, []
        margins = [rules.margin for rules in risk.instruments]
        people = range(len(risk.participants))
        totals = [[owner.balance, owner.profit] for owner in risk.participants]
        fits = not any(one.settled for one in ones)
        for one in ones:
            assert one.staged
            fits = fits and self.makes_sense(one, *one.staged)
            if not fits:
                break
            what, value, _ = one.staged
            paid, gain = self.amounts(one, what, value)
            steps.append((one, paid, gain))
            marks = Setting.CONTRACT_MARK, Setting.CONTRACT_SETTLE
            if one.margin_bps and what in (*marks, Setting.CONTRACT_ADJUST):
                after, price = (one, value) if what in marks else self.adjusted(one, value)
                risk.instruments[one.index].margin = self.margin(after, price)
                risk.all_changed()
                needed = [max(risk.reserved(who), risk.margined(who)) for who in people]
                fits = fits and max(needed) <= LARGEST
            for who in people:
                if lots := risk.cells[who][one.index].position:
                    totals[who][0] += lots * paid
                    totals[who][1] += lots * gain
                    figures = (*totals[who], lots * paid, lots * gain)
                    fits = fits and max(map(abs, figures)) <= LARGEST
        if not fits:
            for rules, margin in zip(risk.instruments, margins, strict=True):
                rules.margin = margin
            risk.all_changed()
            return False
        for who, owner in enumerate(risk.participants):
            owner.balance, owner.profit = totals[who]
        for one, paid, _ in steps:
            self.follow(one, paid)
        risk.all_changed()
        more()
        if with_mark:
            mark_others(risk)
        for who in people:
            risk.judge(who)
        return True

    def makes_sense(self, one: PlainContract, what: Setting, value: int, second: int) -> bool:
        if what is Setting.CONTRACT_MARK:
            return abs(second) <= MAX_PRICE and one.can_be_marked(value)
        if what is Setting.CONTRACT_SETTLE:
            return one.day < second <= 99_991_231 and one.can_be_marked(value)
        if what is Setting.CONTRACT_FUNDING:
            return one.kind == PERPETUAL and second > one.period and abs(value) <= BILLION
        everybody = range(len(self.risk.participants))
        is_last, rules = one is self.delisting, self.risk.instruments[one.index]
        if any(self.risk.open_of(who, one.index) for who in everybody) and not is_last:
            return False
        if what is Setting.CONTRACT_ADJUST:
            after, is_closed = one.adjusted(value), rules.halted or rules.expired or rules.unlisted
            if after is None or second or not is_closed:
                return False
            low, high = rules.worst[Side.SELL], rules.worst[Side.BUY]
            return one.option or low <= after.mark <= high
        in_range = 0 <= value <= MAX_PRICE if one.option else one.can_be(value)
        return (rules.expired or is_last) and in_range

    def settle_delisted(self, index: int, count: int, price: int) -> bool:
        """Settle the positions of a contract that is delisted; its orders are cancelled with it."""
        one = self.rows.get(index)
        if one is None or one.settled or one.staged or one.adjustments != count:
            return False
        one.staged, self.delisting = (Setting.CONTRACT_EXPIRE, price, 0), one
        done = self.put([one])
        one.staged = self.delisting = None
        return done

    @staticmethod
    def adjusted(one: PlainContract, ratio: int) -> tuple[PlainContract, int]:
        after = one.adjusted(ratio)
        assert after is not None
        return after, after.mark

    def amounts(self, one: PlainContract, what: Setting, value: int) -> tuple[int, int]:
        """What a lot is paid, and what it gains."""
        leveraged = self.risk.instruments[one.index].leveraged
        if what is Setting.CONTRACT_FUNDING:
            due = self.due(one, value)[0]
            return -due, -due
        if what is Setting.CONTRACT_EXPIRE:
            paid = one.payoff(value) if one.option else one.value(value) - one.value(one.mark)
            return paid, paid if leveraged else paid - one.value(one.mark)
        after, price = one, value
        if what is Setting.CONTRACT_ADJUST:
            after, price = self.adjusted(one, value)
        gain = after.value(price) - one.value(one.mark)
        return gain if leveraged else 0, gain

    def due(self, one: PlainContract, rate: int) -> tuple[int, Fraction]:
        """What a long lot pays in funding, and what is left over."""
        exact = Fraction(abs(one.value(one.mark)) * rate, BILLION) + one.carry
        due = exact.numerator // exact.denominator
        return due, exact - due

    def follow(self, one: PlainContract, paid: int) -> None:
        """The contract's row, after everybody was paid."""
        assert one.staged
        what, value, second = one.staged
        if what in (Setting.CONTRACT_FUNDING, Setting.CONTRACT_MARK, Setting.CONTRACT_SETTLE):
            self.count_premium(one)
        if what is Setting.CONTRACT_FUNDING:
            if one.premium_to:
                one.premium_to = max(one.premium_to, min(second * 3_600 * BILLION, 2**63 - 1))
                one.premiums, one.premium_from = [], one.premium_to
            due, one.carry = self.due(one, value)
            one.rate, one.period = value, second
            one.funded += due
        elif what is Setting.CONTRACT_EXPIRE:
            for cells in self.risk.cells:
                if cells[one.index].position:
                    cells[one.index].position = cells[one.index].mark = 0
            one.settled, one.final, one.final_units = True, value, paid
        elif what is Setting.CONTRACT_ADJUST:
            for name, now in vars(self.adjusted(one, value)[0]).items():
                setattr(one, name, now)
            one.adjusted_at = self.risk.now
            if not one.option:
                self.risk.instruments[one.index].multiplier = one.multiplier
                move_price(self.risk, one.index, one.mark)
        else:
            one.mark, one.marked = value, self.risk.now
            one.marks += 1
            if what is Setting.CONTRACT_SETTLE:
                one.day, one.settlement = second, value
            else:
                one.at_index = second
                if one.premiums is not None and not one.premium_to and second > 0:
                    one.premium_from = one.premium_to = self.risk.now

    def count_premium(self, one: PlainContract) -> None:
        if not one.premium_to or one.premiums is None:
            return
        past = max(self.risk.now - one.premium_to, 0)
        one.premium_to += past
        if one.at_index < 1:
            one.premium_from += past
            return
        ratio = Fraction(one.mark, one.at_index) - 1
        premium = int(max(-1, min(1, ratio)) * BILLION)
        one.premiums.append((premium, past // 10**6))

    # What comes after a liquidation

    def cash(self, who: int) -> int:
        owner = self.risk.participants[who]
        return LARGEST if owner.credit == NO_LIMIT else owner.funded + owner.profit + owner.credit

    def means(self, who: int) -> int:
        if self.risk.portfolio is None or self.risk.participants[who].credit == NO_LIMIT:
            return self.cash(who)
        return self.cash(who) + self.risk.portfolio.collateral(who)

    def deficit(self, who: int) -> int:
        return max(-self.means(who), 0)

    def fund_for(self, who: int) -> int:
        others = [n for n in range(len(self.risk.participants)) if n != who]
        has = self.risk.participants[self.fund].balance - self.risk.reserved(self.fund)
        return max(has - sum(map(self.deficit, others)), 0)

    def part_is_covered(self, who: int, index: int, lots: int, price: int) -> bool:
        if index not in self.rows:
            return True
        one, fee = self.rows[index], self.risk.instruments[index].fee
        gain = lots * (one.value(one.mark) - one.value(price))
        change = gain - fee * abs(lots)
        return gain >= 0 or self.means(who) + change + self.fund_for(who) >= 0

    def may_leave_fund(self, who: int, amount: int) -> bool:
        return amount >= 0 or who != self.fund or -amount <= self.fund_for(-1)

    def is_closed_out(self, who: int) -> bool:
        owner = self.risk.participants[who]
        called = "margin" in owner.killed and not owner.cancel_wanted
        return called and not self.risk.open_count(who)

    def cover(self, who: int, amount: int) -> bool:
        paid = min(self.deficit(who), self.fund_for(who))
        if who == self.fund or not self.holds_nothing(who) or not paid or amount != paid:
            return False
        self.pay_by_fund(who, paid)
        self.covered += paid
        self.covers += 1
        return True

    def pay_fee(self, who: int, amount: int) -> bool:
        if not self.fee_due or who != self.fee_payer:
            return False
        if amount != min(self.fee_due, max(min(self.risk.equity(who), self.means(who)), 0)):
            return False
        self.pay_by_fund(who, -amount)
        self.fees += amount
        self.fee_due = self.fee_payer = 0
        self.risk.judge_margin(who)
        return True

    def holds_nothing(self, who: int) -> bool:
        holds = any(cell.position for cell in self.risk.cells[who])
        return self.is_closed_out(who) and not holds

    def pay_by_fund(self, who: int, paid: int) -> None:
        owner, fund = self.risk.participants[who], self.risk.participants[self.fund]
        fund.balance -= paid
        fund.funded -= paid
        owner.balance += paid
        owner.funded += paid

    def next_takeover(self, who: int, index: int) -> tuple[int, int, int] | None:
        """Who takes over how many lots, and pays how much; None: no participant may."""
        risk, one = self.risk, self.rows.get(index)
        lots = risk.cells[who][index].position
        missing = self.deficit(who) - self.fund_for(who)
        if one is None or who == self.fund or not lots or missing <= 0:
            return None
        if not self.is_closed_out(who) or not risk.is_under(who):
            return None
        owned = {
            n: min(risk.equity(n), self.means(n))
            for n in range(len(risk.participants))
            if risk.cells[n][index].position * lots < 0
        }
        owned = {n: amount for n, amount in owned.items() if amount > 0}
        if not owned:
            return None
        weights = self.weights(who)
        share = missing * min(self.weight(index, lots), weights) // weights
        a_lot = Fraction(share, abs(lots))
        other = max(owned, key=lambda n: (owned[n] >= int(a_lot), self.rank(n, one), -n))
        taken = min(abs(lots), abs(risk.cells[other][index].position))
        if int(a_lot * taken) > owned[other]:
            # All lots whose price, cut off, it can pay: below one unit more than it owns.
            taken = max(ceil((owned[other] + 1) / a_lot) - 1, 1)
        return other, taken, min(int(a_lot * taken), owned[other])

    def weight(self, index: int, lots: int) -> int:
        one = self.rows.get(index)
        return 1 if one is None else min(max(abs(lots * one.value(one.mark)), 1), 2**60)

    def weights(self, who: int) -> int:
        cells = enumerate(self.risk.cells[who])
        return min(sum(self.weight(i, cell.position) for i, cell in cells if cell.position), 2**61)

    def deleverage(self, who: int, other: int, index: int, lots: int, paid: int, side: int) -> bool:
        risk, takeover = self.risk, self.next_takeover(who, index)
        if who == other or takeover != (other, lots, paid):
            return False
        giver, taker = risk.cells[who][index], risk.cells[other][index]
        if side not in (0, Side.SELL if giver.position > 0 else Side.BUY):
            return False
        for cell in (giver, taker):
            cell.mark -= int(Fraction(cell.mark * lots, abs(cell.position)))
        moved = lots if giver.position > 0 else -lots
        giver.position -= moved
        taker.position += moved
        risk.all_changed()
        one = self.rows[index]
        worth = 0 if risk.instruments[index].leveraged else moved * one.value(one.mark)
        for whose, amount, more in ((other, -paid, -worth), (who, paid, worth)):
            risk.participants[whose].add("balance", amount + more, risk.seq)
            risk.participants[whose].add("profit", amount, risk.seq)
        if risk.open_of(other, index):
            risk.participants[other].cancel_wanted = True
        self.takeovers += 1
        self.taken_over += lots
        self.losses += paid
        risk.judge(other)
        risk.judge(who)
        return True

    def rank(self, who: int, one: PlainContract) -> Fraction:
        cell = self.risk.cells[who][one.index]
        profit = cell.position * one.value(one.mark) - cell.mark
        return Fraction(profit, self.means(who))

    def money(self) -> int:
        """Return the money of all participants: what was paid in, less fees."""
        return sum(owner.balance for owner in self.risk.participants)


def cost_after(cost: int, held: int, moved: int, value: int) -> int:
    """Return the cost of a position after ``moved`` lots at ``value``."""
    if held * moved >= 0:
        return cost + moved * value
    if abs(moved) > abs(held):
        return (held + moved) * value
    return cost - int(Fraction(cost * abs(moved), abs(held)))
