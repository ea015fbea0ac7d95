"""What every client of a session is: logged in from the start, logged out at the end of `with`."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class LoggedIn(ABC):
    """Leaving its context logs out, whatever happened in it."""

    @abstractmethod
    def logout(self) -> None:
        """Log out, and close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.logout()
