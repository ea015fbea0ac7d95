"""An outsider believes nothing that only the proof says: no block, no script, no asset, no debt."""

import hashlib
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

pytest.importorskip("embit", reason="custody's libraries are not installed")

from openoutcry.cli.custody import custody
from openoutcry.custody import anchors
from openoutcry.custody.anchors import Checkpoint, NotAnchored, hash_of, require_work
from openoutcry.wire.decimals import decimal_text
from tests.support.custody.keys import LocalKey
from tests.support.custody.proofs import EASIEST, World, mined, signatures, template


def verify(folder, documents, *words, statement=None, world=None):
    """Exit code and what was printed."""
    paths = []
    for place, one in enumerate(documents):
        path = folder / f"proof{place}.json"
        path.write_text(one if isinstance(one, str) else json.dumps(one))
        paths.append(str(path))
    if statement is not None:
        path = folder / "statement.json"
        path.write_text(statement if isinstance(statement, str) else json.dumps(statement))
        words = (*words, f"--liabilities={path}", f"--public-key={world.public_key}")
    at = (world or World()).at
    done = CliRunner().invoke(custody, ["verify", *paths, "--challenge=fresh", at, *words])
    said = done.output + (str(done.exception) if done.exception else "")
    return done.exit_code, said


def refused(*terms, **more):
    """What was said; nothing was proved."""
    code, said = verify(*terms, **more)
    assert code != 0
    assert "not proved" in said or "Usage" in said, said
    assert "cover" not in said
    return said


def bound(world, folder, **change):
    """The statement, and both proofs bound to it."""
    stated = world.statement(**change)
    owed = world.owed(stated, folder)
    return stated, [world.hot(owed), world.cold(owed)]


@pytest.mark.promise(
    "A proof of reserves is worth nothing without an anchor from outside of it: a node, a named "
    "block, or work from the release's checkpoint",
    group="custody",
)
def test_an_invented_transaction_in_an_invented_header_is_not_proved(tmp_path):
    world = World()
    said = refused(tmp_path, [world.hot()])
    assert f"nothing but the proof says that block {world.block} is in the chain" in said
    refused(tmp_path, [world.hot()], f"--block=LTC={'11' * 32}")
    refused(tmp_path, [world.hot()], f"--block=OTHER={world.block}")
    code, said = verify(tmp_path, [world.hot(), world.cold()], f"--block=LTC={world.block}")
    assert code == 0, said
    assert f"held {decimal_text(world.amount, 8)} LTC" in said
    assert "what is owed was not compared" in said


def chain(length, parent=b"p" * 32, spacing=14, **more):
    """Headers, each the next one's parent."""
    found = []
    for place in range(length):
        found.append(mined(parent, bytes(32), 1_000 + spacing * place, **more))
        parent = hashlib.sha256(hashlib.sha256(found[-1]).digest()).digest()
    return found


def rules(headers, at=0, **more):
    terms = {"interval": 4, "buried": 2, "time_s": 1_000, "work": 2, "spacing_s": 10} | more
    return {"net": Checkpoint(4, hash_of(headers[at]), limit=EASIEST, **terms)}


