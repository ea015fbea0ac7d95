"""Which countries a portal serves, by files that ``mmdb_writer`` makes."""

import logging
import os

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from openoutcry.portal import countries, settings
from openoutcry.portal.countries import Countries
from openoutcry.portal.settings import read_portal_file
from openoutcry.wire.errors import OutcryError

KOREA, GERMANY, NOWHERE = "203.0.113.9", "2001:db8::1", "198.51.100.9"


def written(path, rows, kind="GeoLite2-Country", version=6):
    """An mmdb file, put in the place of the one before by its name."""
    is_both = version == 6
    writer = MMDBWriter(version, kind, ["en"], "test", ipv4_compatible=is_both)
    for networks, record in rows:
        writer.insert_network(IPSet(networks), record)
    new = path.with_suffix(".new")
    writer.to_db_file(str(new))
    os.replace(new, path)


def maxmind(code):
    return {"country": {"iso_code": code, "names": {"en": "x"}}}


ROWS = (["203.0.113.0/24"], maxmind("KP")), (["2001:db8::/32"], maxmind("DE"))


@pytest.fixture
def file(tmp_path):
    written(tmp_path / "countries.mmdb", ROWS)

    def read(text):
        path = tmp_path / "portal.toml"
        path.write_text(f'[addresses]\ncountries = "countries.mmdb"\n{text}\n')
        return read_portal_file(path, {})

    return read


@pytest.mark.promise(
    "V11.1.4 (places): an operator serves or refuses networks and countries. A broken file of "
    "countries is refused at the start, and later leaves the one before in force",
    group="portal",
)
@pytest.mark.parametrize(
    ("text", "served"),
    [
        ('deny_countries = ["KP"]', (False, True, True)),
        ('allow_countries = ["DE"]', (False, True, False)),
        ('allow_countries = ["DE"]\nallow = ["198.51.100.0/24"]', (False, True, True)),
        ('allow_countries = ["DE", "KP"]\ndeny = ["2001:db8::/48"]', (True, False, False)),
        ('allow_countries = ["KP"]\ndeny_countries = ["KP"]', (False, False, False)),
    ],
)
def test_countries_are_served_or_refused(file, text, served):
    found = file(text)
    assert tuple(found.serves(one) for one in (KOREA, GERMANY, NOWHERE)) == served
    assert found.serves(f"::ffff:{KOREA}") is served[0]
    assert not found.serves("nonsense")


def test_a_denied_network_is_denied_on_a_listener_of_both_families(tmp_path):
    path = tmp_path / "portal.toml"
    path.write_text('[addresses]\ndeny = ["203.0.113.0/24"]\n')
    assert not read_portal_file(path, {}).serves(f"::ffff:{KOREA}")


@pytest.mark.parametrize("record", [{"country_code": "KP", "country": "x"}, {"country": "KP"}])
def test_other_makers_name_countries_otherwise(tmp_path, record):
    written(tmp_path / "c.mmdb", [(["203.0.113.0/24"], record)])
    assert Countries(tmp_path / "c.mmdb").of(KOREA) == "KP"


def test_a_file_of_ipv4_knows_no_address_of_ipv6(tmp_path):
    written(tmp_path / "c.mmdb", ROWS[:1], version=4)
    found = Countries(tmp_path / "c.mmdb")
    assert (found.of(KOREA), found.of(GERMANY), found.of("fe80::1%eth0")) == ("KP", "", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('countries = "none.mmdb"\ndeny_countries = ["KP"]', "none.mmdb: cannot be read: No such"),
        ('countries = "broken.mmdb"\ndeny_countries = ["KP"]', "not an mmdb file, or is damaged"),
        ('countries = "half.mmdb"\ndeny_countries = ["KP"]', "not an mmdb file, or is damaged"),
        ('countries = "asn.mmdb"\ndeny_countries = ["KP"]', "no countries: it is of .*ASN"),
        ('countries = "broken.mmdb"', "needs countries .* and a list"),
        ('deny_countries = ["KP"]', "needs countries .* and a list"),
        ('countries = "broken.mmdb"\ndeny_countries = ["Korea"]', "line 3"),
    ],
)
def test_a_mistake_of_countries_is_one_clear_line(tmp_path, text, why):
    written(tmp_path / "half.mmdb", ROWS)
    whole = (tmp_path / "half.mmdb").read_bytes()
    (tmp_path / "half.mmdb").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "broken.mmdb").write_bytes(b"<html>404</html>" * 100)
    asn = [(["203.0.113.0/24"], {"autonomous_system_number": 64496})]
    written(tmp_path / "asn.mmdb", asn, "GeoLite2-ASN")
    path = tmp_path / "portal.toml"
    path.write_text(f"[addresses]\n{text}\n")
    with pytest.raises(OutcryError, match=why) as refused:
        read_portal_file(path, {})
    assert "\n" not in str(refused.value)


def test_a_missing_library_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "maxminddb", None)
    with pytest.raises(OutcryError, match=r"need maxminddb: pip install 'openoutcry\[portal\]'"):
        Countries(tmp_path / "c.mmdb")


def test_a_replaced_file_counts_and_a_broken_one_does_not(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(countries, "LOOK_S", 0.0)
    caplog.set_level(logging.INFO, logger="outcry.portal")
    path = tmp_path / "c.mmdb"
    written(path, ROWS)
    found = Countries(path)
    assert (found.of(KOREA), found.of(NOWHERE)) == ("KP", "")
    written(path, [([f"{NOWHERE}/32"], maxmind("FR"))])
    assert (found.of(KOREA), found.of(NOWHERE)) == ("", "FR")
    path.write_bytes(b"broken" * 1_000)
    assert [found.of(NOWHERE) for _ in range(3)] == ["FR"] * 3
    path.unlink()
    assert [found.of(NOWHERE) for _ in range(3)] == ["FR"] * 3
    written(path, ROWS)
    assert (found.of(KOREA), found.of(NOWHERE)) == ("KP", "")
    said = [record.getMessage() for record in caplog.records]
    assert [text.count("stays in force") for text in said] == [0, 1, 0], said


def test_a_portal_without_rules_serves_every_address():
    assert settings.PortalFile().serves("nonsense")
