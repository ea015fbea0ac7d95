"""The state of a run's sessions and what they received, as a function of the journal.

Rows and tokens are rebuilt from the journal's commands and metadata.  Streams are rebuilt from
these and from the events that a separate matcher makes of the commands.  The rebuild starts at a
checkpoint (sessions_checkpoint.py) where there is one.  The stage has one such state, and the
process that makes checkpoints has another.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from openoutcry.journal.events import Batch
from openoutcry.order_entry import apply as apply_kernels
from openoutcry.order_entry import (
    command_metadata,
    drop_copy,
    ouch42,
    ouch50,
    session,
    session_region,
    shm_layout,
    shm_out,
    sums,
    tokens,
)
from openoutcry.order_entry import copies as drop_copies
from openoutcry.order_entry.documents import Documents
from openoutcry.order_entry.fix import drop_copy as fix_drop_copy
from openoutcry.order_entry.fix import live as fix44
from openoutcry.order_entry.fix import live42 as fix42
from openoutcry.order_entry.fix import words as fix_words
from openoutcry.order_entry.fix.message import make_fields
from openoutcry.order_entry.fix.numbers import NumbersFile
from openoutcry.order_entry.session_region import RegionHeader
from openoutcry.order_entry.spec import (
    DROP_COPIES,
    FIX_BEGIN,
    FIX_NAME,
    CancelOnDisconnect,
    Protocol,
    SessionSpec,
    SessionsSpec,
)
from openoutcry.order_entry.stream import DIFFERENT, Stream
from openoutcry.wire import OutcryError
from openoutcry.wire.indirect import kernel_address
from openoutcry.wire.kernel import compile_kernel, is_kept

CODECS: dict[Protocol, Any] = {
    Protocol.OUCH42: ouch42,
    Protocol.OUCH50: ouch50,
    Protocol.FIX44: fix44,
    Protocol.FIX42: fix42,
    Protocol.DROP_COPY: drop_copy,
    Protocol.FIX_DROP_COPY: fix_drop_copy,
    Protocol.SHM: shm_out,
}
"""The protocol's module: decode, if it has orders complete, encode, refuse, and what only FIX
has, frame among it: packets of the others are SoupBinTCP's."""
DAY_NS = 86_400_000_000_000
EASTERNMOST_NS = 14 * 3_600_000_000_000
ACCURACY_NS = 120_000_000_000
"""How far a FIX message's SendingTime may be off."""
ARGUMENTS = {
    "frame": 2,
    "decode": 5,
    "complete": 4,
    "encode": 6,
    "refuse": 5,
    "begin": 2,
    "lost": 2,
    "more": 2,
    "queued": 2,
    "timer": 2,
    "logout": 2,
}


SESSIONS: tuple[tuple[Callable[..., Any], int], ...] = (
    (apply_kernels.begin_day, 1),
    (drop_copies.apply_batch, 9),
    (command_metadata.pack_metadata, 7),
    (command_metadata.unpack_metadata, 6),
    (session.symbol_place, 1),
    (session.take_now, 2),
    (tokens.put_tokens, 3),
    (sums.find, 3),
)
"""Kernels that sessions of every protocol need, and how many arguments each has."""


class SessionsError(OutcryError):
    """The sessions of a venue cannot be as they are asked for."""


def sizes_of(spec: SessionsSpec, metadata: int) -> session_region.Sizes:
    """Return the sizes of the region; ``metadata``: the number of commands of the lane that may be
    in flight, a power of two."""
    spoken = {row.protocol for row in spec.sessions}
    return session_region.Sizes(
        len(spec.sessions),
        spec.row_capacity,
        metadata,
        spec.token_capacity,
        not spoken.isdisjoint(DROP_COPIES),
        Protocol.FIX_DROP_COPY in spoken,
        spec.delayed,
    )


def protocol_kernels(spec: SessionsSpec) -> dict[str, list[tuple[Callable[..., Any], int]]]:
    """The kernels that these sessions need in addition to their stage's step, by purpose, with
    their numbers of arguments."""
    parts: dict[str, list[tuple[Callable[..., Any], int]]] = {"sessions": list(SESSIONS)}
    for protocol in sorted({row.protocol for row in spec.sessions}):
        module = CODECS[protocol]
        parts[protocol.name] = [
            (getattr(module, name), count)
            for name, count in ARGUMENTS.items()
            if hasattr(module, name)
        ]
    return parts


