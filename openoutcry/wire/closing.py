"""The context manager of what has ``close()``."""

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """``with`` closes it at the end of the block, also after an error, which is passed on."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held.  Closing twice is allowed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
