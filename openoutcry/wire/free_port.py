"""A port of this host for what is started next."""

import socket


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback, TCP unless ``kind`` says otherwise, that is free now; another process may
    still take it."""
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
