"""What an operator chooses for a portal: the file ``portal.toml``, read strictly.

Amounts are text in the asset's own decimals, as the API has them.  ``docs/portal.md`` explains
every key.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from openoutcry.operations.outward import NetworkList
from openoutcry.portal.accounts.papers import Bucket
from openoutcry.portal.countries import Countries, CountriesError
from openoutcry.routing.synthetic_spec import SyntheticBook, read_synthetic
from openoutcry.wire.decimals import AmountError, units_of
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.toml_tables import (
    Key,
    Tables,
    boolean,
    integer,
    list_of,
    read_tables,
    text,
)

CHALLENGE_COST = 2_000
"""A browser works on a challenge for half a second."""
IDENTITY_WAIT_S, MOST_WAIT_S = 24 * 3_600, 30 * 24 * 3_600
LOOPBACK: NetworkList = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True)
class Network:
    """A way on which an asset comes and goes: a chain, or a bank."""

    name: str
    asset: str
    deposit_address: str = ""
    """One address of all; a deposit names its participant by a tag.  Nothing: no deposits."""
    address: re.Pattern[str] = re.compile(r"[ -~]{1,128}")
    """Pattern of the address of a withdrawal."""
    min_withdrawal: int = 1
    """Smallest withdrawal, in units."""
    withdraws: bool = True
    chain: str = ""
    """Custody's name of the chain: it gives the addresses and pays.  Nothing: the operator does."""
    needs_tag: bool = False
    """Its receivers share addresses, so that a payment without a tag (memo) would be lost."""


@dataclass(frozen=True)
class Level:
    """Rights of a user whose identity is known so far."""

    number: int
    name: str
    trades: bool = True
    withdraws_a_day: dict[str, int] = field(default_factory=dict)
    """Units of each asset in 24 hours; an asset that is not here is not withdrawn."""


@dataclass(frozen=True)
class Limit:
    """How many requests count within a minute and so on; ``weights``: of single requests."""

    weight_a_minute: int = 6_000
    orders_in_10_s: int = 100
    orders_a_day: int = 200_000
    key_weight_a_minute: int = 12_000
    weights: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PortalFile:
    """The file's tables; without a file what is here."""

    networks: tuple[Network, ...] = ()
    levels: tuple[Level, ...] = ()
    limits: Limit = Limit()
    allow: NetworkList = ()
    """Network addresses that are served; neither these nor countries are named: all."""
    deny: NetworkList = ()
    countries: Countries | None = None
    allow_countries: tuple[str, ...] = ()
    deny_countries: tuple[str, ...] = ()
    identity_wait_s: int = IDENTITY_WAIT_S
    """After a change of identity, before anything leaves the account."""
    identity_page: str = ""
    """Origin of the page, for links in mails; nothing: that of passkeys, or this machine's."""
    passkey_domain: str = ""
    passkey_origins: tuple[str, ...] = ()
    provider: dict[str, str] = field(default_factory=dict)
    """``issuer``, ``client_id``, ``secret_file``, ``redirect``; empty: not offered."""
    sanctions: Path | None = None
    bucket: Bucket | None = None
    """Where papers are; None: in the portal's folder."""
    reviewer: str = ""
    """``package.module:Class`` of a vendor's adapter; nothing: people review all."""
    challenge_cost: int = CHALLENGE_COST
    """Rounds of a key of a challenge, which a registration costs, and a login after failures; 0: no
    challenge."""
    scrapers: NetworkList = LOOPBACK
    """Network addresses that may read the metrics."""
    traces: str = ""
    """Where traces go (OTLP over HTTP); nothing: no traces."""
    hook_hosts: tuple[str, ...] = ()
    """Patterns of hosts that webhooks and pushes may go to; none: all of the internet."""
    hook_networks: NetworkList = ()
    """Networks that they may go to although they are not the internet."""
    hook_authorities: str | None = None
    """A file of certificates that are trusted there in addition to the system's."""
    custody: Path | None = None
    """The socket of custody's door; networks with a chain need it."""
    makers: tuple[int, ...] = ()
    """Participants that requests for quotes may go to; none: they are not offered."""
    last_look_ms: int = 2_000
    fix: tuple[str, int] | None = None
    """Where requests for quotes are taken over FIX; None: they are not."""
    synthetic: tuple[SyntheticBook, ...] = ()
    routes: Path | None = None
    """A router's file, whose instruments have consolidated books."""
    proofs: Path | None = None
    """A folder of statements of what is owed (``outcry proof make``); None: none are shown."""
    venue: tuple[str, int] | None = None
    """The venue's port for the portal's sessions, as this host reaches it; None: as the venue file
    has it."""

    def network(self, asset: str, name: str) -> Network | None:
        """Return a network by its name; without one the asset's first."""
        chosen = [one for one in self.networks if one.asset == asset and name in ("", one.name)]
        return chosen[0] if chosen else None

    def level(self, number: int) -> Level | None:
        """The highest up to ``number``; None: the file has no levels, and nothing is limited."""
        reached = [one for one in self.levels if one.number <= number]
        if not self.levels:
            return None
        return max(reached, key=lambda one: one.number, default=Level(0, "none", trades=False))

    def may_scrape(self, address: str) -> bool:
        """Return whether the metrics are shown there."""
        try:
            given = ip_address(address)
        except ValueError:
            return False
        return any(given in scraper for scraper in self.scrapers)

    def serves(self, address: str) -> bool:
        """Return whether requests from there are answered."""
        if not self.allow and not self.deny and self.countries is None:
            return True
        try:
            given = ip_address(address)
        except ValueError:
            return False
        # A listener of both families names a client of IPv4 so.
        given = getattr(given, "ipv4_mapped", None) or given
        country = self.countries.of(str(given)) if self.countries is not None else ""
        if country in self.deny_countries or any(given in one for one in self.deny):
            return False
        if not self.allow and not self.allow_countries:
            return True
        return country in self.allow_countries or any(given in one for one in self.allow)


