"""What ``sample`` writes, in the MySQL dialect: the ten tables of an exchange's books, and the five
questions with the faults of their kind."""

KEY, TEXT, MOMENT = "BIGINT PRIMARY KEY", "VARCHAR(100)", "DATETIME"
MONEY = "DECIMAL(20,8) NOT NULL"
STATUS = "ENUM('PENDING','COMPLETED','FAILED')"

COLUMNS = {
    "Users": {"user_id": "INT PRIMARY KEY", "username": TEXT, "created_at": MOMENT},
    "Markets": {
        "market_id": "INT PRIMARY KEY", "symbol": TEXT, "base_currency": "VARCHAR(10)",
        "quote_currency": "VARCHAR(10)",
    },
    "Wallets": {
        "wallet_id": "INT PRIMARY KEY", "user_id": "INT", "currency": "VARCHAR(10)",
        "balance": MONEY, "reserved": MONEY,
    },
    "Orders": {
        "order_id": KEY, "user_id": "INT", "market_id": "INT", "side": "ENUM('BUY','SELL')",
        "type": "ENUM('LIMIT','MARKET')", "price": "DECIMAL(20,8) NULL", "quantity": MONEY,
        "filled_qty": MONEY,
        "status": "ENUM('OPEN','PARTIALLY_FILLED','FILLED','CANCELLED')",
        "created_at": MOMENT, "updated_at": MOMENT,
    },
    "Trades": {
        "trade_id": KEY, "market_id": "INT", "buy_order_id": "BIGINT", "sell_order_id": "BIGINT",
        "price": MONEY, "quantity": MONEY, "maker_user_id": "INT", "taker_user_id": "INT",
        "maker_fee": MONEY, "taker_fee": MONEY, "executed_at": MOMENT,
    },
    "Ledger_Entries": {
        "ledger_id": KEY, "user_id": "INT", "currency": "VARCHAR(10)", "amount": MONEY,
        "reason": TEXT, "ref_id": TEXT, "created_at": MOMENT,
    },
    "Deposits": {
        "deposit_id": KEY, "user_id": "INT", "currency": "VARCHAR(10)", "amount": MONEY,
        "tx_hash": TEXT, "status": STATUS, "created_at": MOMENT, "confirmed_at": "DATETIME NULL",
    },
    "Withdrawals": {
        "withdrawal_id": KEY, "user_id": "INT", "currency": "VARCHAR(10)", "amount": MONEY,
        "fee": MONEY, "status": STATUS, "created_at": MOMENT, "processed_at": "DATETIME NULL",
    },
    "Order_Cancellations": {
        "cancel_id": KEY, "order_id": "BIGINT", "user_id": "INT", "cancelled_at": MOMENT,
        "reason": TEXT,
    },
    "Risk_Flags": {
        "risk_id": KEY, "user_id": "INT", "flag_type": TEXT, "details": TEXT, "flagged_at": MOMENT,
    },
}  # fmt: skip

AMOUNTS = {
    name
    for columns in COLUMNS.values()
    for name, kind in columns.items()
    if kind.startswith("DECIMAL")
}


def schema() -> str:
    """The CREATE statements."""
    tables = []
    for table, columns in COLUMNS.items():
        lines = ",\n".join(f"  {name} {kind}" for name, kind in columns.items())
        tables.append(f"CREATE TABLE {table} (\n{lines}\n);\n")
    return "".join(tables)


_LEDGER = """COALESCE((SELECT p.total FROM posted p
           WHERE p.trade_id = w.trade_id AND p.currency = '{}'), 0)"""
_BASE, _QUOTE = _LEDGER.format("BTC"), _LEDGER.format("USD")

