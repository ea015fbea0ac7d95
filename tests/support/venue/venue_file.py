"""What the tests of venue file in several tiers share."""

from click.testing import CliRunner, Result

from openoutcry.cli.main import main


def outcry(*arguments: object) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def with_key(text: str, symbol: str, key: str, value: str | None) -> str:
    """Return a venue file's text with a key of an instrument set to a value, in TOML; None: without
    the key."""
    head, table, rest = text.partition(f'symbol = "{symbol}"\n')
    assert table, f"the file has no instrument {symbol}"
    body, blank, tail = rest.partition("\n\n")
    lines = [line for line in body.splitlines() if not line.startswith(f"{key} =")]
    if value is not None:
        lines.insert(0, f"{key} = {value}")
    return head + table + "\n".join(lines) + blank + tail
