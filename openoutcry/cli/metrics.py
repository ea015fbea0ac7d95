"""``outcry venue metrics``: a running venue as Prometheus metrics."""

import json
import signal
from pathlib import Path
from threading import Event

import click

from openoutcry.cli.options import Listening, PathArgument


@click.command()
@click.argument("file", type=PathArgument, required=False)
@click.option(
    "--listen",
    "--address",
    "address",
    type=Listening(),
    default="127.0.0.1:9464",
    show_default=True,
    help="Serve /metrics at this address.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    help="Another host name under which /metrics is asked for. Repeatable.",
)
@click.option("--once", is_flag=True, help="Print the metrics once and exit.")
@click.option("--grafana", is_flag=True, help="Print a dashboard for Grafana (JSON) and exit.")
def metrics(
    file: Path | None, address: tuple[str, int], names: tuple[str, ...], once: bool, grafana: bool
) -> None:
    """Serve Prometheus metrics of a venue or of all pipelines.

    \b
    outcry venue metrics venue.toml
    curl http://127.0.0.1:9464/metrics

    The command serves the metrics of FILE, or of every running pipeline, until Control-C. It reads
    shared memory and asks no stage.
    """
    from openoutcry.wire.extras import require_operations

    require_operations()
    if grafana:
        from openoutcry.operations.dashboard import dashboard

        click.echo(json.dumps(dashboard(), indent=1))
        return
    from prometheus_client import generate_latest

    from openoutcry.operations.aside import Aside
    from openoutcry.operations.metrics import VenueMetrics
    from openoutcry.operations.scrape import serving
    from openoutcry.pipeline.announce import announced
    from openoutcry.venue.file import read_venue

    venue = read_venue(file) if file else None
    collector = VenueMetrics(venue)
    if once:
        click.echo(generate_latest(collector).decode(), nl=False)
        return
    collector.aside = Aside()
    stop = Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: stop.set())
    announcing = announced("metrics", *((venue.journal, venue.number) if venue else ()))
    with serving(collector, address, names) as url, announcing:
        click.echo(url, err=True)
        # A library's thread may take the signal, which does not wake this one.
        while not stop.wait(0.2):
            pass