QUESTIONS = {
    "q1": """
-- Volume and VWAP by market and minute, 09:10 to 09:12 (and, by mistake, a minute more).
SELECT market_id, DATE_FORMAT(executed_at, '%Y-%m-%d %H:%i:00') AS minute_bucket,
       ROUND(SUM(price * quantity) / NULLIF(SUM(quantity), 0), 8) AS vwap_price,
       SUM(quantity) AS total_volume
FROM Trades
WHERE executed_at >= '2024-10-01 09:10:00' AND executed_at < '2024-10-01 09:13:00'
GROUP BY market_id, minute_bucket
ORDER BY market_id, minute_bucket;
""",
    "q2": """
-- Users in debt (by mistake what is reserved is added).
SELECT w.user_id, u.username, w.currency, w.balance, w.reserved,
       w.balance + w.reserved AS net_balance
FROM Wallets w JOIN Users u ON u.user_id = w.user_id
WHERE w.balance + w.reserved < 0
ORDER BY net_balance;
""",
    "q3": """
-- The trades of order 9001 (by mistake the counterparty is named by role, not by side).
SELECT t.trade_id, t.executed_at, t.quantity,
       CASE WHEN t.buy_order_id = 9001 THEN t.taker_user_id ELSE t.maker_user_id END
           AS counterparty_user_id,
       CASE WHEN t.buy_order_id = 9001 THEN 'BUY_SIDE' ELSE 'SELL_SIDE' END AS side_of_order,
       o.quantity AS order_quantity, o.filled_qty AS order_filled_qty,
       o.quantity - o.filled_qty AS remaining_qty
FROM Trades t CROSS JOIN (SELECT quantity, filled_qty FROM Orders WHERE order_id = 9001) o
WHERE t.buy_order_id = 9001 OR t.sell_order_id = 9001
ORDER BY t.executed_at;
""",
    "q4": """
-- Wash trades of the last day (by mistake of now; a trade with oneself is a pair as well).
WITH recent AS (
  SELECT * FROM Trades WHERE executed_at >= NOW() - INTERVAL 1 DAY
)
SELECT 'SELF' AS type, trade_id, maker_user_id AS user_id, 'SELF_TRADE' AS reason, executed_at
FROM recent WHERE maker_user_id = taker_user_id
UNION ALL
SELECT 'RECIPROCAL', CONCAT(a.trade_id, '|', b.trade_id),
       CONCAT(a.maker_user_id, '↔', a.taker_user_id),
       CONCAT('delta_s=', TIMESTAMPDIFF(SECOND, a.executed_at, b.executed_at)), NULL
FROM recent a JOIN recent b
  ON a.market_id = b.market_id AND a.price = b.price AND a.quantity = b.quantity
 AND a.maker_user_id = b.taker_user_id AND a.taker_user_id = b.maker_user_id
 AND b.executed_at >= a.executed_at
 AND TIMESTAMPDIFF(SECOND, a.executed_at, b.executed_at) <= 60
ORDER BY type;
""",
    "q5": f"""
-- The ledger next to the trades of BTC_USD (by mistake in sums over all users, fees as amounts).
WITH traded AS (
  SELECT trade_id, maker_user_id, taker_user_id, quantity, price * quantity AS notional,
         maker_fee + taker_fee AS fees
  FROM Trades
  WHERE market_id = 1 AND executed_at >= '2024-10-01 09:00:00'
    AND executed_at < '2024-10-01 10:00:00'
),
posted AS (
  SELECT ref_id AS trade_id, currency, SUM(amount) AS total
  FROM Ledger_Entries
  WHERE ref_id IN (SELECT CAST(trade_id AS CHAR) FROM traded)
  GROUP BY ref_id, currency
)
SELECT w.trade_id, w.maker_user_id, w.taker_user_id,
       w.quantity AS expected_btc_buyer, -w.quantity AS expected_btc_seller,
       -w.notional AS expected_usd_buyer, w.notional AS expected_usd_seller,
       {_BASE} AS ledger_btc_sum,
       {_QUOTE} AS ledger_usd_sum,
       CASE WHEN {_BASE} <> 0 THEN 1
            WHEN {_QUOTE} <> -w.fees THEN 1
            ELSE 0 END AS discrepancy_flag
FROM traded w
ORDER BY w.trade_id;
""",
}
