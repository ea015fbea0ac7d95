"""Addresses and blocks as bytes: read, written, and refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.custody.errors import NodeError, Refused
from openoutcry.custody.utxo.address import NETWORKS, address_of, script_of
from openoutcry.custody.utxo.blocks import (
    double_sha256,
    merkle_root,
    parse_block,
    parse_transaction,
)

LTC = NETWORKS["ltc-regtest"]
SCRIPTS = st.one_of(
    st.binary(min_size=20, max_size=20).map(lambda part: b"\x76\xa9\x14" + part + b"\x88\xac"),
    st.binary(min_size=20, max_size=20).map(lambda part: b"\xa9\x14" + part + b"\x87"),
    st.binary(min_size=20, max_size=20).map(lambda part: b"\x00\x14" + part),
    st.binary(min_size=32, max_size=32).map(lambda part: b"\x00\x20" + part),
    st.binary(min_size=32, max_size=32).map(lambda part: b"\x51\x20" + part),
)
BIP173 = (
    ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
    (
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    ),
)


@given(SCRIPTS, st.sampled_from(sorted(NETWORKS)))
def test_an_address_gives_the_script_it_was_made_of(script, name):
    network = NETWORKS[name]
    address = address_of(script, network)
    assert script_of(address, network) == script


@pytest.mark.parametrize(("address", "script"), BIP173)
def test_the_examples_of_the_standards(address, script):
    assert script_of(address, NETWORKS["btc"]).hex() == script


@given(SCRIPTS, st.data())
def test_one_wrong_letter_is_refused(script, data):
    address = address_of(script, LTC)
    place = data.draw(st.integers(0, len(address) - 1))
    letter = data.draw(st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7lABCDEFGHJ1"))
    if letter == address[place]:
        return
    with pytest.raises(Refused):
        script_of(address[:place] + letter + address[place + 1 :], LTC)


@given(SCRIPTS)
def test_an_address_of_another_network_is_refused_as_such(script):
    # A test network's base58 addresses have the numbers of Bitcoin's; their own letters differ.
    with pytest.raises(Refused) as refused:
        script_of(address_of(script, NETWORKS["btc"]), LTC)
    assert refused.value.code == "wrong_network"


@given(st.text(max_size=100))
def test_any_text_is_an_address_or_refused(text):
    try:
        script = script_of(text, LTC)
    except Refused:
        return
    assert address_of(script, LTC) is not None


def transaction(witness, outputs, spends=1):
    inputs = b"".join(bytes([n] * 32) + b"\x00" * 4 + b"\x00" + b"\xff" * 4 for n in range(spends))
    body = bytes([spends]) + inputs + bytes([len(outputs)])
    for amount, script in outputs:
        body += amount.to_bytes(8, "little") + bytes([len(script)]) + script
    if not witness:
        return b"\x02\x00\x00\x00" + body + b"\x00" * 4
    return b"\x02\x00\x00\x00\x00\x01" + body + b"\x01\x02ab" * spends + b"\x00" * 4


OUTPUTS = st.lists(st.tuples(st.integers(0, 2**63), st.binary(max_size=80)), max_size=5)


@given(st.booleans(), OUTPUTS, st.integers(1, 4))
def test_a_transaction_is_read_whole_and_its_id_is_without_witnesses(witness, outputs, spends):
    raw = transaction(witness, outputs, spends)
    one, end = parse_transaction(raw)
    assert end == len(raw)
    assert list(one.outputs) == outputs
    assert len(one.spends) == spends
    assert one.txid == double_sha256(transaction(False, outputs, spends))[::-1].hex()
    for cut in range(len(raw)):
        with pytest.raises((ValueError, IndexError)):
            parse_transaction(raw[:cut])


def block(raws):
    ids = [bytes.fromhex(parse_transaction(raw)[0].txid)[::-1] for raw in raws]
    header = b"\x01" * 36 + merkle_root(ids) + b"\x05\x00\x00\x00" + b"\x00" * 8
    return header + bytes([len(raws)]) + b"".join(raws), double_sha256(header)[::-1].hex()


def test_a_block_whose_transactions_were_changed_is_refused():
    raws = [transaction(True, [(5, b"a" * 22)]), transaction(False, [(6, b"b" * 22)])]
    raw, name = block(raws)
    assert len(parse_block(raw, name).transactions) == 2
    other, _ = block([raws[0], transaction(False, [(7, b"b" * 22)])])
    for wrong in (raw[:80] + other[80:], raw[:80] + b"\x01" + raws[0], raw[:-1], b""):
        with pytest.raises(NodeError):
            parse_block(wrong, name)
    with pytest.raises(NodeError, match="another block"):
        parse_block(other, name)


def test_a_block_that_repeats_transactions_is_refused():
    """Their merkle root is that of the block without the repetition (CVE-2012-2459)."""
    raws = [transaction(True, [(place, b"a" * 22)]) for place in range(3)]
    raw, name = block(raws)
    with pytest.raises(NodeError, match="do not match its header"):
        parse_block(raw[:80] + b"\x04" + b"".join([*raws, raws[2]]), name)
