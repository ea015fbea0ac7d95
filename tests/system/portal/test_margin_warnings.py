"""Margin warnings over a database: one for each crossing, whatever dies or looks again."""

import asyncio
from contextlib import asynccontextmanager, nullcontext
from types import SimpleNamespace

import pytest

from openoutcry.portal.notices import margin_warnings
from openoutcry.portal.notices.margin_warnings import MarginWarnings
from openoutcry.venue.file import read_venue
from tests.support.venue.scenario_floor import MARGIN_FILE, SCENARIO_VENUE

WHO = 1
SETTINGS = """
    insert into notice_settings (user_id, events, margin_levels) values
        ((select id from users), '{}', '{50, 80}') returning user_id
"""


class Market:
    """An account whose margin a test sets, and those who watch it."""

    def __init__(self, people, folder, monkeypatch):
        (folder / "margin.toml").write_text(MARGIN_FILE)
        (folder / "venue.toml").write_text(SCENARIO_VENUE)
        self.database, self.needs, self.journal_id = people.database, 0, 7
        self.file, self.seq = read_venue(folder / "venue.toml"), 0
        self.held = lambda: nullcontext(SimpleNamespace(view=self))
        self.as_of_seq = nullcontext
        self.watchers = [MarginWarnings(people.database, self) for _ in range(2)]
        monkeypatch.setattr(margin_warnings, "margin_of", lambda view, who: (view.needs, 100))

    async def looks(self, needs, watchers=1):
        """The margin is another one, after one more command."""
        self.needs, self.seq = needs, self.seq + 1
        await asyncio.gather(*(one.look() for one in self.watchers[:watchers]))

    async def warned(self):
        rows = await self.database.rows(
            "select data from notices where event = 'margin' order by id"
        )
        return [row["data"]["level"] for row in rows]


@pytest.fixture
def market(people, tmp_path, monkeypatch):
    @asynccontextmanager
    async def made():
        async with people as those:
            await those.sign_up("anna@example.com")
            await those.database.rows(
                "update users set participant = %(who)s, is_open = true returning id", who=WHO
            )
            await those.database.rows(SETTINGS)
            yield Market(those, tmp_path, monkeypatch)

    return made()


@pytest.mark.promise(
    "A margin warning comes once for each crossing of a user's level, whatever dies or looks again",
    group="portal",
)
async def test_a_crossing_has_one_warning(market):
    for needs in (49, 50, 49, 51, 45, 44, 50, 79, 80, 76, 82, 30, 90):
        await market.looks(needs, watchers=2)
    assert await market.warned() == [50, 50, 80, 80]


async def test_whoever_dies_between_level_and_notice_has_done_neither(market, monkeypatch):

    async def dies(*_):
        raise OSError("killed")

    with monkeypatch.context() as broken:
        broken.setattr(margin_warnings, "add_notice", dies)
        with pytest.raises(OSError, match="killed"):
            await market.looks(60)
    assert await market.warned() == []
    await market.looks(60)
    await market.looks(60)
    assert await market.warned() == [50]


async def test_a_portal_that_begins_again_in_the_past_tells_nothing_twice(market):
    await market.looks(20)
    await market.looks(60)
    for seq, needs in ((0, 20), (1, 60), (0, 20)):
        market.seq = seq
        await market.looks(needs)
    assert await market.warned() == [50]
    market.seq = 2
    for needs in (20, 60):
        await market.looks(needs)
    assert await market.warned() == [50, 50]
    # The numbers of another journal begin again.
    market.journal_id, market.seq = 8, 0
    await market.looks(20)
    await market.looks(60)
    assert await market.warned() == [50, 50, 50]
