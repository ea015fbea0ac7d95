"""Requests for quotes with random behaviour, timeouts and kills: no trade without both consents,
and none twice.

``python -m tests.support.portal.quote_storm --requests 10000`` continues where the file of evidence
ends (``docs/evidence/quote_storm.json``): it may be stopped at any time, and started again.

Each bot notes what it consents to before it sends it.  In the end every trade off the book in the
venue's journal is looked for among those notes, and among the requests as the portal has them.
"""

import argparse
import json
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from openoutcry.client.portal import PortalClient, PortalError
from openoutcry.client.portal_models import QuoteRequest, QuoteRow
from openoutcry.client.waiting import ClientError
from openoutcry.journal import JournalReader
from openoutcry.journal.events import events_of, oldest_point
from openoutcry.journal.replay import replay
from openoutcry.report.evidence import ROOT, write_evidence
from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.venue.requests import References
from openoutcry.wire.enums import EventKind, Side
from tests.support.portal.portal_kills import COUNT, LIMITS, VICTIMS, kill
from tests.support.portal.portal_venue import CHOICES, FIRST, Person, PortalVenue
from tests.support.waiting import wait_until

EVIDENCE = ROOT / "docs" / "evidence" / "quote_storm.json"
USD, BTC = 10**6, 10**8
CLIENTS, MAKERS = 6, 4
A_VENUE, LISTED = 250, 500
"""Requests; then another venue is made, whose lists show all requests of a client."""
KILL_EVERY = 50
"""Requests from one kill to the next."""
AT_ONCE, NAP_S = 6, 0.1
"""Open requests of a client; and between two looks, which cost more than the quotes."""
SHORT_S, LONG_S = 1, 300
"""Time of a request that is to expire, or whose end may come during an answer; and of all others,
which no busy machine makes expire: they end as their client chooses."""
SHARE_EXPIRE, SHARE_SHORT = 0.1, 0.15
"""Of the requests: that are to expire, and that are short."""
PATIENT_LOOKS = 10
"""Looks at live quotes after which a client waits for no others: a maker may have passed."""
QUOTES = f"""
[quotes]
makers = [{", ".join(str(FIRST + CLIENTS + one) for one in range(MAKERS))}]
last_look_ms = 3_000
"""


class Plan:
    """What a client does with a request: how long it may take, and how many quotes it waits for."""

    def __init__(self, dice: random.Random, least: float = 0.0) -> None:
        what = dice.uniform(least, 1.0)
        self.expires = what < SHARE_EXPIRE
        self.seconds = SHORT_S if what < SHARE_SHORT else LONG_S
        self.patience, self.looks = dice.choice((1, 1, 2, 4)), 0

    def is_ready(self, row: QuoteRequest) -> bool:
        """Whether it chooses now; each call is a look."""
        count = sum(one.is_live for one in row.quotes)
        self.looks += count > 0
        is_enough = count >= self.patience or self.looks >= PATIENT_LOOKS
        return count > 0 and is_enough and not self.expires


