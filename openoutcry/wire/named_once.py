"""JSON in which no field occurs twice: two readers of one text see the same document.

Nor has it text that a terminal would obey instead of showing it."""

from typing import Any


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its fields, as ``object_pairs_hook`` of ``json.loads``.

    Raises :class:`ValueError` if a name occurs twice, or a name or text is not printable."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"a field occurs twice among {', '.join(found)}")
    for text in (one for pair in pairs for one in pair if isinstance(one, str)):
        if not text.isprintable():
            raise ValueError(f"a field or a name has characters that cannot be shown: {text!a}")
    return found
