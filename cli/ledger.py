"""``outcry ledger``: who owns what and who owes what, from the journal alone."""

import json

import click

from openoutcry.cli.options import as_json_option


@click.group()
def ledger() -> None:
    """Balances, statements, fees, positions and profits of a journal, proven to add up."""


@ledger.command()
@as_json_option
def accounts(as_json: bool) -> None:
    """The chart of accounts: what each owner has in each asset."""
    from openoutcry.ledger.accounts import Account, VenueAccount

    chart = {
        "participant": [kind.name.lower() for kind in Account],
        "venue": [kind.name.lower() for kind in VenueAccount],
    }
    if as_json:
        click.echo(json.dumps(chart))
        return
    for owner, kinds in chart.items():
        for kind in kinds:
            number = ":NUMBER" if owner == "participant" else ""
            click.echo(f"{owner}{number}:ASSET:{kind}")
