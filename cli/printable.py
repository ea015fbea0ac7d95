"""Text from outside, as it is shown on a terminal."""


def printable(text: str, keep: str = "") -> str:
    """The text with each control character, and each half of a surrogate pair, as an escape: what a
    participant or a venue sends cannot speak to the terminal.  ``keep``: characters that stay."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in keep else one.encode("unicode_escape").decode()
        for one in text
    )
