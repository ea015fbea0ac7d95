"""How an EVM chain writes things: keccak, addresses (EIP-55, CREATE2), RLP, and the ABI's words."""

from collections.abc import Sequence

WORD_BYTES = 32
ADDRESS_BYTES = 20
NO_ADDRESS = bytes(ADDRESS_BYTES)
"""The zero address.  As a token it means the chain's own coin."""

Rlp = bytes | int | Sequence["Rlp"]


class AddressError(ValueError):
    """A text is not an address of this chain; the message says why."""


def keccak(data: bytes) -> bytes:
    """Keccak-256, as Ethereum uses it (not SHA3-256)."""
    from Crypto.Hash import keccak as of_pycryptodome

    return of_pycryptodome.new(digest_bits=256, data=data).digest()


def selector(signature: str) -> bytes:
    """The first four bytes of a call."""
    return keccak(signature.encode())[:4]


def topic(signature: str) -> bytes:
    """The first topic of an event's log."""
    return keccak(signature.encode())


# Addresses


def address_of_public_key(uncompressed: bytes) -> bytes:
    """Return the address of an account's public key, 65 bytes that begin with 04."""
    assert len(uncompressed) == 65, len(uncompressed)
    assert uncompressed[0] == 4
    return keccak(uncompressed[1:])[-ADDRESS_BYTES:]


def address_text(address: bytes) -> str:
    """Return the address as text, with the checksum of EIP-55 in the case of its letters."""
    assert len(address) == ADDRESS_BYTES, len(address)
    plain = address.hex()
    digits = keccak(plain.encode()).hex()
    letters = (
        letter.upper() if int(digit, 16) >= 8 else letter
        for letter, digit in zip(plain, digits, strict=False)
    )
    return "0x" + "".join(letters)


def address_from_text(text: str) -> bytes:
    """Return the address in a text that a person gives.  Raises :class:`AddressError`.

    Mixed letters are a checksum, which must be right.  An address in one case has none (EIP-55) and
    is accepted, as wallets and explorers show such addresses: its owner is shown it with one."""
    if not text.startswith("0x"):
        raise AddressError("an address of this chain begins with 0x")
    plain = text[2:]
    if len(plain) != 2 * ADDRESS_BYTES:
        raise AddressError(f"an address has {2 * ADDRESS_BYTES} digits after 0x, not {len(plain)}")
    try:
        address = bytes.fromhex(plain)
    except ValueError:
        address = b""
    if len(address) != ADDRESS_BYTES:  # spaces are no digits, but read
        raise AddressError("an address may have only the digits 0-9 and a-f")
    if address == NO_ADDRESS:
        raise AddressError("this is the zero address: any amount sent there is lost")
    if address_text(address) != text and plain not in (plain.lower(), plain.upper()):
        raise AddressError("the checksum of this address is wrong: a character has changed")
    return address


def create2_address(factory: bytes, salt: bytes, code_hash: bytes) -> bytes:
    """Return the address of the contract that ``factory`` creates with ``salt``, from the hash of
    its creation code (EIP-1014)."""
    return keccak(b"\xff" + factory + salt + code_hash)[-ADDRESS_BYTES:]


def create_address(sender: bytes, nonce: int) -> bytes:
    """Return the address of the contract that an account's transaction creates."""
    return keccak(rlp([sender, nonce]))[-ADDRESS_BYTES:]


# RLP


def rlp(item: Rlp) -> bytes:
    """Recursive length prefix; integers without leading zeros."""
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _rlp_length(len(item), 0x80) + item
    body = b"".join(rlp(one) for one in item)
    return _rlp_length(len(body), 0xC0) + body


def _rlp_length(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes([offset + length])
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([offset + 55 + len(size)]) + size


# The ABI's words


def word(value: int | bytes) -> bytes:
    """One word: an unsigned number or an address, right-aligned; 32 bytes as they are."""
    if isinstance(value, int):
        return value.to_bytes(WORD_BYTES, "big")
    return value.rjust(WORD_BYTES, b"\0")


def words(*values: int | bytes) -> bytes:
    """Several words, one after the other; see :func:`word`."""
    return b"".join(word(value) for value in values)


def number_at(data: bytes, index: int) -> int:
    """The number in word ``index``.  Raises ValueError when ``data`` is too short."""
    place = index * WORD_BYTES
    if len(data) < place + WORD_BYTES:
        raise ValueError(f"word {index} is missing in {len(data)} bytes")
    return int.from_bytes(data[place : place + WORD_BYTES], "big")


def address_at(data: bytes, index: int) -> bytes:
    """The address in word ``index``.  Raises ValueError for another number."""
    number = number_at(data, index)
    if number >> (8 * ADDRESS_BYTES):
        raise ValueError(f"word {index} is not an address")
    return number.to_bytes(ADDRESS_BYTES, "big")


# Texts of JSON-RPC


def from_hex(text: str) -> bytes:
    """Bytes of a text with or without ``0x``.  Raises :class:`ValueError`."""
    return bytes.fromhex(text.removeprefix("0x"))


def to_hex(data: bytes) -> str:
    """Lower case, with ``0x``."""
    return "0x" + data.hex()
