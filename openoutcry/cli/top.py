"""``outcry top``: a look at the pipelines that run."""

import json
from typing import Any

import click

SHOWN_CHARACTERS = 24


@click.command()
@click.argument("blocks", nargs=-1, metavar="[BLOCK]...")
@click.option("--once", is_flag=True, help="Print one sample and exit.")
@click.option("--dump", is_flag=True, help="Print the fields of the pipelines' shared memory.")
@click.option("--json", "as_json", is_flag=True, help="Print one sample as a JSON document.")
def top(blocks: tuple[str, ...], once: bool, dump: bool, as_json: bool) -> None:
    """Show the running pipelines: rings, stages, lag, latency.

    With --dump, print blocks of shared memory, field by field: BLOCK and what begins with it and a
    dot, or all.  The pipelines do not wait meanwhile.

    \b
    outcry top --once                          one sample
    outcry top --dump control stage.matcher    the control segment and a stage's words
    outcry top --dump ring.events --json       a ring's header and the entries of its readers
    """
    if blocks and not dump:
        raise click.UsageError("BLOCK needs --dump")
    if dump and once:
        raise click.UsageError("--dump prints once: leave --once out")
    if dump:
        from openoutcry.pipeline.blocks import dumps

        _print_dumps(dumps(blocks), as_json)
        return
    from openoutcry.pipeline.top import show, views

    if as_json:
        click.echo(json.dumps({"pipelines": views()}))
    else:
        show(once)


def _print_dumps(pipelines: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"pipelines": pipelines}))
        return
    for pipeline in pipelines:
        click.echo(f"pipeline of pid {pipeline['pid']}")
        for block in pipeline["blocks"]:
            place = f"{block['segment']}, byte {block['offset']:,}"
            click.echo(f"\n{block['name']}: {block['layout']} at {place}. {block['doc']}")
            for field in block["fields"]:
                value = _text(field["value"])
                click.echo(f"  {field['name']:<22} {value:>24} {field['unit']:<5} {field['doc']}")


def _text(value: int | str | list[int]) -> str:
    """A value in a line: of an array the numbers that are not 0, by index; what is longer ends in
    an ellipsis."""
    if isinstance(value, list):
        value = " ".join(f"{index}:{one}" for index, one in enumerate(value) if one)
    text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
