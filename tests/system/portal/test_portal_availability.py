"""The probe of a portal: what it finds is what a person's program would."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from openoutcry.operations.probes import PortalProbe, read_settings

USD = 10**6
FILE = """
[[probe]]
name = "web"
protocol = "portal"
url = "{url}"
key_file = "key"
symbol = "ETH-USD"
price = "1"
timeout_ms = 60000
"""


def test_a_portal_is_used_as_a_program_would(portal_venue, tmp_path):
    """All is up; a stopped venue takes matching away, and nothing else that can be answered."""
    person = portal_venue.person(USD=100 * USD)
    path = tmp_path / "availability.toml"
    path.write_text(FILE.format(url=portal_venue.url))
    (tmp_path / "key").write_text(f"{person.api_key}\n{person.secret}\n")
    (tmp_path / "key").chmod(0o600)
    (probe,) = read_settings(path).open()
    assert isinstance(probe, PortalProbe)
    with closing(probe):
        parts = ("portal", "entry", "history", "withdrawals")
        up = {f"{part} web": "" for part in parts} | {"matching": ""}
        assert probe.look() == up
        probe.row["symbol"] = "NONE-USD"
        found = probe.look()
        assert "an order was refused" in found.pop("matching")
        assert found == {name: "" for name in up if name != "matching"}
        probe.row["behind_ms"] = -1
        assert "behind the venue" in probe.look()["history web"]
        probe.client.secret = "another"
        found = probe.look()
        assert list(found) == ["portal web"]
        assert found["portal web"]


def test_a_withdrawal_that_stays_under_way_is_an_outage(portal_venue, tmp_path):
    person = portal_venue.person()
    path = tmp_path / "availability.toml"
    path.write_text(FILE.format(url=portal_venue.url))
    (tmp_path / "key").write_text(f"{person.api_key}\n{person.secret}\n")
    (tmp_path / "key").chmod(0o600)
    (probe,) = read_settings(path).open()
    ago = datetime.now(UTC) - timedelta(seconds=4_000)
    rows = [SimpleNamespace(id=7, state="done", changed_at=ago)]
    with closing(probe):
        probe.client.list_withdrawals = lambda: SimpleNamespace(items=rows)
        assert probe.look()["withdrawals web"] == ""
        rows.append(SimpleNamespace(id=8, state="approved", changed_at=ago))
        assert probe.look()["withdrawals web"].startswith("withdrawal 8 is approved for 400")
