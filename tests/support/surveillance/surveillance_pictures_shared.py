"""What the tests of surveillance pictures in several tiers share."""

from tests.support.surveillance import surveillance_pictures


def compare(markets, folder) -> None:
    surveillance_pictures.draw(folder, markets)
    drawn = sorted(folder.glob("*.svg"))
    assert [one.stem for one in drawn] == sorted(name for row in markets for name in row[3])
    for one in drawn:
        assert one.read_text() == (surveillance_pictures.FOLDER / one.name).read_text(), one.stem
