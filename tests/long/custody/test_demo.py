"""``outcry custody demo``: a deposit, a trade, a withdrawal and an outsider's check, end to end."""

import os
import subprocess

import pytest

from tests.support.custody.anvil import VARIABLE, binary
from tests.support.custody.chains import need_hsm, need_node
from tests.support.processes import OUTCRY


@pytest.mark.promise(
    "An outsider checks offline, or on an EVM chain by a separate node, that hot and cold "
    "wallets have what is owed. No changed proof, other contract or other owners pass",
    group="custody",
)
def test_the_demo_runs_from_a_deposit_to_the_outsiders_check(tmp_path):
    need_node()
    need_hsm()
    anvil = binary()
    environment = os.environ | ({VARIABLE: str(anvil)} if anvil else {})
    done = subprocess.run(
        [*OUTCRY, "custody", "demo", f"--folder={tmp_path / 'demo'}"],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    other_chain = (
        "traded: 1 ETH for 300 USD",
        "the chain paid 1.0 ETH once; the venue's withdrawal is done",
    )
    for text in (
        *(other_chain if anvil else ()),
        "the deposit is credited at the venue, and final",
        "traded: 2 LTC for 160 USD",
        "the chain paid 1.50000000 LTC once; the venue's withdrawal is done",
        "chain, custody, core and ledger agree to the unit",
        "outsider: the reserves cover what is owed",
    ):
        assert text in done.stdout