def network_list(value: Any) -> NetworkList:
    """Texts in CIDR notation, or the path of a file with one on each line (``@file``)."""
    found: list[IPv4Network | IPv6Network] = []
    for one in list_of(text(4_096))(value):
        rows = [one]
        if one.startswith("@"):
            try:
                rows = Path(one[1:]).read_text(encoding="utf-8").splitlines()
            except OSError as error:
                raise ValueError(f"{one[1:]}: cannot be read: {error.strerror}") from None
        for row in rows:
            bare = row.partition("#")[0].strip()
            if bare:
                found.append(ip_network(bare))
    return tuple(found)


def country(value: Any) -> str:
    """Two letters of ISO 3166.  Raises :class:`ValueError`."""
    found = text(2)(value)
    if not re.fullmatch(r"[A-Z]{2}", found):
        raise ValueError("a country has two capital letters (ISO 3166)")
    return found


def pattern(value: Any) -> re.Pattern[str]:
    """A regular expression of ASCII.  Raises :class:`ValueError` if it does not compile."""
    try:
        return re.compile(text()(value), re.ASCII)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None


def amount(value: Any) -> str:
    """Text of an amount; its decimals are checked against the asset's later."""
    return text(40)(value)


def table_of(parse_one: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """A parser of a TOML table that parses each value by ``parse_one``."""

    def parse(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("must be a table")
        return {str(name): parse_one(one) for name, one in value.items()}

    return parse


def door(value: Any) -> tuple[str, int] | None:
    """``ADDRESS:PORT``, an address of IP; None for nothing.  Raises :class:`ValueError`."""
    given = text(60)(value)
    if not given:
        return None
    host, _, port = given.rpartition(":")
    if not (port.isdecimal() and 0 < int(port) < 1 << 16):
        raise ValueError("ADDRESS:PORT is expected")
    return str(ip_address(host.strip("[]"))), int(port)


def origin(value: Any) -> str:
    """The origin of a page.  Raises :class:`ValueError`."""
    given = text(300)(value).rstrip("/")
    if given and not re.fullmatch(r"https?://[^/\s@]+", given):
        raise ValueError("https://HOST[:PORT] is expected")
    return given


NETWORK = {
    "name": Key(text(20)),
    "asset": Key(text(8)),
    "deposit_address": Key(text(128), ""),
    "address_pattern": Key(pattern, Network.address),
    "min_withdrawal": Key(amount, ""),
    "withdraws": Key(boolean, True),
    "chain": Key(text(20), ""),
    "needs_tag": Key(boolean, False),
}
LEVEL = {
    "number": Key(integer(0, 9)),
    "name": Key(text(40)),
    "trades": Key(boolean, True),
    "withdraws_a_day": Key(table_of(amount), {}),
}
MANY = integer(1, 10**9)
LIMITS = {
    "weight_a_minute": Key(MANY, 6_000),
    "key_weight_a_minute": Key(MANY, 12_000),
    "orders_in_10_s": Key(MANY, 100),
    "orders_a_day": Key(MANY, 200_000),
    "weights": Key(table_of(MANY), {}),
}
PASSKEYS = {"domain": Key(text(253), ""), "origins": Key(list_of(text(300)), ())}
PROVIDER = {
    "issuer": Key(text(300), ""),
    "client_id": Key(text(200), ""),
    "secret_file": Key(text(4_096), ""),
    "redirect": Key(text(300), ""),
}
IDENTITY = {
    "sanctions": Key(text(4_096), ""),
    "bucket": Key(text(300), ""),
    "endpoint": Key(text(300), ""),
    "region": Key(text(60), ""),
    "reviewer": Key(text(200), ""),
}
REGISTRATION = {"challenge_cost": Key(integer(0, 10**7), CHALLENGE_COST)}
IDENTITY_CHANGES = {
    "wait_s": Key(integer(0, MOST_WAIT_S), IDENTITY_WAIT_S),
    "page": Key(origin, ""),
}
METRICS = {"allow": Key(network_list, LOOPBACK)}
TELEMETRY = {"endpoint": Key(text(300), "")}
NOTIFICATIONS = {
    "hosts": Key(list_of(text(253)), ()),
    "networks": Key(network_list, ()),
    "authorities": Key(text(4_096), ""),
}
CUSTODY = {"socket": Key(text(100), "")}
QUOTES = {
    "makers": Key(list_of(integer(1, 65_535)), ()),
    "last_look_ms": Key(integer(1, 60_000), 2_000),
    "fix": Key(door, None),
}
ROUTES = {"file": Key(text(4_096), "")}
PROOFS = {"folder": Key(text(4_096), "")}
VENUE = {"address": Key(door, None)}
ADDRESSES = {
    "allow": Key(network_list, ()),
    "deny": Key(network_list, ()),
    "countries": Key(text(4_096), ""),
    "allow_countries": Key(list_of(country), ()),
    "deny_countries": Key(list_of(country), ()),
}
KNOWN = (
    "network",
    "level",
    "limits",
    "addresses",
    "passkeys",
    "provider",
    "identity",
    "registration",
    "identity_changes",
    "metrics",
    "telemetry",
    "notifications",
    "custody",
    "quotes",
    "synthetic",
    "routing",
    "proofs",
    "venue",
)


def read_portal_file(path: Path, assets: dict[str, int]) -> PortalFile:
    """``assets``: decimals by name.  Raises :class:`OutcryError` naming the first mistake."""
    tables = read_tables(path, lambda mistakes: OutcryError(f"{path}: {mistakes[0]}"))
    tables.only((), tables.document, KNOWN)
    passkeys, identity = tables.table("passkeys", PASSKEYS), tables.table("identity", IDENTITY)
    provider = tables.table("provider", PROVIDER)
    changes = tables.table("identity_changes", IDENTITY_CHANGES)
    if any(provider.values()) and not all(provider.values()):
        tables.wrong(("provider",), f"needs {', '.join(PROVIDER)}")
    if bool(passkeys["domain"]) != bool(passkeys["origins"]):
        tables.wrong(("passkeys",), "needs domain and origins")
    beside, outward = path.parent, tables.table("notifications", NOTIFICATIONS)
    networks = tuple(_network(tables, *row, assets) for row in tables.rows("network", NETWORK))
    door = tables.table("custody", CUSTODY)["socket"]
    if not door and any(network.chain for network in networks):
        tables.wrong(("network",), "a chain needs [custody] with its socket")
    routes = tables.table("routing", ROUTES)["file"]
    proofs = tables.table("proofs", PROOFS)["folder"]
    made = PortalFile(
        networks,
        tuple(_level(tables, *row, assets) for row in tables.rows("level", LEVEL)),
        Limit(**tables.table("limits", LIMITS)),
        **_addresses(tables, beside),
        identity_wait_s=changes["wait_s"],
        identity_page=changes["page"] or next(iter(passkeys["origins"] or ()), ""),
        passkey_domain=passkeys["domain"],
        passkey_origins=tuple(passkeys["origins"]),
        provider=provider if any(provider.values()) else {},
        sanctions=beside / identity["sanctions"] if identity["sanctions"] else None,
        bucket=_bucket(tables, identity),
        reviewer=identity["reviewer"],
        **tables.table("registration", REGISTRATION),
        scrapers=tables.table("metrics", METRICS)["allow"],
        traces=tables.table("telemetry", TELEMETRY)["endpoint"],
        hook_hosts=tuple(outward["hosts"]),
        hook_networks=outward["networks"],
        hook_authorities=str(beside / outward["authorities"]) if outward["authorities"] else None,
        custody=beside / door if door else None,
        **tables.table("quotes", QUOTES),
        synthetic=read_synthetic(tables),
        routes=beside / routes if routes else None,
        proofs=beside / proofs if proofs else None,
        venue=tables.table("venue", VENUE)["address"],
    )
    levels = [((*row[0], "number"), row[1]["number"]) for row in tables.rows("level", LEVEL)]
    tables.distinct(levels, "level")
    if tables.mistakes:
        raise OutcryError(f"{path}: {min(tables.mistakes)}")
    return made


def _bucket(tables: Tables, row: dict[str, Any]) -> Bucket | None:
    name, endpoint = row["bucket"].strip("/"), row["endpoint"]
    if endpoint and not re.fullmatch(r"https?://[^/\s]+", endpoint):
        tables.wrong(("identity", "endpoint"), "http(s)://HOST[:PORT] is expected")
    if not name and (endpoint or row["region"]):
        tables.wrong(("identity",), "endpoint and region are of a bucket: name it")
    return Bucket(name, endpoint, row["region"]) if name else None


def _addresses(tables: Tables, beside: Path) -> dict[str, Any]:
    """Rules of addresses; a list of countries needs the file that knows them."""
    before = len(tables.mistakes)
    row = tables.table("addresses", ADDRESSES)
    is_read = len(tables.mistakes) == before
    path, lists = row.pop("countries"), ("allow_countries", "deny_countries")
    row |= {name: tuple(row[name]) for name in lists}
    if is_read and bool(path) != any(row[name] for name in lists):
        tables.wrong(("addresses",), "needs countries (an mmdb file) and a list of countries")
    elif is_read and path:
        try:
            row["countries"] = Countries(beside / path)
        except CountriesError as error:
            tables.wrong(("addresses", "countries"), str(error))
    return row


def _units(tables: Tables, path: Any, given: str, decimals: int) -> int:
    try:
        return units_of(given, decimals)
    except AmountError as error:
        tables.wrong(path, f"{given!r}: {error}")
        return 0


def _network(tables: Tables, path: Any, row: dict[str, Any], assets: dict[str, int]) -> Network:
    asset = row["asset"] or ""
    if asset and asset not in assets:
        tables.wrong((*path, "asset"), f"the venue has no asset {asset!r}")
    least = 1
    if row["min_withdrawal"] and asset in assets:
        key = (*path, "min_withdrawal")
        least = max(1, _units(tables, key, row["min_withdrawal"], assets[asset]))
    found = row["deposit_address"], row["address_pattern"]
    if row["chain"] and row["deposit_address"]:
        tables.wrong((*path, "deposit_address"), "custody gives the addresses of a chain")
    if row["chain"] and row["needs_tag"]:
        tables.wrong((*path, "needs_tag"), "addresses of a chain have no tag")
    more = row["withdraws"], row["chain"], row["needs_tag"]
    return Network(row["name"] or "", asset, *found, least, *more)


def _level(tables: Tables, path: Any, row: dict[str, Any], assets: dict[str, int]) -> Level:
    units = {}
    for name, given in row["withdraws_a_day"].items():
        key = (*path, "withdraws_a_day")
        if name not in assets:
            tables.wrong(key, f"the venue has no asset {name!r}")
            continue
        units[name] = _units(tables, key, given, assets[name])
    return Level(row["number"] or 0, row["name"] or "", row["trades"], units)
