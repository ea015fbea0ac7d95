"""How many bytes of datagrams the system keeps for a socket that is not read yet."""

import socket


def widen_receive_queue(udp: socket.socket, size_bytes: int) -> int:
    """Ask for a receive queue of ``size_bytes``; returns what the operating system granted."""
    force = getattr(socket, "SO_RCVBUFFORCE", 33)  # passes the system's limit; a privilege
    try:
        udp.setsockopt(socket.SOL_SOCKET, force, size_bytes)
    except PermissionError:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size_bytes)
    return udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
