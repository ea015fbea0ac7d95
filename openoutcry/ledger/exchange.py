"""A store's spot trading as tables of an exchange: users, markets, wallets, orders, trades, ledger
entries, deposits, withdrawals and cancellations, in decimals.

They are views over ``transactions``, in one SQL for DuckDB and PostgreSQL.  Amounts are
DECIMAL(20,8), as in the reference data set (docs/reference-questions.md).  A venue with more
decimals is refused, by the name of its asset.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import openoutcry.ledger.layout as lay
from openoutcry.journal.projections import MovementStep
from openoutcry.ledger.books import Books
from openoutcry.wire.enums import OrderType
from openoutcry.wire.errors import LedgerError
from openoutcry.wire.order_types import PEGS, UNPRICED

SCHEMA = "exchange"
"""Name of the schema in DuckDB; in PostgreSQL it is ``outcry_exchange``."""
DECIMALS = 8
TIMES = {
    "duckdb": "make_timestamp(({}) // 1000)",
    "postgresql": "(timestamp '1970-01-01' + (({}) / 1000) * interval '1 microsecond')",
}
STATES = {
    MovementStep.REQUEST: "REQUESTED",
    MovementStep.APPROVE: "APPROVED",
    MovementStep.SEND: "SENT",
    MovementStep.FINISH: "DONE",
    MovementStep.CANCEL: "CANCELLED",
    MovementStep.FAIL: "FAILED",
    MovementStep.SEE: "SEEN",
    MovementStep.CREDIT: "CREDITED",
    MovementStep.REVERSE: "REVERSED",
}
"""A movement's state by its last step."""
COMPLETED = (MovementStep.FINISH, MovementStep.CREDIT)
UNDONE = (MovementStep.CANCEL, MovementStep.FAIL, MovementStep.REVERSE)
WITHOUT_LIMIT = (*UNPRICED, *PEGS, OrderType.POST_ONLY_SLIDE)
"""Types whose price is not the worst at which they trade, or that have none."""

FEE, FEE_RETURNED = "Fee", "Fee_Returned"
"""Reasons of a fee, and of that of a trade that was taken back."""


@dataclass(frozen=True)
class Market:
    """A spot instrument: ``lot_units`` of the base asset a lot, ``tick_units`` of the quote asset
    a lot and tick."""

    market_id: int
    symbol: str
    base: str
    quote: str
    lot_units: int
    tick_units: int


