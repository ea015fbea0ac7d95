"""A risk state in partitions (``partitions.py``), as a block of bytes: made, cut, hashed.

headers     the whole's, then one of each partition
shared      symbols, instruments and cells; an instrument is in one partition alone
the whole   participants and groups: the limits that were set, money and totals as of the last
            rebalance point
each one    participants, groups, open orders
requests    of operators (``requests.py``), if there is room for them
"""

import hashlib
import zlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import openoutcry.risk.layout as lay
from openoutcry.risk.region import Region, RiskError, View

MAX_PARTITIONS = 256
SHARED = (lay.SYMBOLS_AT, lay.INSTRUMENT_AT, lay.CELL_AT)
OWN = (lay.PARTICIPANT_AT, lay.GROUP_AT, lay.ORDER_AT)


def partition_numbers(instruments: npt.NDArray[Any], partitions: int) -> npt.NDArray[np.int64]:
    """The partition of each instrument, from 0, by hash of its symbol, as shards are.

    Raises :class:`RiskError` for a number out of range.
    """
    if not 1 <= partitions <= MAX_PARTITIONS:
        raise RiskError(f"{partitions} partitions of the instruments: from 1 to {MAX_PARTITIONS}")
    hashes = [zlib.crc32(symbol) % partitions for symbol in instruments["symbol"].tolist()]
    return np.array(hashes, np.int64)


def divide(region: Region, instruments: npt.NDArray[Any], partitions: int) -> Region:
    """A new state, as ``make_region`` made it, in that many partitions; of one, itself.

    Raises :class:`RiskError` for what cannot be divided: spot accounting, market
    protection, a speed bump, contracts, limits that owners set, leveraged instruments.
    """
    numbers = partition_numbers(instruments, partitions)
    if partitions == 1:
        return region
    view = View(region)
    entries = 1 << (-(-len(view.orders) // partitions) - 1).bit_length()
    reasons = {
        "spot accounting": view.wallets is not None,
        "market protection": view.protection is not None,
        "a speed bump": view.bump is not None,
        "a contract": view.contracts is not None,
        "limits that owners set": view.own is not None,
        "a leveraged instrument": bool(view.instruments[:, lay.LEVERAGED // 8].any()),
    }
    for what, is_there in reasons.items():
        if is_there:
            raise RiskError(f"{what} needs one partition, not {partitions}")
    # A partition has its share of the orders (matcher/capacity.py), so the table is as full as one.
    sizes = _sizes(view) | {lay.ORDER_AT: entries * lay.ORDER_BYTES}
    ends, at = {}, lay.HEADER_BYTES * (1 + partitions)
    for table in (*SHARED, lay.PARTICIPANT_AT, lay.GROUP_AT):
        ends[table], at = at, at + _lines(sizes[table])
    # The whole has no orders: it has one entry, which is always free.
    whole, at = dict(ends) | {lay.ORDER_AT: at}, at + 64
    stride = sum(_lines(sizes[table]) for table in OWN)
    end = at + partitions * stride
    requests = region[view.word(lay.REQUESTS_AT) :] if view.requests is not None else region[:0]
    divided = np.zeros(end + len(requests), np.uint8)
    divided[end:] = requests
    for number in range(partitions + 1):
        header = divided[lay.HEADER_BYTES * number :][: lay.HEADER_BYTES].view(np.int64)
        header[:] = view.header
        begin, offsets = at + (number - 1) * stride, dict(whole)
        if number:
            for table in OWN:
                offsets[table], begin = begin, begin + _lines(sizes[table])
            header[lay.OWNED // 8], header[lay.ORDER_MASK // 8] = 1, entries - 1
        for table, offset in offsets.items():
            first = view.word(table)
            if table != lay.ORDER_AT:
                divided[offset:][: sizes[table]] = region[first:][: sizes[table]]
            header[table // 8] = offset - lay.HEADER_BYTES * number
        header[lay.REQUESTS_AT // 8] = end if len(requests) and not number else 0
    first_words = {lay.PARTITIONS: partitions, lay.STRIDE: stride, lay.ORDER_MASK: 0}
    for word, value in first_words.items():
        divided.view(np.int64)[word // 8] = value
    View(divided).instruments[:, lay.PARTITION // 8] = 1 + numbers
    return divided


def _sizes(view: View) -> dict[int, int]:
    tables = {
        lay.INSTRUMENT_AT: view.instruments,
        lay.CELL_AT: view.cells,
        lay.ORDER_AT: view.orders,
        lay.PARTICIPANT_AT: view.participants,
        lay.GROUP_AT: view.groups,
    }
    symbols = {lay.SYMBOLS_AT: 16 * (view.word(lay.SYMBOL_MASK) + 1)}
    return {at: table.nbytes for at, table in tables.items()} | symbols


def _lines(size: int) -> int:
    return -(-size // 64) * 64


def keep(region: Region, own: Collection[int]) -> None:
    """Let this core decide about these partitions (from 0), and about no others."""
    for number, view in enumerate(View(region).partitions):
        view.header[lay.OWNED // 8] = int(number in own)


def open_orders(region: Region) -> int:
    """Return the number of open orders in the fullest of the partitions that this core decides
    about."""
    words, row = region.view(np.int64), lay.HEADER_BYTES // 8
    count = int(words[lay.PARTITIONS // 8])
    headers = words[row : (1 + count) * row].reshape(count, row)
    return int((headers[:, lay.ORDERS_OPEN // 8] * headers[:, lay.OWNED // 8]).max(initial=0))


def pieces(region: Region) -> list[str]:
    """The parts of the hash, 32 hexadecimal digits each: the whole's, then one of each partition.
    A core has the right ones for the whole and for its partitions."""
    view = View(region)
    requests = [] if view.requests is None else [view.requests.header, view.requests.used]
    hashes = [_hash([view.header, view.participants, view.groups, *requests])]
    for number, part in enumerate(view.partitions, 1):
        own = np.flatnonzero(view.instruments[:, lay.PARTITION // 8] == number)
        tables = [part.header, part.participants, part.groups, part.orders]
        hashes.append(_hash([*tables, view.instruments[own], view.cells[:, own]]))
    return hashes


def _hash(tables: Sequence[npt.NDArray[np.int64]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for table in tables:
        digest.update(np.ascontiguousarray(table).data)
    return digest.hexdigest()


def joined(hashes: Sequence[str]) -> bytes:
    """The hash of a state from its :func:`pieces`."""
    return hashlib.blake2b(bytes.fromhex("".join(hashes)), digest_size=16).digest()


def digest(region: Region) -> bytes:
    """Return the digest of a region of several partitions: that of one that has all instruments."""
    return joined(pieces(region))
