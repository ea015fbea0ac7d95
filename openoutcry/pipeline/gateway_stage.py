"""The gateway's state at the point where the stage resumes.

A verdict depends on the order and the settings, and with a rate limit also on the orders before it.
So a gateway that starts in the middle first reads the commands that were already sequenced.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.gateway_fpga import make_rules, validate_orders
from openoutcry.gateway_fpga.live import LiveGateway
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of
from openoutcry.pipeline.stages.published import publishes_people, with_all_participants
from openoutcry.runtime.work import Work
from openoutcry.wire import OutcryError
from openoutcry.wire.errors import JournalError

CHUNK = 4096


def make_gateway(work: Work, last_seq: int) -> tuple[npt.NDArray[np.int64], LiveGateway | None]:
    """The golden model's rules and, if the RTL validates, the RTL: after command ``last_seq``."""
    settings = with_all_participants(work.settings) if publishes_people(work) else work.settings
    rules = make_rules(work.instruments, settings)
    rtl = LiveGateway.loaded(work.instruments, settings) if work.gateway == "rtl" else None
    if last_seq and work.settings.rate_interval_ns:
        for commands in sequenced_commands(work, last_seq):
            if rtl:
                rtl.validate(commands)
            else:
                validate_orders(commands, rules)
    return rules, rtl


def sequenced_commands(work: Work, last_seq: int) -> Iterator[npt.NDArray[Any]]:
    """Commands up to ``last_seq`` as the gateway received them, with the times of receipt.  They
    come from the journal (from its beginning, or what is left of it).  Without one they come from
    the preloaded input, into which the receive stage wrote those times."""
    if work.journal is not None:
        # The journal waits only for the ring, so it gets here.
        while work.shared.control.block.written_seq < last_seq:
            time.sleep(0.001)
        yield from _journaled(work, last_seq)
    elif work.shared.preloaded and len(work.table.lanes) == 1:
        (lane,) = work.shared.preloaded
        for at in range(0, last_seq, CHUNK):
            commands = work.shared.preloaded_records(lane, at, min(CHUNK, last_seq - at)).copy()
            commands["seq"] = np.arange(at + 1, at + 1 + len(commands))
            yield commands
    else:
        raise OutcryError(
            "a stage died and cannot be rebuilt: --durability none stores neither commands from "
            "the network nor the order of several lanes"
        )


def _journaled(work: Work, last_seq: int) -> Iterator[npt.NDArray[Any]]:
    """From the directory that has got furthest: under the policies ``any`` and ``quorum`` one of
    them may lag behind or have failed."""
    assert work.journal is not None
    refusals, done = [], 0
    for directory in (work.journal, *work.copies):
        try:
            for batch in events_of(JournalReader(directory), from_seq=done + 1, until_seq=last_seq):
                if len(batch.commands):
                    done = batch.after_seq + len(batch.commands)
                    yield batch.commands.copy()
                if done == last_seq:
                    return
            refusals.append(f"{directory} ends at sequence {done}, before {last_seq}")
        except JournalError as error:
            refusals.append(str(error))
    raise JournalError("; ".join(refusals))
