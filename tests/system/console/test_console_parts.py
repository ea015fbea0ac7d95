"""The console's parts alone: sessions that end, logins that wait, trades out of messages."""

import pytest

from openoutcry.console.accounts import LockedError
from openoutcry.venue.operators import OperatorError
from tests.support.console import console_parts as shared
from tests.support.console.console_venue import PASSWORD

accounts = shared.accounts


@pytest.mark.promise(
    "V2.2.1 (anti-automation): after `failures_before_lock` failures the name and the"
    " address wait `lock_s`",
    group="console",
)
def test_who_fails_waits_by_name_and_by_address(accounts):
    for address in ("a", "b", "c"):
        with pytest.raises(OperatorError):
            accounts.prove("anna", "wrong", "", address)
    with pytest.raises(LockedError) as locked:
        accounts.prove("anna", PASSWORD, "", "d")
    assert locked.value.wait_s == 60
    accounts.turn.now_s += 60
    assert accounts.prove("anna", PASSWORD, "", "a") == 1
    for name in ("x", "y", "z"):
        with pytest.raises(OperatorError):
            accounts.prove(name, "wrong", "", "e")
    with pytest.raises(LockedError):
        accounts.prove("anna", PASSWORD, "", "e")
