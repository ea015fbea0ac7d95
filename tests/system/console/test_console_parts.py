"""The console's parts alone: sessions that end, logins that wait, trades out of messages."""

import pytest

from openoutcry.console.accounts import MOST_ANYWHERE, LockedError
from openoutcry.venue.operators import OperatorError
from tests.support.console import console_parts as shared
from tests.support.console.console_venue import PASSWORD

accounts = shared.accounts


@pytest.mark.promise(
    "V2.2.1, V2.5 (anti-automation): after `failures_before_lock` failures an address waits "
    "`lock_s`; a name waits at every address after 100. The answer does not reveal whether a "
    "name is known",
    group="console",
)
def test_failures_lock_an_address_and_only_many_lock_a_name_everywhere(accounts):
    for _ in range(accounts.failures_before_lock):
        with pytest.raises(OperatorError):
            accounts.prove("anna", "wrong", "", "a")
    with pytest.raises(LockedError) as locked:
        accounts.prove("anna", PASSWORD, "", "a")
    assert locked.value.wait_s == 60
    assert accounts.prove("anna", PASSWORD, "", "b") == 1, "a stranger locks only itself out"
    for number in range(MOST_ANYWHERE):
        with pytest.raises(OperatorError):
            accounts.prove("anna", "wrong", "", f"c{number}")
    with pytest.raises(LockedError):
        accounts.prove("anna", PASSWORD, "", "d")
    accounts.turn.now_s += 60
    assert accounts.prove("anna", PASSWORD, "", "d") == 1
    for name in ("x", "y", "z"):
        with pytest.raises(OperatorError):
            accounts.prove(name, "wrong", "", "e")
    with pytest.raises(LockedError):
        accounts.prove("anna", PASSWORD, "", "e")
