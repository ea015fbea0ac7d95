"""``outcry top``: a look at the pipelines that run."""

import json

import click


@click.command()
@click.option("--once", is_flag=True, help="Print one sample and exit.")
@click.option("--json", "as_json", is_flag=True, help="Print one sample as a JSON document.")
def top(once: bool, as_json: bool) -> None:
    """Show the running pipelines: rings, stages, lag, latency."""
    from openoutcry.pipeline.top import show, views

    if as_json:
        click.echo(json.dumps({"pipelines": views()}))
    else:
        show(once)
