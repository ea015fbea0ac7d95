"""A copy of the stream in files, damaged: what follows the damage stays until it can be fetched."""

from types import SimpleNamespace

import pytest

from openoutcry.replica import backup
from openoutcry.replica.backup import Copier
from openoutcry.wire.errors import ReplicaError


@pytest.mark.promise(
    "A damaged copy of the cluster's stream is cut only while the cluster has what is cut off",
    group="files",
)
@pytest.mark.parametrize(
    ("first", "last", "is_cut"), [(1, 60, True), (1, 49, False), (1, 0, False), (2, 60, False)]
)
def test_a_damaged_copy_is_cut_only_where_the_stream_has_it_all(
    tmp_path, monkeypatch, first, last, is_cut
):
    """The first of two files is damaged; the second begins with message 50."""
    folder = tmp_path / "copy"
    folder.mkdir(mode=0o700)
    for number in (1, 50):
        (folder / f"{number:012d}.messages").write_bytes(b"\xff" * 100)
    stream = SimpleNamespace(
        tail_reaching=lambda position: SimpleNamespace(first=first, last=last),
        link=SimpleNamespace(close=lambda: None),
        stream="OUTCRY-RUN",
    )
    monkeypatch.setattr(backup, "connect", lambda access: None)
    monkeypatch.setattr(backup, "JetStream", lambda link, venue: stream)
    monkeypatch.setattr(backup, "messages", lambda *terms: iter(()))
    copier = Copier(None, "RUN", folder)
    assert len(list(folder.iterdir())) == 2, "nothing is cut before the cluster was asked"
    if is_cut:
        copier.copy()
    else:
        with pytest.raises(ReplicaError, match=r"byte 0: .* does not have what follows"):
            copier.copy()
    assert len(list(folder.iterdir())) == (0 if is_cut else 2)
