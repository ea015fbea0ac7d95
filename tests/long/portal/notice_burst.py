"""A burst of notifications: each reaches its user by mail and webhook, whatever the notifier dies.

    python -m tests.long.portal.notice_burst --notices 1000000 --folder FOLDER [--evidence]

Every user's notices come at once, and a real notifier, which is killed again and again, sends them.
In the middle of the burst a user outside it logs in, and the notice of that is timed.  Afterwards
each id is looked for in the mails and in what the webhooks' host was sent.  With ``--evidence`` the
figures go to docs/evidence/notice_burst.json.
"""

import argparse
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg

from openoutcry.portal.accounts.secret_key import SecretKey
from openoutcry.portal.database import start_embedded
from openoutcry.portal.folder import folder_of, make_folder
from openoutcry.portal.history.projector import follow
from openoutcry.report.evidence import write_evidence
from tests.long.portal.history_kills import Looks, fresh, mailed, started, works
from tests.support.portal.generated import Generated, generated_market
from tests.support.portal.receivers import Host
from tests.support.waiting import wait_until

USERS, HOOKED = 1_000, 100
"""Users, and how many of them have a webhook in addition to the mail."""
QUIET = USERS + 1
"""The number of a user outside the burst."""
KILL_S = 15.0
"""From the begin of a notifier's work to its kill."""
IS_SENT = "select not exists (select from notice_targets where newest_id > sent_id)"


def sign_up(connection: Any, key: SecretKey, hook: str) -> None:
    """Every user, with channels."""
    for who in range(1, QUIET + 1):
        channels = ["mail", "webhook"] if who <= HOOKED else ["mail"]
        events = json.dumps({"order": channels, "login": ["mail"]})
        connection.execute(
            "insert into users (id, mail, password_hash, is_verified) overriding system value "
            "values (%s, %s, 'x', true)",
            (who, f"p{who}@example.com"),
        )
        query = "insert into notice_settings (user_id, events) values (%s, %s)"
        connection.execute(query, (who, events))
        if who <= HOOKED:
            sealed = key.seal(b"secret", f"webhook {who}")
            query = "insert into webhooks (user_id, url, secret) values (%s, %s, %s)"
            connection.execute(query, (who, hook, sealed))


def burst(connection: Any, each: int) -> None:
    """So many notices for each user, at one moment."""
    query = """
        select count(
            add_notice(%s, 'b' || %s::text || '-' || n, 'order', false, 'A title', 'A text', '{}'))
        from generate_series(1, %s) as n
    """
    with connection.transaction():
        for who in range(1, USERS + 1):
            connection.execute(query, (who, who, each))


class Sending:
    """The notifier, which is killed after KILL_S of work and started again."""

    def __init__(self, made: Generated, url: str) -> None:
        settings = made.file.path.parent / "portal.toml"
        settings.write_text('[notifications]\nnetworks = ["127.0.0.0/8"]\n')
        self.made, self.url, self.options = made, url, [f"--settings={settings}"]
        self.looks, self.kills = Looks(url), 0
        self.process = self.start()

    def start(self) -> subprocess.Popen[str]:
        self.kill_s = float("inf")
        return started(self.made.file.path, self.url, "notifier", *self.options)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.looks.close()

    def until(self, is_met: Any) -> float:
        """Seconds until then."""
        begun = time.monotonic()
        while not is_met():
            time.sleep(0.1)
            if self.kill_s == float("inf"):
                if works(self.looks, "notifier"):
                    self.kill_s = time.monotonic() + KILL_S
            elif time.monotonic() > self.kill_s:
                self.process.kill()
                self.process.wait()
                self.kills += 1
                self.process = self.start()
        return time.monotonic() - begun


def sent(made: Generated, url: str, connection: Any) -> dict[str, Any]:
    """Send the burst; how long it and the notice of a login took."""
    mails = folder_of(made.file) / "mails.jsonl"
    query = "select add_notice(%s, 'mine', 'login', true, 'A title', 'A text', '{}')"
    sending, begun = Sending(made, url), time.monotonic()
    try:
        wait_until(mails.exists, "the first mail")
        connection.execute(query, (QUIET,))
        to_quiet = f'"p{QUIET}@example.com"'
        login_s = sending.until(lambda: to_quiet in mails.read_text())
        sending.until(lambda: connection.execute(IS_SENT).fetchone()[0])
    finally:
        sending.end()
    took_s = time.monotonic() - begun
    return {"kills": sending.kills, "seconds": round(took_s, 1), "login_s": round(login_s, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notices", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--evidence", action="store_true")
    options = parser.parse_args()
    market, each = options.folder / "market", options.notices // USERS
    shutil.rmtree(market, ignore_errors=True)
    market.mkdir(parents=True)
    made = generated_market(market, 4, 100, 1, 1)
    make_folder(folder_of(made.file))
    url, server = start_embedded(options.folder / "postgresql")
    try:
        url = fresh(url, "burst")
        follow(made.file, url, once=True)
        with Host() as host, psycopg.connect(url, autocommit=True) as connection:
            sign_up(connection, SecretKey(folder_of(made.file) / "portal.key"), host.url)
            burst(connection, each)
            figures = sent(made, url, connection)
            hooked = host.ids()
    finally:
        server.cleanup()
    ids = [f"b{who}-{n}" for who in range(1, USERS + 1) for n in range(1, each + 1)]
    by_mail = mailed(folder_of(made.file))
    wanted = set(ids[: HOOKED * each])
    figures |= {
        "notices": len(ids),
        "mails_missing": len(set(ids) - set(by_mail)),
        "hooks_missing": len(wanted - set(hooked)),
        "sent_again": len(by_mail) + len(hooked) - len(set(by_mail)) - len(set(hooked)),
        "strangers": len(set(by_mail) - set(ids) - {"mine"}) + len(set(hooked) - wanted),
    }
    print(json.dumps(figures))
    if options.evidence:
        command = f"python -m tests.long.portal.notice_burst --notices {options.notices}"
        write_evidence("notice_burst", figures, f"{command} --folder FOLDER")
    assert not figures["mails_missing"] + figures["hooks_missing"] + figures["strangers"], figures


if __name__ == "__main__":
    main()
