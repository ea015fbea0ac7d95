"""Hot to cold by the payer, and cold to hot by carried files: in the records like all else."""

import json
import time
from dataclasses import replace

import pytest
from click.testing import CliRunner

from openoutcry.cli.custody import custody
from openoutcry.custody.ceremony import hold, recovered, write_ceremony
from openoutcry.custody.chains import book_of, chain_of
from openoutcry.custody.cold import build, outputs_of, send, sign
from openoutcry.custody.errors import Refused
from openoutcry.custody.reserves import (
    ReservesError,
    check,
    prove,
    prove_cold,
    require_distinct,
    sign_cold,
    spent,
)
from openoutcry.custody.scanner import Scanner, give_address
from openoutcry.custody.settings import read_custody_file
from openoutcry.custody.store import Store
from openoutcry.custody.utxo.address import network_of
from openoutcry.custody.utxo.node import RegtestNode
from openoutcry.custody.utxo.wallet import Wallet
from openoutcry.wire.decimals import decimal_text
from tests.support.custody.chains import NAME, TEXT, need_hsm, need_node
from tests.support.custody.desk import Desk
from tests.support.custody.party import COIN, NAMES, softhsm
from tests.support.custody.proofs import Both, World
from tests.support.portal.people import CHEAP

NETWORK = "ltc-regtest"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    need_node()
    need_hsm()
    folder = tmp_path_factory.mktemp("refill")
    softhsm(folder, *NAMES)
    made = Desk(folder)
    made.fund(7, 40)
    yield made
    made.close()


def held(desk):
    return desk.parts.rails[NAME].holdings()["LTC"]


def test_what_the_hot_wallet_has_too_much_goes_to_the_cold_one(desk):
    (asset,) = desk.payer.file.assets
    desk.payer.file = replace(desk.payer.file, assets=(replace(asset, hot_most=10 * COIN),))
    desk.mine(7)
    cold = Wallet(desk.bench.cold, network_of(NETWORK))
    found = desk.bench.node.rpc.call("scantxoutset", "start", [cold.branch_text(0)])
    assert int(found["total_amount"] * COIN) == 30 * COIN
    assert 10 * COIN - 10_000 < held(desk) < 10 * COIN
    assert all(one.is_whole for one in desk.balances())
    before = held(desk)
    desk.mine(7)
    assert held(desk) == before
    # A share of what the venue owes, 40 LTC here; the smaller limit counts.
    shared = replace(asset, hot_most=10 * COIN, hot_share=5)
    desk.payer.file = replace(desk.payer.file, assets=(shared,))
    desk.mine(7)
    assert 2 * COIN - 10_000 < held(desk) < 2 * COIN
    desk.payer.file = desk.bench.file


@pytest.mark.promise(
    "Two of three owners move a wallet's money, and no batch is made twice, elsewhere or "
    "changed. Two of three shares, offline, refill hot wallets and vaults, and recover all "
    "funds after the loss of every online key. Other shares, another fee or another secret's "
    "inputs are refused",
    group="custody",
)
def test_a_refill_comes_from_two_shares(desk):
    keys, shares = hold(NETWORK)
    public, node = keys.document(), desk.bench.node
    cold = Wallet(public["cold"], network_of(NETWORK))
    node.pay(cold.address(0, 3), 8 * COIN)
    node.mine()
    own = give_address(desk.parts.store, desk.bench.book, desk.bench.spec, None)
    found = outputs_of(public, node.rpc, ["cold"], 20)
    with pytest.raises(Refused) as refused:
        build(public, found, own, 9 * COIN, 10)
    assert refused.value.code == "insufficient_cold"
    document = build(public, found, own, 5 * COIN, 10)
    two = recovered(shares[1:], NETWORK, public["fingerprint"])
    dear = document | {"outputs": [[own, COIN]]}
    with pytest.raises(Refused) as refused:
        sign(dear, two)
    assert refused.value.code == "fee_too_high"
    before = held(desk)
    send(sign(document, two), node.rpc)
    desk.mine(7)
    assert held(desk) == before + 5 * COIN
    assert [one["state"] for one in desk.bench.deposits() if one["address"] == own] == ["own"]
    assert all(one.is_whole for one in desk.balances())


