"""A venue file with a speed bump and sessions."""

from tests.support.order_entry.sessions_venue import HASH
from tests.support.venue.served_venue import VENUE

BUMP_US, WINDOW_US = 30_000, 20_000
TEXT = VENUE.replace(
    "housekeeping_cores = 0",
    f"housekeeping_cores = 0\nspeed_bump_us = {BUMP_US}\nspeed_bump_window_us = {WINDOW_US}\n"
    "speed_bump_seed = 11\nspeed_bump_orders = 64",
)
SESSIONS = f"""
[[participant]]
number = 2
name = "two"
[[port]]
protocol = "ouch-4.2"
address = "127.0.0.1:{{ouch}}"
[[port]]
protocol = "fix-4.4"
address = "127.0.0.1:{{fix}}"
[[session]]
name = "ONE"
protocol = "ouch-4.2"
participant = 1
password = "{HASH}"
cancel_on_disconnect = "none"
timeout_ms = 600_000
[[session]]
name = "FIRM"
protocol = "fix-4.4"
participant = 2
password = "{HASH}"
cancel_on_disconnect = "none"
"""
