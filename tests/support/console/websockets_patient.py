"""WebSocket connections that wait, however busy the machine is: by default a handshake of ten
seconds, or a pong of twenty, ends them."""

from functools import partial

from websockets.asyncio import client as asyncio_client
from websockets.sync import client

from tests.support.waiting import BOUND_S

connect = partial(client.connect, open_timeout=BOUND_S, ping_interval=None)
connect_asyncio = partial(asyncio_client.connect, open_timeout=BOUND_S, ping_interval=None)
