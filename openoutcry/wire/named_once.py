"""JSON in which no field occurs twice: two readers of one text see the same document."""

from typing import Any


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its fields, as ``object_pairs_hook`` of ``json.loads``.

    Raises :class:`ValueError` if a name occurs twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"a field occurs twice among {', '.join(found)}")
    return found