@pytest.mark.promise(
    "A proof of reserves is worth nothing without an anchor from outside of it: a node, a named "
    "block, or work from the release's checkpoint",
    group="custody",
)
def test_headers_need_the_checkpoint_the_work_the_rules_and_blocks_on_top():
    headers = chain(12)
    known = rules(headers)
    good = {hash_of(headers[8])}
    require_work("net", good, headers, 1_150, known)
    for why, terms in {
        "no checkpoint of": ("other", good, headers, 1_150, known),
        "do not contain block": ("net", good, headers[1:], 1_150, known),
        "hashes of work wanted": ("net", good, headers, 9_999, known),
        "with 2 on top": ("net", {hash_of(headers[10])}, headers, 1_150, known),
        "block 1111": ("net", {"11" * 32}, headers, 1_150, known),
    }.items():
        with pytest.raises(NotAnchored, match=why):
            require_work(*terms)
    # Another target within a period, and one that its times do not make.
    parent = hashlib.sha256(hashlib.sha256(headers[5]).digest()).digest()
    for place, extra in ((6, 0x2000FFFF), (8, 0x207FFFFE)):
        parent = hashlib.sha256(hashlib.sha256(headers[place - 1]).digest()).digest()
        false = [*headers[:place], mined(parent, bytes(32), 2_000, extra)]
        with pytest.raises(NotAnchored, match="another target than the blocks before it make"):
            require_work("net", set(), false, 1_000, known)
    with pytest.raises(NotAnchored, match="no target of this network"):
        require_work(
            "net",
            set(),
            headers,
            1_000,
            rules(headers, interval=4) | {"net": replace(known["net"], limit=EASIEST >> 8)},
        )
    # Without work: the same bytes with another nonce.
    tampered = headers[-1][:76] + bytes(4)
    nonce = 0
    while (
        int.from_bytes(hashlib.sha256(hashlib.sha256(tampered).digest()).digest(), "little")
        <= EASIEST
    ):
        nonce += 1
        tampered = headers[-1][:76] + nonce.to_bytes(4, "little")
    with pytest.raises(NotAnchored, match="has no proof of work"):
        require_work("net", set(), [*headers[:-1], tampered], 1_000, known)
    with pytest.raises(NotAnchored, match="does not follow"):
        anchors.headers_of(b"".join([headers[0], headers[2]]))


def test_the_next_target_is_that_of_recorded_periods():
    """Bitcoin's first change of difficulty, at block 32,256; and Litecoin's limits."""
    btc = anchors.CHECKPOINTS["btc"]
    assert anchors.next_bits(0x1D00FFFF, 1_262_152_739 - 1_261_130_161, btc) == 0x1D00D86A
    for bits in (0x1D00FFFF, 0x1D00D86A, 0x1E0FFFFF, 0x207FFFFF, 0x17038C52, 0x03123456):
        assert anchors.bits_of(anchors.target_of(bits)) == bits
    assert anchors.target_of(0x1D00FFFF) == btc.limit
    assert anchors.target_of(0x1E0FFFFF) == anchors.CHECKPOINTS["ltc"].limit
    genesis = bytes.fromhex(
        "01000000" + "00" * 32 + "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"
        "29ab5f49"
        "ffff001d"
        "1dac2b7c"
    )
    assert hash_of(genesis) == "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"


def scripts(world):
    """Scripts that contain the keys and are not the template, by name."""
    first, second, third = sorted(one.public_key for one in world.keys)
    thief = LocalKey("thief").public_key
    true = template(first, second, third)
    push = lambda key: b"\x21" + key  # noqa: E731
    return {
        "a third may spend it": b"\x52" + push(first) + push(second) + push(third) + b"\x53\xae"
        b"\x75" + push(thief) + b"\xac",
        "keys only dropped": push(first) + b"\x75" + push(second) + b"\x75" + push(thief) + b"\xac",
        "a branch": b"\x63" + true + b"\x67" + push(thief) + b"\xac\x68",
        "two before a branch": b"\x52"
        + push(first)
        + push(second)
        + b"\x52\xae\x64"
        + push(thief)
        + b"\xac\x68",
        "one of three": b"\x51" + true[1:],
        "two of four": b"\x52"
        + push(first)
        + push(second)
        + push(third)
        + push(thief)
        + b"\x54\xae",
        "two of two": b"\x52" + push(first) + push(second) + b"\x52\xae",
        "one key twice": b"\x52" + push(first) * 2 + push(second) + b"\x53\xae",
        "not sorted": b"\x52" + push(second) + push(first) + push(third) + b"\x53\xae",
        "more after it": true + b"\x61",
        "less": true[:-1],
        "a key as data": b"\x4c\x21" + true[2:],
        "nothing": b"",
    }


@pytest.mark.promise(
    "The script of each output in a proof of reserves, and the code of a vault, is the one "
    "template, byte for byte: what only contains the keys is refused",
    group="custody",
)
@pytest.mark.parametrize("name", scripts(World()))
def test_a_script_that_contains_the_keys_and_is_another_is_refused(name, tmp_path):
    world = World(script=scripts(World())[name] or b"\x00")
    said = refused(tmp_path, [world.hot()], f"--block=LTC={world.block}")
    assert "held" not in said


