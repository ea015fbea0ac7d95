"""What is not fit for production is said, and no longer once it is changed."""

import pytest

from openoutcry.operations import fitness
from tests.support.operations.fitness import BAD, GUESSED, OTHER, OWN, session, states, venue

TOTP = 'totp = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"\n'


def operator(name, secret, more=TOTP):
    return f'[[operator]]\nname = "{name}"\npassword = "{secret}"\n{more}'


CASES = {
    "default password": (fitness.secrets, "default passwords", session("one", GUESSED),
                         session("one", OWN)),
    "same password": (fitness.secrets, "distinct passwords",
                      session("A", OWN) + operator("anna", OWN),
                      session("A", OWN) + operator("anna", OTHER)),
    "one supervisor": (fitness.operators, "supervisors", operator("anna", OWN),
                       operator("anna", OWN) + operator("bert", OTHER)),
    "no code": (fitness.operators, "one-time codes", operator("anna", OWN, ""),
                operator("anna", OWN)),
    "no TLS": (fitness.ports, "TLS", session("A", OWN, "0.0.0.0:9001"), session("A", OWN)),
    "no limits": (fitness.limits, "limits", "", "[[limits]]\nmax_qty_lots = 100\n"),
    "copies": (fitness.journal, "copies", "", None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_is_said_and_clears(name, tmp_path):
    check, finding, bad, good = CASES[name]
    assert states(check, venue(tmp_path / "bad", bad))[finding] == BAD
    if good is not None:
        assert states(check, venue(tmp_path / "good", good))[finding] == "good"
