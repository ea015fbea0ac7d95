"""Other people's ledgers add up our journal and come to our balances."""

import csv
import io
import shutil
import subprocess
import time
from collections import defaultdict

import pytest

from openoutcry.ledger.accounts import Account
from openoutcry.ledger.ledger_state import at
from openoutcry.ledger.plain_text import expected, plain_text
from openoutcry.ledger.transactions import transactions


def exported(day, seq, form, path):
    ledger_state = at(day, seq)
    path.write_text("".join(plain_text(ledger_state.books, transactions(day, ledger_state), form)))
    assert ledger_state.books.balance(8, 0, Account.AVAILABLE)
    return expected(ledger_state.books)


def hledger_balances(path):
    words = ["hledger", "-f", path, "balance", "--flat", "-O", "csv", "--no-total", "--layout"]
    done = subprocess.run([*words, "bare"], capture_output=True, text=True, check=True)
    rows = csv.DictReader(io.StringIO(done.stdout))
    return {
        (row["account"], row["commodity"].strip('"')): int(row["balance"])
        for row in rows
        if int(row["balance"])
    }


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


FEW = 4_000
"""Commands: beancount takes a second for some thousand transactions."""


@pytest.mark.skipif(shutil.which("hledger") is None, reason="hledger is not installed")
def test_hledger_comes_to_our_balances(day, tmp_path):
    wanted = exported(day, FEW, "hledger", tmp_path / "day.journal")
    assert len(wanted) > 500
    assert hledger_balances(tmp_path / "day.journal") == wanted


def test_beancount_comes_to_our_balances(day, tmp_path):
    pytest.importorskip("beancount")
    wanted = exported(day, FEW, "beancount", tmp_path / "day.beancount")
    assert beancount_balances(tmp_path / "day.beancount") == wanted


@pytest.mark.long
def test_both_come_to_the_balances_of_a_hundred_thousand_transactions(tmp_path):
    from openoutcry.report.evidence import write_evidence
    from tests.support.ledger import ledger_flow as flow

    beancount = pytest.importorskip("beancount")
    assert shutil.which("hledger"), "hledger is not installed"
    seed, commands = 4, 90_000
    home = flow.write_journal(tmp_path / "day", flow.draw(commands, seed))
    ledger_state = at(home)
    count = sum(len(part) for part in transactions(home, ledger_state))
    assert count >= 100_000
    seconds = {}
    for form, balances in (("hledger", hledger_balances), ("beancount", beancount_balances)):
        path = tmp_path / form
        wanted = exported(home, ledger_state.seq, form, path)
        began = time.monotonic()
        assert balances(path) == wanted
        seconds[form] = round(time.monotonic() - began, 1)
    version = subprocess.run(["hledger", "--version"], capture_output=True, text=True, check=True)
    figures = {
        "transactions": count,
        "commands": commands,
        "seed": seed,
        "balances": len(wanted),
        "differences": 0,
        "seconds": seconds,
        "hledger": version.stdout.strip(),
        "beancount": beancount.__version__,
    }
    command = "make test-long ARGS='tests/system/ledger/test_oracles.py -k hundred_thousand'"
    write_evidence("ledger_oracles", figures, command)
