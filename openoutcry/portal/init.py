"""Prepare a venue file for a portal: sessions for the participants that it gives to its users."""

import json
import os
from pathlib import Path

from openoutcry.order_entry.passwords import make_password, password_hasher
from openoutcry.order_entry.spec import Protocol
from openoutcry.portal.folder import folder_of, make_folder
from openoutcry.venue.file import VenueFile
from openoutcry.wire.errors import OutcryError

EXAMPLE = Path(__file__).with_name("example.toml")
SESSION = """
[[session]]
name = "{name}"
protocol = "fix-4.4"
participant = {number}
password = "{hash}"
cancel_on_disconnect = "none"
second_login = "take-over"
self_trade = "cancel-newest"
"""
PORT = """
[[port]]
protocol = "fix-4.4"
address = "{address}"
"""


def write_example(path: Path) -> str:
    """Write an example of a venue file with wallets, readable by its owner alone; what was done, in
    words.  Raises :class:`OutcryError` if the file cannot be written."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(EXAMPLE.read_text(encoding="utf-8"))
    except OSError as error:
        raise OutcryError(f"{path}: {error.strerror}") from None
    return f"{path}: an example with wallets for USD, BTC and ETH"


def prepare(file: VenueFile, first: int, users: int, address: str) -> list[str]:
    """Append a session for each of ``users`` participants from ``first`` on, and a FIX port if the
    file has none; the passwords go into the portal's folder.  Returns what was done, in words.

    Raises :class:`OutcryError` if the file cannot hold them."""
    last = first + users - 1
    if last > file.participant_capacity:
        raise OutcryError(
            f"{file.path}: participants up to {last} need [venue] participant_capacity = {last} "
            "or more, which is fixed once the journal exists"
        )
    taken = {session.participant for session in file.sessions.sessions}
    taken |= {participant.number for participant in file.participants}
    numbers = [number for number in range(first, last + 1) if number not in taken]
    if not numbers:
        raise OutcryError(f"{file.path}: participants {first} to {last} all exist already")
    hasher, rows, passwords = password_hasher(), [], {}
    for number in numbers:
        name, word = f"PORTAL{number}", make_password()
        passwords[name] = word
        rows.append(SESSION.format(name=name, number=number, hash=hasher.hash(word)))
    has_port = any(port.protocol is Protocol.FIX44 for port in file.sessions.ports)
    text = "".join(rows) + ("" if has_port else PORT.format(address=address))
    folder = folder_of(file)
    make_folder(folder)
    _add_passwords(folder / "sessions.json", passwords)
    with file.path.open("a", encoding="utf-8") as out:
        out.write(text)
    done = [f"{file.path}: {len(numbers)} sessions, PORTAL{numbers[0]} to PORTAL{numbers[-1]}"]
    return done if has_port else [*done, f"{file.path}: a port for fix-4.4 at {address}"]


def _add_passwords(path: Path, passwords: dict[str, str]) -> None:
    """Whole or not at all; its owner's alone."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(known | passwords, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    new.replace(path)
