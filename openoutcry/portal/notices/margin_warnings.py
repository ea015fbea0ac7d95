"""Warns users before a margin call: once for each time that their margin reaches a level of theirs.

The level that was reached and the notice are one transaction.  So whatever dies, a crossing has one
notice.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from openoutcry.portal.accounts.accounts import add_notice
from openoutcry.portal.accounts.errors import InvalidRequest
from openoutcry.portal.database import Database, DatabaseError, Row, rows_of
from openoutcry.portal.notices.words import of_margin_level
from openoutcry.portal.trading.mirror import Mirror
from openoutcry.portal.trading.reject import NotReady
from openoutcry.risk import layout as lay
from openoutcry.risk.region import View

LOOK_S = 1.0
"""Between two looks at all margins."""
SLICE = 200
"""Users that are judged in one go: requests are answered between two."""
CALL_PERCENT = 100
"""Of the account's means; from here on positions are liquidated."""
HYSTERESIS_PERCENT = 5
"""A level counts as left when the margin is this far below it."""
LEAST_LEVEL, MOST_LEVEL, MOST_LEVELS = 10, 99, 5
WATCHED = """
    select s.user_id, s.margin_levels, s.margin_reached, u.participant, u.language
    from notice_settings as s join users as u on u.id = s.user_id
    where s.margin_levels <> '{}' and s.user_id > %(after)s and u.is_open
      and u.participant is not null
    order by s.user_id limit %(most)s
"""
REACH = """
    update notice_settings set margin_reached = %(level)s, margin_journal = %(journal)s,
        margin_seq = %(seq)s,
        margin_crossings = margin_crossings + (%(level)s > margin_reached)::integer
    where user_id = %(user)s and margin_reached = %(before)s
      and margin_levels = %(levels)s::integer[] and (margin_journal <> %(journal)s
        or margin_seq < %(seq)s)
    returning margin_crossings
"""
"""Only by a state of the venue that is newer than the one which the row is of: a portal that begins
again reads what was judged already."""
log = logging.getLogger("outcry.portal")


def ordered_levels(levels: Iterable[int]) -> list[int]:
    """Return the levels of a user, each once.  Raises :class:`InvalidRequest`."""
    ordered = sorted(set(levels))
    if len(ordered) > MOST_LEVELS or any(
        not LEAST_LEVEL <= level <= MOST_LEVEL for level in ordered
    ):
        raise InvalidRequest(
            f"margin_levels: {MOST_LEVELS} at most, each from {LEAST_LEVEL} to {MOST_LEVEL}"
        )
    return ordered


def reached(levels: Sequence[int], before: int, needs: int, means: int) -> int:
    """Return the highest level, in percent of the means, that counts as reached; 0: none.

    ``before``: the one that was; ``needs``: the maintenance margin; ``means``: what it is compared
    with, both in units of money."""
    if not needs:
        return 0

    def is_met(percent: int) -> bool:
        return needs * CALL_PERCENT >= percent * means

    met = [
        level
        for level in levels
        if is_met(level - HYSTERESIS_PERCENT if level <= before else level)
    ]
    return max(met, default=0)


def margin_of(view: View, participant: int) -> tuple[int, int]:
    """Return maintenance margin and means, as the core compares them; 0 and 0: it does not."""
    means = view.means(participant)
    if means is None or not view.of(participant, lay.MAINTENANCE_BPS):
        return 0, 0
    return view.maintenance(participant), means


class MarginWarnings:
    """Watches the margins of a portal's users.  One process of the portal does."""

    def __init__(self, database: Database, mirror: Mirror) -> None:
        self.database, self.mirror = database, mirror

    async def run(self) -> None:
        """Look again and again; until cancelled."""
        import psycopg

        while True:
            try:
                await self.look()
            except NotReady:
                pass  # the next look sees it
            except (DatabaseError, psycopg.Error, OSError) as error:
                log.error("margin warnings: %s", error)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Compare each watched account once.  Raises :class:`NotReady`."""
        after = 0
        while rows := await self.database.rows(WATCHED, after=after, most=SLICE):
            after = rows[-1]["user_id"]
            for row, level, amounts, seq in self._judged(rows):
                await self._tell(row, level, amounts, seq)

    def _judged(self, rows: list[Row]) -> list[tuple[Row, int, tuple[int, int], int]]:
        """Accounts whose level is another one: the level, maintenance margin and means, and the
        command after which it is so."""
        found = []
        with self.mirror.as_of_seq(), self.mirror.held() as state:
            if state is None:
                return []
            for row in rows:
                amounts = margin_of(state.view, row["participant"])
                level = reached(row["margin_levels"], row["margin_reached"], *amounts)
                if level != row["margin_reached"]:
                    found.append((row, level, amounts, self.mirror.seq))
        return found

    async def _tell(self, row: Row, level: int, amounts: tuple[int, int], seq: int) -> None:
        values: dict[str, Any] = {
            "user": row["user_id"],
            "before": row["margin_reached"],
            "levels": row["margin_levels"],
            "level": level,
            "journal": f"{self.mirror.journal_id & 2**64 - 1:016x}",
            "seq": seq,
        }
        async with self.database.transaction() as connection:
            made = await rows_of(connection, REACH, values)
            if made and level > row["margin_reached"]:
                file = self.mirror.file
                asset = next(iter(file.risk.contracts.values())).contract.asset
                decimals = file.risk.money.assets[asset]
                key = f"margin-level{made[0]['margin_crossings']}"
                notice = of_margin_level(key, level, amounts, asset, decimals, row["language"])
                await add_notice(connection, row["user_id"], notice)
