"""The index of a part: where a participant, an order and a symbol's actions are in it.

    magic | length of JSON | JSON {name: [dtype, count]} | zeros to 64 bytes | arrays, each to 64

Participants: ``participants`` u2 with ``participant_rows`` u4 (where each begins, one more at the
end).  Orders: ``order_ids`` i8, ascending, with ``order_rows`` and ``order_counts`` u4.  Actions:
``action_keys`` u4 (instrument << 8 | action), ascending, with ``action_starts`` u4 (one more at the
end) into ``action_rows`` u4.
"""

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.surveillance.audit.rows import Joined
from openoutcry.wire.errors import AuditError

MAGIC = b"OUTCRYA1"
ALIGNMENT = 64
ACTION_BITS = 8
Array = npt.NDArray[Any]


def index_bytes(joined: Joined) -> bytes:
    """The index of a part whose rows are in ``joined.order``."""
    order, events = joined.order, joined.events
    who, ids = events["participant"][order], events["order_id"][order]
    participants, rows = np.unique(who, return_index=True)
    begins = np.ones(len(ids), bool)
    begins[1:] = (ids[1:] != ids[:-1]) | (who[1:] != who[:-1])
    first = np.flatnonzero(begins)
    counts = np.diff(np.append(first, len(ids)))
    by_id = np.argsort(ids[first], kind="stable")

    place = np.empty(len(order), np.uint32)
    place[order] = np.arange(len(order), dtype=np.uint32)
    keys = events["instrument"].astype(np.uint32) << ACTION_BITS | joined.action
    by_key = np.argsort(keys, kind="stable")
    action_keys, starts = np.unique(keys[by_key], return_index=True)
    return _packed(
        {
            "participants": participants.astype("<u2"),
            "participant_rows": np.append(rows, len(ids)).astype("<u4"),
            "order_ids": ids[first][by_id].astype("<i8"),
            "order_rows": first[by_id].astype("<u4"),
            "order_counts": counts[by_id].astype("<u4"),
            "action_keys": action_keys.astype("<u4"),
            "action_starts": np.append(starts, len(keys)).astype("<u4"),
            "action_rows": place[by_key].astype("<u4"),
        }
    )


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)


def _packed(arrays: dict[str, Array]) -> bytes:
    text = json.dumps({name: [a.dtype.str, len(a)] for name, a in arrays.items()}).encode()
    head = _padded(MAGIC + len(text).to_bytes(8, "little") + text)
    return head + b"".join(_padded(a.tobytes()) for a in arrays.values())


class PartIndex:
    """An index file, mapped; its arrays by name."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise AuditError(f"{path}: cannot read: {error}") from None
        if self._map[:8] != MAGIC:
            raise AuditError(f"{path} is not an index of an audit trail")
        size = int.from_bytes(self._map[8:16], "little")
        at = -(-(16 + size) // ALIGNMENT) * ALIGNMENT
        self.arrays: dict[str, Array] = {}
        for name, (kind, count) in json.loads(self._map[16 : 16 + size]).items():
            self.arrays[name] = np.frombuffer(self._map, kind, count, at)
            at += -(-self.arrays[name].nbytes // ALIGNMENT) * ALIGNMENT

    def order(self, order_id: int) -> list[tuple[int, int]]:
        """(first row, rows) of each participant's rows of that order."""
        ids = self.arrays["order_ids"]
        first = int(np.searchsorted(ids, order_id))
        ranges = []
        while first < len(ids) and ids[first] == order_id:
            ranges.append(
                (int(self.arrays["order_rows"][first]), int(self.arrays["order_counts"][first]))
            )
            first += 1
        return ranges

    def participant(self, number: int) -> list[tuple[int, int]]:
        """(first row, rows) of that participant; nothing for a participant without rows."""
        at = int(np.searchsorted(self.arrays["participants"], number))
        if at == len(self.arrays["participants"]) or self.arrays["participants"][at] != number:
            return []
        first, end = self.arrays["participant_rows"][at : at + 2].tolist()
        return [(first, end - first)]

    def symbol(self, instrument: int, actions: list[int]) -> Array:
        """Rows (u4, ascending) of an instrument with one of these actions."""
        keys, starts = self.arrays["action_keys"], self.arrays["action_starts"]
        parts = [np.zeros(0, np.uint32)]
        for action in actions:
            key = instrument << ACTION_BITS | action
            at = int(np.searchsorted(keys, key))
            if at < len(keys) and keys[at] == key:
                parts.append(self.arrays["action_rows"][int(starts[at]) : int(starts[at + 1])])
        return np.sort(np.concatenate(parts))
