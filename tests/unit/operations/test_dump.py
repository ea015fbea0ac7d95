"""What an emergency close leaves is enough to say what happened, and holds no secret."""

from openoutcry.operations.dump import configuration
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
