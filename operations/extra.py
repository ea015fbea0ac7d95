"""What operations need beyond the rest of the project."""

from importlib.util import find_spec

from openoutcry.wire import OutcryError

NEEDED = ("prometheus_client", "yaml")


def require_extra() -> None:
    """Raises :class:`OutcryError` if the libraries of the extra ``operations`` are missing."""
    if not all(map(find_spec, NEEDED)):
        raise OutcryError(
            "metrics and alarms need prometheus-client and PyYAML: "
            "pip install 'openoutcry[operations]'"
        )
