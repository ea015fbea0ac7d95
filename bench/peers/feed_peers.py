"""The feed's peers: a bare ``sendto`` in C, and the C++ book of itchcpp (PyPI).

``itchfeed`` uses that book where it is installed. It is installed in a separate environment here.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from openoutcry.bench.peers.programs import PeerMissing, binary
from openoutcry.bench.subjects import chosen
from openoutcry.host.processes import PeerError, die_with_parent
from openoutcry.wire.kernel import CACHE_ROOT

SCRIPT = Path(__file__).resolve().parent / "book_itchcpp.py"
PACKAGES = ("itchcpp", "hftbacktest")
"""Each is in a separate environment; hftbacktest, which reads our events in a test, wants an older
numpy than ours."""
NAMES = ("bare_sendto", "itchcpp")
TIMEOUT_S = 600


def feed_peers_named(text: str | None) -> list[str]:
    """The peers that a list with commas names, None: all. Raises ``ValueError`` for others."""
    return chosen(text, NAMES)


def environment(package: str) -> Path:
    """Return where a package's environment is, there or not."""
    return CACHE_ROOT / "feed-peers" / package


def setup_feed_peers() -> int:
    """Install each package in its environment; 0 when all are there."""
    status = 0
    for package in PACKAGES:
        home = environment(package)
        python = home / "bin" / "python"
        if not python.exists():
            home.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        status |= subprocess.run([*pip, package]).returncode
    return status


def sendto_ns(
    group: tuple[str, int], size_bytes: int, count: int, pause_ns: int, handed: bool = False
) -> list[float]:
    """ns of a bare sendto of ``size_bytes`` bytes: median and 99th percentile.  With ``handed``
    from the word of another thread until the datagram has left."""
    command = [str(binary("send_datagram")), *map(str, (*group, size_bytes, count, pause_ns))]
    command += ["handed"] if handed else []
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT_S, preexec_fn=die_with_parent
    )
    if done.returncode:
        raise PeerError(f"send_datagram ended with {done.returncode}")
    return [float(word) for word in done.stdout.split()]


def itchcpp_book(path: Path, symbols: Sequence[str]) -> tuple[float, dict[str, tuple[int, int]]]:
    """ns that itchcpp took to build the books of a file, and each symbol's best bid and ask (four
    decimals; 0: none).  Raises :class:`PeerMissing` if it is not installed."""
    python = environment("itchcpp") / "bin" / "python"
    if not python.exists():
        raise PeerMissing(f"no {python}: outcry bench market-data --setup")
    done = subprocess.run(
        [str(python), str(SCRIPT), str(path), *symbols],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        preexec_fn=die_with_parent,
    )
    if done.returncode:
        raise PeerError(f"itchcpp ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    document = json.loads(done.stdout)
    best = {
        symbol: (
            round(row["bid_price"] * 10_000) if row["has_bid"] else 0,
            round(row["ask_price"] * 10_000) if row["has_ask"] else 0,
        )
        for symbol, row in document["best"].items()
    }
    return float(document["took_ns"]), best
