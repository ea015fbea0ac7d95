"""What the tests of post in several tiers share."""

from openoutcry.journal.projections import core_money
from openoutcry.ledger.accounts import Account
from openoutcry.ledger.layout import LOT_COLUMNS, MONEY_COLUMNS

LABELS = ("event_seq", "cause_seq", "ts_ns", "kind", "participant", "instrument")


def as_dicts(rows):
    """Rows as the reference has them: what is not 0, and the labels."""
    names = (*MONEY_COLUMNS, *LOT_COLUMNS)
    return [
        {name: int(row[name]) for name in names if row[name]}
        | {name: int(row[name]) for name in LABELS}
        for row in rows
    ]


def same_as_core(books, engine):
    """Balance, reserve and position of everybody as the core's risk has them."""
    core = core_money(engine)
    right = ~core.killed_by_arithmetic
    held = [books.money(kind) for kind in (Account.AVAILABLE, Account.RESERVED, Account.MARGIN)]
    count = len(core.balances)
    assert (sum(held)[:count] == core.balances)[right].all()
    assert ((held[1] + held[2])[:count] == core.reserved)[right].all()
    lots = books.lots(Account.AVAILABLE) + books.lots(Account.RESERVED)
    assert (lots[:count] == core.positions).all()
    assert (books.lots(Account.RESERVED)[:count] == core.sell_lots).all()
