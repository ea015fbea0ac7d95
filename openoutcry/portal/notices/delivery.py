"""Sends notices: each user's channels apart, in turn, and what has failed later again.

A channel of a user has had everything up to one number.  That number moves after a batch was sent,
so a notice is sent at least once, and again if the process died in between.  One batch of a channel
is under way at a time, and then those of others come first.  Neither a burst for one user nor a
host that hangs keeps others waiting.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from openoutcry.portal.notices.channels import (
    HOOK_BATCH,
    MAIL_BATCH,
    PUSH_BATCH,
    ChannelError,
    Hooks,
    Mailer,
    Push,
)
from openoutcry.portal.notices.quiet import quiet_until

WORKERS = {"mail": 4, "webhook": 16, "push": 8}
BATCH = {"mail": MAIL_BATCH, "webhook": HOOK_BATCH, "push": PUSH_BATCH}
GAP_S = {"mail": 5, "webhook": 0, "push": 1}
"""Seconds between two batches of a channel, of which neither is urgent."""
FIRST_RETRY_S, LAST_RETRY_S = 2, 3_600
CLOCK = "interval '25 hours'"
"""A channel waits for longer only if the clock was wrong when it was put off."""
MOST_ERROR = 300
Row = dict[str, Any]
Target = tuple[int, str, bool]
log = logging.getLogger("outcry.portal")
DUE = f"""
    select t.*, s.quiet_from, s.quiet_until, s.time_zone, now() as now
    from (
        select * from notice_targets
        where newest_id > sent_id and (next_at <= now() or next_at > now() + {CLOCK})
          and split_part(channel, ':', 1) = %(kind)s
        order by is_urgent desc, next_at limit %(most)s
    ) as t left join notice_settings as s using (user_id)
    order by is_urgent desc, next_at
"""
"""What is urgent goes first: a login does not wait for a burst of many users."""
NEXT = """
    select * from notices where user_id = %(user_id)s and id > %(sent_id)s and id <= %(newest_id)s
      and is_urgent = %(is_urgent)s and %(kind)s = any(channels)
    order by id limit %(most)s
"""
WHERE = "where user_id = %(user_id)s and channel = %(channel)s and is_urgent = %(is_urgent)s"
SENT = f"""
    update notice_targets set sent_id = greatest(sent_id, %(last)s), tries = 0, last_error = '',
        next_at = now() + %(gap)s * interval '1 second' {WHERE}
"""
FAILED = f"""
    update notice_targets set tries = least(tries + 1, 1000), last_error = %(error)s,
        next_at = now() + least(%(first)s * 2 ^ least(tries, 20), %(longest)s)
            * interval '1 second' {WHERE}
"""
LATER = f"update notice_targets set next_at = %(until)s {WHERE}"
MAIL = """
    select coalesce(parents.mail, users.mail) as recipient, users.label as account, users.language,
        coalesce(parents.mail_word, users.mail_word) as word
    from users
    left join users as parents on parents.id = users.parent_id where users.id = %s
"""
"""A sub-account has no address: its parent gets its mails."""
FORGOTTEN = f"delete from notice_targets {WHERE}"


@dataclass
class Batch:
    """Notices in flight to one channel of a user."""

    target: Row
    kind: str
    last: int
    future: "Future[None]"

    @property
    def key(self) -> Target:
        """The target's key, as :func:`key_of` makes it."""
        return key_of(self.target)


def key_of(row: Row) -> Target:
    """Return the key that distinguishes targets: user, channel, and whether it is for urgent
    notices."""
    return row["user_id"], row["channel"], row["is_urgent"]


