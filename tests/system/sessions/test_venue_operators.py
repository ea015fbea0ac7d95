"""Who an operator is: passwords, one-time codes, tickets; what takes two; the desk's record."""

import json
import socket
from types import SimpleNamespace

import pytest

from openoutcry.risk import layout as lay
from openoutcry.risk.bits import Setting
from openoutcry.venue.desk import NAME as SOCKET
from openoutcry.venue.desk import Desk
from openoutcry.venue.desk_record import DeskRecord
from openoutcry.venue.example import EXAMPLE
from openoutcry.venue.file import read_venue
from openoutcry.venue.operators import (
    OperatorError,
)
from openoutcry.venue.risk_desk import RiskDesk
from tests.support.venue import venue_operators as shared

clock = shared.clock
operators = shared.operators
rich = shared.rich


@pytest.mark.promise(
    "V2.1.1 to V2.1.12 (passwords): any length up to 256 and any characters; none is "
    "kept in clear, none is said; the page lets a password manager fill in",
    group="console",
)
@pytest.mark.promise(
    "V2.2.1, V2.5 (anti-automation): after `failures_before_lock` failures an address waits "
    "`lock_s`; a name waits at every address after 100. The answer does not reveal whether a "
    "name is known",
    group="console",
)
def test_name_password_and_role(operators):
    assert operators.prove("anna", "word") == 1
    for name, word in (("anna", "wrong"), ("nobody", "word"), ("anna", ""), (None, None), (7, 7)):
        with pytest.raises(OperatorError, match="name, password or one-time code is wrong"):
            operators.prove(name, word)
    operators.check(1, "supervisor")
    operators.check(2, "operator")
    with pytest.raises(OperatorError, match="otto is operator; this needs supervisor"):
        operators.check(2, "supervisor")


def test_what_two_withdraw_at_once_is_available_once(rich, tmp_path):
    """The second is refused while the core has not had the first, and no longer once it has."""
    risk_desk = RiskDesk(read_venue(EXAMPLE), SimpleNamespace(now_ns=lambda: 10**18), print)
    risk_desk.operations, risk_desk.view, risk_desk.record = rich, rich.view, DeskRecord(tmp_path)
    risk_desk.shared = SimpleNamespace(sequenced=SimpleNamespace(published=0))
    desk = Desk(tmp_path, risk_desk._work_of)
    published = []

    def asked(amount):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(tmp_path / SOCKET))
        request = {"do": "deposit", "participant": 1, "amount": amount}
        client.sendall(json.dumps(request).encode() + b"\n")
        return client

    def poll(is_processed):
        for _ in range(3):
            desk.poll(lambda r: published.extend(deposits(r)), lambda target: is_processed)

    def deposits(commands):
        """The amounts; what a request's reference takes is not looked at here."""
        return commands["aux"][commands["order_type"] == Setting.DEPOSIT]

    def answer(client):
        return json.loads(client.recv(1 << 16))

    first, second = asked(-70), asked(-70)
    poll(False)
    assert published == [-70]
    assert answer(second)["error"] == "participant 1 has 30 available; 70 was requested"
    rich.view.participants[1, lay.BALANCE // 8] = 30
    poll(True)
    assert answer(first)["commands"] == 1
    third = asked(-30)
    poll(False)
    assert published == [-70, -30]
    desk.close()
    for client in (first, second, third):
        client.close()
