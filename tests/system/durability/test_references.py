"""The machine is gone between the desk's note of a request and its commands, or between two of
them: asked for again with the same reference, it is done once."""

import numpy as np
import pytest

from openoutcry.risk.bits import RISK_KIND, Setting
from openoutcry.venue.desk import DeskError, ask
from tests.support.venue.dying_desk import NAME
from tests.support.venue.served_venue import PORT, ServedVenue
from tests.support.venue.spot_floor import FLOOR

REQUESTS = (
    {"do": "deposit", "participant": 2, "amount": 70},
    {"do": "kill", "what": "participant", "name": "3"},
    {"do": "deposit-seen", "participant": 2, "asset": "BTC", "amount": 70},
)


@pytest.mark.promise(
    "A deposit, a withdrawal and any request of an operator is done once by its reference, "
    "wherever the machine is gone. A repeated token or message is not executed again, also "
    "after all processes were killed",
    group="venue",
)
def test_a_request_is_done_once_wherever_the_machine_is_gone(tmp_path):
    venue = ServedVenue(tmp_path, "2026-11-23T10:00", PORT, FLOOR)
    venue.start()
    is_open = lambda s: s["state"] == "open" and s["risk"] != {}  # noqa: E731
    venue.wait_for(is_open)
    for cut, which in enumerate((0, 1, 2, 1)):  # a kill has the most commands
        requests = [one | {"reference": f"{one['do']} {cut}"} for one in REQUESTS]
        request = requests[which]
        (tmp_path / NAME).write_text(str(cut))
        with pytest.raises((DeskError, ConnectionError)):
            ask(venue.journal, request)
        assert venue.process is not None
        venue.process.communicate()
        venue.start()
        venue.wait_for(is_open)
        for one in requests:
            for _ in range(2):
                assert ask(venue.journal, one)["reference"] == one["reference"]
        assert ask(venue.journal, request)["repeated"]
    assert venue.stop()["last_run"]["lost"] == 0
    commands = venue.commands()
    risk = commands[(commands["kind"] == RISK_KIND) & (commands["side"] != 0)]
    for what in (Setting.DEPOSIT, Setting.KILL, Setting.MOVEMENT):
        assert np.count_nonzero(risk["order_type"] == what) == 4
