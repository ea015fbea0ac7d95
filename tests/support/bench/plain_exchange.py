"""What the tests of plain exchange in several tiers share."""

import numpy as np

from openoutcry.flow import GeneratedFlow
from openoutcry.matcher import Engine
from openoutcry.wire.enums import EventKind


def flow(name: str, count: int, seed: int = 3):
    source = GeneratedFlow(name, count, seed)
    return source, np.concatenate(list(source.chunks()))


def our_trades(instruments, records) -> int:
    """The trades of our matcher on the same commands: two fills each."""
    numbered = records.copy()
    numbered["seq"] = np.arange(1, len(records) + 1)
    engine = Engine(instruments)
    bursts = (engine.process(numbered[at : at + 64]) for at in range(0, len(numbered), 64))
    return sum(int((events["kind"] == int(EventKind.FILLED)).sum()) for events in bursts) // 2
