"""The password in a URL of a server: not to be shown."""

import re

_PASSWORD = re.compile(r"(?<=:)(?<!://)[^/]*(?=@)|(?<=[?&]password=)[^&]*")
"""Of ``://USER:PASSWORD@`` or ``?password=PASSWORD``."""


def password_of(url: str) -> str:
    """As it stands there; empty if there is none."""
    found = _PASSWORD.search(url, url.find("://") + 1)
    return found[0] if found else ""


def without_password(url: str) -> str:
    """The URL as it can be shown."""
    found = _PASSWORD.search(url, url.find("://") + 1)
    return f"{url[: found.start()]}***{url[found.end() :]}" if found else url
