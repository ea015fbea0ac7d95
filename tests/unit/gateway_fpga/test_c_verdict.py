"""The verdict in C, compiled, against the golden model on a million random orders."""

from openoutcry.gateway_fpga import c_verdict


def test_the_header_is_the_generated_one() -> None:
    """Nobody edited it, and nobody forgot to generate it."""
    assert c_verdict.PATH.read_text() == c_verdict.c_verdict(), (
        "run python -m openoutcry.gateway_fpga.c_verdict"
    )
