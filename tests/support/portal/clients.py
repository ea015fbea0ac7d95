"""Programs that people have, pointed at a portal."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openoutcry.portal.spot.rest import ROUTES
from tests.support.portal.portal_venue import Person
from tests.support.waiting import BOUND_S

SPOT_ONLY = {
    "fetchMarkets": {"types": ["spot"]},
    "fetchMargins": False,
    "fetchCurrencies": False,
    "defaultType": "spot",
}
"""Options of ccxt: without them it asks for coins, margin and contracts, too."""


def taken(at: tuple[str, str], given: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a request of the Binance-shaped API takes: with others it would be
    refused before it looks at any."""
    takes = ROUTES[at].takes
    return given if takes is None else {k: v for k, v in given.items() if k in takes.split()}


def pointed(urls: Any, url: str) -> Any:
    """Every address of a client's table at the portal."""
    if isinstance(urls, dict):
        return {name: pointed(one, url) for name, one in urls.items()}
    found = re.match(r"(https?|wss?)://[^/]+", urls)
    assert found is not None
    host = url.replace("http", "ws") if found[1].startswith("ws") else url
    return host + urls[found.end() :]


def at_portal(exchange: Any, url: str) -> Any:
    """A client of ccxt, asking the portal; it waits as long as a test does."""
    exchange.urls["api"] = pointed(exchange.urls["api"], url)
    exchange.timeout = int(BOUND_S * 1000)
    return exchange


def settings(person: Person) -> dict[str, Any]:
    """What ccxt is given to trade as a person."""
    return {"apiKey": person.api_key, "secret": person.secret, "options": dict(SPOT_ONLY)}


def python_of(variable: str, package: str) -> Path:
    """The interpreter of the environment of a package, in the folder that an environment variable
    names; the first call installs it there.  Skips the test where no folder is named."""
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"name a folder for {package} in {variable}")
    found = Path(folder) / "venv" / "bin" / "python"
    if not found.exists():
        subprocess.run([sys.executable, "-m", "venv", str(found.parents[1])], check=True)
        subprocess.run([found, "-m", "pip", "install", "-q", package], check=True)
    return found
