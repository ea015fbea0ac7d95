"""A client that enters orders at a door one after the other while a test does other things."""

import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any

from openoutcry.client.waiting import ClientError
from tests.support.waiting import BOUND_S, wait_until


class Trader(threading.Thread, ABC):
    """Enters orders, waits for the answers to each, and notes them, until it is stopped or the
    venue is killed."""

    def __init__(self, answers: list[Any]) -> None:
        super().__init__(daemon=True)
        self.answers = answers
        self.ends = threading.Event()
        self.start()

    def run(self) -> None:
        with suppress(ClientError, OSError):
            while not self.ends.is_set():
                self.step()

    @abstractmethod
    def step(self) -> None:
        """Enter an order and note what it is answered."""

    def pass_more(self, count: int = 20) -> None:
        """Wait until it has so many more answers."""
        wanted = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= wanted, "orders pass")

    def stop(self) -> None:
        self.ends.set()
        self.join(BOUND_S)
        assert not self.is_alive()
