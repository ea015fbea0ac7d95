"""HighwayHash-64: what nats-server keeps after each message on its disk.

Alakuijala, Cox, Wassenberg: Fast keyed hash/pseudo-random function using SIMD multiply and permute,
arXiv:1612.06257 (2016).
"""

import numpy as np

from openoutcry.wire.kernel import kernel, kernel_outlined
from openoutcry.wire.layout import Bytes, Words
from openoutcry.wire.memory import load_i64, load_u8, store_i64

LANES = 4
V0, V1, MUL0, MUL1 = 0, 32, 64, 96
"""Where each four words of the state are, in bytes; after them a packet of 32 bytes."""
PACKET, STATE_BYTES = 128, 160
MUL0_BEGIN = (0xDBE6D5D5FE4CCE2F, 0xA4093822299F31D0, 0x13198A2E03707344, 0x243F6A8885A308D3)
MUL1_BEGIN = (0x3BD39E10CB0EF593, 0xC0ACF169B5F18A8C, 0xBE5466CF34E90C6C, 0x452821E638D01377)
LOW = 0xFFFFFFFF
_BEGIN = np.array([MUL0_BEGIN, MUL1_BEGIN], np.uint64)


def highway_hash(data: bytes, key: bytes) -> bytes:
    """The hash of ``data``, 8 bytes, under a key of 32 bytes."""
    words = np.frombuffer(key, np.uint64)
    state = np.zeros(STATE_BYTES // 8, np.uint64)
    state[0:4] = _BEGIN[0] ^ words
    state[4:8] = _BEGIN[1] ^ (words >> np.uint64(32) | words << np.uint64(32))
    state[8:16] = _BEGIN.ravel()
    digest = hash_of(np.frombuffer(data, np.uint8).ctypes.data, len(data), state.ctypes.data)
    return int(digest).to_bytes(8, "little", signed=True)


@kernel
def hash_of(data: int, size: int, state: int) -> int:
    """Take ``size`` bytes at the address ``data`` into the ``state``, and end it."""
    rest = size & 31
    for at in range(data, data + size - rest, 32):
        update(state, at)
    if rest:
        update_rest(state, data + size - rest, rest)
    for _ in range(LANES):
        for lane in range(LANES):
            word = Words(state + V0)[lane ^ 2]
            Words(state + PACKET)[lane] = word << 32 | word >> 32 & LOW
        update(state, state + PACKET)
    return (
        load_i64(state + V0)
        + load_i64(state + V1)
        + load_i64(state + MUL0)
        + load_i64(state + MUL1)
    )


@kernel_outlined
def update(state: int, packet: int) -> None:
    """Take 32 bytes at ``packet`` into the hash at ``state``."""
    for lane in range(LANES):
        at = state + 8 * lane
        v0, v1 = load_i64(at + V0), load_i64(at + V1)
        mul0, mul1 = load_i64(at + MUL0), load_i64(at + MUL1)
        v1 += mul0 + Words(packet)[lane]
        store_i64(at + MUL0, mul0 ^ (v1 & LOW) * (v0 >> 32 & LOW))
        v0 += mul1
        store_i64(at + MUL1, mul1 ^ (v0 & LOW) * (v1 >> 32 & LOW))
        store_i64(at + V0, v0)
        store_i64(at + V1, v1)
    zipper_merge(state + V0, state + V1)
    zipper_merge(state + V0 + 16, state + V1 + 16)
    zipper_merge(state + V1, state + V0)
    zipper_merge(state + V1 + 16, state + V0 + 16)


@kernel
def zipper_merge(to: int, source: int) -> None:
    """Add the bytes of two words at ``source``, interleaved, to those at ``to``."""
    low, high = load_i64(source), Words(source)[1]
    merged = (
        ((low & 0xFF000000 | high & 0xFF00000000) >> 24)
        | ((low & 0xFF0000000000 | high & 0xFF000000000000) >> 16)
        | low & 0xFF0000
        | (low & 0xFF00) << 32
        | high >> 8 & 0xFF000000000000
        | low << 56
    )
    store_i64(to, load_i64(to) + merged)
    merged = (
        ((high & 0xFF000000 | low & 0xFF00000000) >> 24)
        | high & 0xFF0000
        | (high & 0xFF0000000000) >> 16
        | (high & 0xFF00) << 24
        | (low & 0xFF000000000000) >> 8
        | (high & 0xFF) << 48
        | low >> 56 << 56
    )
    Words(to)[1] += merged


@kernel_outlined
def update_rest(state: int, rest: int, size: int) -> None:
    """The last 1 to 31 bytes. They are at ``rest``; ``state``: address of the hash."""
    for lane in range(LANES):
        at = state + 8 * lane
        store_i64(at + V0, load_i64(at + V0) + (size << 32) + size)
        word = load_i64(at + V1)
        low, high = word & LOW, word >> 32 & LOW
        low = (low << size | low >> (32 - size)) & LOW
        high = (high << size | high >> (32 - size)) & LOW
        store_i64(at + V1, high << 32 | low)
        Words(state + PACKET)[lane] = 0
    packet, whole, odd = state + PACKET, size & ~3, size & 3
    for at in range(whole):
        Bytes(packet)[at] = Bytes(rest)[at]
    if size & 16:
        for at in range(4):
            Bytes(packet + 28)[at] = load_u8(rest + whole + at + odd - 4)
    elif odd:
        Bytes(packet)[16] = Bytes(rest)[whole]
        Bytes(packet)[17] = Bytes(rest + whole)[odd >> 1]
        Bytes(packet)[18] = load_u8(rest + whole + odd - 1)
    update(state, packet)
