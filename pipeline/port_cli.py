"""``outcry run --port`` and ``outcry send --port``."""

from collections.abc import Iterable
from typing import Any

import click
import numpy.typing as npt

from openoutcry.dpdk_shim import native
from openoutcry.dpdk_shim.spec import endpoint, parse_port
from openoutcry.pipeline.run import Options


def take_ports(options: Options, texts: tuple[str, ...]) -> None:
    """Let ``options`` name the ports.  Where the shim cannot be built, one UDP port is received by
    the kernels of udp.py, and a word about it goes to standard error."""
    options.ports = [parse_port(text) for text in texts]
    options.arbitrate = len(texts) > 1
    options.source_kind = "port"
    try:
        for spec in options.ports:
            native.load(dpdk=spec.kind == "dpdk")
    except native.NotBuilt as error:
        only = options.ports[0]
        if len(options.ports) > 1 or only.kind != "udp" or only.framing:
            raise
        click.echo(f"{error}; receiving as with --udp", err=True)
        options.listen, options.source_kind = endpoint(only.text, only.target), "udp"
        options.ports = []


def send_orders(
    chunks: Iterable[npt.NDArray[Any]],
    to: tuple[str, int] | None,
    port: str | None,
    rate: int | None,
) -> dict[str, Any]:
    """Send by a kernel socket or by a port of the shim; the result is ``pipeline.send.send``'s."""
    from openoutcry.pipeline.send import send, send_by_line

    if port is None:
        assert to is not None
        return send(chunks, to=to, rate=rate)
    spec = parse_port(port)
    if spec.kind == "udp":
        return send(chunks, to=endpoint(spec.text, spec.target), rate=rate)
    from openoutcry.pipeline.port_line import PortLine

    with PortLine(spec) as line:
        return send_by_line(chunks, line, rate)
