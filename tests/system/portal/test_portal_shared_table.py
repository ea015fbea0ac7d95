"""The table that the processes of a portal share, over forks and a kill."""

import os

import pytest

from openoutcry.portal.accounts.api_keys import HMAC, ApiKey
from openoutcry.portal.shared_table import Table
from openoutcry.portal.spot.errors import ApiError
from openoutcry.portal.spot.limits import Limits
from openoutcry.portal.spot.signing import Replays
from openoutcry.portal.spot.user_data import KEY_LENGTH, ListenKeys


def of_child(work):
    """What a forked process returns (0 to 250)."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(work())
        finally:
            os._exit(251)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def refused(work):
    try:
        work()
    except ApiError as error:
        return error.status - 400
    return 0


KEY = ApiKey(7, 1, 1000, HMAC, b"", True, False, (), None)


@pytest.mark.promise(
    "All processes of a portal share orders, limits, remembered requests and listen keys",
    group="portal",
)
def test_processes_have_one_limit_one_memory_of_requests_and_one_set_of_listen_keys():
    counts, replays, keys = Table(64), Replays(Table(64), Table(64)), ListenKeys(seal=b"s")
    limits = Limits(10, table=counts)
    assert of_child(lambda: refused(lambda: limits.take("a", 6))) == 0
    assert limits.take("a", 4)["x-mbx-used-weight-1m"] == "10"
    assert of_child(lambda: refused(lambda: limits.take("a", 1))) == 29
    once = lambda: replays.require_new(KEY, "one", 10**15, 10**15 - 5_000)  # noqa: E731
    assert of_child(lambda: refused(once)) == 0
    with pytest.raises(ApiError, match="received before"):
        once()
    key = keys.create(KEY)
    assert len(key) == KEY_LENGTH
    assert key.isalnum()
    assert of_child(lambda: keys.participant(key) - 800) == 200
    assert of_child(lambda: int(keys.create(KEY) == key)) == 1
    assert of_child(lambda: refused(lambda: keys.end(1000, key))) == 0
    assert keys.participant(key) == 0
    assert keys.create(KEY) != key


def test_a_process_that_is_killed_in_a_call_leaves_the_table_open():
    table = Table(16)

    def die():
        with table.held():
            os.kill(os.getpid(), 9)
        return 0

    assert of_child(die) == -9
    assert table.add("a", 1, 10.0, 1.0) == 1
