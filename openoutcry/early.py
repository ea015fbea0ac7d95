"""Control-C while modules load: one word and status 1, at once.

Not by an exception: one that comes up in an import's own callback is swallowed, and the command
goes on; nothing has been made yet that would have to be cleaned up.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Within it an interrupt ends the process; not one that is ignored, or that a program around us
    answers itself."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    try:
        signal.signal(signal.SIGINT, _leave)
    except ValueError:  # in a thread that takes no signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: Any) -> NoReturn:
    # In the words of click and with its status.
    os.write(2, b"Aborted!\n")
    if "--json" in sys.argv:
        os.write(1, b'{"error": "Aborted!"}\n')
    os._exit(1)
