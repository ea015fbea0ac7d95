"""The pictures of docs/surveillance.md are what the market's cases give, byte for byte."""

import pytest

from tests.support.surveillance import surveillance_pictures


def compare(markets, folder) -> None:
    surveillance_pictures.draw(folder, markets)
    drawn = sorted(folder.glob("*.svg"))
    assert [one.stem for one in drawn] == sorted(name for row in markets for name in row[3])
    for one in drawn:
        assert one.read_text() == (surveillance_pictures.FOLDER / one.name).read_text(), one.stem


def test_a_picture_is_drawn_as_it_is_in_the_docs(tmp_path) -> None:
    compare(surveillance_pictures.MARKETS[1:], tmp_path)


@pytest.mark.long
def test_all_pictures_are_drawn_as_they_stand_in_the_docs(tmp_path) -> None:
    compare(surveillance_pictures.MARKETS, tmp_path)