def compile_protocols(spec: SessionsSpec, progress: Callable[[str], None]) -> None:
    """Compile what these sessions need and no process before did; ``progress`` is called before
    each part that takes time."""
    for part, kernels in protocol_kernels(spec).items():
        missing = [(kernel, count) for kernel, count in kernels if not is_kept(kernel)]
        if missing:
            progress(f"compiling {part}")
        for kernel, count in missing:
            compile_kernel(kernel, count)


class State:
    """SessionRegion, streams and protocols."""

    def __init__(
        self,
        spec: SessionsSpec,
        instruments: npt.NDArray[Any],
        region: session_region.SessionRegion,
        journal: Path | None,
    ) -> None:
        """``journal``: next to which the streams are stored; None: in memory only."""
        self.spec, self.region, self.journal = spec, region, journal
        self.day = spec.day or datetime.now(UTC).strftime("%Y%m%d")
        self.max_ts_ns = 0
        """When the latest command came."""
        self.block_count, self.last_block = 0, -1
        """Blocks of the journal whose commands were applied, and the last of them."""
        self._metadata, self._block = BlockMetadata(), -1
        self.symbols = session.Symbols(
            instruments, spec.price_decimals, spec.symbols, spec.not_by_ouch, spec.paid_in
        )
        self.documents = Documents(region.documents, spec.sessions)
        self.streams = [self.stream_of(row, journal) for row in spec.sessions]
        self.codecs = self._codecs()
        self.fields = make_fields()
        self.fix: dict[int, FixSession] = {}
        for index, row in enumerate(spec.sessions, start=1):
            if row.protocol in DROP_COPIES:
                over_fix = row.protocol == Protocol.FIX_DROP_COPY
                self.region.copy_to(index, row.group or (row.participant,), over_fix)
            self._fill(index, row)
            if row.protocol == Protocol.SHM:
                region.block(index)[shm_layout.PIDFD // 8] = -1
            if row.protocol in FIX_BEGIN:
                self.fix[index] = FixSession(self, index, row, journal)

    def stream_of(self, row: SessionSpec, journal: Path | None, follows: bool = False) -> Stream:
        """The day's stream of a session; ``follows``: as another process writes it."""
        name = f"{row.name}.{self.day}"
        identity = blake2b(name.encode(), digest_size=7).digest()
        path = journal / "sessions" / f"{name}.stream" if journal else None
        sizes = self.spec.stream_entries, self.spec.stream_bytes
        return Stream(path, int.from_bytes(identity, "little"), *sizes, follows)

    def _codecs(self) -> npt.NDArray[np.int64]:
        for function, count in ((apply_kernels.begin_day, 1), (drop_copies.apply_batch, 9)):
            compile_kernel(function, count)
        words = np.zeros(
            (apply_kernels.CODEC_BYTES * apply_kernels.CODECS + apply_kernels.ROOM + 64) // 8,
            np.int64,
        )
        for protocol in {row.protocol for row in self.spec.sessions}:
            module = CODECS[protocol]
            at = protocol * apply_kernels.CODEC_BYTES // 8
            words[at : at + len(ARGUMENTS)] = [
                kernel_address(getattr(module, name), count) if hasattr(module, name) else 0
                for name, count in ARGUMENTS.items()
            ]
        return words

    def _fill(self, index: int, row: SessionSpec) -> None:
        """Fill in the session's block; an open connection stays open."""
        copies = row.protocol in DROP_COPIES
        per_s, admission = row.throttle_per_s, self.spec.admission_of(row)
        day = datetime.strptime(self.day, "%Y%m%d").replace(tzinfo=UTC)
        words = self.symbols.words() | session.SessionBlock.words(
            participant=row.participant,
            protocol=int(row.protocol),
            day_start_ns=self.spec.day_start_ns or int(day.timestamp()) * 1_000_000_000,
            day_ns=DAY_NS if self.spec.is_over_days else 0,
            stream=self.streams[index - 1].address,
            heartbeat_ns=row.heartbeat_ms * 1_000_000,
            timeout_ns=row.timeout_ms * 1_000_000,
            grace_ns=row.grace_ms * 1_000_000,
            cancel_mode=int(CancelOnDisconnect.NONE if copies else row.cancel_on_disconnect),
            throttle_ns=1_000_000_000 // per_s if per_s else 0,
            throttle_burst=row.throttle_burst,
            throttle_policy=int(row.throttle_policy),
            max_open=row.max_open_orders,
            self_trade=int(row.self_trade),
            order_types=admission.order_types,
            times_in_force=admission.times_in_force,
            lists=int(admission.lists),
            quotes=int(admission.quotes),
            queue_bytes=row.queue_bytes,
            sole_order_source=int(self._is_alone(row)),
        )
        if row.protocol == Protocol.SHM:
            words |= shm_layout.ShmSession.words(
                range_count=len(row.acts_for), rings=int(row.rings)
            )
            for place, number in enumerate(n for ends in row.acts_for for n in ends):
                words[shm_layout.RANGES + 8 * place] = number
        block = self.region.block(index)
        for offset, value in words.items():
            block[offset // 8] = value
        name = row.name.encode().ljust(16)[:16]
        block.view(np.uint8)[session.NAME : session.NAME + 16] = np.frombuffer(name, np.uint8)

    def _is_alone(self, row: SessionSpec) -> bool:
        """Return whether a participant's orders come by this session alone."""
        if row.slot:
            return False
        sources = sum(
            one.may_act(row.participant)
            for one in self.documents.all_latest()
            if one.is_there and one.protocol not in DROP_COPIES
        )
        packets = self.spec.packet_participants.count(row.participant)
        return sources + packets == 1 and not row.acts_for

    def follow_documents(self, changed: list[int]) -> None:
        """Take up the new documents of these sessions.  Another session of the same participant
        stops being its sole order source before a session of these accepts a login."""
        if not changed:
            return
        for index, row in enumerate(self.documents.all_latest(), start=1):
            block = self.region.block(index)
            if index not in changed:
                if not row.slot:
                    block[session.SOLE_ORDER_SOURCE // 8] = int(self._is_alone(row))
                continue
            self._fill(index, row)
            if index in self.fix:
                fix_words.put_names(
                    block, FIX_BEGIN[row.protocol], row.target or self.spec.name, row.name
                )
        for index in changed:
            self.documents.publish(index)

    def begin(self) -> None:
        """The state is empty: nothing was received or sent."""
        region = self.region
        region.clear()
        day_start = int(region.block(1)[session.DAY_START_NS // 8])
        region.words[session_region.DAY_BEGIN // 8] = self.spec.day_begin_ns or day_start
        self.max_ts_ns, self._block = 0, -1
        for stream in self.streams:
            stream.begin()
        for one in self.fix.values():
            one.begin()

    def take_symbols(self, region: npt.NDArray[np.uint8]) -> None:
        """Take the symbols that instruments have got in this risk state; none is there yet in one
        that is empty."""
        if len(region) and self.symbols.slots_from < len(self.symbols.by_index):
            block = session.SessionBlock.of(self.region.block(1).ctypes.data)
            self.symbols.take_from(region.ctypes.data, block)

    def apply(self, batch: Batch, event_seq: int) -> int:
        """Commands of one block with their events up to ``event_seq``; returns how many had a
        metadata."""
        commands, events = batch.commands, batch.events
        if not len(commands):  # as of each block of a segment before a checkpoint
            return 0
        if batch.header.block_index != self._block:
            self._block = batch.header.block_index
            self._metadata = BlockMetadata.of(batch, len(self.streams))
        self.follow_documents(self.documents.take(commands))
        if self._block != self.last_block:
            self.block_count, self.last_block = self.block_count + 1, self._block
        self.max_ts_ns = max(self.max_ts_ns, int(commands["rx_ts_ns"].max()))
        first = int(commands["seq"][0]) - batch.header.first_seq
        addresses = np.ascontiguousarray(self._metadata.addresses[first : first + len(commands)])
        return int(
            drop_copies.apply_batch(
                RegionHeader.of(self.region.address),
                self.codecs.ctypes.data,
                commands.ctypes.data,
                len(commands),
                addresses.ctypes.data,
                events.ctypes.data,
                len(events),
                batch.notes.ctypes.data if len(batch.notes) else 0,
                event_seq,
            )
        )

    @property
    def different(self) -> int:
        """Stream entries found on the disk that were not what the journal gave."""
        return sum(stream[DIFFERENT] for stream in self.streams)


class FixSession:
    """Data of a FIX session in addition to its block: numbers, messages kept, bytes to be sent."""

    def __init__(self, sessions: State, index: int, row: SessionSpec, journal: Path | None) -> None:
        self.block, self.stream = sessions.region.block(index), sessions.streams[index - 1]
        path = journal / "sessions" / f"{row.name}.numbers" if journal else None
        identity = blake2b(row.name.encode(), digest_size=7).digest()
        capacity = 1 << (sessions.spec.stream_entries - 1).bit_length()
        self.numbers = NumbersFile(path, int.from_bytes(identity, "little"), capacity)
        us, begin = row.target or sessions.spec.name, FIX_BEGIN[row.protocol]
        self.memory = fix_words.Memory(
            self.block, begin, us, row.name, capacity, self.numbers.numbers_address
        )
        self.out = np.zeros(fix_words.OUT_SIZE + 64, np.uint8)
        day_ns = int(self.block[session.DAY_START_NS // 8])
        ahead_ns = -day_ns % DAY_NS
        for word, value in fix_words.FixSession.words(
            fields_=sessions.fields.ctypes.data,
            numbers_file=self.numbers.address,
            out=self.out.ctypes.data,
            out_capacity=fix_words.OUT_SIZE,
            accuracy_ns=ACCURACY_NS,
            utc_offset_ns=ahead_ns if ahead_ns <= EASTERNMOST_NS else ahead_ns - DAY_NS,
        ).items():
            self.block[word // 8] = value

    def begin(self) -> None:
        """Commands are about to be applied again."""
        for word in (fix_words.APPLIED_IN, fix_words.STATE, fix_words.OUT_FROM, fix_words.OUT_END):
            self.block[word // 8] = 0

    def resume(self, day: int) -> None:
        """They have been."""
        self.memory.queue[:] = 0
        self.numbers.resume(self.block, day, self.stream.count)


class BlockMetadata:
    """The metadata of one block's commands, by the command's place in it."""

    def __init__(self, count: int = 0) -> None:
        self.addresses = np.zeros(count, np.int64)
        self.metadata = np.zeros(0, command_metadata.METADATA_DTYPE)

    @classmethod
    def of(cls, batch: Batch, sessions: int) -> "BlockMetadata":
        """The metadata of a batch of commands, unpacked from its block's note."""
        block_metadata = cls(batch.header.record_count)
        text = (
            batch.block.note.get(command_metadata.BLOCK_KEY, "")
            if batch.header.record_count
            else ""
        )
        if text:
            indices, block_metadata.metadata = command_metadata.unpack(
                text, batch.header.record_count, sessions
            )
            places = np.arange(len(indices)) * command_metadata.METADATA_BYTES
            block_metadata.addresses[indices] = block_metadata.metadata.ctypes.data + places
        return block_metadata


def check(spec: SessionsSpec) -> None:
    """Raise :class:`SessionsError` naming what cannot be."""
    names = [row.name.casefold() for row in spec.sessions]
    for row in spec.sessions:
        where = f"session {row.name}"
        if names.count(row.name.casefold()) > 1:
            raise SessionsError(f"{where}: the name occurs twice")
        if row.protocol not in CODECS:
            raise SessionsError(f"{where}: {row.protocol.name} is not supported yet")
        if row.slot:
            continue
        about: tuple[int, ...] = (row.participant,)
        if row.protocol in DROP_COPIES and row.group:
            about = row.group
        if not all(1 <= participant <= 65535 for participant in about):
            raise SessionsError(f"{where}: participant {row.participant} is not 1 to 65535")
        if row.protocol in (*FIX_BEGIN, Protocol.SHM):
            if not FIX_NAME.fullmatch(row.name):
                raise SessionsError(f"{where}: a name is 1 to 32 letters, digits, - _ .")
        elif not (row.name.isascii() and row.name.isalnum() and len(row.name) <= 6):
            raise SessionsError(f"{where}: a name is 1 to 6 letters and digits")
        if row.acts_for and row.protocol != Protocol.SHM:
            raise SessionsError(f"{where}: acts_for is for sessions over shared memory only")
        if row.rings and row.protocol != Protocol.SHM:
            raise SessionsError(f"{where}: rings is for sessions over shared memory only")
        if len(row.acts_for) > shm_layout.MAX_RANGES:
            raise SessionsError(f"{where}: more than {shm_layout.MAX_RANGES} ranges in acts_for")
        if not all(1 <= first <= last <= 65535 for first, last in row.acts_for):
            raise SessionsError(f"{where}: acts_for {row.acts_for} is not within 1 to 65535")
        if row.throttle_burst < 1:
            raise SessionsError(f"{where}: throttle_burst is {row.throttle_burst}, less than 1")
        if row.cancel_on_disconnect not in CancelOnDisconnect:
            raise SessionsError(f"{where}: cancel_on_disconnect {row.cancel_on_disconnect}")
    if sum(row.protocol in DROP_COPIES for row in spec.sessions) > session_region.MAX_COPIES:
        raise SessionsError(f"there are more than {session_region.MAX_COPIES} drop copies")
    for port in spec.ports:
        if port.protocol not in CODECS:
            raise SessionsError(f"port {port.port}: {port.protocol.name} is not supported yet")
    for name in ("row_capacity", "token_capacity"):
        value = getattr(spec, name)
        if value < 2 or value & (value - 1):
            raise SessionsError(f"{name} is {value}, not a power of two")
