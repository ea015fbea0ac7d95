"""How to reach a NATS cluster: its servers, the authority of their certificates, our user."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from openoutcry.wire.errors import ReplicaError

ACCESS_FILE = "access.json"
PORT = 4222
SCHEMES = ("nats", "tls")


@dataclass(frozen=True)
class Server:
    """One address; ``tls``: it is spoken to in TLS only."""

    host: str
    port: int
    tls: bool

    @property
    def text(self) -> str:
        """The server's URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.tls else 'nats'}://{host}:{self.port}"


@dataclass(frozen=True)
class Access:
    """Servers of one cluster and the credentials for it."""

    servers: tuple[Server, ...]
    user: str = ""
    password: str = ""
    authority: str = ""
    """PEM file of the certificate authority; empty: those that the system trusts."""

    @property
    def text(self) -> str:
        """Return the address for people, without the password."""
        return ",".join(server.text for server in self.servers)


def access_of(text: str) -> Access:
    """Return the access that ``--nats`` names. It is the directory of `outcry cluster up`, a JSON
    file with ``urls``, ``user``, ``password`` and ``ca``, or URLs with commas between (``nats://``
    or ``tls://``, ``USER:PASSWORD@`` before the host).

    Raises :class:`ReplicaError` naming what is wrong."""
    path = Path(text)
    if "://" not in text and path.is_dir():
        path = path / ACCESS_FILE
    if "://" not in text and path.exists():
        return _from_file(path)
    if "://" not in text and "," not in text:
        raise ReplicaError(f"{text!r} is neither URLs (tls://HOST:PORT,...) nor a cluster's folder")
    return _from_urls(text.split(","), text)


def _from_file(path: Path) -> Access:
    try:
        document: Any = json.loads(path.read_text())
        access = _from_urls([str(url) for url in document["urls"]], str(path))
        user, password = str(document.get("user", "")), str(document.get("password", ""))
        authority = str(document.get("ca", ""))
    except OSError as error:
        raise ReplicaError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ReplicaError(f"{path}: is not JSON with urls, user, password and ca") from None
    access = replace(access, user=user or access.user, password=password or access.password)
    if access.password and path.stat().st_mode & 0o077:
        raise ReplicaError(
            f"{path}: holds a password, and other users may read it: chmod 600 {path}"
        )
    if authority:
        authority = str(path.absolute().parent / authority)
    return replace(access, authority=authority)


def _from_urls(urls: list[str], where: str) -> Access:
    servers, user, password = [], "", ""
    for url in urls:
        try:
            parts = urlsplit(url.strip())
            port = parts.port or PORT
        except ValueError:
            parts, port = urlsplit(""), 0
        if parts.scheme not in SCHEMES or not parts.hostname:
            shown = url.rpartition("@")[2]
            raise ReplicaError(f"--nats: {shown!r} is not nats://HOST:PORT or tls://HOST:PORT")
        servers.append(Server(parts.hostname, port, parts.scheme == "tls"))
        user = user or unquote(parts.username or "")
        password = password or unquote(parts.password or "")
    if not servers:
        raise ReplicaError(f"{where}: no URLs")
    return Access(tuple(servers), user, password)
