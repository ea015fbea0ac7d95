"""Books in the ten tables of the reference data set, by rows that a test gives."""

KEY, TEXT, MOMENT = "BIGINT PRIMARY KEY", "VARCHAR(100)", "DATETIME"
MONEY, STATUS = "DECIMAL(20,8)", "ENUM('PENDING','COMPLETED','FAILED')"
COLUMNS = {
    "Users": f"user_id {KEY}, username {TEXT}, created_at {MOMENT}",
    "Markets": f"market_id {KEY}, symbol {TEXT}, base_currency {TEXT}, quote_currency {TEXT}",
    "Wallets": (
        f"wallet_id {KEY}, user_id INT, currency {TEXT}, balance {MONEY}, reserved {MONEY}"
    ),
    "Orders": (
        f"order_id {KEY}, user_id INT, market_id INT, side ENUM('BUY','SELL'), "
        f"type ENUM('LIMIT','MARKET'), price {MONEY}, quantity {MONEY}, filled_qty {MONEY}, "
        "status ENUM('OPEN','PARTIALLY_FILLED','FILLED','CANCELLED'), "
        f"created_at {MOMENT}, updated_at {MOMENT}"
    ),
    "Trades": (
        f"trade_id {KEY}, market_id INT, buy_order_id BIGINT, sell_order_id BIGINT, "
        f"price {MONEY}, quantity {MONEY}, maker_user_id INT, taker_user_id INT, "
        f"maker_fee {MONEY}, taker_fee {MONEY}, executed_at {MOMENT}"
    ),
    "Ledger_Entries": (
        f"ledger_id {KEY}, user_id INT, currency {TEXT}, amount {MONEY}, reason {TEXT}, "
        f"ref_id {TEXT}, created_at {MOMENT}"
    ),
    "Deposits": f"deposit_id {KEY}, user_id INT, amount {MONEY}, status {STATUS}",
    "Withdrawals": f"withdrawal_id {KEY}, user_id INT, amount {MONEY}, status {STATUS}",
    "Order_Cancellations": f"cancel_id {KEY}, order_id BIGINT, user_id INT",
    "Risk_Flags": f"risk_id {KEY}, user_id INT, flag_type {TEXT}",
}
BASIC = {
    "Users": [(n, f"user{n}", "2024-01-01 00:00:00") for n in range(1, 6)],
    "Markets": [(1, "BTC_USD", "BTC", "USD"), (2, "ETH_USD", "ETH", "USD")],
}


def write_books(folder, **tables):
    """Write schema_and_data.sql: the ten tables, two markets, five users and the rows given."""
    folder.mkdir(exist_ok=True)
    text = "".join(f"CREATE TABLE {name} ({columns});\n" for name, columns in COLUMNS.items())
    for name, rows in {**BASIC, **tables}.items():
        lines = (
            ", ".join(
                "NULL" if value is None else f"'{value}'" if isinstance(value, str) else f"{value}"
                for value in row
            )
            for row in rows
        )
        text += f"INSERT INTO {name} VALUES\n(" + "),\n(".join(lines) + ");\n"
    (folder / "schema_and_data.sql").write_text(text)
    return folder


def write_wash_trades(folder):
    """Write trades, each with an order of its own a side: with oneself, forth and back, in the same
    second, and a round trip in which user 4 is the maker both times."""
    orders, trades = [], []
    for key, (buyer, seller, maker, second) in enumerate(
        [(1, 2, 1, 0), (2, 1, 2, 0), (3, 3, 3, 5), (4, 5, 4, 10), (5, 4, 4, 20), (4, 5, 4, 59)]
    ):
        taker = seller if maker == buyer else buyer
        buy, sell, at = 50_000 + 2 * key, 50_001 + 2 * key, f"2024-10-01 11:00:{second:02}"
        for order_id, user, side in ((buy, buyer, "BUY"), (sell, seller, "SELL")):
            orders.append((order_id, user, 1, side, "LIMIT", 7, 3, 3, "FILLED", at, at))
        trades.append((60_000 + key, 1, buy, sell, 7, 3, maker, taker, 0, 0, at))
    return write_books(folder, Orders=orders, Trades=trades)
