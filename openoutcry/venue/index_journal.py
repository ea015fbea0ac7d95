"""From what contracts are marked, as commands: a run's rules, each source's reports, the books that
bases are made of, and each index that this comes to.

    INDEX_RULES    pieces of the run's document, before anything else
    INDEX_REPORT   what a source has reported since the last look
    INDEX_SAMPLE   a contract's book
                   marks and pauses
    INDEX_VALUE    the index: its contracts are marked by it

So ``index_audit.py`` marks again from the journal alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.derivatives.marking import Marking, MarkingRules, document_of, rules_in
from openoutcry.journal.document_pieces import PIECE_BYTES, PIECES_SHIFT, Pieces
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.risk.region import setting
from openoutcry.wire import ORDER_DTYPE
from openoutcry.wire.symbols import code_of

INDEX_SHIFT = 16
Records = npt.NDArray[Any]


def rules_records(rules: Sequence[MarkingRules], begun_ns: int) -> Records:
    """The document of a run that began then, in pieces."""
    data = document_of(rules, begun_ns).encode()
    count = -(-len(data) // PIECE_BYTES)
    words = np.frombuffer(data.ljust(count * PIECE_BYTES), np.int64).reshape(count, 2)
    records = np.zeros(count, ORDER_DTYPE)
    records["kind"], records["order_type"] = RISK_KIND, Setting.INDEX_RULES
    records["qty_lots"] = count << PIECES_SHIFT | np.arange(count)
    records["price_ticks"], records["aux"] = words.T
    return records


def report_record(index: int, source: int, price_ticks: int, time_ns: int) -> Records:
    """A source's price, by the numbers in the document."""
    place = index << INDEX_SHIFT | source
    return setting(Setting.INDEX_REPORT, time_ns, place, second=price_ticks)


def sample_record(symbol: str, bid_ticks: int, ask_ticks: int) -> Records:
    """The best prices of a contract's book."""
    return setting(Setting.INDEX_SAMPLE, ask_ticks, 0, code_of(symbol), bid_ticks)


def value_record(index: int, price_ticks: int, is_protected: bool, time_ns: int) -> Records:
    """Return what an index has come to."""
    record = setting(Setting.INDEX_VALUE, time_ns, index, second=price_ticks)
    record["time_in_force"] = is_protected
    return record


class IndexReports:
    """What the commands say of a run's indices: its rules, and what each source reported last."""

    def __init__(self, rules: Sequence[MarkingRules] = ()) -> None:
        """``rules``: those of a run whose document is not among the commands."""
        self.pieces = Pieces()
        self.markings = [Marking(rule) for rule in rules]
        """By their numbers; empty before the first document."""
        self.begun_ns = 0

    def rules(self, place: int, first: int, second: int) -> bool:
        """Take a piece of the rules; whether it is the last: a run begins, and its sources report
        again.  Raises ``ValueError`` for a text that is no rules."""
        text = self.pieces.take(place, first, second)
        if text:
            self.markings = []
            rules, self.begun_ns = rules_in(text)
            self.markings = [Marking(rule) for rule in rules]
        return bool(text)

    def report(self, place: int, price_ticks: int, time_ns: int) -> str:
        """Take a source's report; returns what is wrong with it."""
        index, number = place >> INDEX_SHIFT, place & ((1 << INDEX_SHIFT) - 1)
        if not self.markings:
            return ""  # the run began before these commands
        if index >= len(self.markings) or number >= len(self.markings[index].rules.sources):
            return f"source {number} of index {index} reports, but there is none"
        marking = self.markings[index]
        source = marking.rules.sources[number]
        if marking.index.report(source, price_ticks, time_ns):
            return ""
        text = f"{source} reports {price_ticks}, which is no price, or older than its last"
        return f"{marking.rules.underlying}: {text}"
