"""The conflated feed of a venue: a subscriber of its own full feed, which tells others less.

It reads the public lines as everybody does, so that nothing of it can touch the orders or the full
feed, and it may be killed at any time: it begins again with a snapshot.
"""

import asyncio
import time

from openoutcry.market_data.depth import DepthLine, views_of
from openoutcry.market_data.errors import FeedError
from openoutcry.market_data.pages import Pages
from openoutcry.market_data.receiver import Receiver
from openoutcry.market_data.spec import FeedSpec

LISTEN_S = 0.005
"""The lines are looked at this often: their sockets hold what comes in between."""
AGAIN_S = 0.05


def conflate(spec: FeedSpec, snapshots: tuple[str, int]) -> None:
    """Tell the views of each interval, until the process is killed.

    ``snapshots``: where they are given.
    """
    asyncio.run(_conflate(spec, snapshots))


async def _conflate(spec: FeedSpec, snapshots: tuple[str, int]) -> None:
    pages = Pages(spec.pages, spec.interval_ms) if spec.pages else None
    if pages is not None:
        await pages.start()
    line = DepthLine(spec, spec.depth) if spec.depth else None
    receiver = await _receiver(spec, snapshots)
    interval_s, due = spec.interval_ms / 1e3, time.monotonic()
    while True:
        while receiver.poll(0):
            await asyncio.sleep(0)
        now = time.monotonic()
        if now >= due:
            due = max(due + interval_s, now)
            views, itch_seq = views_of(receiver.book), receiver.lines.next_sequence - 1
            if line is not None:
                line.tell(views, itch_seq, receiver.book.time_ns)
            if pages is not None:
                pages.tell(views, itch_seq)
        await asyncio.sleep(LISTEN_S)


async def _receiver(spec: FeedSpec, snapshots: tuple[str, int]) -> Receiver:
    """A receiver that has its snapshot; the feed may not give any yet."""
    lines = [one for one in (spec.a, spec.b) if one is not None]
    while True:
        try:
            return await asyncio.to_thread(
                Receiver, lines, spec.retransmission, spec.interface, snapshots=snapshots
            )
        except FeedError:
            await asyncio.sleep(AGAIN_S)
