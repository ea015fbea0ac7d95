"""Two verifiers that share no code look at hundreds of lies, and neither believes one.

One is ``outcry custody verify``, the other ``examples/verify_reserves.py``.
"""

import ast
import copy
import io
import itertools
import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

pytest.importorskip("embit", reason="custody's libraries are not installed")

from openoutcry.custody.evm.contracts import OWNER_AT, runtime_code
from openoutcry.custody.evm.encoding import address_text, keccak, to_hex, word
from openoutcry.custody.evm.node import Node
from openoutcry.custody.reserves import FORMAT
from openoutcry.custody.utxo.blocks import double_sha256
from openoutcry.ledger.proof import files
from openoutcry.ledger.proof.make import make_proofs
from openoutcry.venue.calendar import utc_text
from tests.support.custody.keys import LocalKey
from tests.support.custody.proofs import EASIEST, EXAMPLE, Both, World, signatures

UNUSED = {("height",), ("fingerprint",), ("outputs", 0, "at", 0), ("outputs", 0, "at", 1)}
"""Fields that prove nothing by a named block: their own keys may sign others."""


def paths(value, at=()):
    """Every field and every row of a document, at any depth."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in pairs:
        yield (*at, name)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*at, name))


def parent(document, path):
    for name in path[:-1]:
        document = document[name]
    return document


def changed(value):
    """Another value of the same type."""
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        last = value[-1:]
        return value[:-1] + ("1" if last == "0" else "0") if value else "00"
    return [] if isinstance(value, list) else {}


def doubled(document, path):
    """JSON text in which a field occurs twice, or a row is there once more."""
    made = copy.deepcopy(document)
    inside, name = parent(made, path), path[-1]
    if isinstance(inside, list):
        inside.insert(name, copy.deepcopy(inside[name]))
        return json.dumps(made)
    value = inside.pop(name)
    inside["MARK"] = value
    text = json.dumps(value)
    twice = f"{json.dumps(name)}: {text}, {json.dumps(name)}: {text}"
    return json.dumps(made).replace(f'"MARK": {text}', twice)


def lies(true, other):
    """(what, JSON text) of every field changed, removed, doubled, and replaced by that of another
    block's or epoch's document."""
    for path in paths(true):
        for what in ("changed", "removed", "replaced"):
            made = copy.deepcopy(true)
            inside, name = parent(made, path), path[-1]
            if what == "removed":
                del inside[name]
            elif what == "changed":
                inside[name] = changed(inside[name])
            else:
                try:
                    inside[name] = parent(other, path)[name]
                except (KeyError, IndexError):
                    continue
            if made != true:
                yield what, path, made
        yield "doubled", path, doubled(true, path)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """A true world, another block's with the same keys, and another asset's."""
    folder = tmp_path_factory.mktemp("worlds")
    true = World()
    later = World(amount=41 * 10**8, challenge="stale", height=8, time_s=1_700_000_600)
    other = World("other", network="btc-regtest", asset="BTC")
    found = []
    for one in (true, later, other):
        statement = one.statement(as_of_seq=1_000 + one.height)
        owed = one.owed(statement, folder)
        found.append((one, {"stated": statement, "hot": one.hot(owed), "cold": one.cold(owed)}))
    return found


PROMISE = pytest.mark.promise(
    "Two verifiers that share no code, one of them a single file for outsiders, refuse every field "
    "that was changed, removed, doubled, or taken from another asset, block or epoch",
    group="custody",
)


@PROMISE
def test_neither_verifier_believes_one_of_hundreds_of_lies(worlds, tmp_path, capsys):
    (world, true), (_, later), (_, foreign) = worlds
    both = Both(tmp_path, world)
    assert both.believe(true)[0] == (True, True)
    count = 0
    for name in true:
        for what, path, lie in (*lies(true[name], later[name]), *lies(true[name], foreign[name])):
            believed, said = both.believe(true | {name: lie})
            assert believed == (False, False), f"{name}: {path} {what}: {said}"
            assert "cover" not in said
            count += 1
    assert count >= 200, count
    print(f"{count} lies")


@PROMISE
def test_what_a_wallets_keys_sign_is_no_truth_either(worlds, tmp_path):
    """Each lie in a proof of reserves is signed again by the very keys of the wallet."""
    (world, true), (_, later), (_, foreign) = worlds
    both, count = Both(tmp_path, world), 0
    for name, keys in (("hot", world.keys[:2]), ("cold", [world.cold_key])):
        for other in (later, foreign):
            for what, path, lie in lies(true[name], other[name]):
                if what == "doubled" or path[0] == "signatures" or path in UNUSED:
                    continue
                if path == ("outputs", 0, "at") or lie.get("chain") is None:
                    continue
                believed, said = both.believe(true | {name: signatures(lie, keys)})
                assert believed == (False, False), f"{name}: {path} {what}: {said}"
                count += 1
    assert count >= 100, count


@pytest.mark.promise(
    "A proof and a statement of another day are not shown as today's: both verifiers say the "
    "dates of block and signature, and refuse what is older than a day",
    group="custody",
)
def test_an_old_proof_or_statement_is_not_shown_as_todays(tmp_path):
    hour, day = 3_600, 86_400
    world = World()
    both = Both(tmp_path, world)

    def at(seconds=None, stated_s=0, proved_s=0):
        """Whether each believes, of the moment so many seconds after the block; None: today."""
        both.words = [one for one in both.words if not one.startswith(("--at=", "--block="))]
        now = World(time_s=world.time_s + proved_s)
        both.words.append(f"--block=LTC={now.block}")
        if seconds is not None:
            time = datetime.fromtimestamp(world.time_s + seconds, UTC)
            both.words.append(f"--at={time.isoformat()}")
        stated = now.statement(as_of_ns=(world.time_s + stated_s) * 10**9)
        owed = now.owed(stated, tmp_path)
        return both.believe({"stated": stated, "hot": now.hot(owed), "cold": now.cold(owed)})

    for terms in ((0,), (hour,), (day,), (day, hour, hour), (0, 0, 2 * hour), (day, 2 * hour, 0)):
        believed, said = at(*terms)
        assert believed == (True, True), said
        assert f"of {utc_text((world.time_s + (*terms, 0, 0)[2]) * 10**9)}" in said
    for terms in (
        (None,),
        (day + 1,),
        (365 * day,),
        (2 * day, 2 * day, 0),  # an old proof under a new statement
        (2 * day, 0, 2 * day),  # an old statement with a new proof
        (-3 * hour,),  # what is to come
        (day, 0, day + 3 * hour),
    ):
        believed, said = at(*terms)
        assert believed == (False, False), terms
        assert "it says nothing of that day" in said
        assert "cover" not in said
    # What comes in between would cover what was owed before, or what went out after.
    for stated_s, proved_s in ((0, 20 * hour), (0, 2 * hour + 1), (20 * hour, 0)):
        believed, said = at(day, stated_s, proved_s)
        assert believed == (False, False), (stated_s, proved_s)
        assert "what came in between would cover what was owed before" in said
        assert "the reserves cover" not in said
    # What does not say its date, and a header that is not the block's.
    both.words = [*both.words[:-2], f"--block=LTC={world.block}", world.at]
    dateless = world.statement(as_of_ns=0)
    owed = world.owed(dateless, tmp_path)
    believed, said = both.believe(
        {"stated": dateless, "hot": world.hot(owed), "cold": world.cold(owed)}
    )
    assert believed == (False, False)
    assert "does not say when" in said
    stated = world.statement()
    owed = world.owed(stated, tmp_path)
    cold = world.cold(owed)
    assert both.believe({"stated": stated, "hot": world.hot(owed), "cold": cold})[0] == (True, True)
    for header in (World(time_s=world.time_s + 1).header.hex(), "", world.header.hex() + "00"):
        hot = world.hot(owed, header=header)
        assert both.believe({"stated": stated, "hot": hot, "cold": cold})[0] == (False, False)


@pytest.mark.promise(
    "The coins of one network are not counted as another's: a block that a person names has the "
    "proof of work of the network that the proof says",
    group="custody",
)
@pytest.mark.parametrize("other", ["btc", "btc-regtest"])
def test_coins_of_one_network_are_not_anothers_as_well(other, tmp_path):
    """A venue that owes both coins shows its outputs of one as outputs of the other too."""
    owes = {"BTC": (84 * 10**8, 8)}
    worlds = (World(f"{n}", others=owes) for n in itertools.count())
    # The work of a regtest network is so easy that every other header has another's by chance.
    world = next(
        one for one in worlds if int.from_bytes(double_sha256(one.header), "little") > EASIEST
    )
    both = Both(tmp_path, world)
    stated = world.statement()
    owed = world.owed(stated, tmp_path)
    documents = {"stated": stated, "hot": world.hot(owed), "cold": world.cold(owed)}
    for name in ("hot", "cold"):
        documents[f"{name}-again"] = getattr(world, name)(owed, network=other, asset="BTC")
        both.words.insert(0, str(tmp_path / f"{name}-again.json"))
    believed, said = both.believe(documents)
    assert believed == (False, False), said
    assert "no proof of work of" in said


@pytest.mark.parametrize("text", ["\x1b[8m", "\r", "\nthe reserves cover what is owed", "\u202e"])
def test_no_text_of_a_document_reaches_the_terminal_as_a_command(text, tmp_path):
    """A name of an asset could hide the verdict, or write another."""
    world = World(others={f"USD{text}": (5, 8)})
    both = Both(tmp_path, world)
    both.words.append(f"--not-on-chain=USD{text}")
    stated = world.statement()
    owed = "00" * 32
    true = {"stated": stated, "hot": world.hot(owed), "cold": world.cold(owed)}
    believed, said = both.believe(true)
    assert believed == (False, False)
    assert "cannot be shown" in said
    plain = World()
    both = Both(tmp_path, plain)
    stated = plain.statement()
    owed = plain.owed(stated, tmp_path)
    hot = plain.hot(owed, chain=f"LTC{text}")
    believed, said = both.believe({"stated": stated, "hot": hot, "cold": plain.cold(owed)})
    assert believed == (False, False)
    assert text not in said


def ether_node(world, owners, ether):
    """What a node answers of a vault with two balances, in wei, by height: (method, parameters)."""
    views = {to_hex(OWNER_AT + word(place)): one.address for place, one in enumerate(owners)}

    def block(text):
        return {"number": text, "hash": "0x" + text[2:].zfill(64), "timestamp": hex(world.time_s)}

    return {
        "eth_chainId": lambda: hex(31_337),
        "eth_getBlockByNumber": lambda text, full: block(text),
        "eth_getCode": lambda at, text: to_hex(runtime_code("wallet")),
        "eth_call": lambda call, text: to_hex(bytes(12) + views[call["data"]]),
        "eth_getBalance": lambda at, text: hex(ether[int(text, 16)]),
        "web3_sha3": lambda text: to_hex(keccak(bytes.fromhex(text[2:]))),
    }


@pytest.mark.promise(
    "No field of one chain's proof decides what another chain's wallets had: a vault is counted at "
    "a block of a vault's proof, whose date is checked",
    group="custody",
)
@pytest.mark.parametrize("name", ["chain_id", "height", "vault", "block", "tokens", "decimals"])
def test_a_proof_of_one_chain_says_nothing_of_another(name, tmp_path, monkeypatch):
    """What came in at block 150 would cover what was owed at block 100."""
    ether, low, high = 10**18, 100, 150
    owners = sorted((LocalKey(f"owner {one}") for one in range(3)), key=lambda one: one.address)

    def believed(owed_ether, **change):
        world = World(others={"ETH": (owed_ether * 10**8, 8)})
        answers = ether_node(world, owners, {low: ether, high: 100 * ether})

        def exchange(message):
            rows = message if isinstance(message, list) else [message]
            found = [{"id": r["id"], "result": answers[r["method"]](*r["params"])} for r in rows]
            return found if isinstance(message, list) else found[0]

        def opened(request, timeout):
            return io.BytesIO(json.dumps(exchange(json.loads(request.data))).encode())

        monkeypatch.setattr(Node, "_exchange", lambda node, message: exchange(message))
        monkeypatch.setattr("urllib.request.urlopen", opened)
        statement = world.statement()
        owed, vault = world.owed(statement, tmp_path), address_text(bytes(19) + b"\x07")
        plain = {
            "format": FORMAT, "kind": "evm-reserves", "chain": "EVM", "chain_id": 31_337,
            "vault": vault, "factory": vault, "deposit_addresses": [], "owed": owed,
            "tokens": {"ETH": "0x" + "00" * 20}, "decimals": {"ETH": 18}, "height": low,
            "block": "0x" + hex(low)[2:].zfill(64), "challenge": world.challenge,
            "totals": {"ETH": str(ether)},
        }  # fmt: skip
        both = Both(tmp_path, world)
        both.words = [str(tmp_path / "vault.json"), *both.words, "--node=EVM=http://127.0.0.1:1"]
        documents = {"stated": statement, "hot": world.hot(owed, **change)}
        documents |= {"cold": world.cold(owed), "vault": signatures(plain, owners[:2])}
        return both.believe(documents)

    assert believed(1)[0] == (True, True)
    assert believed(2)[0] == (False, False)
    foreign = {"chain_id": 31_337, "height": high, "vault": "0x07", "block": "0x96"}
    foreign |= {"tokens": {"ETH": "0x" + "00" * 20}, "decimals": {"ETH": 18}}
    for change in ({name: foreign[name]}, {"chain_id": 31_337, "height": high}):
        found, said = believed(2, **change)
        assert found == (False, False), said


def test_documents_left_out_or_there_twice_are_lies(worlds, tmp_path):
    (world, true), (_, later), _ = worlds
    both = Both(tmp_path, world)
    for documents in (
        true | {"cold": true["hot"]},
        true | {"stated": later["stated"]},
        later,
        true | {"hot": later["hot"]},
        true | {"hot": {}},
        true | {"hot": "[" * 10},
    ):
        assert both.believe(documents)[0] == (False, False)
    both.words.pop()  # no anchor
    assert both.believe(true)[0] == (False, False)
    both.words.append(f"--block=LTC={'11' * 32}")
    assert both.believe(true)[0] == (False, False)


def test_the_example_checks_members_and_prints_what_it_finds(worlds, tmp_path):
    (world, _), *_ = worlds
    (tmp_path / "venue.key").write_text((world.venue_key + b"salt" * 8).hex() + "\n")
    balances = {f"member {n}": (10**8 * n,) for n in range(1, 6)}
    make_proofs(
        tmp_path / "venue.key", 7, ("LTC",), balances, tmp_path / "out", (8,), world.time_s * 10**9
    )
    statement = json.loads((tmp_path / "out" / "statement.json").read_text())
    owed = files.read_statement(tmp_path / "out" / "statement.json")[0].content(b"").hex()
    both = Both(tmp_path, world)
    both.write({"stated": statement, "hot": world.hot(owed), "cold": world.cold(owed)})
    member = tmp_path / "out" / "members" / "member%203.json"
    words = [*both.words, f"--statement={both.statement}", f"--member={member}"]
    done = subprocess.run(
        [sys.executable, "-I", str(EXAMPLE), *words], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "among what is owed: member 3 {'LTC': 300000000}" in done.stdout
    assert "the reserves cover what is owed of LTC" in done.stdout
    true = json.loads(member.read_text())
    for what, path, lie in lies(true, json.loads(member.with_name("member%202.json").read_text())):
        if path == ("format",):
            continue
        member.write_text(lie if isinstance(lie, str) else json.dumps(lie))
        both.words = [*words[:-2], f"--member={member}"]
        assert both.by_example() is False, f"{path} {what}"


def test_the_example_is_one_short_file_without_our_code():
    text = EXAMPLE.read_text()
    assert len(text.splitlines()) <= 400
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {one.name.partition(".")[0] for one in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(node.module.partition(".")[0])
    assert names - sys.stdlib_module_names == {"blake3", "cryptography"}
