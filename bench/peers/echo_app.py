"""A bare echo over HTTP and WebSocket: what the web server alone takes of a portal's answer.

``python -m openoutcry.bench.peers.echo_app PORT`` serves until SIGTERM.
"""

import sys
from typing import Any


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that gives back what it is sent."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message.get("text") or ""})
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    head = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve :func:`echo` on the port of the arguments until SIGTERM."""
    import uvicorn

    uvicorn.run(
        echo,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="critical",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=30,  # as the portal's: it waits while the portal is measured
        loop="asyncio",
        ws_per_message_deflate=False,
    )


if __name__ == "__main__":
    main()
