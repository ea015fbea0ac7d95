"""How an EVM chain writes things, against published examples and other people's programs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoutcry.custody.evm.encoding import (
    AddressError,
    address_from_text,
    address_text,
    create2_address,
    create_address,
    keccak,
    rlp,
)
from openoutcry.custody.evm.transactions import (
    HALF_ORDER,
    ORDER,
    FeeError,
    FeePolicy,
    Signature,
    SignatureError,
    normalised,
    recover,
)
from tests.support.custody.keys import LocalKey, high_s

EIP55 = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]
"""The examples of EIP-55."""


@pytest.mark.parametrize("text", EIP55)
def test_addresses_of_the_standard(text: str) -> None:
    assert address_text(bytes.fromhex(text[2:])) == text
    assert address_from_text(text) == bytes.fromhex(text[2:])


@pytest.mark.parametrize("text", EIP55)
def test_an_address_in_one_case_has_no_checksum_and_is_the_same_address(text: str) -> None:
    for plain in (text[2:].lower(), text[2:].upper()):
        assert address_text(address_from_text("0x" + plain)) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "begins with 0x"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe", "40 digits"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedd", "40 digits"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg", "digits 0-9"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAee", "a character has changed"),
        ("0x5Aaeb6053f3e94c9b9a09f33669435e7ef1beaed", "a character has changed"),
        ("0x" + "0" * 40, "zero address"),
        ("rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kxw508d", "begins with 0x"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "begins with 0x"),
        ("", "begins with 0x"),
        ("0x", "40 digits"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Be  d", "digits 0-9"),
        ("0x" + " " * 40, "digits 0-9"),
        ("0x５aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "digits 0-9"),
    ],
)
def test_a_wrong_address_is_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(AddressError, match=why):
        address_from_text(text)


@given(st.binary(min_size=20, max_size=20).filter(any), st.data())
def test_one_changed_character_is_found(address: bytes, data: st.DataObject) -> None:
    """Unless the checksum happens to fit, or no letter has another case: then it is another
    address, or the same in one case."""
    text = address_text(address)
    place = data.draw(st.integers(2, 41))
    other = data.draw(
        st.sampled_from("0123456789abcdefABCDEF").filter(lambda one: one != text[place])
    )
    changed = text[:place] + other + text[place + 1 :]
    try:
        found = address_from_text(changed)
    except AddressError:
        return
    assert changed in (address_text(found), changed.lower(), "0x" + changed[2:].upper())
    assert (found == address) == (changed.lower() == text.lower())


def test_keccak_is_not_sha3() -> None:
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@pytest.mark.parametrize(
    ("item", "written"),
    [
        (b"dog", "83646f67"),
        ([b"cat", b"dog"], "c88363617483646f67"),
        (b"", "80"),
        ([], "c0"),
        (0, "80"),
        (15, "0f"),
        (1024, "820400"),
        ([[], [[]], [[], [[]]]], "c7c0c1c0c3c0c1c0"),
        (
            b"Lorem ipsum dolor sit amet, consectetur adipisicing elit",
            "b8384c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e73656374657475722061646970"
            "69736963696e6720656c6974",
        ),
    ],
)
def test_rlp_of_the_standard(item: object, written: str) -> None:
    assert rlp(item).hex() == written  # type: ignore[arg-type]


def test_create2_of_the_standard() -> None:
    """The examples of EIP-1014."""
    assert address_text(create2_address(bytes(20), bytes(32), keccak(b"\0"))) == (
        "0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"
    )
    factory = bytes.fromhex("00000000000000000000000000000000deadbeef")
    salt = bytes.fromhex("cafebabe".rjust(64, "0"))
    code = bytes.fromhex("deadbeef")
    assert address_text(create2_address(factory, salt, keccak(code))) == (
        "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7"
    )


def test_an_accounts_contract() -> None:
    sender = bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
    assert create_address(sender, 0).hex() == "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"


# Signatures


@given(st.binary(min_size=32, max_size=32))
def test_a_signature_of_an_hsm_becomes_one_that_the_chain_takes(digest: bytes) -> None:
    """Whichever s it returned; parity by recovery."""
    key = LocalKey("one")
    signed = key.sign(digest)
    for r, s in ((signed.r, signed.s), (signed.r, ORDER - signed.s)):
        found = normalised(digest, r, s, key.address)
        assert found.s <= HALF_ORDER
        assert recover(digest, found) == key.address
        assert Signature.from_bytes65(found.bytes65()) == found


def test_a_signature_by_another_key_is_refused() -> None:
    digest = keccak(b"x")
    signed = LocalKey("one").sign(digest)
    with pytest.raises(SignatureError, match="signed with another key"):
        normalised(digest, signed.r, signed.s, LocalKey("two").address)
    for r, s in ((0, 1), (1, 0), (ORDER, 1), (1, ORDER)):
        with pytest.raises(SignatureError, match="out of its range"):
            normalised(digest, r, s, LocalKey("one").address)
    with pytest.raises(SignatureError, match="out of its range"):
        Signature.from_bytes65(high_s(signed).bytes65())
    with pytest.raises(SignatureError, match="65 bytes"):
        Signature.from_bytes65(signed.bytes65()[:-1])


# Fees

GWEI = 10**9
FEES = FeePolicy(max_fee_cap=100 * GWEI, tip=2 * GWEI, tip_cap=10 * GWEI)


def test_a_first_fee_leaves_room_for_dearer_blocks() -> None:
    assert FEES.first(20 * GWEI) == (2 * GWEI, 42 * GWEI)
    assert FEES.first(20 * GWEI, 5 * GWEI) == (5 * GWEI, 45 * GWEI)
    assert FEES.first(60 * GWEI) == (2 * GWEI, 100 * GWEI), "the cap"
    assert FEES.first(20 * GWEI, 50 * GWEI) == (10 * GWEI, 50 * GWEI), "the tip's cap"


def test_a_base_fee_above_the_cap_waits() -> None:
    with pytest.raises(FeeError, match="the cap is"):
        FEES.first(99 * GWEI)


@given(
    tip=st.integers(1, 9 * GWEI),
    fee=st.integers(9 * GWEI, 80 * GWEI),
    base=st.integers(1, 50 * GWEI),
    asked=st.none() | st.integers(0, 9 * GWEI),
)
def test_a_replacement_pays_a_tenth_more_of_both(
    tip: int, fee: int, base: int, asked: int | None
) -> None:
    """geth's rule, which a development node does not have."""
    try:
        new = FEES.raised((tip, fee), base, asked)
    except FeeError:
        return
    assert FEES.replaces((tip, fee), new)
    assert 10 * new[0] >= 11 * tip
    assert 10 * new[1] >= 11 * fee
    assert new[0] <= new[1] <= FEES.max_fee_cap
    assert new[0] <= FEES.tip_cap


def test_a_replacement_above_the_cap_is_refused() -> None:
    with pytest.raises(FeeError, match="a replacement must pay"):
        FEES.raised((2 * GWEI, 95 * GWEI), GWEI)
    assert not FEES.replaces((100, 1_000), (110, 1_099))
    assert not FEES.replaces((100, 1_000), (109, 1_100))
    assert FEES.replaces((100, 1_000), (110, 1_100))
