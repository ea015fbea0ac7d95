"""What operators see: where each chain is, what waits and why, and the breaker."""

from typing import Any

from openoutcry.custody.breaker import Breaker
from openoutcry.custody.settings import CustodyFile
from openoutcry.custody.store import Store
from openoutcry.venue.calendar import utc_text

LAST = 20


def status_of(file: CustodyFile) -> dict[str, Any]:
    """The state of custody for the console, from its store alone: no chain is asked."""
    with Store(file.folder) as store:
        return {
            "breaker": Breaker(store).why(),
            "chains": [_chain(store, spec.name) for spec in file.chains],
            "withdrawals": _counted(store, "withdrawals"),
            "held": [
                {"reference": row["reference"], "why": row["why"], "score": row["score"]}
                for row in store.rows("select * from withdrawals where state = 'held'")
            ],
            "notes": [
                {"at": utc_text(row["at_ns"]), **{k: row[k] for k in ("kind", "subject", "text")}}
                for row in store.rows(f"select * from notes order by id desc limit {LAST}")
            ],
        }


def _chain(store: Store, name: str) -> dict[str, Any]:
    row = store.row(
        "select height, hash, time_s from blocks where chain = ? order by height desc", name
    )
    query = "select state, count(*) as n from deposits where chain = ? group by state"
    deposits = {one["state"]: one["n"] for one in store.rows(query, name)}
    height = None if row is None else row["height"]
    return {"chain": name, "height": height, "deposits": deposits}


def _counted(store: Store, table: str) -> dict[str, int]:
    rows = store.rows(f"select state, count(*) as n from {table} group by state")
    return {row["state"]: row["n"] for row in rows}


def shown(document: dict[str, Any]) -> list[str]:
    """The lines of a terminal."""
    why = document["breaker"]
    lines = [f"withdrawals are stopped: {why}" if why else "withdrawals continue"]
    for one in document["chains"]:
        counts = ", ".join(f"{n} {state}" for state, n in sorted(one["deposits"].items()))
        lines.append(f"{one['chain']}: block {one['height']}; deposits: {counts or 'none'}")
    counts = ", ".join(f"{n} {state}" for state, n in sorted(document["withdrawals"].items()))
    lines.append(f"withdrawals: {counts or 'none'}")
    lines += [f"waits for people: {one['reference']} ({one['why']})" for one in document["held"]]
    lines += [f"{one['at']} {one['kind']}: {one['text']}" for one in document["notes"]]
    return lines
