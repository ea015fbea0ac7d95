"""A call that may wait for the network, in a thread: its caller looks whether it is over."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Call(Generic[T]):
    """One call, which has begun."""

    def __init__(self, call: Callable[[], T], drop: Callable[[T], object]) -> None:
        """``drop`` closes a result that has no use any more (:meth:`abandon`)."""
        self._future: Future[T] = Future()
        self._drop = drop
        self._start(lambda: self._run(call))

    def _start(self, run: Callable[[], None]) -> None:
        # A process does not wait for it at its end.
        threading.Thread(target=run, daemon=True).start()

    def _run(self, call: Callable[[], T]) -> None:
        try:
            result = call()
        except BaseException as error:
            self._future.set_exception(error)
        else:
            self._future.set_result(result)

    @property
    def is_over(self) -> bool:
        return self._future.done()

    def result(self) -> T:
        """Return what the call returned, or raise what it raised; it is over."""
        assert self.is_over
        return self._future.result()

    def abandon(self) -> None:
        """Drop the result as soon as there is one."""
        self._future.add_done_callback(self._dropped)

    def _dropped(self, future: "Future[T]") -> None:
        if future.exception() is None:
            self._drop(future.result())


class Waited(Call[T]):
    """A call that its caller waits for."""

    def _start(self, run: Callable[[], None]) -> None:
        run()
