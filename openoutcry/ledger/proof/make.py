"""Make the statement and every member's proof, all or nothing."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from openoutcry.ledger.proof import files
from openoutcry.ledger.proof.statement import Statement, public_key_of, signed, statement_of
from openoutcry.ledger.proof.tree import Sums, SumTree
from openoutcry.wire.errors import ProofError


def make_proofs(
    key: Path,
    as_of_seq: int,
    assets: tuple[str, ...],
    balances: Mapping[str, Sums],
    folder: Path,
    decimals: tuple[int, ...] = (),
    as_of_ns: int = 0,
) -> Statement:
    """Write ``statement.json`` and ``members/NAME.json`` (the name percent-encoded) into a new
    folder.  What was written of it is removed if it cannot be finished.  ``decimals``: of each
    asset, or none for a statement that does not say; ``as_of_ns``: as in ``Statement``.

    Raises ``ProofError`` where the balances or the key are not right, or the folder is there.
    """
    signing, salting = files.read_key(key)
    if folder.exists():
        raise ProofError(f"{folder} already exists; proofs are never overwritten")
    tree = SumTree(salting, as_of_seq, balances)
    statement = statement_of(tree, as_of_seq, assets, decimals, as_of_ns)
    signature = signed(statement, signing)
    document = files.statement_document(statement, public_key_of(signing), signature)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.absolute().parent))
    try:
        (part / files.MEMBERS).mkdir()
        (part / files.STATEMENT).write_text(json.dumps(document, indent=1) + "\n")
        for member in tree.members:
            path = part / files.MEMBERS / f"{quote(member, safe='')}.json"
            path.write_text(json.dumps(files.inclusion_document(tree.inclusion(member))) + "\n")
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return statement
