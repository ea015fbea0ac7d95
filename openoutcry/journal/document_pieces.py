"""Documents that come in a journal as pieces of 16 bytes, a command each."""

import numpy as np

PIECE_BYTES = 16
PIECES_SHIFT = 20
"""In the number that says how many pieces there are, shifted, and which of them this is."""


class Pieces:
    """The pieces of a document, as they come."""

    def __init__(self) -> None:
        self.words: list[int] = []

    def take(self, place: int, first: int, second: int) -> str:
        """The whole text, if this piece is its last; else an empty one."""
        count, which = place >> PIECES_SHIFT, place & ((1 << PIECES_SHIFT) - 1)
        if which == 0:
            self.words = []
        if len(self.words) != 2 * which or which >= count:
            return ""
        self.words += first, second
        if which + 1 < count:
            return ""
        return np.array(self.words, np.int64).tobytes().decode("utf-8", "replace").rstrip()