def test_two_keys_of_the_template_must_have_signed(tmp_path):
    world = World()
    thief = World("thief")
    for keys in (world.keys[:1], world.keys[:1] * 2, [world.keys[0], thief.keys[0]], thief.keys):
        refused(tmp_path, [signatures(world.hot(), keys)], f"--block=LTC={world.block}")
    code, _ = verify(
        tmp_path, [signatures(world.hot(), world.keys[1:])], f"--block=LTC={world.block}"
    )
    assert code == 0


@pytest.mark.promise(
    "Asset, chain, network, decimals and the list of what is owed are signed together: anything "
    "missing, renamed or scaled is a failure, and nothing covers it",
    group="custody",
)
def test_reserves_cover_what_is_owed_only_if_nothing_is_missing(tmp_path):
    world = World()
    stated, proofs = bound(world, tmp_path)
    anchor = f"--block=LTC={world.block}"
    code, said = verify(tmp_path, proofs, anchor, statement=stated, world=world)
    assert code == 0, said
    assert "the reserves cover what is owed of LTC" in said
    # The same, with one thing wrong each; every document is signed again by its own keys.
    owed = world.owed(stated, tmp_path)
    both = {"statement": stated, "world": world}
    assert "lack" in refused(tmp_path, proofs[:1], anchor, **both)
    assert "two proofs" in refused(tmp_path, [proofs[0], proofs[0]], anchor, **both)
    again = [proofs[0], world.hot(owed, chain="other")]
    refused(tmp_path, again, anchor, f"--block=other={world.block}", **both)
    for change in (
        {"asset": "USD"},
        {"asset": "BTC"},
        {"asset": "BTC", "network": "btc-regtest"},
        {"network": "ltc"},
        {"network": "btc"},
        {"decimals": 0},
        {"decimals": 18},
        {"owed": ""},
        {"owed": "00" * 32},
        {"format": "openoutcry-reserves-1"},
        {"kind": "cold-reserves"},
        {"total": str(10**18)},
    ):
        refused(tmp_path, [world.hot(owed) | change, proofs[1]], anchor, **both)
        refused(tmp_path, [world.hot(**({"owed": owed} | change)), proofs[1]], anchor, **both)


@pytest.mark.promise(
    "Asset, chain, network, decimals and the list of what is owed are signed together: anything "
    "missing, renamed or scaled is a failure, and nothing covers it",
    group="custody",
)
def test_a_debt_without_reserves_or_without_decimals_is_a_failure(tmp_path):
    more = World(others={"ETH": (5, 8), "USDT": (7, 6), "USD": (9, 6)})
    anchor = f"--block=LTC={more.block}"
    stated, proofs = bound(more, tmp_path)
    assert "no reserves were shown for ETH" in refused(
        tmp_path, proofs, anchor, statement=stated, world=more
    )
    words = ["--not-on-chain=ETH", "--not-on-chain=USDT"]
    refused(tmp_path, proofs, anchor, *words, statement=stated, world=more)
    code, said = verify(
        tmp_path, proofs, anchor, *words, "--not-on-chain=USD", statement=stated, world=more
    )
    assert code == 0
    assert (
        "cover what is owed of LTC, as of 2023-11-14T22:13:20Z; ETH: not proved, left out" in said
    )
    for name in ("LTC", "GOLD"):
        words = [f"--not-on-chain={one}" for one in ("ETH", "USDT", "USD", name)]
        refused(tmp_path, proofs, anchor, *words, statement=stated, world=more)
    world = World()
    for change in (
        {"decimals": (), "as_of_ns": 0},
        {"decimals": (9,)},
        {"units": 2 * world.amount + 1},
    ):
        stated, proofs = bound(world, tmp_path, **change)
        refused(tmp_path, proofs, anchor, statement=stated, world=world)
    # Fewer decimals make a larger debt, and no option is needed to see it.
    stated, proofs = bound(world, tmp_path, units=2 * world.amount, decimals=(7,))
    said = refused(tmp_path, proofs, f"--block=LTC={world.block}", statement=stated, world=world)
    assert f"lack {decimal_text(18 * world.amount, 8)} LTC" in said
