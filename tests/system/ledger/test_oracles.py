"""Other people's ledgers add up our journal and come to our balances."""

import shutil

import pytest

from tests.support.ledger.oracles import beancount_balances, exported, hledger_balances

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
