"""The file of the gateway's settings: what it may say, and what is said about what it may not."""

from pathlib import Path

import pytest

from openoutcry.gateway_fpga import Limits, Settings
from openoutcry.gateway_fpga.settings import PARTICIPANTS, SettingsError
from openoutcry.gateway_fpga.settings_file import (
    document_of,
    first_difference,
    read_settings,
    settings_of,
)
from openoutcry.wire import make_instruments
from tests import ROOT

EXAMPLE = ROOT / "docs" / "gateway-settings.toml"
INSTRUMENTS = make_instruments(["OUTCRY", "ACME"])


def test_the_commented_example_is_read() -> None:
    """Every table and key of the page's example, in the settings that it describes."""
    settings = read_settings(EXAMPLE, INSTRUMENTS)
    everybody = frozenset(range(PARTICIPANTS))
    assert settings == Settings(
        limits={b"OUTCRY": Limits(100_000, 5_000, 500_000_000)},
        check_participants=True,
        participants_on=everybody - {7} - set(range(900, 1_024)),
        rate_interval_ns=1_000,
        rate_burst_ns=1_000_000,
    )


def test_an_empty_file_switches_nothing_on(tmp_path: Path) -> None:
    (tmp_path / "none.toml").write_text("# nothing\n")
    assert read_settings(tmp_path / "none.toml", INSTRUMENTS) == Settings()
    assert document_of(Settings()) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[symbols.ACME]\ncollar_bps = 70_000", r"\[symbols.ACME\] collar_bps is 70000, not 0 to"),
        ("[symbols.ACME]\ncollar_bps = 5", r"\[symbols.ACME\] reference_price_ticks is 0, not 1"),
        ("[symbols.ACME]\ncollar_bps = true", r"\[symbols.ACME\] collar_bps is True, not an int"),
        ("[symbols.ACME]\nhalted = 1", r"\[symbols.ACME\] halted is 1, not true or false"),
        ("[symbols.ACME]\ncollar = 1", r".*has no .collar.: .*; is collar_bps meant"),
        ("[symbols]\nACME = 1", r"\[symbols\] ACME is 1, not a table \[symbols.ACME\]"),
        ("[symbols.OTHER]\nhalted = true", r"\[symbols.OTHER\] is no instrument of this run"),
        ("[symbols.TOOLONGNAME]\nhalted = true", r"\[symbols.TOOLONGNAME\]: a symbol is 1 to 8"),
        ("symbols = 3", r"symbols is 3, not a table \[symbols\]"),
        ("[limits]", r"the file has no 'limits': there are symbols, participants, rate"),
        ("[participants]", r"\[participants\] has either enabled or disabled"),
        ("[participants]\nenabled=[]\ndisabled=[]", r"\[participants\] has either"),
        ("[participants]\nenabled = 7", r"\[participants\] enabled is 7, not a list"),
        ("[participants]\nenabled = [1024]", r"\[participants\] enabled has 1024: participants"),
        ("[participants]\nenabled = ['9-2']", r"\[participants\] enabled has '9-2'"),
        ("[participants]\nenabled = ['a-b']", r"\[participants\] enabled has 'a-b', not a part"),
        ("[participants]\nenabled = [true]", r"\[participants\] enabled has True, not a part"),
        ("[participants]\nkill = [1]", r"\[participants\] has no 'kill': there are enabled, dis"),
        ("[rate]\ninterval_ns = -1", r"\[rate\] interval_ns is -1, not 0 to 4294967295"),
        ("[rate]\nburst_ns = 0.5", r"\[rate\] burst_ns is 0.5, not an integer"),
        ("[rate]\nper_second = 5", r"\[rate\] has no 'per_second': there are interval_ns, burst_"),
        ("[rate]\ninterval_ns", r"not TOML: .*\(at "),
    ],
)
def test_what_is_wrong_is_named_by_file_table_key_and_value(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=rf"^{path}: line [12]: {message}"):
        read_settings(path, INSTRUMENTS)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"{tmp_path}/no.toml: cannot be read: No such file"):
        read_settings(tmp_path / "no.toml", INSTRUMENTS)
    (tmp_path / "bytes.toml").write_bytes(b"# \xff")
    with pytest.raises(SettingsError, match=r"bytes.toml: not UTF-8 at byte 2"):
        read_settings(tmp_path / "bytes.toml", INSTRUMENTS)


def test_a_journals_document_gives_the_same_settings_back() -> None:
    """Whatever way they were written down; what is a default leaves no trace."""
    for settings in (
        read_settings(EXAMPLE, INSTRUMENTS),
        Settings(limits={b"ACME": Limits(halted=True)}, rate_burst_ns=5),
        Settings(check_participants=True),
        Settings(check_participants=True, participants_on=frozenset({0, 1, 2, 9, 1_023})),
    ):
        document = document_of(settings)
        assert document is not None
        assert settings_of(document) == settings
    assert document_of(Settings(limits={b"ACME": Limits()})) is None
    listed = settings_of({"participants": {"enabled": [3, 1, "1-2"]}})
    assert document_of(listed) == {"participants": {"enabled": ["1-3"]}}


def test_the_first_difference_of_two_settings_is_named() -> None:
    """What a resume says when it is refused."""
    one = document_of(Settings(rate_interval_ns=5, limits={b"ACME": Limits(halted=True)}))
    other = document_of(Settings(rate_interval_ns=6, limits={b"ACME": Limits(halted=True)}))
    assert first_difference(one, other) == "[rate] interval_ns: 5, not 6"
    assert first_difference(None, other) == "[rate]: nothing, not {'interval_ns': 6, 'burst_ns': 0}"
    assert first_difference(one, one) == ""
