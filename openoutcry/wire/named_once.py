"""JSON in which no field occurs twice: two readers of one text see the same document.

Nor has it text that a terminal would obey instead of showing it."""

from collections.abc import Iterable
from typing import Any


class TwiceError(ValueError):
    """A name occurs twice; ``name`` says which."""

    def __init__(self, name: str, names: Iterable[str]) -> None:
        super().__init__(f"a field occurs twice among {', '.join(names)}")
        self.name = name


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its fields, as ``object_pairs_hook`` of ``json.loads``.  Raises
    :class:`TwiceError`."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise TwiceError(next(name for name in names if names.count(name) > 1), found)
    return found


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its fields, as :func:`once`.

    Raises :class:`ValueError` if a name occurs twice, or a name or text is not printable."""
    found = once(pairs)
    for text in (one for pair in pairs for one in pair if isinstance(one, str)):
        if not text.isprintable():
            raise ValueError(f"a field or a name has characters that cannot be shown: {text!a}")
    return found
