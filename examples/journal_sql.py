"""What a journal says, by SQL: trades of each participant, and orders that were rejected.

    python examples/journal_sql.py JOURNAL

It needs ``pip install 'openoutcry[journal]'``.
"""

import sys
from pathlib import Path

from openoutcry.journal.sql import query

QUESTIONS = {
    "trades": """
        select symbol, participant, count(*) as trades, sum(qty_lots) as lots
        from (select unnest([buyer, seller]) as participant, symbol, qty_lots from trades)
        group by all order by all
    """,
    "rejected orders": """
        select symbol, participant, verdict, count(*) as orders
        from audit where action = 'NEW' and verdict like 'REJECTED%' group by all order by all
    """,
}


def main() -> None:
    """Ask each question, and print its rows."""
    for name, text in QUESTIONS.items():
        rows = query(Path(sys.argv[1]), text).to_pylist()
        print(f"{name}: {len(rows)}")
        for row in rows:
            print("  " + ", ".join(f"{column} {value}" for column, value in row.items()))


if __name__ == "__main__":
    main()
