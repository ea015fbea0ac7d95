"""``outcry top``: a look at the pipelines that run."""

import json

import click


@click.command()
@click.option("--once", is_flag=True, help="Print one sample and end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document (of one sample).")
def top(once: bool, as_json: bool) -> None:
    """Look at running pipelines: rings, stages, durable lag, latency so far."""
    from openoutcry.pipeline.top import show, views

    if as_json:
        click.echo(json.dumps({"pipelines": views()}))
    else:
        show(once)
