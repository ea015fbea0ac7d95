"""What an emergency close leaves is enough to say what happened, and holds no secret."""

from collections import deque

import numpy as np
import pytest

from openoutcry.journal.events import Batch
from openoutcry.operations.dump import _last, configuration, secrets_of, without
from openoutcry.risk.bits import Setting
from openoutcry.risk.region import setting
from openoutcry.wire import EVENT_DTYPE, OutcryError
from tests.support.operations import dump as shared
from tests.support.order_entry.sessions_venue import HASH

venue = shared.venue

KEY = "5a" * 32


def test_secrets_of_every_kind_are_hidden(tmp_path):
    path = tmp_path / "venue.toml"
    text = f'[venue]\nname = "X"\nspeed_bump_seed = 7361\n[[session]]\npassword = """{HASH}"""\n'
    path.write_text(f"{text}key = '{KEY}'\n")
    shown = configuration(path)["text"]
    assert HASH not in shown
    assert KEY not in shown
    assert "7361" not in shown
    assert shown.count("(not shown)") == 3
    assert 'name = "X"' in shown


@pytest.mark.promise(
    "No secret of the portal or a venue is in a database, a dump, a log, a page, an answer, "
    "an error or a process's arguments. This holds also where a user typed it as a name. Only"
    " three files of a venue have its secrets",
    group="secrets",
)
def test_the_password_in_a_url_is_hidden_wherever_it_has_got_to(tmp_path):
    """Also where its characters are written out, and in any text of any section."""
    path = tmp_path / "venue.toml"
    path.write_text(
        '[durability]\nnats = "tls://me:p%40ssword@a:4222,tls://me:second-one@b:4222"\n'
    )
    text = configuration(path)["text"]
    assert "tls://me:(not shown)@a:4222,tls://me:(not shown)@b:4222" in text
    document = {"log": [{"message": "refused p@ssword"}], "more": ("tls://me:second-one@b", 7)}
    assert without(document, secrets_of(path)) == {
        "log": [{"message": "refused (not shown)"}],
        "more": ["tls://me:(not shown)@b", 7],
    }


def test_a_venue_file_with_a_mistake_is_named_with_its_line(tmp_path):
    """As every other reader of the file says it; the search for secrets goes on without."""
    path = tmp_path / "venue.toml"
    path.write_text('[venue]\nname = "X"\nmic = \n')
    with pytest.raises(OutcryError, match=rf"^{path}: line 3: not TOML: "):
        configuration(path)
    assert secrets_of(path) == set()


@pytest.mark.promise(
    "No secret of the portal or a venue is in a database, a dump, a log, a page, an answer, "
    "an error or a process's arguments. This holds also where a user typed it as a name. Only"
    " three files of a venue have its secrets",
    group="secrets",
)
def test_the_seed_of_the_speed_bump_is_in_no_command():
    """The setting that begins each day holds it."""
    commands = setting(Setting.SPEED_BUMP, 350_000, 7_361_999, second=150_000)
    others = setting(Setting.OPEN_ORDERS, 500, 3)
    commands["seq"], others["seq"] = 1, 2
    both = np.concatenate([commands, others])
    batch = Batch(None, 0, both, np.zeros(0, EVENT_DTYPE), True, None)
    bump, limit = _last(deque([batch]), {})
    assert bump["qty_lots"] == "(not shown)"
    assert limit["qty_lots"] == 3
    assert "7361999" not in str(bump)
