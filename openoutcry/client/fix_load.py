"""Orders of a load over FIX: what ``load.py`` wants of a session."""

from openoutcry.client.fix import FixClient, FixMessage, read_message, utc_text, whole_message
from openoutcry.client.load_line import LoadLine
from openoutcry.client.waiting import ClientError

ACCEPTED, REJECTED = "0", "8"


class FixLoadSession(LoadLine):
    """One session's orders: each a D of one lot, answered by its first 8."""

    def __init__(self, client: FixClient, symbol: str, price: str, run: int) -> None:
        super().__init__(client.socket)
        self.client = client
        self.symbol, self.price = symbol, price
        self.prefix = f"L{run:06X}-"

    def add(self, order: int, number: int) -> None:
        """Queue order ``order`` (of the load) as the session's ``number``-th."""
        now = utc_text()
        side = "2" if number & 1 else "1"
        self._queue(
            "D",
            (
                (11, f"{self.prefix}{order}"),
                (55, self.symbol),
                (54, side),
                (60, now),
                (38, "1"),
                (40, "2"),
                (44, self.price),
            ),
            now,
        )

    def _queue(self, kind: str, fields: tuple[tuple[int, str], ...], kept: str = "") -> None:
        numbers = self.client.numbers
        if kept:
            numbers.sent[numbers.next_out] = kind, fields, kept
        self.out += self.client.pack(kind, numbers.next_out, fields)
        numbers.next_out += 1

    def beat(self) -> None:
        """Say that we live, if nothing else does."""
        if not self.out:
            self._queue("0", ())

    def answers(self) -> list[tuple[int, str]]:
        """Orders that were answered by what has arrived, and why they were rejected; "" if they
        were accepted."""
        if not self.arrived():
            return []
        answers, at = [], 0
        while size := whole_message(self.data[at : at + (1 << 14)]):
            message = read_message(bytes(self.data[at : at + size]))
            at += size
            answers += self._take(message)
        del self.data[:at]
        return answers

    def _take(self, message: FixMessage) -> list[tuple[int, str]]:
        if message.sequence != self.client.numbers.next_in:
            raise ClientError(
                f"message {message.sequence} came instead of {self.client.numbers.next_in}"
            )
        self.client.numbers.next_in += 1
        if message.kind == "1":
            self._queue("0", ((112, message.get(112)),))
        if message.kind in ("3", "j", "5"):
            raise ClientError(f"the venue said {message}")
        name, what = message.get(11), message.get(150)
        if message.kind != "8" or what not in (ACCEPTED, REJECTED):
            return []
        if not name.startswith(self.prefix):
            return []
        why = "" if what == ACCEPTED else message.get(58, "no reason is given").partition(":")[0]
        return [(int(name.removeprefix(self.prefix)), why)]