class Storm:
    """Clients and makers, each a thread, over a portal of several processes."""

    def __init__(self, venue: PortalVenue, people: list[Person], seed: int, most: int) -> None:
        self.venue, self.most = venue, most
        self.lock = threading.Lock()
        self.asked = 0
        self.wanted: set[tuple[int, int, str]] = set()
        """Request, quote and side: a client accepted it, or made a counter-offer for it."""
        self.firm: set[tuple[int, int]] = set()
        """Participant and request: a maker sent a firm quote without last look."""
        self.consented: set[tuple[int, int]] = set()
        """Participant and request: a maker answered that it trades."""
        self.silent: set[tuple[int, int, int | None]] = set()
        """Participant, request and quote: a maker lets its last look pass."""
        self.plans: dict[int, Plan] = {}
        """By request: what its client does with it."""
        self.failures: list[BaseException] = []
        self.stopping = False
        bots = [(self._client, one) for one in people[:CLIENTS]]
        bots += [(self._maker, one) for one in people[CLIENTS:]]
        self.threads = [
            threading.Thread(target=self._guarded, args=(bot, one, random.Random(seed + number)))
            for number, (bot, one) in enumerate(bots)
        ]
        self.clients, self.makers = self.threads[:CLIENTS], self.threads[CLIENTS:]
        for thread in self.threads:
            thread.start()

    @property
    def is_over(self) -> bool:
        return self.asked >= self.most or bool(self.failures)

    def stop(self) -> None:
        """Let the clients end what they have asked; until then the makers answer."""
        for thread in self.clients:
            thread.join()
        self.stopping = True
        for thread in self.makers:
            thread.join()
        if self.failures:
            raise self.failures[0]

    def _guarded(self, bot: Any, person: Person, dice: random.Random) -> None:
        try:
            while not (self.stopping or self.failures):
                try:
                    with PortalClient(self.venue.url, person.api_key, person.secret, 5.0) as portal:
                        bot(portal, person, dice)
                        return
                except ClientError as error:
                    if isinstance(error, PortalError) and error.status < 500:
                        continue  # too late, or not possible any more
                    time.sleep(0.02)
        except BaseException as error:
            self.failures.append(error)

    def _client(self, portal: PortalClient, person: Person, dice: random.Random) -> None:
        """Ask, and choose among what comes, until there is nothing more to ask and all is over.
        Several requests are open at once, and one look is for all of them, also for those of an
        earlier connection."""
        while not (self.failures or self.stopping):
            rows = [row for row in portal.quote_requests() if row.role == "client"]
            for _ in range(len(rows), AT_ONCE):
                if self.asked < self.most:
                    self._ask(portal, dice)
            if not rows and self.asked >= self.most:
                return
            for row in rows:
                # One whose answer was lost in a kill has no plan yet, and all its time.
                plan = self.plans.setdefault(row.id, Plan(dice, SHARE_SHORT))
                if row.state != "open" or not plan.is_ready(row):
                    continue
                live = [one for one in row.quotes if one.is_live]
                try:
                    self._choose(portal, row.id, live, row.side, dice)
                except PortalError as error:
                    if error.status >= 500:
                        raise
            time.sleep(NAP_S)

    def _ask(self, portal: PortalClient, dice: random.Random) -> None:
        plan = Plan(dice)
        side, lots = dice.choice(("buy", "sell", "both")), dice.randrange(1, 50)
        asked = portal.request_quotes("BTC-USD", side, f"0.{lots:04}", seconds=plan.seconds)
        with self.lock:
            self.asked += 1
        self.plans[asked.id] = plan

    def _choose(
        self,
        portal: PortalClient,
        number: int,
        live: list[QuoteRow],
        side: str,
        dice: random.Random,
    ) -> None:
        what = dice.random()
        if what < 0.08:
            portal.pass_quotes(number)
        elif what < 0.16:
            portal.cancel_quote_request(number)
        else:
            quote = dice.choice(live)
            own = dice.choice(("buy", "sell")) if side == "both" else side
            self.wanted.add((number, quote.id, own))
            if what < 0.4:
                price = str(dice.randrange(49_900, 50_100))
                portal.counter_quote(number, quote.id, own, price)
            else:
                portal.accept_quote(number, quote.id, own)

    def _maker(self, portal: PortalClient, person: Person, dice: random.Random) -> None:
        """Answer what it is asked, sometimes."""
        who = person.participant
        while not self.stopping:
            time.sleep(NAP_S)
            for row in portal.quote_requests():
                is_live = any(one.is_live for one in row.quotes)
                if row.waits_for is not None:
                    self._answer(portal, who, row, dice)
                elif not is_live and not row.has_passed:
                    self._quote(portal, who, row, dice)
                elif dice.random() < 0.02 and is_live:
                    portal.withdraw_quote(row.id, row.quotes[-1].id)

    def _answer(self, portal: PortalClient, who: int, row: Any, dice: random.Random) -> None:
        """Consent, refuse, or let the time of this last look pass."""
        waiting, what = (who, row.id, row.waits_number), dice.random()
        if waiting in self.silent:
            return
        if what < 0.6:
            self.consented.add((who, row.id))
            portal.answer_client(row.id, row.waits_number, True)
        elif what < 0.9:
            portal.answer_client(row.id, row.waits_number, False)
        else:
            self.silent.add(waiting)

    def _quote(self, portal: PortalClient, who: int, row: Any, dice: random.Random) -> None:
        if dice.random() < 0.1:
            portal.pass_quotes(row.id)
            return
        middle = dice.randrange(49_950, 50_050)
        # Of one kind at each request: what a maker consented to can be told from it.
        kind = random.Random(f"{who} {row.id}")
        firm, look = kind.random() < 0.8, kind.random() < 0.4
        if firm and not look:
            self.firm.add((who, row.id))
        bid = "" if row.side == "buy" else str(middle - 5)
        offer = "" if row.side == "sell" else str(middle + 5)
        portal.send_quote(row.id, bid=bid, ask=offer, firm=firm, last_look=look)


