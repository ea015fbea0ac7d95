"""``outcry cluster backup``: the copy for the day when the whole cluster is gone."""

import json
import signal
from pathlib import Path

import click

from openoutcry.cli.options import PathArgument, as_json_option


@click.group()
def backup() -> None:
    """Copy a replicated journal to files; restore a venue from them.

    \b
    outcry cluster backup copy cluster --stream RUN --to copy --follow
    outcry cluster backup restore copy journal
    """


@backup.command()
@click.argument("cluster", metavar="FOLDER|FILE|URLS")
@click.option("--stream", default="RUN", show_default=True, help="Name of the replicated journal.")
@click.option("--to", "folder", type=PathArgument, required=True, help="Folder for the files.")
@click.option("--follow", is_flag=True, help="Copy new messages until Control-C or SIGTERM.")
@as_json_option
def copy(cluster: str, stream: str, folder: Path, follow: bool, as_json: bool) -> None:
    """Copy new messages of the stream to a folder.

    No stage of the venue waits for it."""
    from openoutcry.replica.access import access_of
    from openoutcry.replica.backup import Copier

    copier = Copier(access_of(cluster), stream, folder)
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM) if follow else ():
        signal.signal(number, lambda number, frame: stopping.append(number))
    try:
        if follow:
            copier.follow(lambda: bool(stopping), lambda text: click.echo(text, err=True))
        else:
            copier.copy()
    finally:
        copier.close()
    tip = copier.copied.tip
    if as_json:
        click.echo(
            json.dumps(
                {
                    "message": tip.position,
                    "block": tip.next_block - 1,
                    "last_seq": tip.last_seq,
                    "epoch": tip.epoch,
                }
            )
        )
        return
    click.echo(
        f"{folder}: message {tip.position:,}, block {tip.next_block - 1:,}, command "
        f"{tip.last_seq:,}, epoch {tip.epoch}"
    )


@backup.command()
@click.argument("folder", type=PathArgument)
@click.argument("journal", type=PathArgument)
@as_json_option
def restore(folder: Path, journal: Path, as_json: bool) -> None:
    """Restore the copy in FOLDER to a new JOURNAL and replay it.

    The command reports the last command that it vouches for: every block up to it is whole, and
    its events are those of the venue."""
    from openoutcry.journal.replay import replay
    from openoutcry.replica.backup import restore as restored

    copied = restored(folder, journal)
    result = replay(journal)
    if result["wrong_seq"] is not None:
        raise click.ClickException(
            f"after command {result['wrong_seq']:,} the replay's events are not those of the venue"
        )
    document = {
        "journal": str(journal),
        "message": copied.tip.position,
        "block": copied.tip.next_block - 1,
        "last_seq": result["commands"],
        "state_hash": result["state_hash"],
        "event_hash": result["event_hash"],
        "verified_seq": result["verified_seq"],
        "event_digests": result["event_digests"],
        "behind": copied.flaw,
    }
    if as_json:
        click.echo(json.dumps(document))
        return
    if copied.flaw:
        click.echo(f"after that, incomplete and left out: {copied.flaw}")
    click.echo(
        f"{journal}: restored and vouched for up to command {result['commands']:,} (block "
        f"{copied.tip.next_block - 1:,}); events compared with the venue's up to command "
        f"{result['verified_seq']:,}; state {result['state_hash']}"
    )