@dataclass(frozen=True)
class Exchange:
    """Settings that the views need of a journal's configuration."""

    assets: list[tuple[str, int]]
    """Name and decimals."""
    markets: list[Market]

    @classmethod
    def of(cls, books: Books) -> "Exchange | None":
        """None: the venue has no spot instrument."""
        if not books.spot:
            return None
        names = [name for name, _ in books.wallets]
        multipliers = books.instruments[:, lay.MULTIPLIER // 8].tolist()
        markets = [
            Market(index + 1, books.symbols[index], names[base], names[quote], lot, multiplier)
            for index, (base, quote, lot) in sorted(books.spot.items())
            for multiplier in [multipliers[index]]
        ]
        return cls(list(books.wallets), markets)

    @classmethod
    def parsed(cls, document: dict[str, Any]) -> "Exchange":
        """Parse the result of :meth:`document`."""
        assets = [(str(name), int(decimals)) for name, decimals in document["assets"]]
        return cls(assets, [Market(**row) for row in document["markets"]])

    def document(self) -> dict[str, Any]:
        """Return the assets and markets as JSON can hold them."""
        return {"assets": self.assets, "markets": [asdict(market) for market in self.markets]}

    def price_of_a_tick(self, market: Market) -> Fraction:
        """Return what a tick is worth for one whole base asset, in whole quote assets."""
        decimals = dict(self.assets)
        base, quote = 10 ** decimals[market.base], 10 ** decimals[market.quote]
        return Fraction(market.tick_units * base, market.lot_units * quote)

    def require_decimals(self) -> None:
        """Raises :class:`LedgerError` naming what DECIMAL(20,8) cannot hold exactly."""
        for name, decimals in self.assets:
            if decimals > DECIMALS:
                raise LedgerError(
                    f"{name} has {decimals} decimals, the tables of an exchange {DECIMALS}: use "
                    "transactions, balances and trades, which have whole units"
                )
        for market in self.markets:
            price = self.price_of_a_tick(market)
            if (price * 10**DECIMALS).denominator != 1:
                raise LedgerError(
                    f"{market.symbol}: a tick is {price} {market.quote} for 1 {market.base}, which "
                    f"{DECIMALS} decimals do not hold exactly"
                )


def _decimal(value: Fraction, digits: int) -> str:
    whole, part = divmod(int(value * 10**DECIMALS), 10**DECIMALS)
    return f"cast({whole}.{part:08d} as decimal({digits}, {DECIMALS}))"


def _amount(units: str, unit: str) -> str:
    """Whole units in decimals, exactly."""
    return f"cast(cast({units} as decimal(19, 0)) * {unit} as decimal(20, {DECIMALS}))"


def _values(rows: Sequence[Sequence[str]], names: str) -> str:
    lines = ", ".join("(" + ", ".join(row) + ")" for row in rows)
    return f"select * from (values {lines}) as t({names})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def views(exchange: Exchange, dialect: str, transactions: str, place: str) -> dict[str, str]:
    """Views by name, each over those before it: ``transactions`` and ``place`` are the names of the
    table of transactions and of the schema in which the views are made.

    Raises :class:`LedgerError` for amounts that the tables cannot hold.
    """
    exchange.require_decimals()
    decimals = dict(exchange.assets)

    def time(ts_ns: str) -> str:
        return TIMES[dialect].format(ts_ns)

    def unit(name: str) -> Fraction:
        return Fraction(1, 10 ** decimals[name])

    assets = [
        (str(number), _text(name), _decimal(unit(name), 9))
        for number, (name, _) in enumerate(exchange.assets)
    ]
    markets = [
        (
            str(market.market_id),
            _text(market.symbol),
            _text(market.base),
            _text(market.quote),
            f"cast({market.lot_units} as bigint)",
            _decimal(exchange.price_of_a_tick(market), 19),
            _decimal(unit(market.base), 9),
            _decimal(unit(market.quote), 9),
        )
        for market in exchange.markets
    ]
    columns = "market_id, symbol, base, quote, lot_units, price_unit, base_unit, quote_unit"
    return {
        "assets": _values(assets, "asset_id, currency, unit"),
        "instruments": _values(markets, columns),
        **_trades(transactions, place, time),
        **_volumes(place, time),
        "orders": _orders(transactions, place, time),
        **_wallets(transactions, place, time),
        **_transfers(transactions, place, time),
        "ledger_entries": _entries(place, time),
        **_plain(transactions, place, time),
    }


def _plain(transactions: str, place: str, time: Any) -> dict[str, str]:
    """Define the venue's income, cancels, users and markets, and an empty table of flags."""
    return {
        "venue_entries": " union all ".join(
            f"select trade_id, {asset} as currency, {_amount(f'{asset}_fee', f'{asset}_unit')} as "
            f"amount, '{reason}' as reason from {place}.{table} where {asset}_fee <> 0"
            for table, reason in (("fills", FEE), ("broken", FEE_RETURNED))
            for asset in ("quote", "base")
        ),
        "order_cancellations": (
            "select t.event_seq as cancel_id, t.order_id, t.participant as user_id, "
            f"{time('t.ts_ns')} as cancelled_at, cast(null as varchar) as reason "
            f"from {transactions} t join {place}.instruments m on m.symbol = t.instrument "
            "where t.kind = 'VOIDED'"
        ),
        "users": (
            "select participant as user_id, 'participant ' || participant as username, "
            f"{time('min(ts_ns)')} as created_at from {transactions} group by participant"
        ),
        "markets": (
            "select market_id, symbol, base as base_currency, quote as quote_currency from "
            f"{place}.instruments"
        ),
        "risk_flags": (
            "select cast(0 as bigint) as risk_id, cast(0 as integer) as user_id, "
            "cast('' as varchar) as flag_type, cast('' as varchar) as details, "
            f"{time('0')} as flagged_at from {place}.assets where false"
        ),
    }


def _trades(transactions: str, place: str, time: Any) -> dict[str, str]:
    """``fills``: each side of a trade with the trade's number, which is the later side's event.  A
    side without the other, or without its base asset, is there all the same."""
    lots = "least(order_id, contra_id), greatest(order_id, contra_id), price_ticks, qty_lots"
    turns = (
        "select *, row_number() over (partition by cause_seq, instrument, side, "
        f"{lots} order by event_seq) as turn from {transactions} where kind = 'POSTED'"
    )
    same = " and ".join(
        f"o.{name} = f.{name}"
        for name in ("cause_seq", "instrument", "price_ticks", "qty_lots", "turn")
    )
    fills = (
        f"with turns as ({turns}) select f.event_seq, f.ts_ns, f.participant, f.order_id, f.side, "
        "f.maker, f.price_ticks, f.qty_lots, f.instrument, "
        "greatest(f.event_seq, coalesce(o.event_seq, f.event_seq)) as trade_id, "
        "f.clearing as quote_paid, f.fee_income as quote_fee, d.clearing as base_paid, "
        "coalesce(d.fee_income, 0) as base_fee, "
        "m.market_id, m.base, m.quote, m.base_unit, m.quote_unit, m.price_unit, m.lot_units, "
        "f.maker and not coalesce(o.maker and f.side = 'SELL', false) as is_maker "
        f"from turns f join {place}.instruments m on m.symbol = f.instrument "
        f"left join turns o on {same} and o.order_id = f.contra_id and f.order_id = o.contra_id "
        f"and o.side <> f.side left join {transactions} d on d.event_seq = f.event_seq "
        "and d.kind = 'DELIVERED'"
    )

    def of(side: str, what: str) -> str:
        return f"max(case when side = '{side}' then {what} end)"

    def by(role: str, what: str) -> str:
        return f"max(case when {role} then {what} end)"

    fee = (
        f"case when base_fee <> 0 then {_amount('base_fee', 'base_unit')} "
        f"else {_amount('quote_fee', 'quote_unit')} end"
    )
    paid_in = "case when base_fee <> 0 then base else quote end"
    maker, taker = "is_maker", "not is_maker"
    trades = (
        "select trade_id, min(market_id) as market_id, "
        f"{of('BUY', 'order_id')} as buy_order_id, {of('SELL', 'order_id')} as sell_order_id, "
        f"max({_amount('price_ticks', 'price_unit')}) as price, "
        f"max({_amount('qty_lots * lot_units', 'base_unit')}) as quantity, "
        f"{by(maker, 'participant')} as maker_user_id, {by(taker, 'participant')} as "
        f"taker_user_id, coalesce({by(maker, fee)}, 0) as maker_fee, "
        f"coalesce({by(taker, fee)}, 0) as taker_fee, {time('max(ts_ns)')} as executed_at, "
        f"{by(maker, paid_in)} as maker_fee_currency, {by(taker, paid_in)} as taker_fee_currency, "
        f"trade_id in (select trade_id from {place}.broken) as broken "
        f"from {place}.fills group by trade_id"
    )
    return {"fills": fills, "broken": _broken(transactions, place), "trades": trades}


def _broken(transactions: str, place: str) -> str:
    """Each side of a trade that was taken back, with the trade's number.  What is paid and the fee
    have the opposite signs of the fill's."""
    return (
        "select b.event_seq, b.ts_ns, b.participant, b.contra_id + 1 as trade_id, "
        "b.clearing as quote_paid, b.fee_income as quote_fee, r.clearing as base_paid, "
        "coalesce(r.fee_income, 0) as base_fee, m.base, m.quote, m.base_unit, m.quote_unit "
        f"from {transactions} b join {place}.instruments m on m.symbol = b.instrument "
        f"left join {transactions} r on r.event_seq = b.event_seq and r.kind = 'RETURNED' "
        "where b.kind = 'BROKEN'"
    )


def _volumes(place: str, time: Any) -> dict[str, str]:
    """Bars by minute, and by day what each participant has traded: sums of ``fills``, so that a
    bar and a day's volume are there as soon as the trade is.  A trade that was taken back stays in
    its bar, and is in no volume."""
    lots = _amount("sum(qty_lots) * min(lot_units)", "min(base_unit)")
    paid = _amount("sum(abs(quote_paid))", "min(quote_unit)")

    def price(ticks: str) -> str:
        return _amount(ticks, "min(price_unit)")

    minute = "ts_ns - ts_ns % 60000000000"
    bought = f"select f.*, {minute} as minute_ns from {place}.fills f where side = 'BUY'"
    first, last = (
        f"(array_agg(price_ticks order by trade_id {way}))[1]" for way in ("asc", "desc")
    )
    bars = (
        f"select min(market_id) as market_id, {time('minute_ns')} as minute_bucket, "
        f"{price(first)} as open, {price('max(price_ticks)')} as high, "
        f"{price('min(price_ticks)')} as low, {price(last)} as close, {lots} as volume, "
        f"{paid} as turnover, count(*) as trades from ({bought}) as bought "
        "group by instrument, minute_ns"
    )
    days = (
        f"select f.*, cast({time('ts_ns')} as date) as day from {place}.fills f "
        f"where trade_id not in (select trade_id from {place}.broken)"
    )
    volumes = (
        "select participant as user_id, min(market_id) as market_id, day, "
        "min(quote) as quote_currency, "
        f"{lots} as quantity, {paid} as turnover, "
        "sum(case when maker then qty_lots else 0 end) as maker_lots, "
        f"sum(qty_lots) as lots from ({days}) as days group by participant, instrument, day"
    )
    return {"bars": bars, "daily_volumes": volumes}


def _orders(transactions: str, place: str, time: Any) -> str:
    """An order as its events leave it.  ``worst_price``: the worst at which it may ever have
    traded, for it may have been replaced."""
    steps = (
        "select t.*, m.market_id, m.lot_units, m.base_unit, m.price_unit, "
        "sum(case when t.kind = 'POSTED' then t.qty_lots else 0 end) over "
        "(partition by t.instrument, t.order_id order by t.event_seq) as filled_lots "
        f"from {transactions} t join {place}.instruments m on m.symbol = t.instrument "
        "where t.kind in ('PENDING', 'CHANGED', 'VOIDED', 'POSTED')"
    )
    live = "kind in ('PENDING', 'CHANGED')"

    def last(what: str) -> str:
        return f"(array_agg({what} order by event_seq desc) filter (where {live}))[1]"

    numbers = ", ".join(str(int(kind)) for kind in WITHOUT_LIMIT)
    names = " ".join(f"when {int(kind)} then '{kind.name}'" for kind in OrderType)
    summed = (
        f"with steps as ({steps}) select order_id, min(participant) as user_id, "
        "min(market_id) as market_id, min(side) as side, "
        "max(case when kind = 'PENDING' then contra_id end) as type, "
        f"{last('price_ticks')} as ticks, "
        f"max(case when {live} then price_ticks end) as highest, "
        f"min(case when {live} then price_ticks end) as lowest, "
        f"{last('qty_lots + filled_lots')} * min(lot_units) as units, "
        "max(filled_lots) * min(lot_units) as filled_units, "
        "max(case when kind = 'VOIDED' then 1 else 0 end) as voided, "
        "min(ts_ns) as first_ns, max(ts_ns) as last_ns, "
        "max(base_unit) as base_unit, max(price_unit) as price_unit "
        "from steps group by instrument, order_id "
        "having max(case when kind = 'PENDING' then 1 else 0 end) = 1"
    )

    def price(ticks: str) -> str:
        return f"case when type in ({numbers}) then null else {_amount(ticks, 'price_unit')} end"

    worst = price("case when side = 'BUY' then highest else lowest end")
    return (
        f"select order_id, user_id, market_id, side, case type {names} end as type, "
        f"{price('ticks')} as price, {_amount('units', 'base_unit')} as quantity, "
        f"{_amount('filled_units', 'base_unit')} as filled_qty, "
        "case when voided = 1 then 'CANCELLED' when filled_units = units then 'FILLED' "
        "when filled_units > 0 then 'PARTIALLY_FILLED' else 'OPEN' end as status, "
        f"{time('first_ns')} as created_at, {time('last_ns')} as updated_at, "
        f"{worst} as worst_price from ({summed}) as summed"
    )


def _wallets(transactions: str, place: str, time: Any) -> dict[str, str]:
    held = (
        "select participant, asset, sum(available) + sum(reserved) as units, "
        f"sum(reserved) as reserved_units from {transactions} group by participant, asset"
    )
    balance, reserved = _amount("h.units", "a.unit"), _amount("h.reserved_units", "a.unit")
    wallets = (
        "select h.participant * 256 + a.asset_id as wallet_id, h.participant as user_id, "
        f"a.currency, {balance} as balance, {reserved} as reserved from ({held}) as h "
        f"join {place}.assets a on a.currency = h.asset"
    )
    # The configuration's own deposits are event 0, each with a number in its part.
    number = "case when t.event_seq = 0 then -(t.part >> 20) - 1 else t.event_seq end"
    moved = (
        f"select {number} as number, t.event_seq, t.part, t.participant as user_id, a.currency, "
        f"{_amount('t.available', 'a.unit')} as amount, t.outside, t.ts_ns, "
        f"{time('t.ts_ns')} as created_at "
        f"from {transactions} t join {place}.assets a on a.currency = t.asset "
        "where t.kind = 'DEPOSIT'"
    )
    return {
        "wallets": wallets,
        "balances": (
            "select user_id, currency, balance, reserved, balance - reserved as available "
            f"from {place}.wallets"
        ),
        "transfers": moved,
    }


def _transfers(transactions: str, place: str, time: Any) -> dict[str, str]:
    """Deposits and withdrawals, at once or in steps."""
    steps = (
        "select t.order_id as movement, t.event_seq, t.contra_id as step, t.qty_lots, t.ts_ns, "
        "t.participant as user_id, a.currency, a.unit, t.outside "
        f"from {transactions} t join {place}.assets a on a.currency = t.asset "
        "where t.kind = 'MOVEMENT'"
    )
    names = " ".join(f"when {int(step)} then '{state.lower()}'" for step, state in STATES.items())
    done = " ".join(f"when {int(step)} then 'COMPLETED'" for step in COMPLETED)
    failed = " ".join(f"when {int(step)} then 'FAILED'" for step in UNDONE)
    lives = (
        "select movement, min(event_seq) as number, min(user_id) as user_id, "
        f"min(currency) as currency, max({_amount('qty_lots', 'unit')}) as amount, "
        "(array_agg(step order by event_seq desc))[1] as last_step, "
        f"{time('min(ts_ns)')} as created_at, {time('max(ts_ns)')} as changed_at "
        f"from {place}.movement_steps group by movement"
    )
    lives = (
        f"select l.*, case last_step {names} end as state, "
        f"case last_step {done} {failed} else 'PENDING' end as status from ({lives}) as l"
    )
    ended = "case when status <> 'PENDING' then changed_at end as"
    at_once = "'COMPLETED' as status, created_at, created_at"
    return {
        "movement_steps": steps,
        "movements": lives,
        "deposits": (
            "select number as deposit_id, user_id, currency, amount, cast(null as varchar) as "
            f"tx_hash, {at_once} as confirmed_at, 'credited' as state from {place}.transfers "
            "where outside < 0 union all select number, user_id, currency, amount, null, status, "
            f"created_at, {ended} confirmed_at, state from {place}.movements "
            f"where last_step >= {MovementStep.SEE:d}"
        ),
        "withdrawals": (
            "select number as withdrawal_id, user_id, currency, -amount as amount, "
            f"cast(0 as decimal(20, {DECIMALS})) as fee, {at_once} as processed_at, "
            f"'done' as state from {place}.transfers where outside > 0 union all "
            "select number, user_id, currency, amount, 0, status, created_at, "
            f"{ended} processed_at, state from {place}.movements "
            f"where last_step < {MovementStep.SEE:d}"
        ),
    }


def _entries(place: str, time: Any) -> str:
    """Define the gains and losses of each participant: fills before fees, fees, both of trades that
    were taken back, and transfers."""
    parts = []
    for table, (trade, fee) in (
        ("fills", ("Trade_Fill", FEE)),
        ("broken", ("Trade_Broken", FEE_RETURNED)),
    ):
        for number, (asset, of) in enumerate(product(("quote", "base"), ("paid", "fee"))):
            units = f"-{asset}_{of}"
            parts.append(
                f"select event_seq * 8 + {number} as ledger_id, participant as user_id, {asset} "
                f"as currency, {_amount(units, f'{asset}_unit')} as amount, "
                f"'{fee if of == 'fee' else trade}' as reason, "
                f"cast(trade_id as varchar) as ref_id, {time('ts_ns')} as created_at "
                f"from {place}.{table} where {units} <> 0"
            )
    kinds = (
        "case when outside = 0 then 'Fee_Transfer' when outside < 0 then 'Deposit' "
        "else 'Withdraw' end"
    )
    parts.append(
        "select number * 8 + 4 as ledger_id, user_id, currency, amount, "
        f"{kinds} as reason, cast(number as varchar) as ref_id, created_at "
        f"from {place}.transfers where amount <> 0"
    )
    # A deposit that was taken back is neither a deposit nor what takes it back a withdrawal.
    reasons = (
        f"case when m.last_step = {MovementStep.REVERSE:d} then 'Deposit_Reversed' "
        "when s.outside < 0 then 'Deposit' else 'Withdraw' end"
    )
    parts.append(
        f"select s.event_seq * 8 + 4 as ledger_id, s.user_id, s.currency, "
        f"-{_amount('s.outside', 's.unit')} as amount, {reasons} as reason, "
        f"cast(m.number as varchar) as ref_id, {time('s.ts_ns')} as created_at "
        f"from {place}.movement_steps s join {place}.movements m on m.movement = s.movement "
        "where s.outside <> 0"
    )
    return " union all ".join(parts)
