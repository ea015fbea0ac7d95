"""``custody.toml``: what is wrong in it is named before anything starts."""

import pytest

from openoutcry.custody.settings import read_custody_file
from openoutcry.wire.errors import OutcryError
from tests.support.custody.chains import TEXT

ONE, OTHER = (f'[[signer]]\nsocket = "signer{number}.sock"\n' for number in (1, 2))


@pytest.fixture
def read(tmp_path):
    whole = TEXT.format(url="http://127.0.0.1:1", hot="h", cold="c", final=6, wait=0)

    def read(old="", new=""):
        assert old in whole
        (tmp_path / "custody.toml").write_text(whole.replace(old, new))
        return read_custody_file(tmp_path / "custody.toml")

    return read


def test_a_payment_needs_two_signers_and_the_file_names_them(read):
    assert [one.name for one in read().signers] == ["signer1.sock", "signer2.sock"]
    with pytest.raises(OutcryError, match=r"signer.*: are 1, and a payment needs 2"):
        read(OTHER)
    with pytest.raises(OutcryError, match=r"signer.*: are 0, and a payment needs 2"):
        read(ONE + OTHER)


def test_one_signer_does_not_count_twice(read):
    with pytest.raises(OutcryError, match=r"socket .signer1.sock. already exists, in line"):
        read(OTHER, ONE)
