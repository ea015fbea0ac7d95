"""The portal's own API under ``/v1``: resources over HTTP, and a stream over a WebSocket."""