def test_an_approved_refill_by_the_documented_commands(tmp_path):
    """Two people approve; built online, signed by two shares without another word, and sent."""
    need_node()
    keys, shares = hold(NETWORK)
    people = "".join(
        f'[[person]]\nname = "{name}"\npassword = "{CHEAP.hash(name)}"\nrole = "operator"\n'
        for name in ("anna", "bert")
    )

    def run(*words, word=""):
        done = CliRunner().invoke(custody, words, input=word, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    public, *papers = map(str, write_ceremony(tmp_path / "made", keys, shares))
    at, unsigned, signed = (
        str(tmp_path / one) for one in ("custody.toml", "unsigned.json", "signed.json")
    )
    with RegtestNode(tmp_path / "node") as node:
        node.start()
        node.fund()
        node.pay(Wallet(keys.cold(), network_of(NETWORK)).address(0, 3), 8 * COIN)
        node.mine()
        values = {"url": node.url, "hot": keys.hot(), "cold": keys.cold(), "wait": 0, "final": 2}
        text = TEXT.format(**values).replace("[custody]", "[custody]\nrefill_wait_s = 0")
        text = text.replace("dust", f"refill_a_day = {6 * COIN}\ndust")
        (tmp_path / "custody.toml").write_text(text + people)
        own = run("refill", "ask", at, "LTC", "5").split()[3].rstrip(":")
        for name in ("anna", "bert"):
            run("refill", "approve", at, "1", "--person", name, word=f"{name}\n")
        assert f"pays 5.00000000 LTC to {own}" in run(
            "refill", "build", at, "1", public, "--out", unsigned
        )
        given = [f"--share={paper}" for paper in papers[:2]]
        assert "approved by anna and bert" in run("cold", "sign", unsigned, *given, "--out", signed)
        run("cold", "send", signed, "--node", node.url)
        node.mine(2)
        file = read_custody_file(tmp_path / "custody.toml")
        (spec,) = file.chains
        with Store(file.folder) as store:
            Scanner(spec, file, chain_of(spec, file), book_of(spec), store).catch_up()
            (row,) = store.rows("select * from deposits")
            assert (row["address"], row["units"], row["state"]) == (own, 5 * COIN, "own")


@pytest.mark.promise(
    "An outsider checks offline, or on an EVM chain by a separate node, that hot and cold "
    "wallets have what is owed. No changed proof, other contract or other owners pass",
    group="custody",
)
def test_the_cold_wallet_is_in_the_proof_of_reserves(desk, tmp_path):
    keys, shares = hold(NETWORK)
    public, node = keys.document(), desk.bench.node
    cold = Wallet(public["cold"], network_of(NETWORK))
    node.pay(cold.address(0, 2), 7 * COIN)
    node.pay(cold.address(1, 0), 2 * COIN)
    node.mine()
    made = prove_cold(public, NAME, "LTC", node.rpc, 20, "fresh")
    two = recovered(shares[:2], NETWORK, public["fingerprint"])
    document = json.loads(json.dumps(sign_cold(made, two)))
    assert check(document, "fresh") == 9 * COIN
    assert spent(document, node.rpc) == []
    other, _ = hold(NETWORK)
    with pytest.raises(Refused):
        sign_cold(made, other)
    first, second = document["outputs"]
    for change in (
        {"outputs": [first | {"amount": str(8 * COIN)}, second], "total": str(10 * COIN)},
        {"outputs": [first, first]},
        {"signatures": document["signatures"][:1]},
        {"signatures": []},
    ):
        with pytest.raises(ReservesError):
            check(document | change, "fresh")
    hot = prove(desk.bench.spec, "LTC", desk.parts.store, Words(desk.party), node.rpc, "fresh")
    paths = []
    for name, one in (("hot", hot), ("cold", document)):
        (tmp_path / f"{name}.json").write_text(json.dumps(one))
        paths.append(str(tmp_path / f"{name}.json"))
    headers = tmp_path / "headers"
    words = ["headers", f"--node={node.url}", "--from=1", f"--out={headers}"]
    assert CliRunner().invoke(custody, words).exit_code == 0
    tip = node.rpc.call("getbestblockhash")
    by_node = (f"--node={NAME}={node.url}",)
    by_name = (f"--block={NAME}={tip}", f"--headers={NAME}={headers}")
    for anchor in (by_node, by_name):
        done = CliRunner().invoke(custody, ["verify", *paths, "--challenge=fresh", *anchor])
        assert done.exit_code == 0, done.output
        assert "held 9.00000000 LTC" in done.output
        assert f"held {decimal_text(held(desk), 8)} LTC" in done.output
    # Bound to a statement: both verifiers ask the node, and see an output that was spent since.
    world = World(time_s=int(time.time()))
    stated = world.statement(units=9 * COIN)
    owed = world.owed(stated, tmp_path)
    both = Both(tmp_path, world, *by_node)
    made = prove_cold(public, NAME, "LTC", node.rpc, 20, "fresh", owed)
    hot = prove(
        desk.bench.spec, "LTC", desk.parts.store, Words(desk.party), node.rpc, "fresh", owed
    )
    documents = {"stated": stated, "hot": hot, "cold": sign_cold(made, two)}
    assert both.believe(documents)[0] == (True, True)
    send(
        sign(
            build(public, outputs_of(public, node.rpc, ["cold"], 20), desk.outside(), COIN, 10), two
        ),
        node.rpc,
    )
    assert both.believe(documents)[0] == (False, False)
    for anchor in ((), by_name[1:], by_name[:1]):
        done = CliRunner().invoke(custody, ["verify", *paths, "--challenge=fresh", *anchor])
        assert "not proved" in str(done.exception)
    with pytest.raises(ReservesError, match="two proofs"):
        require_distinct([document, document])


class Words:
    """The signers' words, as ``Links`` brings them."""

    def __init__(self, party):
        self.party = party

    def reserves(self, chain, message):
        request = {"do": "reserves", "chain": chain, "message": message}
        return [one.answer(request) for one in self.party.signers]
