"""Prepare a venue file for a portal: sessions for the participants that it gives to its users."""

import json
import os
import secrets
import stat
from itertools import pairwise
from pathlib import Path

from openoutcry.order_entry.shm_layout import MAX_RANGES
from openoutcry.order_entry.shm_login import KEY_BYTES
from openoutcry.order_entry.spec import FIX_BEGIN, Protocol
from openoutcry.portal.folder import folder_of, make_folder
from openoutcry.portal.trading.broker import read_passwords
from openoutcry.venue.file import SHM_PATH, VenueFile, endpoint
from openoutcry.venue.session_keys import network as read_network
from openoutcry.wire.errors import OutcryError

RETIRED = (
    "{file}: the portal no longer uses {names}, which stay in the file; end the orders that they "
    "entered by `outcry venue kill participant NUMBER` and `outcry venue resume participant NUMBER`"
)
EXAMPLE = Path(__file__).with_name("example.toml")
BROKER = """
[[session]]
name = "{name}"
protocol = "shm"
participant = {own}
acts_for = "{ranges}"
{whence}key = "{key}"
rings = true
cancel_on_disconnect = "none"
second_login = "take-over"
self_trade = "cancel-newest"
max_open_orders = 0
queue_bytes = 67_108_864
"""
PORT = """
[[port]]
protocol = "shm"
{where}
"""
NAME = "PORTAL-"
SESSIONS = 4
"""Sessions for the participants of one call: as many processes of the portal can each send for a
part of them, and none uses up the names of the day."""


