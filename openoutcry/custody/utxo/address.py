"""Addresses of the Bitcoin family, by network: which script one means, and why not."""

import hashlib
from dataclasses import dataclass

from openoutcry.custody.errors import CustodyError, Refused

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BECH32, BECH32M = 1, 0x2BC830A3


@dataclass(frozen=True)
class Network:
    """``pay_to_script``: version bytes of such addresses, the first is what we write."""

    name: str
    hrp: str
    pay_to_key: int
    pay_to_script: tuple[int, ...]
    extended_public: bytes

    @property
    def coin(self) -> str:
        """The asset that the network's coin is."""
        return self.name.partition("-")[0].upper()

    @property
    def genesis(self) -> str:
        """The hash of its first block."""
        return GENESIS[self.name]


COIN_DECIMALS = 8
GENESIS = {
    "btc": "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
    "btc-test": "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943",
    "btc-regtest": "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
    "ltc": "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2",
    "ltc-test": "4966625a4b2851d9fdee139e56211a0d88575f59ed816ff5e6a63deb4e3e29a0",
    "ltc-regtest": "530827f38f93b43ed12af0b3ad25a288dc02ed74d6d7857862df51fc56c416f9",
}
NETWORKS = {
    one.name: one
    for one in (
        Network("btc", "bc", 0x00, (0x05,), bytes.fromhex("0488b21e")),
        Network("btc-test", "tb", 0x6F, (0xC4,), bytes.fromhex("043587cf")),
        Network("btc-regtest", "bcrt", 0x6F, (0xC4,), bytes.fromhex("043587cf")),
        Network("ltc", "ltc", 0x30, (0x32, 0x05), bytes.fromhex("0488b21e")),
        Network("ltc-test", "tltc", 0x6F, (0x3A, 0xC4), bytes.fromhex("043587cf")),
        Network("ltc-regtest", "rltc", 0x6F, (0x3A, 0xC4), bytes.fromhex("043587cf")),
    )
}
MWEB_HRPS = ("ltcmweb", "tmweb", "rmweb")


def network_of(name: str) -> Network:
    """Raises :class:`CustodyError`."""
    if name not in NETWORKS:
        raise CustodyError(f"there is no network {name!r}; there are: {', '.join(NETWORKS)}")
    return NETWORKS[name]


def hash160(data: bytes) -> bytes:
    """RIPEMD-160 of SHA-256.  Not every OpenSSL has the first, so a library's own code is asked."""
    from openoutcry.wire.extras import need

    hashes = need("embit.hashes", "chains of the Bitcoin family need embit", "custody")
    return bytes(hashes.hash160(data))


def script_of(address: str, network: Network) -> bytes:
    """The script that locks what is paid to ``address``.  Raises :class:`Refused`: bad_address,
    bad_checksum, wrong_network, unsupported."""
    if not 14 <= len(address) <= 100 or not address.isascii() or not address.isprintable():
        raise Refused("bad_address", "this is not an address")
    hrp = address.lower().rpartition("1")[0]
    known = {one.hrp for one in NETWORKS.values()}
    if address.startswith("0x"):
        raise Refused("wrong_network", "an address that begins with 0x is one of an EVM chain")
    if hrp in MWEB_HRPS:
        raise Refused("unsupported", "custody does not pay to MWEB addresses")
    if hrp in known:
        return _witness_script(address, hrp, network)
    return _base58_script(address, network)


def address_of(script: bytes, network: Network) -> str | None:
    """None: this script has no address."""
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[-2:] == b"\x88\xac":
        return _base58(bytes([network.pay_to_key]) + script[3:23])
    if len(script) == 23 and script[:2] == b"\xa9\x14" and script[-1] == 0x87:
        return _base58(bytes([network.pay_to_script[0]]) + script[2:22])
    if 4 <= len(script) <= 42 and script[1] == len(script) - 2:
        version = script[0] - 0x50 if script[0] else 0
        is_known = (version == 0 and len(script) in (22, 34)) or (
            version == 1 and len(script) == 34
        )
        if is_known:
            return _bech32(network.hrp, version, script[2:])
    return None


def _base58_script(address: str, network: Network) -> bytes:
    number = 0
    for letter in address:
        place = BASE58.find(letter)
        if place < 0:
            raise Refused("bad_address", f"{letter!r} does not occur in addresses of this kind")
        number = number * 58 + place
    zeros = len(address) - len(address.lstrip("1"))
    data = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)
    if len(data) != 25:
        raise Refused("bad_address", "this is not an address: its length is wrong")
    body, check = data[:-4], data[-4:]
    if hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4] != check:
        raise Refused("bad_checksum", "the address is mistyped: its checksum is wrong")
    version, rest = body[0], body[1:]
    if version == network.pay_to_key:
        return b"\x76\xa9\x14" + rest + b"\x88\xac"
    if version in network.pay_to_script:
        return b"\xa9\x14" + rest + b"\x87"
    raise Refused("wrong_network", f"the address belongs to another network than {network.name}")


def _witness_script(address: str, hrp: str, network: Network) -> bytes:
    if address != address.lower() and address != address.upper():
        raise Refused("bad_address", "an address has small letters or capitals, not both")
    values = [CHARSET.find(letter) for letter in address.lower()[len(hrp) + 1 :]]
    if min(values) < 0 or len(values) < 8:
        raise Refused("bad_address", "a letter does not occur in addresses of this kind")
    kind = _polymod([*_expanded(hrp), *values])
    if kind not in (BECH32, BECH32M):
        raise Refused("bad_checksum", "the address is mistyped: its checksum is wrong")
    if hrp != network.hrp:
        raise Refused(
            "wrong_network", f"the address belongs to another network than {network.name}"
        )
    version, program = values[0], _bytes_of(values[1:-6])
    if (version == 0) != (kind == BECH32):
        raise Refused("bad_checksum", "the address has the checksum of another version")
    if version == 0 and len(program) not in (20, 32):
        raise Refused("bad_address", "the address has another length than its version")
    if version > 1 or (version == 1 and len(program) != 32):
        raise Refused("unsupported", "custody does not pay to addresses of this version")
    return bytes([0x50 + version if version else 0, len(program)]) + program


def _bytes_of(values: list[int]) -> bytes:
    number = bits = 0
    data = bytearray()
    for value in values:
        number, bits = (number << 5 | value) & 0xFFF, bits + 5
        if bits >= 8:
            bits -= 8
            data.append(number >> bits & 0xFF)
    if bits >= 5 or number & ((1 << bits) - 1):
        raise Refused("bad_address", "the address has too many bits")
    return bytes(data)


def _bech32(hrp: str, version: int, program: bytes) -> str:
    number, bits, values = 0, 0, [version]
    for byte in program:
        number, bits = (number << 8 | byte) & 0xFFF, bits + 8
        while bits >= 5:
            bits -= 5
            values.append(number >> bits & 31)
    if bits:
        values.append(number << (5 - bits) & 31)
    kind = BECH32M if version else BECH32
    check = _polymod([*_expanded(hrp), *values, *[0] * 6]) ^ kind
    values += [check >> 5 * (5 - place) & 31 for place in range(6)]
    return hrp + "1" + "".join(CHARSET[value] for value in values)


def _base58(body: bytes) -> str:
    data = body + hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4]
    number, text = int.from_bytes(data), ""
    while number:
        number, place = divmod(number, 58)
        text = BASE58[place] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def _expanded(hrp: str) -> list[int]:
    return [*(ord(letter) >> 5 for letter in hrp), 0, *(ord(letter) & 31 for letter in hrp)]


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for place, part in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= part if top >> place & 1 else 0
    return check