class Delivery:
    """It outlives the connection to the database: what was sent while that was gone is noted when
    it is back."""

    def __init__(self, mailer: Mailer, hooks: Hooks, push: Push | None) -> None:
        """``push`` None: there is no web push."""
        self.mailer, self.hooks, self.push = mailer, hooks, push
        self._pools = {kind: ThreadPoolExecutor(count, kind) for kind, count in WORKERS.items()}
        self._under_way: dict[Target, Batch] = {}

    def close(self) -> None:
        """Start nothing more; requests that are under way end in the background."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def step(self, connection: Any) -> int:
        """Note what has been sent, and begin what is due; how many batches that was together."""
        count = self._settle(connection)
        for kind, most in WORKERS.items():
            busy = sum(batch.kind == kind for batch in self._under_way.values())
            if busy < most:
                count += self._begin(connection, kind, most - busy)
        return count

    @property
    def is_busy(self) -> bool:
        """Return whether a batch is under way, or was sent and is not noted yet."""
        return bool(self._under_way)

    # Beginning

    def _begin(self, connection: Any, kind: str, free: int) -> int:
        most = free + len(self._under_way)
        begun = 0
        for row in connection.execute(DUE, {"kind": kind, "most": most}).fetchall():
            if key_of(row) in self._under_way or begun == free:
                continue
            begun += self._begin_one(connection, kind, row)
        return begun

    def _begin_one(self, connection: Any, kind: str, target: Row) -> int:
        if not target["is_urgent"]:
            terms = target["quiet_from"] or "", target["quiet_until"] or ""
            until = quiet_until(target["now"], *terms, target["time_zone"] or "Etc/UTC")
            if until is not None:
                connection.execute(LATER, target | {"until": until})
                return 0
        values = target | {"kind": kind, "most": BATCH[kind]}
        rows = connection.execute(NEXT, values).fetchall()
        if not rows:
            connection.execute(SENT, target | {"last": target["newest_id"], "gap": 0})
            return 1
        send = self._way(connection, kind, target, rows)
        if send is None:
            connection.execute(FORGOTTEN, target)
            return 1
        future = self._pools[kind].submit(send)
        batch = Batch(target, kind, rows[-1]["id"], future)
        self._under_way[batch.key] = batch
        return 1

    def _way(
        self, connection: Any, kind: str, target: Row, rows: list[Row]
    ) -> Callable[[], None] | None:
        """Return the function that sends the rows; None if the user no longer has such
        a channel."""
        user_id = target["user_id"]
        if kind == "mail":
            user = connection.execute(MAIL, (user_id,)).fetchone()
            return None if user is None else lambda: self.mailer.send(**user, rows=rows)
        if kind == "webhook":
            query = "select url, secret from webhooks where user_id = %s"
            hook = connection.execute(query, (user_id,)).fetchone()
            if hook is None:
                return None
            terms = user_id, hook["url"], bytes(hook["secret"])
            return lambda: self.hooks.send(*terms, rows)
        number = target["channel"].partition(":")[2]
        query = "select * from push_subscriptions where user_id = %s and id = %s"
        found = connection.execute(query, (user_id, int(number))).fetchone()
        push = self.push
        if found is None or push is None:
            return None
        return lambda: push.send(found, rows)

    # Ending

    def _settle(self, connection: Any) -> int:
        done = [batch for batch in self._under_way.values() if batch.future.done()]
        for batch in done:
            self._note(connection, batch)
            # Not before the database has it: a lost connection leaves it to the next one.
            del self._under_way[batch.key]
        return len(done)

    def _note(self, connection: Any, batch: Batch) -> None:
        target, error = batch.target, batch.future.exception()
        if error is None:
            gap = 0 if target["is_urgent"] else GAP_S[batch.kind]
            connection.execute(SENT, target | {"last": batch.last, "gap": gap})
            return
        text = str(error) if isinstance(error, ChannelError) else repr(error)
        if not isinstance(error, ChannelError):
            log.error("a notification by %s failed", batch.kind, exc_info=error)
        if isinstance(error, ChannelError) and error.is_gone and batch.kind == "push":
            number = int(target["channel"].partition(":")[2])
            with connection.transaction():
                connection.execute("delete from push_subscriptions where id = %s", (number,))
                connection.execute(FORGOTTEN, target)
            return
        values = {"error": text[:MOST_ERROR], "first": FIRST_RETRY_S, "longest": LAST_RETRY_S}
        connection.execute(FAILED, target | values)
