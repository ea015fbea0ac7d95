"""What the tests of fitness in several tiers share."""

import argon2

from openoutcry.host.findings import Host
from openoutcry.venue.file import read_venue
from tests.support.venue.served_venue import VENUE

GOOD = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
CHEAP = argon2.PasswordHasher(time_cost=5, memory_cost=7_168, parallelism=1)
GUESSED, OWN, OTHER = CHEAP.hash("one"), GOOD.hash("kPz81-ä"), GOOD.hash("rQ7-22lk")


def session(name, secret, address="127.0.0.1:9001"):
    return f"""
[[port]]
protocol = "ouch-4.2"
address = "{address}"
[[session]]
name = "{name}"
protocol = "ouch-4.2"
participant = 1
password = "{secret}"
"""


def venue(folder, more="", text=VENUE, mode=0o600):
    folder.mkdir(exist_ok=True)
    path = folder / "venue.toml"
    path.write_text(text + more)
    path.chmod(mode)
    return read_venue(path)


def states(check, file, host=None):
    return {one.name: one.state for one in check(file, host or Host())}


BAD = "unfit"
