"""What every source of order commands looks like to its caller."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy.typing as npt

Array = npt.NDArray[Any]

CHUNK_ORDERS = 1 << 16
"""Commands in one chunk at most (4 MiB), unless a source is given another size."""


class Source(Protocol):
    """Order commands in the order in which they are to be sequenced.

    ``seq``, ``rx_ts_ns`` and ``error_code`` of the commands are 0: the pipeline writes them.
    """

    name: str
    """The name of the source, for people to read."""
    instruments: Array
    """``INSTRUMENT_DTYPE``: every symbol that the commands may name."""
    count_hint: int | None
    """Number of commands to come, if that is known before reading."""
    account: dict[str, int]
    """How many messages of each kind were met; complete when ``chunks`` is exhausted.  A message
    that becomes no command is counted here under a name that says so."""

    def chunks(self) -> Iterator[Array]:
        """Yield non-empty ``ORDER_DTYPE`` arrays; each call starts from the beginning."""
        ...
