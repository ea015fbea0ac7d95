"""httpx for servers of tests, which speak no TLS: a client that verifies reads all authorities of
the machine first, which takes up to 50 ms of a processor.  By default it waits for an answer for
five seconds, which a busy machine may need."""

from functools import partial
from typing import Any

import httpx

from tests.support.waiting import BOUND_S

get = partial(httpx.get, verify=False, timeout=BOUND_S)
post = partial(httpx.post, verify=False, timeout=BOUND_S)
request = partial(httpx.request, verify=False, timeout=BOUND_S)


def client(url: str, source: str = "", **more: Any) -> httpx.Client:
    """For requests to ``url``, from the address ``source`` if one is given."""
    transport = httpx.HTTPTransport(verify=False, local_address=source or None)
    return httpx.Client(base_url=url, timeout=BOUND_S, transport=transport, verify=False, **more)
