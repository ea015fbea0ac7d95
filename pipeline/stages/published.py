"""What the core tells the gateway: who is killed and what is halted, so that the gateway refuses
first what the core would refuse.

The core counts its changes (``risk.layout.PUBLICATION``); the gateway looks at that word before
each burst, and at a new one takes the bits into its own rules.  A verdict stands in the record and
in the journal: when exactly the gateway saw it changes nothing of a replay.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import openoutcry.risk.layout as lay
from openoutcry.gateway_fpga import golden as g
from openoutcry.gateway_fpga.settings import PARTICIPANTS, symbol_word
from openoutcry.risk import totals
from openoutcry.wire.kernel import kernel
from openoutcry.wire.memory import load_acquire, load_i64, store_i64, store_u8
from openoutcry.wire.records import MAX_VALUE

if TYPE_CHECKING:
    from openoutcry.pipeline.worker import Work

REGION, RULES, SEEN, FEATURES, ROWS = range(0, 40, 8)
"""Words of the block that :func:`take_publication` is given: addresses of the risk state and of the
rules, the publication that was taken last, the rules' own features; from ROWS on the address of
each instrument's row in the rules."""


def publication_of(work: "Work", rules: npt.NDArray[np.int64]) -> npt.NDArray[Any] | None:
    """The block of a run with risk in its core; None where nothing is published: a preloaded input
    gives the same events whenever its stages ran, without a journal a gateway's verdicts could not
    be found again, participants' own bits are the settings', and beyond PARTICIPANTS the gateway
    has none."""
    inputs = work.shared.preloaded.values()
    region, preloaded = work.shared.region, any(one.count for one in inputs)
    if region is None or preloaded or work.journal is None or work.settings.check_participants:
        return None
    header = region.view(np.int64)[: lay.HEADER_BYTES // 8]
    hooks = work.core.hooks or {}
    if hooks.get("name") != "risk" or int(hooks["participants"]) > PARTICIPANTS:
        return None
    address = rules.ctypes.data
    rows = []
    for symbol in work.instruments["symbol"].tolist():
        word = np.uint64(symbol_word(symbol)).astype(np.int64)
        rows.append(g.find_row(int(word), address))
    features = int(rules[g.FEATURES_AT // 8])
    return np.array([header.ctypes.data, address, -1, features, *rows], np.int64)


@kernel
def take_publication(block: int) -> int:
    """Bring the rules to what the core has published; returns 1 if that was anything new."""
    region = load_i64(block + REGION)
    published = load_acquire(region + lay.PUBLICATION)
    # A core that is not there yet (its process has not begun) has no participants.
    if published == load_i64(block + SEEN) or load_i64(region) != lay.MAGIC:
        return 0
    store_i64(block + SEEN, published)
    rules, features = load_i64(block + RULES), load_i64(block + FEATURES)
    people = rules + load_i64(rules + g.PEOPLE_AT)
    market = load_i64(region + lay.MARKET_KILL) != 0
    for who in range(PARTICIPANTS):
        killed = market and who != 0
        if who < load_i64(region + lay.PARTICIPANTS):
            row = totals.participant_row(region, who)
            group = totals.group_row(region, load_i64(row + lay.GROUP))
            flags = load_i64(row + lay.FLAGS) & lay.KILLED_FLAGS
            stopped = flags != 0 or load_i64(group + lay.GROUP_KILL) != 0
            # Who is liquidated the core alone refuses: the parts come under its number.
            killed = killed or (stopped and flags & lay.KILLED_BY_MARGIN == 0)
        bucket = load_i64(people + 8 * who) & MAX_VALUE
        store_i64(people + 8 * who, bucket if killed else bucket | g.SIGN)
        if killed:
            features |= g.CHECKS_PARTICIPANTS
    for instrument in range(load_i64(region + lay.INSTRUMENTS)):
        halted = load_i64(totals.instrument_row(region, instrument) + lay.HALT) != 0
        store_u8(load_i64(block + ROWS + 8 * instrument) + g.ROW_HALTED_AT, 1 if halted else 0)
        if halted:
            features |= g.HAS_LIMITS
    store_i64(rules + g.FEATURES_AT, features)
    return 1