def booked(directory: Path) -> list[tuple[int, str]]:
    """The request of each trade off the book, by the trade's reference, and the side that asked."""
    references, found = References(), []
    reader = JournalReader(directory)
    for batch in events_of(reader, oldest_point(reader)):
        filled = batch.events[batch.events["kind"] == EventKind.FILLED]["cause_seq"]
        for command, reference in references.each(batch.commands):
            is_trade = command["kind"] == RISK_KIND and command["order_type"] == Setting.OFF_BOOK
            if is_trade and command["seq"] in filled:
                side = "buy" if command["time_in_force"] == Side.BUY else "sell"
                found.append((int(reference.split()[-1]), side))
    return found


def ended(venue: PortalVenue, person: Person) -> list[QuoteRequest]:
    """The requests of a client, once they are all over and their trades are booked or refused."""
    with PortalClient(venue.url, person.api_key, person.secret) as portal:

        def over() -> list[QuoteRequest]:
            rows = portal.quote_requests(state="all", limit=LISTED)
            due = [row for row in rows if row.state in ("open", "pending")]
            due += [row for row in rows if row.trade is not None and row.trade.state == "due"]
            return [] if due else rows

        rows = wait_until(over, "every request has ended")
    assert len(rows) < LISTED, "all of them are listed"
    return rows


def check(venue: PortalVenue, storm: Storm, people: list[Person]) -> dict[str, int]:
    """What is wrong, and how many requests ended how."""
    shown = {row.id: row for person in people[:CLIENTS] for row in ended(venue, person)}
    states = Counter(row.trade.state if row.trade else row.state for row in shown.values())
    trades = booked(venue.venue.journal)
    without = 0
    for number, side in trades:
        row = shown[number]
        assert row.trade is not None
        traded = row.trade.quote
        (maker,) = [one.maker for one in row.quotes if one.id == traded]
        of_client = (number, traded, side) in storm.wanted and row.trade.side == side
        of_maker = (maker, number) in storm.firm | storm.consented
        without += not (of_client and of_maker)
    agreed = {number for number, row in shown.items() if row.trade and row.trade.state == "done"}
    found = {
        "trades": len(trades),
        "twice": len(trades) - len({number for number, _ in trades}),
        "without_consent": without,
        "differ": len(agreed ^ {number for number, _ in trades}),
    }
    return found | {f"ended_{name}": count for name, count in sorted(states.items())}


def run(requests: int, out: Path, seed: int) -> dict[str, Any]:
    """Continue to ``requests`` in all; what was counted so far, after each venue."""
    figures: dict[str, Any] = {"requests": 0, "kills": 0, "trades": 0}
    figures |= {"twice": 0, "without_consent": 0, "differ": 0}
    if out.exists():
        figures = json.loads(out.read_text())["figures"]
    while figures["requests"] < requests:
        with tempfile.TemporaryDirectory(prefix="storm-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / "storm.toml").write_text(CHOICES + LIMITS + QUOTES)
            options = "--settings=storm.toml", f"--processes={COUNT}"
            with PortalVenue(folder, CLIENTS + MAKERS, *options) as venue:
                people = [
                    venue.person(USD=10**7 * USD, BTC=1_000 * BTC) for _ in range(CLIENTS + MAKERS)
                ]
                most = min(A_VENUE, requests - figures["requests"])
                storm = Storm(venue, people, seed + figures["requests"], most)
                kills = 0
                try:
                    while not storm.is_over:
                        due = (kills + 1) * KILL_EVERY
                        wait_until(lambda: storm.asked >= due or storm.is_over, "requests")  # noqa: B023
                        if not storm.is_over:
                            kill(venue, VICTIMS[(figures["kills"] + kills) % len(VICTIMS)])
                            kills += 1
                except BaseException as error:
                    storm.failures.append(error)
                finally:
                    storm.stop()
                found = check(venue, storm, people)
                venue.stop_portal()
                last = venue.venue.stop()["last_run"]["state_hash"]
                found["replays_differ"] = int(replay(venue.venue.journal)["state_hash"] != last)
        found |= {"requests": storm.asked, "kills": kills}
        for key, value in found.items():
            figures[key] = figures.get(key, 0) + value
        new = out.with_suffix(".new")
        new.write_text(json.dumps({"name": "quote_storm", "figures": figures}, indent=1) + "\n")
        new.replace(out)
        print(json.dumps(figures), flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=EVIDENCE)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    figures = run(chosen.requests, chosen.out, chosen.seed)
    if chosen.out == EVIDENCE:
        write_evidence("quote_storm", figures, "python -m tests.support.portal.quote_storm")
    bad = ("twice", "without_consent", "differ", "replays_differ")
    raise SystemExit(any(figures[name] for name in bad))


if __name__ == "__main__":
    main()
