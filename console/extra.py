"""What the console needs beyond the rest of the project."""

from importlib.util import find_spec

from openoutcry.wire import OutcryError

NEEDED = ("fastapi", "uvicorn", "websockets", "argon2", "pyotp", "prometheus_client", "yaml")


def require_extra() -> None:
    """Raises :class:`OutcryError` if a library of the extra ``console`` is missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise OutcryError(
            f"the console needs {', '.join(missing)}: pip install 'openoutcry[console]'"
        )
