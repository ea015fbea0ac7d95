"""SQL of the five questions over the tables of an exchange (docs/reference-questions.md).

It runs on DuckDB and PostgreSQL alike.  ``GIVEN`` keeps the mistakes of the reference data set's
SQL; ``MEANT`` answers what the questions' text means.  Fields in braces are SQL literals of
``questions.Parameters``, and what differs between the data set and a venue's store.
"""

SIDED = """
sided as (
  select t.*, {notional} as notional, m.base_currency as base, m.quote_currency as quote,
    coalesce(b.user_id, case s.user_id when t.maker_user_id then t.taker_user_id
      when t.taker_user_id then t.maker_user_id end) as buyer,
    coalesce(s.user_id, case b.user_id when t.maker_user_id then t.taker_user_id
      when t.taker_user_id then t.maker_user_id end) as seller,
    case when b.user_id is null or s.user_id is null
      then case when t.maker_user_id = t.taker_user_id then t.maker_user_id end
      when b.user_id = s.user_id then b.user_id end as both_sides
  from trades t join markets m on m.market_id = t.market_id
  left join orders b on b.order_id = t.buy_order_id and b.market_id = t.market_id
  left join orders s on s.order_id = t.sell_order_id and s.market_id = t.market_id
)"""
"""Trades with their buyer and seller: the users of the orders, whichever was the maker.  The user
of a missing order is the maker or taker who does not own the other order."""

LEGS = (
    SIDED
    + """, asked as (
  select * from sided
  where market_id = {market_id} and executed_at >= {begin} and executed_at < {end}
), legs as (
  select trade_id, buyer as user_id, base as currency, 'Trade_Fill' as reason, quantity as amount
  from asked where buyer is not null
  union all select trade_id, buyer, quote, 'Trade_Fill', -notional
  from asked where buyer is not null
  union all select trade_id, seller, base, 'Trade_Fill', -quantity
  from asked where seller is not null
  union all select trade_id, seller, quote, 'Trade_Fill', notional
  from asked where seller is not null
  union all select trade_id, maker_user_id, coalesce({maker_currency}, quote), 'Fee', -{maker_fee}
  from asked where maker_user_id is not null and {maker_fee} <> 0
  union all select trade_id, taker_user_id, coalesce({taker_currency}, quote), 'Fee', -{taker_fee}
  from asked where taker_user_id is not null and {taker_fee} <> 0
)"""
)
"""The ledger rows that each trade of the window requires."""

MEANT = {
    "q1": """
select m.market_id, m.minute as minute_bucket, sum(t.price * t.quantity) as vwap_price,
  coalesce(sum(t.quantity), 0) as total_volume
from (select market_id, minute from markets cross join
  generate_series(date_trunc('minute', {begin}), {end} - interval '1 microsecond',
    interval '1 minute') as g(minute)) m
left join trades t on t.market_id = m.market_id and t.executed_at >= greatest(m.minute, {begin})
  and t.executed_at < least(m.minute + interval '1 minute', {end})
group by m.market_id, m.minute order by m.market_id, m.minute""",
    "q2": """
select w.user_id, u.username, w.currency, w.balance, w.reserved,
  w.balance - w.reserved as available
from wallets w left join users u on u.user_id = w.user_id
where w.balance < w.reserved order by available, w.wallet_id""",
    "q3": f"""
with {SIDED}, own as (
  select *, buy_order_id as order_id, seller as counterparty, 'BUY_SIDE' as side_of_order
  from sided where buy_order_id = {{order_id}}
  union all select *, sell_order_id, buyer, 'SELL_SIDE'
  from sided where sell_order_id = {{order_id}}
)
select own.trade_id, own.executed_at, own.quantity, own.counterparty as counterparty_user_id,
  own.side_of_order, o.quantity as order_quantity, o.filled_qty as order_filled_qty,
  o.quantity - sum(own.quantity) over
    (partition by own.market_id order by own.executed_at, own.trade_id, own.side_of_order
     rows unbounded preceding) as remaining_qty
from own join orders o on o.order_id = own.order_id and o.market_id = own.market_id
order by own.executed_at, own.trade_id, own.side_of_order""",
    "q4": f"""
with {SIDED}, recent as (
  select * from sided
  where executed_at >= {{as_of}} - interval '1 day' and executed_at <= {{as_of}}
), found as (
  select 'SELF' as type, cast(trade_id as varchar) as trade_id,
    cast(both_sides as varchar) as user_id, 'SELF_TRADE' as reason, executed_at,
    executed_at as begun, trade_id as first, trade_id as second
  from recent where both_sides is not null
  union all select 'RECIPROCAL', cast(a.trade_id as varchar) || '|' || cast(b.trade_id as varchar),
    cast(a.buyer as varchar) || '↔' || cast(a.seller as varchar),
    'delta_s=' || cast(cast(floor(extract(epoch from (b.executed_at - a.executed_at))) as bigint)
      as varchar),
    b.executed_at, {{as_of}}, a.trade_id, b.trade_id
  from recent a join recent b on b.market_id = a.market_id and b.price = a.price
    and b.quantity = a.quantity and b.buyer = a.seller and b.seller = a.buyer
    and (b.executed_at > a.executed_at
      or (b.executed_at = a.executed_at and b.trade_id > a.trade_id))
    and b.executed_at < a.executed_at + interval '61 seconds'
  where a.both_sides is null and b.both_sides is null
)
select type, trade_id, user_id, reason, executed_at from found
order by type desc, begun, first, second""",
    "q5": f"""
with {LEGS}, compared as (
  select trade_id, user_id, currency, reason, amount as expected, 0 as posted from legs
  union all select a.trade_id, e.user_id, e.currency, e.reason, 0, e.amount
  from ledger_entries e join asked a on e.ref_id = cast(a.trade_id as varchar)
  where e.reason in ('Trade_Fill', 'Fee')
), both_accounts as (
  select trade_id, user_id, currency, reason, sum(expected) as expected, sum(posted) as posted
  from compared group by trade_id, user_id, currency, reason
  union all select trade_id, null, currency, 'Fee', sum(expected), sum(posted) from (
    select trade_id, currency, -amount as expected, 0 as posted from legs where reason = 'Fee'
    union all select v.trade_id, v.currency, 0, v.amount
    from venue_entries v join asked a on a.trade_id = v.trade_id and v.reason = 'Fee'
  ) income group by trade_id, currency having sum(expected) <> 0 or sum(posted) <> 0
)
select trade_id, coalesce(cast(user_id as varchar), 'venue') as user_id, currency, reason,
  expected, posted, posted - expected as difference,
  case when posted = expected then 0 else 1 end as discrepancy_flag
from both_accounts order by trade_id, both_accounts.user_id nulls last, currency, reason""",
    "filled": """
select o.order_id, o.quantity, o.filled_qty, coalesce(sum(t.quantity), 0) as trades_sum_qty,
  o.filled_qty - coalesce(sum(t.quantity), 0) as mismatch
from orders o left join (
  select market_id, buy_order_id as order_id, quantity from trades
  union all select market_id, sell_order_id, quantity from trades
) t on t.order_id = o.order_id and t.market_id = o.market_id
group by o.market_id, o.order_id, o.quantity, o.filled_qty order by o.order_id, o.market_id""",
    "fees": """
select user_id, currency, -sum(amount) as fees_paid from ledger_entries
where reason in ('Fee', 'Fee_Returned') and created_at >= {begin} and created_at < {end}
group by user_id, currency order by user_id, currency""",
}

