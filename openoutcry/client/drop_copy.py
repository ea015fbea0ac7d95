"""A client of a drop copy: receives all events of the orders of a participant or a group,
and able to say nothing."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from openoutcry.client.soupbin import SoupBinClient, SoupBinConnection
from openoutcry.client.waiting import ClientError
from openoutcry.order_entry import risk_reasons
from openoutcry.order_entry.drop_copy import COPY_BYTES, COPY_DTYPE
from openoutcry.order_entry.shm_layout import name_text
from openoutcry.order_entry.soupbin import LoginRequest
from openoutcry.order_entry.spec import Protocol
from openoutcry.wire.enums import EventKind, Reason, Side

FIELDS = COPY_DTYPE.fields
assert FIELDS is not None
TOKEN_AT = FIELDS["token"][1]


@dataclass(frozen=True)
class Copy:
    """An event of an order, as in the event record (docs/wire.md)."""

    sequence: int
    """Number of the message in the copy's own stream."""
    event: EventKind
    reason: Reason
    rx_ts_ns: int
    """When the command that caused it came, ns since the epoch (UTC)."""
    session: str
    """User name of the order's session; "" if it came another way."""
    token: str | int
    """The order's name in that session; of OUCH 5.0 its UserRefNum."""
    participant: int
    instrument: int
    """Its place in the venue file, from 0; 65,535: unknown."""
    side: Side | None
    """None: of a request that was refused before its order was known."""
    order_id: int
    price_ticks: int
    qty_lots: int
    leaves_lots: int
    event_seq: int
    refusal: str = ""
    """In a reject by a limit: the checks that failed, and the figures of the first."""
    fee_units: int = 0
    """Cost of a fill in a spot instrument, units of ``fee_asset``; below 0: a rebate."""
    fee_asset: str = ""

    def __str__(self) -> str:
        side = "" if self.side is None else self.side.name
        words = {"session": self.session, "token": self.token, "side": side}
        shown = ["qty_lots", "price_ticks", "leaves_lots", "instrument", "participant"]
        # The figures of a reject by a limit are the limit's.
        numbers = {name: getattr(self, name) for name in shown[3 if self.refusal else 0 :]}
        if self.reason:
            numbers["reason"] = self.refusal or self.reason.name
        if self.fee_asset:
            numbers |= {"fee_units": self.fee_units, "fee_asset": self.fee_asset}
        text = " ".join(f"{key}={value}" for key, value in (words | numbers).items() if value != "")
        return f"{self.sequence} {self.event.name.lower()} {text}"


def read_copy(sequence: int, data: bytes) -> Copy:
    """Parse a message of the stream.  Raises :class:`ClientError` for other bytes."""
    if len(data) != COPY_BYTES:
        raise ClientError(f"message {sequence}: {len(data)} bytes, not {COPY_BYTES}")
    (record,) = np.frombuffer(data, COPY_DTYPE)
    event = record["event"]
    token: str | int = record["token"].decode("latin-1").rstrip(" ")
    if record["protocol"] == Protocol.OUCH50:
        token = int.from_bytes(data[TOKEN_AT:][:4], "little")
    elif record["protocol"] == Protocol.SHM:
        token = name_text(data[TOKEN_AT : TOKEN_AT + COPY_DTYPE["token"].itemsize])
    names = ("participant", "instrument", "order_id", "price_ticks", "qty_lots", "leaves_lots")
    kind, reason, refusal = EventKind(event["kind"]), Reason(event["reason"]), ""
    if (kind, reason) == (EventKind.REJECTED, Reason.RISK):
        figures = (int(event[name]) for name in ("price_ticks", "leaves_lots", "qty_lots"))
        refusal = risk_reasons.text(int(event["contra_id"]), *figures)
    return Copy(
        sequence=sequence,
        event=kind,
        reason=reason,
        refusal=refusal,
        rx_ts_ns=int(record["rx_ts_ns"]),
        session=record["session"].decode("latin-1").rstrip(" "),
        token=token,
        side=Side(event["side"]) if event["side"] else None,
        event_seq=int(event["seq"]),
        fee_units=int(record["fee_units"]),
        fee_asset=record["fee_asset"].decode("latin-1"),
        **{name: int(event[name]) for name in names},
    )


class DropCopyClient(SoupBinClient):
    """A logged-in drop copy.  ``sequence``: number of the first message wanted, 1 for all of the
    day, 0 for only what is new."""

    def __init__(
        self,
        host: str,
        port: int,
        username: str,
        password: str,
        *,
        sequence: int = 1,
        tls: ssl.SSLContext | None = None,
        tls_name: str = "",
    ) -> None:
        """``tls``, ``tls_name``: as of :class:`SoupBinConnection`.

        Raises :class:`ClientError` or :class:`LoginRejected`."""
        login = LoginRequest(username, password, "", sequence)
        self.connection = SoupBinConnection(host, port, login, tls=tls, tls_name=tls_name)

    def next(self, timeout_s: float | None = None) -> Copy | None:
        """The next message; None after ``timeout_s`` without one (None: wait without end)."""
        data = self.connection.receive(timeout_s)
        return None if data is None else read_copy(self.sequence - 1, data)

    def copies(self, timeout_s: float | None = None) -> Iterator[Copy]:
        """Messages until ``timeout_s`` passes without one."""
        while (copy := self.next(timeout_s)) is not None:
            yield copy
