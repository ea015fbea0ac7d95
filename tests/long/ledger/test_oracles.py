"""Other people's ledgers add up our journal and come to our balances."""

import shutil
import subprocess
import time

import pytest

from openoutcry.ledger.standing import at
from openoutcry.ledger.transactions import transactions
from tests.support.ledger.oracles import beancount_balances, exported, hledger_balances


@pytest.mark.long
def test_both_come_to_the_balances_of_a_hundred_thousand_transactions(tmp_path):
    from openoutcry.report.evidence import write_evidence
    from tests.support.ledger import ledger_flow as flow

    beancount = pytest.importorskip("beancount")
    assert shutil.which("hledger"), "hledger is not installed"
    seed, commands = 4, 90_000
    home = flow.write_journal(tmp_path / "day", flow.draw(commands, seed))
    standing = at(home)
    count = sum(len(part) for part in transactions(home, standing))
    assert count >= 100_000
    seconds = {}
    for form, balances in (("hledger", hledger_balances), ("beancount", beancount_balances)):
        path = tmp_path / form
        wanted = exported(home, standing.seq, form, path)
        began = time.monotonic()
        assert balances(path) == wanted
        seconds[form] = round(time.monotonic() - began, 1)
    version = subprocess.run(["hledger", "--version"], capture_output=True, text=True, check=True)
    figures = {
        "transactions": count, "commands": commands, "seed": seed, "balances": len(wanted),
        "differences": 0, "seconds": seconds, "hledger": version.stdout.strip(),
        "beancount": beancount.__version__,
    }  # fmt: skip
    command = "make test-long ARGS='tests/long/ledger/test_oracles.py -k hundred_thousand'"
    write_evidence("ledger_oracles", figures, command)
