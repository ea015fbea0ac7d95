"""How often a connection's requests are read: what a client sends beyond that waits in it."""

import asyncio
import math


class Pace:
    """Pace of one connection: ``at_once`` requests, then one in each ``every_s``."""

    def __init__(self, at_once: int, every_s: float) -> None:
        self.at_once, self.every_s = at_once, every_s
        self._paid_s = -math.inf
        """Time of the loop's clock until which the requests are paid for."""

    async def rest(self) -> None:
        """Wait, after a request, until the next one may be read."""
        now_s = asyncio.get_running_loop().time()
        self._paid_s = max(self._paid_s, now_s - self.at_once * self.every_s) + self.every_s
        await asyncio.sleep(max(0.0, self._paid_s - now_s))
