"""Libraries of the package's extras and programs of other packages: found where they are needed, or
named with what installs them."""

import shutil
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from openoutcry.wire.errors import OutcryError

CONSOLE = ("fastapi", "uvicorn", "websockets", "argon2", "pyotp", "prometheus_client", "yaml")
PORTAL = (
    "fastapi",
    "uvicorn",
    "websockets",
    "argon2",
    "pyotp",
    "psycopg",
    "sqlalchemy",
    "alembic",
    "jwt",
    "cryptography",
    "zstandard",
)
OPERATIONS = ("prometheus_client", "yaml")


def need(module: str, what: str, extra: str, kind: type[OutcryError] = OutcryError) -> Any:
    """Import ``module``, which ``extra`` installs, and return it.

    Raises ``kind`` where it is missing; ``what`` says in words what needs it, as in "PostgreSQL
    needs psycopg".
    """
    try:
        return import_module(module)
    except ImportError:
        raise kind(f"{what}: pip install 'openoutcry[{extra}]'") from None


def need_program(name: str, what: str, package: str, kind: type[OutcryError] = OutcryError) -> str:
    """Return the path of a program, which ``package`` installs.

    Raises ``kind`` where it is missing; ``what`` says in words what needs it, as in "the demo
    needs SoftHSM".
    """
    found = shutil.which(name)
    if found is None:
        raise kind(f"{what}: {name} is not here: apt-get install {package}")
    return found


def require_console() -> None:
    """Raise :class:`OutcryError` if a library of the extra ``console`` is missing."""
    _require("the console needs", CONSOLE, "console")


def require_portal() -> None:
    """Raise :class:`OutcryError` if a library of the extra ``portal`` is missing."""
    _require("the portal needs", PORTAL, "portal")


def require_operations() -> None:
    """Raise :class:`OutcryError` if a library of the extra ``operations`` is missing."""
    _require("metrics and alarms need", OPERATIONS, "operations")


def _require(what: str, modules: tuple[str, ...], extra: str) -> None:
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise OutcryError(f"{what} {', '.join(missing)}: pip install 'openoutcry[{extra}]'")
