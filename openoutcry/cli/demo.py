"""``outcry demo``: a living exchange, to look at and to try things on."""

import signal
from pathlib import Path
from typing import Any

import click

from openoutcry.cli.options import PathArgument
from openoutcry.cli.portal import LISTEN_OPTION


@click.command()
@LISTEN_OPTION
@click.option("--seed", default=1, show_default=True, help="Prices and orders come from it.")
@click.option(
    "--folder",
    type=PathArgument,
    help="Keep everything in this new folder (default: a temporary one).",
)
def demo(address: tuple[str, int], seed: int, folder: Path | None) -> None:
    """Open an exchange that trades, with an account ready for you.

    \b
    outcry demo

    Three spot markets and a perpetual are traded by two programs. The command prints the addresses
    of the pages, an account with money and an API key. It needs the extra openoutcry[portal].
    Control-C closes the exchange, and removes its files where no --folder is given."""
    import tempfile

    from openoutcry.wire.extras import require_console, require_portal

    require_portal()
    require_console()
    from openoutcry.portal.demo import run

    signal.signal(signal.SIGINT, _end_once)
    signal.signal(signal.SIGTERM, _end_once)
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            run(folder, address, seed, click.echo)
        with tempfile.TemporaryDirectory(prefix="outcry-demo-") as made:
            run(Path(made), address, seed, click.echo)
    except KeyboardInterrupt:
        click.echo("the exchange is closed")


def _end_once(number: int, frame: Any) -> None:
    """End the command; what ends the parts is not interrupted again."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
