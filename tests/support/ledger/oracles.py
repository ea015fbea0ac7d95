"""What the tests of oracles in several tiers share."""

import csv
import io
import subprocess
from collections import defaultdict

from openoutcry.ledger.accounts import Account
from openoutcry.ledger.plain_text import expected, plain_text
from openoutcry.ledger.standing import at
from openoutcry.ledger.transactions import transactions


def exported(day, seq, form, path):
    standing = at(day, seq)
    path.write_text("".join(plain_text(standing.books, transactions(day, standing), form)))
    assert standing.books.balance(8, 0, Account.AVAILABLE)
    return expected(standing.books)


def hledger_balances(path):
    words = ["hledger", "-f", path, "balance", "--flat", "-O", "csv", "--no-total", "--layout"]
    done = subprocess.run([*words, "bare"], capture_output=True, text=True, check=True)
    rows = csv.DictReader(io.StringIO(done.stdout))
    return {(row["account"], row["commodity"].strip('"')): int(row["balance"]) for row in rows
            if int(row["balance"])}  # fmt: skip


def beancount_balances(path):
    from beancount import loader
    from beancount.core.data import Transaction

    entries, errors, _ = loader.load_file(str(path))
    assert errors == []
    sums = defaultdict(int)
    for entry in entries:
        if isinstance(entry, Transaction):
            for posting in entry.postings:
                sums[posting.account, posting.units.currency] += posting.units.number
    return {key: int(value) for key, value in sums.items() if value}
