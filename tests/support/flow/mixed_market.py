"""Manipulators in a flow that does not know them: generated or recorded commands, played as they
are, and agents among them.

Such a flow does not react: nobody follows a move or leans on the book, so pressure has little to
gain, and what a manipulator gains is measured as in :mod:`openoutcry.flow.agent_market`.
"""

from collections.abc import Callable, Sequence

import numpy as np

from openoutcry.flow.agent_market import OPEN_STEPS, SYMBOLS, AgentMarket, Script
from openoutcry.flow.source import Array
from openoutcry.wire.enums import Phase

FIRST_ID = 1 << 40
"""Ids of the agents' orders begin here: a flow's are smaller."""


class MixedMarket(AgentMarket):
    """A session of ``minutes`` in which ``commands`` (ORDER_DTYPE, of one instrument, in order, of
    participants below 100) come evenly, and ``scripts`` take part in it.

    ``instruments``: the flow's table; its first instrument is the one.
    """

    def __init__(
        self,
        seed: int,
        minutes: int,
        scripts: Sequence[Callable[[AgentMarket], list[Script]]],
        commands: Array,
        instruments: Array,
    ) -> None:
        super().__init__(seed, minutes, scripts, crowd=1)
        table = np.repeat(instruments[:1], len(SYMBOLS))
        table["symbol"] = SYMBOLS
        table["initial_phase"] = int(Phase.PRE_OPEN)
        self.instruments = table
        self.last_id = FIRST_ID
        self._flow = commands.copy()
        self._flow["symbol"] = SYMBOLS[0]
        self._played = 0

    def _noise(self) -> None:
        """The flow's next commands."""
        done = self.step + 1 - (self._end - self.steps - OPEN_STEPS)
        until = min(len(self._flow), len(self._flow) * done // (self.steps + OPEN_STEPS))
        self._waiting += self._flow[self._played : until].tolist()
        self._played = max(self._played, until)
