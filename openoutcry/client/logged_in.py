"""What every client of a session is: logged in from the start, logged out at the end of `with`."""

from abc import ABC, abstractmethod
from typing import Self


class LoggedIn(ABC):
    """Leaving its context logs out, whatever happened in it."""

    @abstractmethod
    def logout(self) -> None:
        """Log out, and close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.logout()
