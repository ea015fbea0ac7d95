"""A market maker over shared memory, on the venue's host: an order of each side around a price,
without a system call an order.

    python examples/shm_maker.py SOCKET SESSION SYMBOL MIDDLE_TICKS FILLS

SOCKET is the address of the venue's port of protocol "shm"; the session's key, 64 hex digits, is in
OUTCRY_KEY. It ends after so many fills, and takes its orders back.
"""

import os
import sys
import time
from itertools import count

from openoutcry.client.shm import ShmClient
from openoutcry.order_entry.shm_layout import Reply
from openoutcry.wire.enums import Side

LOTS, HALF_SPREAD_TICKS = 10, 2


def main() -> None:
    """Read the arguments, log in, quote until there are enough fills."""
    path, session, symbol, middle, fills = sys.argv[1:]
    names, seen = count(time.time_ns()), 0
    open_lots: dict[int | str, int] = {}
    with ShmClient(path, session, bytes.fromhex(os.environ["OUTCRY_KEY"])) as client:

        def quote(side: Side) -> None:
            """Enter an order of a side under a new name."""
            away = -HALF_SPREAD_TICKS if side is Side.BUY else HALF_SPREAD_TICKS
            open_lots[name := next(names)] = LOTS
            client.enter(name, side, symbol, LOTS, int(middle) + away)

        quote(Side.BUY)
        quote(Side.SELL)
        for reply in client.messages():
            if reply.kind is Reply.REJECTED:
                raise SystemExit(f"the venue refuses an order: {reply.reason_text}")
            if reply.kind in (Reply.EXECUTED, Reply.CANCELED):
                open_lots[reply.id] = reply.leaves_lots
            if reply.kind is Reply.EXECUTED and reply.side is not None:
                seen += 1
                print(f"{reply.side.name} {reply.qty_lots} at {reply.price_ticks}", flush=True)
                if seen == int(fills):
                    client.mass_cancel()
                elif reply.leaves_lots == 0 and seen < int(fills):
                    quote(reply.side)
            if seen >= int(fills) and not any(open_lots.values()):
                break
    print(f"{seen} fills")


if __name__ == "__main__":
    main()
