"""The row ``netting``: ours and DuckDB over the same trades, which come to the same nets."""

from openoutcry.bench.netting import QUICK_TRADES, Netting


def test_a_round_has_our_figure_and_duckdbs():
    subject = Netting(quick=True)
    try:
        figures = []
        subject.round(1, lambda *words: figures.append(words))
    finally:
        subject.close()
    assert {(name, unit, better, who) for name, unit, better, _, who in figures} == {
        ("netting", "1/s", "higher", "ours"),
        ("netting", "1/s", "higher", "duckdb"),
    }
    assert subject.sizes["trades"] == QUICK_TRADES
    assert all(value > 0 for *_, value, _ in figures)
