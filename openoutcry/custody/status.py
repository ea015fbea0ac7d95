"""What operators see: where each chain is, what waits and why, and the breaker."""

import json
import time
from typing import Any

from openoutcry.custody.breaker import Breaker
from openoutcry.custody.settings import CustodyFile
from openoutcry.custody.store import Store
from openoutcry.venue.calendar import utc_text
from openoutcry.venue.movement_desk import CUSTODY_STATUS
from openoutcry.wire.atomic_file import write_atomically
from openoutcry.wire.text import printable

LAST, MAX_WAITING = 20, 200
EVERY_S, AT_LEAST_S = 1.0, 10.0
WAITING = """
    select 'draft ' || id as what, why from drafts
        where why <> '' and state in ('drafted', 'signed', 'broadcast')
    union all select 'refill ' || id,
        case when usable_ns is null then 'two people' else 'its lock, or to be built' end
        from refills where built_ns is null
    union all select 'withdrawal ' || reference, 'two people: ' || why
        || coalesce('; changes of the account: ' || nullif(changes, ''), '')
        from withdrawals left join askers using (reference) where state = 'held'
    union all select 'deposit ' || reference, why from deposits where why <> ''
    limit ?
"""
"""First what is custody's own: users may have any number of the others."""
NOTES = """
    select * from notes where id in (select id from notes where kind = 'alarm' order by id desc
        limit ?) or id in (select id from notes where kind <> 'alarm' order by id desc limit ?)
    order by id desc
"""
"""The last alarms, and the last of the other notes."""


def status_of(file: CustodyFile) -> dict[str, Any]:
    """The state of custody for the console, from its store alone: no chain is asked."""
    with Store(file.folder) as store:
        return status_from(file, store)


def status_from(file: CustodyFile, store: Store) -> dict[str, Any]:
    """The same, from an open store."""
    waiting = store.rows(WAITING, MAX_WAITING)
    return {
        "breaker": Breaker(store).why(),
        "chains": [_chain(store, spec.name) for spec in file.chains],
        "withdrawals": _counted(store, "withdrawals"),
        "waits": [{"what": row["what"], "why": row["why"]} for row in waiting],
        "notes": [
            {"at": utc_text(row["at_ns"]), **{k: row[k] for k in ("kind", "subject", "text")}}
            for row in store.rows(NOTES, LAST, LAST)
        ],
    }


class Publisher:
    """Writes the state to the journal's folder, where the console reads it."""

    def __init__(self, file: CustodyFile, store: Store) -> None:
        self.file, self.store = file, store
        self._last, self._looked_s, self._wrote_s = "", -EVERY_S, -AT_LEAST_S

    def go_on(self) -> None:
        """Write it where it has changed, and now and then, so that its age tells whether custody
        runs.  Raises :class:`FileNotWritten`."""
        now_s = time.monotonic()
        if now_s < self._looked_s + EVERY_S:
            return
        self._looked_s = now_s
        text = json.dumps(status_from(self.file, self.store))
        if text != self._last or now_s >= self._wrote_s + AT_LEAST_S:
            write_atomically(self.file.journal / CUSTODY_STATUS, text)
            self._last, self._wrote_s = text, now_s


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
    lines += [f"{one['what']} waits: {one['why']}" for one in document["waits"]]
    lines += [f"{one['at']} {one['kind']}: {one['text']}" for one in document["notes"]]
    return [printable(line) for line in lines]
