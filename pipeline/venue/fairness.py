"""Fairness: whether any command was sequenced out of turn, from the journal alone.

Behind a speed bump participants' commands are sequenced by the time at which they came, whichever
port or session they came by.  That time is in every record.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal import JournalReader
from openoutcry.replay.events import events_of, starting_point
from openoutcry.wire.enums import CommandKind

MAX_FAULTS_SHOWN = 20


class Audit:
    """Of commands in the journal's order, given in any pieces."""

    def __init__(self) -> None:
        self.latest_ns = self.commands = self.out_of_turn = 0
        self.faults: list[dict[str, int]] = []

    def look(self, commands: npt.NDArray[Any]) -> None:
        keep = (commands["participant"] != 0) & (commands["kind"] != CommandKind.DISCONNECT)
        found = commands[keep]
        if not len(found):
            return
        came = found["rx_ts_ns"]
        before = np.maximum.accumulate(np.concatenate(([self.latest_ns], came)))[:-1]
        wrong = came < before
        room = MAX_FAULTS_SHOWN - len(self.faults)
        late = zip(found["seq"][wrong][:room], (before - came)[wrong][:room], strict=True)
        self.faults += [{"seq": int(seq), "by_ns": int(by_ns)} for seq, by_ns in late]
        self.commands += len(found)
        self.out_of_turn += int(wrong.sum())
        self.latest_ns = max(self.latest_ns, int(came.max()))


def fairness(journal: Path) -> dict[str, Any]:
    """``commands``: how many of participants were looked at; ``out_of_turn``: how many of them came
    before one that was let in before them; ``faults``: the first of these, each with its sequence
    and by how many ns.

    A DISCONNECT is left out: the operator's lane, which does not wait, sends them in a
    participant's name.  Where the venue was served again the clock may have been set back.
    """
    audit, reader = Audit(), JournalReader(journal)
    for batch in events_of(reader, starting_point(reader)):
        audit.look(np.array(batch.commands))
    return {"commands": audit.commands, "out_of_turn": audit.out_of_turn, "faults": audit.faults}
