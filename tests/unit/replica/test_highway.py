"""HighwayHash-64 by its authors' vectors and by their definition in plain words."""

from hypothesis import given
from hypothesis import strategies as st

from openoutcry.replica.highway import MUL0_BEGIN, MUL1_BEGIN, highway_hash

KEY = bytes(range(32))
VECTORS = (
    0x907A56DE22C26E53,
    0x7EAB43AAC7CDDD78,
    0xB8D0569AB0B53D62,
    0x5C6BEFAB8A463D80,
    0xF205A46893007EDA,
    0x2B8A1668E4A94541,
    0xBD4CCC325BEFCA6F,
    0x4D02AE1738F59482,
)
"""Hashes of 0, 1, 2, ... bytes that count up (google/highwayhash, highwayhash_test)."""
WORD = 2**64 - 1


def words_of(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]


def turned(word: int, bits: int, by: int) -> int:
    return (word << by | word >> (bits - by)) & (2**bits - 1)


class Plain:
    """The reference: integers of any size, bytes by their places."""

    def __init__(self, key: bytes) -> None:
        self.v0 = [a ^ b for a, b in zip(MUL0_BEGIN, words_of(key), strict=True)]
        self.v1 = [a ^ turned(b, 64, 32) for a, b in zip(MUL1_BEGIN, words_of(key), strict=True)]
        self.mul0, self.mul1 = list(MUL0_BEGIN), list(MUL1_BEGIN)

    def update(self, packet: list[int]) -> None:
        for i in range(4):
            self.v1[i] = (self.v1[i] + self.mul0[i] + packet[i]) & WORD
            self.mul0[i] ^= (self.v1[i] & 0xFFFFFFFF) * (self.v0[i] >> 32)
            self.v0[i] = (self.v0[i] + self.mul1[i]) & WORD
            self.mul1[i] ^= (self.v0[i] & 0xFFFFFFFF) * (self.v1[i] >> 32)
        for to, source in ((self.v0, self.v1), (self.v1, self.v0)):
            for at in (0, 2):
                both = b"".join(word.to_bytes(8, "little") for word in source[at : at + 2])
                for half, order in ((0, MERGED_LOW), (1, MERGED_HIGH)):
                    merged = int.from_bytes(bytes(both[place] for place in order), "little")
                    to[at + half] = (to[at + half] + merged) & WORD

    def hash(self, data: bytes) -> int:
        whole = len(data) // 32 * 32
        for at in range(0, whole, 32):
            self.update(words_of(data[at : at + 32]))
        rest, size = data[whole:], len(data) % 32
        if size:
            self.v0 = [(word + (size << 32) + size) & WORD for word in self.v0]
            self.v1 = [
                turned(word & 0xFFFFFFFF, 32, size) | turned(word >> 32, 32, size) << 32
                for word in self.v1
            ]
            packet, fours = bytearray(32), size // 4 * 4
            packet[:fours] = rest[:fours]
            odd = rest[fours:]
            if size >= 16:
                packet[28:] = rest[-4:]
            elif odd:
                packet[16:19] = bytes((odd[0], odd[len(odd) // 2], odd[-1]))
            self.update(words_of(bytes(packet)))
        for _ in range(4):
            self.update([turned(self.v0[i ^ 2], 64, 32) for i in range(4)])
        return (self.v0[0] + self.v1[0] + self.mul0[0] + self.mul1[0]) & WORD


# Which of two words' sixteen bytes come together in each (zipper merge).
MERGED_LOW = (3, 12, 2, 5, 14, 1, 15, 0)
MERGED_HIGH = (11, 4, 10, 13, 9, 6, 8, 7)


def test_its_authors_vectors() -> None:
    for size, expected in enumerate(VECTORS):
        assert int.from_bytes(highway_hash(KEY[:size], KEY), "little") == expected
        assert Plain(KEY).hash(KEY[:size]) == expected


@given(st.binary(max_size=200), st.binary(min_size=32, max_size=32))
def test_the_kernel_is_the_definition(data: bytes, key: bytes) -> None:
    assert int.from_bytes(highway_hash(data, key), "little") == Plain(key).hash(data)
