"""What the tests of console screen api in several tiers share."""


def until(client, true):
    """Once it is so."""
    client.look("/api/hello", lambda _: true())
