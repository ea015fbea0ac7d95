"""The commented example of a venue file."""

import re
from pathlib import Path

from openoutcry.order_entry.passwords import make_password, password_hasher
from openoutcry.wire.errors import OutcryError

EXAMPLE = Path(__file__).with_name("example.toml")
SESSIONS = """
# OUCH 4.2 over SoupBinTCP, a session for each participant.  These are the hashes of the passwords
# that `outcry venue init` made and printed; `outcry venue password` makes others.
[[session]]
name = "ALPHA"
protocol = "ouch-4.2"
participant = 1
password = "{ALPHA}"
cancel_on_disconnect = "all"  # all, day, none: which orders go when the connection is lost
grace_ms = 1_000              # unless it is back by then

[[session]]
name = "BETA"
protocol = "ouch-4.2"
participant = 2
password = "{BETA}"

[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:9001"

# A drop copy only listens: to all that happens to a participant's orders, or to a group's.
[[session]]
name = "COPY"
protocol = "drop-copy"
group = "alpha"
password = "{COPY}"

[[port]]
protocol = "drop-copy"
address = "127.0.0.1:9002"

# FIX 4.4: the name is the SenderCompID, the venue's name the TargetCompID unless `target` is given.
[[session]]
name = "ALPHAFIX"
protocol = "fix-4.4"
participant = 1
password = "{ALPHAFIX}"

[[port]]
protocol = "fix-4.4"
address = "127.0.0.1:9003"
# certificate = "venue.pem"   # with both of them the port speaks TLS
# key = "venue.key"
"""
SESSION_NAMES = re.compile(r'^password = "{(\w+)}"$', re.M)


def make_example() -> tuple[str, dict[str, str]]:
    """The text of a venue file, and the passwords of its sessions by name.  Without argon2-cffi
    it has no passwords."""
    text = EXAMPLE.read_text(encoding="utf-8")
    try:
        hasher = password_hasher()
    except OutcryError:
        return text, {}
    passwords = {name: make_password() for name in SESSION_NAMES.findall(SESSIONS)}
    hashes = {name: hasher.hash(word) for name, word in passwords.items()}
    return text + SESSIONS.format(**hashes), passwords
