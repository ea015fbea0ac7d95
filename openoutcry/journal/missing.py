"""Proofs that a journal went on after the end that is found there.

What follows a journal notes next to it up to which command it came, after those commands were
durable.  If the journal then ends earlier, commands are missing.  Three kinds of files prove it:
checkpoints, the place of the replicated stream, and the list of the ledger's files.  The
acknowledged watermark proves it for blocks (``scan.py``).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from openoutcry.journal.checkpoints import checkpoint_path, checkpoint_seqs, read_checkpoint
from openoutcry.wire.errors import JournalError

CURSORS = (("replicated.json", "last_seq"), ("ledger/manifest.json", "seq"))
"""Files of JSON in the journal's folder: each has ``journal_id``, and in this field the last
command that its owner has applied."""


class Claim(NamedTuple):
    """``path`` says that the journal holds command ``seq``; ``journal_id`` 0: the file itself must
    be read for it."""

    path: Path
    seq: int
    journal_id: int = 0


def claims(directory: Path) -> list[Claim]:
    """Return what the files next to the journal say at this moment.  What cannot be read says
    nothing."""
    found = [Claim(checkpoint_path(directory, seq), seq) for seq in checkpoint_seqs(directory)]
    for name, field in CURSORS:
        try:
            document = json.loads((directory / name).read_bytes())
            found.append(Claim(directory / name, int(document[field]), int(document["journal_id"])))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue
    return found


def proved(found: Sequence[Claim], journal_id: int, last_seq: int) -> list[Claim]:
    """Return those of this journal that name a command after ``last_seq``, the latest first."""
    later = [one for one in found if one.seq > last_seq and _is_of(one, journal_id)]
    return sorted(later, key=lambda one: -one.seq)


def _is_of(claim: Claim, journal_id: int) -> bool:
    if claim.journal_id:
        return claim.journal_id == journal_id
    try:
        checkpoint = read_checkpoint(claim.path)
    except JournalError:
        return False
    return (checkpoint.journal_id, checkpoint.seq) == (journal_id, claim.seq)


def missing_text(
    directory: Path, last_seq: int, seq: int, proof: str, files: Sequence[Path]
) -> str:
    """Return the sentence about the commands after ``last_seq``, where the journal ends; ``proof``
    says that ``seq`` was there, and ``files`` are all that say so."""
    count = seq - last_seq
    missing = f"{count:,} commands are missing" if count > 1 else "1 command is missing"
    missing = missing if count else "its last blocks, without commands, are missing"
    names = ", ".join(str(path.relative_to(directory)) for path in files)
    return (
        f"{proof}, and the journal ends with command {last_seq:,}: {missing}; put back what was "
        f"removed, or repair it with a copy (`outcry journal repair {directory} --copy DIR`), or, "
        f"if nothing has them any more, move {names} out of {directory} to go on without them"
    )