def write_example(path: Path) -> str:
    """Write an example of a venue file with wallets, readable by its owner alone; what was done, in
    words.  Raises :class:`OutcryError` if the file cannot be written."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(EXAMPLE.read_text(encoding="utf-8"))
    except OSError as error:
        raise OutcryError(f"{path}: {error.strerror}") from None
    return f"{path}: an example with wallets for USD, BTC and ETH"


def prepare(
    file: VenueFile,
    first: int,
    users: int,
    address: str = "",
    network: str = "",
    user: str = "",
) -> list[str]:
    """Append sessions for ``users`` participants from ``first`` on, each for a part of them, and
    their port if the file has none; the keys go into the portal's folder.  Returns what was done,
    in words.

    The sessions are over shared memory, for processes of ``user`` ("": of the venue's own); with
    the ``address`` of a port over TCP for hosts of ``network``.  Participants of an older portal's
    sessions over FIX, which it loses, have one of these.  Raises :class:`OutcryError` if the file
    cannot hold them."""
    try:
        if address:
            endpoint(address)
            read_network(network)
    except ValueError as error:
        raise OutcryError(f"the portal's port or network: {error}") from None
    last = first + users - 1
    if last > file.participant_capacity:
        raise OutcryError(
            f"{file.path}: participants up to {last} need [venue] participant_capacity = {last} "
            "or more, which is fixed once the journal exists"
        )
    folder = folder_of(file)
    known = folder / "sessions.json"
    keys = read_passwords(known) if known.exists() else {}
    every = file.sessions.sessions
    older = {row.name: row for row in every if row.name in keys and row.protocol in FIX_BEGIN}
    taken = {session.participant for session in every if session.name not in older}
    taken |= {participant.number for participant in file.participants}
    brokers = [session for session in every if session.acts_for]
    for begin, end in (ends for session in brokers for ends in session.acts_for):
        taken |= {*range(begin, end + 1)}
    numbers = [number for number in range(first, last + 1) if number not in taken]
    if not numbers:
        raise OutcryError(f"{file.path}: participants {first} to {last} all exist already")
    if file.path.stat().st_mode & stat.S_IRWXO:
        raise OutcryError(
            f"{file.path}: every user may read it, and it is about to have keys; "
            f"run chmod o= {file.path}"
        )
    # Next to the journal, where the venue's account may write.
    path = json.dumps(str(file.journal.parent / SHM_PATH))
    at = f'address = "{address}"' if address else f"path = {path}"
    whence = f'networks = ["{network}"]\n' if address else ""
    whence += f"user = {json.dumps(user)}\n" if user else ""
    rows = _broker_rows(file, numbers, _own_number(file, first, taken), whence)
    ports = [port for port in file.sessions.ports if port.protocol is Protocol.SHM]
    has_port = any((port.path is None) is bool(address) for port in ports)
    make_folder(folder)
    retired = [name for name, row in older.items() if row.participant in numbers]
    kept = {name: key for name, key in keys.items() if name not in retired}
    _write_keys(known, kept | {name: key for name, (key, _) in rows.items()})
    with file.path.open("a", encoding="utf-8") as out:
        text = "" if has_port else PORT.format(where=at)
        out.write("".join(text for _, text in rows.values()) + text)
    names = f"{next(iter(rows))} to {list(rows)[-1]}" if len(rows) > 1 else next(iter(rows))
    done = [f"{file.path}: {len(rows)} sessions for {len(numbers)} participants, {names}"]
    done += [] if has_port else [f"{file.path}: a port for shm at {address or path}"]
    return done + [RETIRED.format(file=file.path, names=", ".join(retired))] * bool(retired)


def _own_number(file: VenueFile, first: int, taken: set[int]) -> int:
    """The participant of the sessions themselves, for whom they enter no orders:
    the one that they have, or a free one.  Raises :class:`OutcryError`."""
    for session in file.sessions.sessions:
        if session.acts_for and session.name.startswith(NAME):
            return session.participant
    free = [number for number in range(1, first) if number not in taken]
    if not free:
        raise OutcryError(
            f"{file.path}: no participant below {first} is free for the portal's own sessions; "
            "choose a greater --first"
        )
    return free[-1]


def _broker_rows(
    file: VenueFile, numbers: list[int], own: int, whence: str
) -> dict[str, tuple[str, str]]:
    """Sessions that each act for a part of the participants, by name: the key, and the text.
    ``own``: the sessions' own participant; ``whence``: lines about who may log in.  Raises
    :class:`OutcryError`."""
    known = {session.name for session in file.sessions.sessions}
    count = min(SESSIONS, len(numbers))
    pieces = _pieces(numbers, count * MAX_RANGES)
    if not pieces:
        raise OutcryError(
            f"{file.path}: the free participants from {numbers[0]} to {numbers[-1]} are more than "
            f"{count * MAX_RANGES} ranges; choose a --first without gaps after it"
        )
    free = (f"{NAME}{place}" for place in range(1, len(known) + count + 1))
    names = [name for name in free if name not in known][:count]
    rows = {}
    for part, name in enumerate(names[: len(pieces)]):
        ranges = ", ".join(
            str(first) if first == last else f"{first}-{last}"
            for first, last in pieces[part :: len(names)]
        )
        key = secrets.token_hex(KEY_BYTES)
        rows[name] = key, BROKER.format(name=name, own=own, ranges=ranges, whence=whence, key=key)
    return rows


def _pieces(numbers: list[int], most: int) -> list[tuple[int, int]]:
    """Cut participants into at most as many ranges of neighbours, as equal as they can be; nothing
    if they have more gaps."""
    begins = [at for at, number in enumerate(numbers) if at == 0 or numbers[at - 1] != number - 1]
    runs = [numbers[begin:end] for begin, end in pairwise([*begins, len(numbers)])]
    if len(runs) > most:
        return []
    size = -(-len(numbers) // most)
    while sum(-(-len(run) // size) for run in runs) > most:
        size += 1
    cuts = [run[at : at + size] for run in runs for at in range(0, len(run), size)]
    return [(cut[0], cut[-1]) for cut in cuts]


def _write_keys(path: Path, keys: dict[str, str]) -> None:
    """Whole or not at all; its owner's alone."""
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(keys, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    new.replace(path)
