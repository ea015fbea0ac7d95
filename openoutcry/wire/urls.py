"""The password in a URL of a server: not to be shown."""

import re

_PASSWORD = re.compile(r"(?<=:)(?<!://)[^/]*(?=@)|(?<=[?&]password=)[^&]*")
"""The password in ``://USER:PASSWORD@`` or ``?password=PASSWORD``."""


def password_of(url: str) -> str:
    """Return the password in the URL; empty without one."""
    match = _PASSWORD.search(url, url.find("://") + 1)
    return match[0] if match else ""


def without_password(url: str) -> str:
    """The URL as it can be shown."""
    match = _PASSWORD.search(url, url.find("://") + 1)
    return f"{url[: match.start()]}***{url[match.end() :]}" if match else url
