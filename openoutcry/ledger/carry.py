"""The books of a journal that continues another one."""

import numpy as np

import openoutcry.ledger.layout as lay
from openoutcry.ledger.accounts import KINDS
from openoutcry.ledger.books import Books, name_monies
from openoutcry.wire.open_orders import ENTRY_BYTES, find_entry


def carried_books(was: Books, now: Books) -> Books:
    """Return the new books ``now`` with all that is in the books ``was``, whose instruments and
    assets are the first ones of the new."""
    now.grow(len(was.participants))
    header = np.arange(len(was.header)) * 8
    kept = ~np.isin(header, [lay.PARTICIPANTS, lay.INSTRUMENTS, lay.ASSETS, lay.ORDER_MASK])
    kept &= ~np.isin(header, [lay.TRACKS, lay.FIRST_LOTS]) & (header >= 8 * lay.ADDRESSES)
    now.header[kept] = was.header[kept]
    rows, count = len(was.participants), was.count
    now.participants[:rows] = was.participants
    now.cells.reshape(-1, now.count, lay.CELL_WORDS)[:rows, :count] = was.cells.reshape(
        -1, count, lay.CELL_WORDS
    )[:rows]
    first, second = (one.balances.reshape(-1, one.asset_count, KINDS, 2) for one in (was, now))
    second[: rows + 1, : was.first_lots] = first[: rows + 1, : was.first_lots]
    lots = slice(now.first_lots, now.first_lots + count)
    second[: rows + 1, lots] = first[: rows + 1, was.first_lots :]
    fixed = [word // 8 for word in (lay.WORST_BUY, lay.WORST_SELL)]
    words = np.delete(np.arange(lay.INSTRUMENT_WORDS), fixed)
    now.instruments[:count, words] = was.instruments[:, words]
    now.schedules[:] = was.schedules
    mask, base = len(now.orders) - 1, now.orders.ctypes.data
    for row in was.orders[was.orders[:, 1] != 0]:
        entry = find_entry(base, mask, int(row[1]) & 0xFFFF, int(row[0]))
        now.orders[(int(entry) - base) // ENTRY_BYTES] = row
    now.monies, now.remarks, now.units_before = was.monies, was.remarks, was.units_before
    now.wallets = max(was.wallets, now.wallets, key=len)
    now.movements.restore(was.movements.document())
    name_monies(now)
    return now
