"""A venue with spot instruments and margined ones, and what is in its wallets."""

import re

from tests.support.order_entry.sessions_venue import HASH, KEY
from tests.support.risk.spot_page import TABLES
from tests.support.venue.floor import InlineFloor
from tests.support.venue.served_venue import VENUE
from tests.support.venue.venue_floor import MORE

FLOOR = re.sub(r'(symbol = "(?:GOLD|TIN)"\n)', r"\1amount_decimals = 6\n", VENUE + MORE) + TABLES
FLOOR = FLOOR.replace("[calendar]", "participant_capacity = 1_000\n[calendar]", 1)


def session_tables(rows: dict[str, tuple[str, str, str]]) -> str:
    """Sessions by name: protocol, lines of whose they are, and "password" or "key"; and a port for
    each protocol."""
    sessions = "".join(
        f'[[session]]\nname = "{name}"\nprotocol = "{protocol}"\n{who}\n'
        f'{secret} = "{HASH if secret == "password" else bytes(KEY).hex()}"\n'
        for name, (protocol, who, secret) in rows.items()
    )
    return sessions + "".join(
        f'[[port]]\nprotocol = "{protocol}"\n'
        + ("" if protocol == "shm" else f'address = "127.0.0.1:{9_100 + number}"\n')
        for number, protocol in enumerate(dict.fromkeys(row[0] for row in rows.values()))
    )


def wallet(floor: InlineFloor, who: int, asset: str) -> list[int]:
    """Available, reserved, credit, shortfall; all accounts of the asset sum up."""
    floor.step()
    wallets = floor._desk.view.wallets
    held, net = wallets.total(asset)
    assert held == net
    return list(wallets.rows[who, wallets.names.index(asset)].tolist())
