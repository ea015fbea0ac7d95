"""A thousand withdrawals of one run: once each, for the fee that the node asks for."""

import pytest

from openoutcry.custody.utxo.address import NETWORKS, address_of
from tests.support.custody.chains import need_hsm, need_node
from tests.support.custody.desk import Desk
from tests.support.custody.party import COIN, NAMES, softhsm

COUNT, RATE = 1_000, "0.00020500"
"""Fee of the others' transactions, for 1,000 bytes."""


@pytest.mark.promise(
    "A thousand withdrawals of one run are paid once each, in ten transactions, for a fee "
    "within 5 % of the node's rate. Where a node takes no replacement, a child pays for both",
    group="custody",
)
def test_a_thousand_withdrawals_are_paid_once_each(tmp_path):
    need_node()
    need_hsm()
    softhsm(tmp_path, *NAMES)
    desk = Desk(tmp_path, an_hour=10**4 * COIN, a_day=10**4 * COIN)
    try:
        pay_all(desk)
    finally:
        desk.close()


def teach_the_node(rpc):
    """Blocks of transactions at one rate, until the node has an estimate; it, for 1,000 bytes."""
    others = [rpc.call("getnewaddress", "", "bech32") for _ in range(10)]
    rpc.call("settxfee", RATE)
    for _ in range(30):
        for address in others:
            rpc.call("sendtoaddress", address, "0.01")
        rpc.call("generatetoaddress", 1, others[0])
        found = rpc.call("estimatesmartfee", 6)
        if "feerate" in found and found["blocks"] == 6:
            return int(found["feerate"] * COIN)
    raise AssertionError("the node makes no estimate")


def pay_all(desk):
    rpc, asked = desk.bench.node.rpc, {}
    desk.bench.node.mine(10)
    for _ in range(12):
        desk.bench.node.pay(desk.bench.address(7), 10 * COIN)
    desk.fund(7, 10)
    estimate = teach_the_node(rpc)
    start = rpc.call("getblockcount")
    for place in range(COUNT):
        script = b"\x00\x14" + place.to_bytes(20)
        address = address_of(script, NETWORKS["ltc-regtest"])
        reference, _ = desk.ask(7, 100_000 + place, address)
        asked[reference] = address, 100_000 + place
    desk.settle()
    desk.mine(8)
    drafts = desk.drafts()
    assert len(drafts) == COUNT // 100
    apart = []
    for one in drafts:
        wanted = estimate * rpc.call("decoderawtransaction", one["raw"])["vsize"] / 1_000
        apart.append(abs(int(one["fee"]) - wanted) / wanted)
    print(
        f"{COUNT} withdrawals in {len(drafts)} transactions; the node's own estimate is "
        f"{estimate} for 1,000 bytes, the fees are at most {max(apart):.2%} off it"
    )
    assert max(apart) <= 0.05, apart
    paid = {}
    for height in range(start, rpc.call("getblockcount") + 1):
        for one in rpc.call("getblock", rpc.call("getblockhash", height), 2)["tx"]:
            for out in one["vout"]:
                for address in out["scriptPubKey"].get("addresses", []):
                    paid.setdefault(address, []).append(int(out["value"] * COIN))
    for address, units in asked.values():
        assert paid[address] == [units]
    assert set(desk.states().values()) == {"done"}
    assert all(one.is_whole for one in desk.balances())
