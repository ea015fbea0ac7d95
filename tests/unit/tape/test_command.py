"""`outcry data info` and `convert`: what they print, and how they end."""

import json
from itertools import pairwise

from click.testing import CliRunner

from openoutcry.__main__ import main
from tests.support.tape.market import drawn, lobster_of


def outcry(*words, status=0):
    """Standard output of a command."""
    done = CliRunner().invoke(main, ["data", *map(str, words)])
    assert done.exit_code == status, done.output
    return done.output


def test_info_says_format_times_kinds_instruments_and_gaps(tmp_path):
    ops, _ = drawn(2, 200, instruments=1)
    path = tmp_path / "a.csv"
    path.write_text(lobster_of(ops))
    said = json.loads(outcry("info", path, "--midnight", "2012-06-21T00:00-04:00", "--json"))
    midnight_ns = 1_340_251_200 * 10**9
    assert said["format"] == "lobster"
    assert said["first_ns"] == midnight_ns + ops[0].ts_ns
    assert said["last_ns"] == midnight_ns + ops[-1].ts_ns
    executed = sum(op.what == "execution" for op in ops)
    assert said["counts"]["event F"] == executed
    assert said["counts"]["event T"] == executed + sum(op.what == "hidden" for op in ops)
    assert said["instruments"][0]["price_decimals"] == 4
    assert said["gaps"]["longest_silence_ns"] == max(
        after.ts_ns - before.ts_ns for before, after in pairwise(ops)
    )
    assert "lobster" in outcry("info", path)
    assert "no zone" in outcry("info", path, "--midnight", "2012-06-21", status=2)


def test_a_loss_ends_with_1_unless_it_is_allowed(tmp_path):
    path, out = tmp_path / "a.csv", tmp_path / "a.itch"
    path.write_text(lobster_of(drawn(3, 200, instruments=1)[0]))
    said = outcry("convert", path, out, "--name", "AAA", status=1)
    assert "lost: side, " in said
    assert "--allow-loss 'side'" in said
    assert not out.exists()
    said = outcry("convert", path, out, "--name", "AAA", "--allow-loss", "side")
    assert "a.itch: itch, " in said
    assert out.exists()


def test_mistakes_are_one_line(tmp_path):
    (tmp_path / "a.txt").write_text("hello, world\n")
    said = outcry("info", tmp_path / "a.txt", status=1)
    assert said.startswith(f"outcry: {tmp_path}/a.txt: its content is of no format that is read")
    said = outcry("info", tmp_path / "none", status=1)
    assert said.count("\n") == 1
    path = tmp_path / "a.csv"
    path.write_text(lobster_of(drawn(3, 20, instruments=1)[0]))
    said = outcry("convert", path, tmp_path / "a.xyz", status=1)
    assert "the suffix of a.xyz is no format that is written" in said
    said = outcry("convert", path, tmp_path / "b.csv", "--to", "tardis-snapshot", status=1)
    assert "which tardis-snapshot does not say" in said
    said = outcry("info", path, "--from", "nonsense", status=1)
    assert "nonsense is no format that is read" in said


def test_import_makes_orders_that_a_run_takes(tmp_path):
    path, orders = tmp_path / "a.csv", tmp_path / "orders.bin"
    path.write_text(lobster_of(drawn(3, 300, instruments=1)[0]))
    said = outcry("import", path, orders)
    assert "commands of TAPE" in said
    done = CliRunner().invoke(
        main, ["run", "--records", str(orders), "--topology", "inline", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["replay"]["equal"] is True