TOTAL = """coalesce((select sum(e.amount) from ledger_entries e
    where e.ref_id = cast(w.trade_id as varchar) and e.currency = w.{}), 0)"""
BASE, QUOTE = TOTAL.format("base_currency"), TOTAL.format("quote_currency")

GIVEN = {
    "q1": """
select market_id, date_trunc('minute', executed_at) as minute_bucket,
  sum(price * quantity) as vwap_price, sum(quantity) as total_volume
from trades where executed_at >= {begin} and executed_at < {end} + interval '1 minute'
group by market_id, date_trunc('minute', executed_at) order by market_id, minute_bucket""",
    "q2": """
select w.user_id, u.username, w.currency, w.balance, w.reserved,
  w.balance + w.reserved as net_balance
from wallets w join users u on u.user_id = w.user_id
where w.balance + w.reserved < 0 order by net_balance, w.user_id, w.currency""",
    "q3": """
select t.trade_id, t.executed_at, t.quantity,
  case when t.buy_order_id = {order_id} then t.taker_user_id else t.maker_user_id end
    as counterparty_user_id,
  case when t.buy_order_id = {order_id} then 'BUY_SIDE' else 'SELL_SIDE' end as side_of_order,
  o.quantity as order_quantity, o.filled_qty as order_filled_qty,
  o.quantity - o.filled_qty as remaining_qty
from trades t
cross join (select quantity, filled_qty from orders where order_id = {order_id}) o
where t.buy_order_id = {order_id} or t.sell_order_id = {order_id}
order by t.executed_at, t.trade_id""",
    "q4": """
with recent as (select * from trades where executed_at >= {as_of} - interval '1 day'),
found as (
  select 'SELF' as type, cast(trade_id as varchar) as trade_id,
    cast(maker_user_id as varchar) as user_id, 'SELF_TRADE' as reason, executed_at
  from recent where maker_user_id = taker_user_id
  union all select 'RECIPROCAL', cast(a.trade_id as varchar) || '|' || cast(b.trade_id as varchar),
    cast(a.maker_user_id as varchar) || '↔' || cast(a.taker_user_id as varchar),
    'delta_s=' || cast(cast(floor(extract(epoch from (b.executed_at - a.executed_at))) as bigint)
      as varchar), null
  from recent a join recent b on b.market_id = a.market_id and b.price = a.price
    and b.quantity = a.quantity and a.maker_user_id = b.taker_user_id
    and a.taker_user_id = b.maker_user_id and b.executed_at >= a.executed_at
    and b.executed_at < a.executed_at + interval '61 seconds'
)
select * from found order by type, trade_id""",
    "q5": f"""
with w as (
  select t.*, m.base_currency, m.quote_currency
  from trades t join markets m on m.market_id = t.market_id
  where t.market_id = {{market_id}} and t.executed_at >= {{begin}} and t.executed_at < {{end}}
)
select w.trade_id, w.maker_user_id, w.taker_user_id, w.quantity as expected_base_buyer,
  -w.quantity as expected_base_seller, -(w.price * w.quantity) as expected_quote_buyer,
  w.price * w.quantity as expected_quote_seller,
  {BASE} as ledger_base_sum,
  {QUOTE} as ledger_quote_sum,
  case when {BASE} <> 0 then 1
    when {QUOTE} <> -w.maker_fee - w.taker_fee then 1
    else 0 end as discrepancy_flag
from w order by w.trade_id""",
}
