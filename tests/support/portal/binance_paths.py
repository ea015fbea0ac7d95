"""Write ``docs/portal-binance.md``: every path of Binance's API that known clients call, and what a
portal answers::

    python -m tests.support.portal.binance_paths

``binance_paths.txt`` has the paths, as the clients' sources name them: ccxt 4.5.90, python-binance
1.0.37, Binance's official connectors for Python (``official``), and ``binance`` of npm
(tiagosiebler).  freqtrade calls through ccxt; what hummingbot calls is among them, too."""

from pathlib import Path

from openoutcry.portal.spot.not_offered import reason_of
from openoutcry.portal.spot.rest import ROUTES

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "portal-binance.md"
HEAD = """\
<!-- made by tests/support/portal/binance_paths.py -->
# Requests of Binance's clients

What [the portal](portal.md) answers to every request of four clients under `/api` and `/sapi`. They
are ccxt, python-binance, Binance's connectors for Python (`official`) and npm's `binance`.
Freqtrade calls through ccxt; hummingbot calls some of the first ones. What is served has
Binance's parameters and shapes. The rest is refused with status 400, code -1020
and the reason below. The tests send each of them to a running venue.

| request | answer | clients |
|---|---|---|
"""


def paths() -> list[tuple[str, str, str]]:
    """Return method, path and clients of each request."""
    text = Path(__file__).with_suffix(".txt").read_text()
    rows = [line.split() for line in text.splitlines()]
    return [(method, path, clients.replace(",", ", ")) for method, path, clients in rows]


def page() -> str:
    """Return the page's text."""
    lines = []
    for method, path, clients in paths():
        is_served = (method, path) in ROUTES
        answer = "served" if is_served else f"refused: {reason_of(path)}"
        lines.append(f"| `{method} {path}` | {answer} | {clients} |\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page())
