"""The table [durability] of a venue file: where the journal is replicated."""

from pathlib import Path

from openoutcry.pipeline.gate_policy import gate_policy
from openoutcry.replica.access import access_of
from openoutcry.replica.jetstream import stream_name
from openoutcry.runtime.prefork import Replication
from openoutcry.runtime.work import PipelineError
from openoutcry.wire import toml_tables
from openoutcry.wire.errors import ReplicaError
from openoutcry.wire.toml_tables import Key, Tables

DURABILITY = {
    "nats": Key(toml_tables.text()),
    "stream": Key(toml_tables.text(32), ""),
    "lease_ms": Key(toml_tables.integer(1_000, 60_000), 3_000),
}


def read_durability(
    tables: Tables, folder: Path, venue: str, durability: str | None, policy: str | None
) -> Replication | None:
    """Return the table's content, None if the file has no such table. Mistakes are noted, also of a
    ``policy`` that asks for replicas where the venue has no replicas."""
    replicated = "durability" in tables.document
    if replicated != (durability == "replicated"):
        path = ("durability",) if replicated else ("venue", "durability")
        tables.wrong(
            path,
            'set both durability = "replicated" in [venue] and the table [durability], or neither',
        )
        return None
    if policy is not None:
        try:
            gate_policy(policy, replicated)
        except PipelineError as error:
            tables.wrong(("venue", "policy"), str(error))
    if not replicated:
        return None
    row = tables.table("durability", DURABILITY)
    nats, name = row["nats"], row["stream"] or venue
    try:
        if nats is not None:
            nats = nats if "://" in nats else str(folder / nats)
            access_of(nats)
    except ReplicaError as error:
        tables.wrong(("durability", "nats"), str(error))
    try:
        stream_name(name)
    except ReplicaError as error:
        tables.wrong(("durability", "stream"), str(error))
    if tables.mistakes:
        return None
    return Replication(name, nats, row["lease_ms"])
