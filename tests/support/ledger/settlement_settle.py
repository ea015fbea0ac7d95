"""What the tests of settlement settle in several tiers share."""

from datetime import date

from hypothesis import strategies as st

from openoutcry.ledger.settlement.trades import read_trades

HEADER = "trade_id,trade_date,market,buyer,seller,asset,quantity_units,cash_asset,cash_units\n"
DAY = date(2026, 11, 24)
NAMES = ("ann", "bob", "cat", "dan")


def trades_of(folder, rows, name="trades.csv"):
    """Return trades of (buyer, seller, asset, units, cash), due on DAY."""
    path = folder / name
    path.write_text(
        HEADER
        + "".join(
            f"{at},2026-11-23,XNYS,{buyer},{seller},{asset},{units},USD,{cash}\n"
            for at, (buyer, seller, asset, units, cash) in enumerate(rows, 1)
        )
    )
    return read_trades(path)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(1, 3),
        st.sampled_from(["ACME", "COIN"]),
        st.integers(1, 9),
        st.integers(0, 90),
    ).map(lambda row: (NAMES[row[0]], NAMES[(row[0] + row[1]) % 4], *row[2:])),
    max_size=12,
)
