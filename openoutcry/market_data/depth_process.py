"""The conflated feed of a venue: a subscriber of the venue's full feed that publishes conflated
views.

It reads the public lines as any subscriber does, so it cannot affect the orders or the full feed,
and may be killed at any time.  It then restarts from the messages in the session's store.  (A
snapshot has no trades: after one, a published last trade would disappear again.)
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable

from openoutcry.market_data.depth import DepthLine, views_of
from openoutcry.market_data.pages import Pages
from openoutcry.market_data.receiver import Moment, Receiver
from openoutcry.market_data.spec import Door, FeedSpec
from openoutcry.wire.errors import FeedError

LISTEN_S = 0.005
"""The lines are checked this often: their sockets hold what comes in between."""
AGAIN_S = 0.05
LAST_S = 5.0
"""At the end of a run that ended a session, the longest wait for that end to be published."""


def conflate(
    spec: FeedSpec,
    moment: Callable[[], Moment],
    over: Callable[[], bool],
    ended: Callable[[], bool],
    listener: socket.socket | None = None,
    door: Door | None = None,
    door_listener: socket.socket | None = None,
) -> None:
    """Publish the views of each interval, until the process is killed or the run is ``over()``.

    ``moment()``: the present book; ``ended()``: the session has, and no other has begun;
    ``listener``: where pages are asked for, ``door_listener``: where connections to ``door`` come.
    """
    door = door if door_listener is not None else None
    asyncio.run(_conflate(spec, moment, over, ended, listener, door, door_listener))


async def _conflate(
    spec: FeedSpec,
    moment: Callable[[], Moment],
    over: Callable[[], bool],
    has_ended: Callable[[], bool],
    listener: socket.socket | None,
    door: Door | None,
    door_listener: socket.socket | None,
) -> None:
    pages = Pages(spec.pages, spec.interval_ms, listener) if spec.pages else None
    if pages is not None:
        await pages.start()
    if door is not None and door_listener is not None:
        await door.start(door_listener)
    line = DepthLine(spec, spec.depth) if spec.depth else None
    receiver = await _receiver(spec, moment, over)
    interval_s, due, until, ends_told = spec.interval_ms / 1e3, time.monotonic(), 0.0, 0
    while receiver is not None:
        lines, session = receiver.lines, receiver.lines.session
        while not lines.complete and receiver.poll(0):
            await asyncio.sleep(0)
        now, ended = time.monotonic(), lines.sessions + lines.unfinished + lines.complete
        if (now >= due and not lines.complete) or ended > ends_told:
            due = max(due + interval_s, now)
            itch_seq = lines.next_sequence - 1
            views = views_of(receiver.book) if line is not None or pages is not None else {}
            if line is not None:
                line.publish(views, itch_seq, receiver.book.time_ns)
            if pages is not None:
                pages.publish(views, itch_seq)
            if door is not None:
                door.publish(receiver.book, itch_seq)
        if ended > ends_told:
            ends_told = ended
            if line is not None:
                line.end(itch_seq, receiver.book.time_ns)
            if pages is not None:
                pages.end(session.decode("latin-1"))
        if lines.complete:
            receiver.poll(0)  # maybe the first of another session
        if not until and over():
            until = now + (LAST_S if has_ended() else 0.0)
        if until and (now >= until or (lines.complete and (pages is None or pages.all_know))):
            break
        await asyncio.sleep(LISTEN_S)
    for one in (pages, door):
        if one is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await one.stop()


async def _receiver(
    spec: FeedSpec, moment: Callable[[], Moment], over: Callable[[], bool]
) -> Receiver | None:
    """A receiver that has its book; there may be none yet.  None: the run is over."""
    lines = [one for one in (spec.a, spec.b) if one is not None]
    while not over():
        try:
            return await asyncio.to_thread(
                Receiver, lines, spec.retransmission, spec.interface, snapshots=moment
            )
        except FeedError:
            await asyncio.sleep(AGAIN_S)
    return None
