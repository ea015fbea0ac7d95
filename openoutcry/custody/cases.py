"""What custody refers to the venue's surveillance: payments to sanctioned addresses, and those
whose receiver has to be recorded (travel rule)."""

from pathlib import Path

from openoutcry.custody.store import Store, now_ns
from openoutcry.surveillance.referrals import Referral, refer
from openoutcry.wire.errors import SurveillanceError

SANCTIONS, TRAVEL_RULE = "sanctions", "travel_rule"


def note_case(
    store: Store, kind: str, subject: str, terms: tuple[int, str, int], text: str
) -> None:
    """``terms``: participant, asset, units.  It is referred when ``serve`` comes to it.  The same
    subject of one participant is one case, however often it is tried."""
    participant, asset, units = terms
    with store.change():
        query = "select 1 from cases where kind = ? and subject = ? and participant = ?"
        if store.row(query, kind, subject, participant) is not None:
            return
        number = store.insert(
            "cases",
            kind=kind,
            subject=subject,
            participant=participant,
            asset=asset,
            units=units,
            text=text,
            at_ns=now_ns(),
            referred=0,
        )
        store.note("case", f"case {number}", text)


class CaseDesk:
    """Brings cases from the store to surveillance, each once."""

    def __init__(self, store: Store, journal: Path) -> None:
        self.store, self.journal = store, journal
        self._has_begun = False

    def go_on(self) -> int:
        """Return how many were referred.  What fails waits.  At first all are, as surveillance
        may have lost some: it has each once."""
        since = "where referred = 0" if self._has_begun else ""
        rows = self.store.rows(f"select * from cases {since} order by id")
        found = [
            Referral(
                f"custody {row['id']} {row['at_ns']}",
                row["kind"],
                row["participant"],
                row["asset"],
                row["units"],
                row["at_ns"],
                f"{row['text']} ({row['subject']})",
            )
            for row in rows
        ]
        try:
            refer(self.journal, found)
        except (SurveillanceError, OSError) as error:
            self.store.note("waits", "cases", f"surveillance did not take a case: {error}")
            return 0
        self._has_begun = True
        for row in rows:
            self.store.run("update cases set referred = 1 where id = ?", row["id"])
        return sum(not row["referred"] for row in rows)
