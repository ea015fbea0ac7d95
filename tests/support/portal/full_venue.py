"""A portal that offers everything: next to spot, contracts with scenario margin, money on a real
chain by custody, quotes, passkeys, another provider of logins, webhooks and pushes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openoutcry.client.fix import FixClient
from openoutcry.client.portal import PortalClient
from openoutcry.portal.native.quote_door import logon_password
from openoutcry.venue.desk import ask
from openoutcry.venue.file import read_venue
from tests.support.custody.portal_custody import PortalCustody
from tests.support.portal import contract_tables as tables
from tests.support.portal.portal_venue import FIRST, Person, PortalVenue
from tests.support.portal.provider import SECRET, LocalProvider
from tests.support.portal.receivers import Host, PushService
from tests.support.processes import free_port
from tests.support.waiting import BOUND_S

USD, BTC = 10**6, 10**8
DOMAIN, ORIGIN = "localhost", "http://localhost"
MAKERS = 3
"""The first users to sign up."""
CONTRACT = tables.contract("XAU-P", "perpetual")
MORE = tables.instrument("XAU-P") + CONTRACT + tables.RULES
MARGIN_FILE = tables.MARGIN.format(now="2026-11-23T00:00:00Z") + tables.GOLD
SETTINGS = """
[[level]]
number = 2
name = "identity known"
withdraws_a_day = {{ USD = "250000", BTC = "5", LTC = "20", ETH = "5" }}
[registration]
challenge_cost = 0
[quotes]
makers = {makers}
last_look_ms = 60_000
fix = "127.0.0.1:{fix_port}"
[passkeys]
domain = "{domain}"
origins = ["{origin}"]
[provider]
issuer = "{issuer}"
client_id = "portal"
secret_file = "provider.secret"
redirect = "{origin}/provider"
[notifications]
networks = ["127.0.0.0/8"]
[proofs]
folder = "proofs"
[[synthetic]]
symbol = "ETH-USD by BTC"
base = "ETH"
quote = "USD"
path = ["ETH-BTC", "BTC-USD"]
price_decimals = 2
quantity_decimals = 4
"""


@dataclass
class FullVenue:
    """The venue, and what is around it."""

    custody: PortalCustody
    provider: LocalProvider
    host: Host
    push: PushService
    makers: list[Person]
    fix_port: int
    """Of requests for quotes."""

    @property
    def portal(self) -> PortalVenue:
        return self.custody.portal

    def deposit_margin(self, person: Person, dollars: int) -> None:
        request = {"do": "deposit", "participant": person.participant, "amount": dollars * USD}
        ask(self.portal.venue.journal, request)

    def client(self, person: Person) -> PortalClient:
        """By the person's key."""
        return PortalClient(self.portal.url, person.api_key, person.secret)

    def fix_client(self, person: Person, api_key: str = "") -> FixClient:
        """Of the door for quotes; ``api_key``: another one than the person's, whose signature it
        has."""
        sender, target = (
            f"P{person.participant}",
            read_venue(self.portal.folder / "venue.toml").name,
        )
        password = logon_password(sender, person.secret, time.time_ns() // 1_000_000)
        terms = {"target": target, "username": api_key or person.api_key, "timeout_s": BOUND_S}
        return FixClient("127.0.0.1", self.fix_port, sender, password, **terms)


@contextmanager
def full_venue(folder: Path, users: int = 48) -> Iterator[FullVenue]:
    """Makers have signed up; each has money, also for margin."""
    (folder / "margin.toml").write_text(MARGIN_FILE + CONTRACT + tables.MARK)
    (folder / "provider.secret").write_text(SECRET)
    with LocalProvider() as provider, Host() as host, PushService() as push:
        fix_port = free_port()
        names = {"domain": DOMAIN, "origin": ORIGIN, "issuer": provider.issuer}
        names["fix_port"] = fix_port
        settings = SETTINGS.format(makers=list(range(FIRST, FIRST + MAKERS)), **names)
        files = {"more": MORE, "settings": settings}
        with PortalCustody(folder, users=users, **files) as custody:
            made = FullVenue(custody, provider, host, push, [], fix_port)
            for _ in range(MAKERS):
                terms = ("read", "trade", "withdraw")
                made.makers.append(custody.portal.person(terms, USD=10**6 * USD, BTC=10 * BTC))
                made.deposit_margin(made.makers[-1], 100_000)
            yield made
