"""The commented example of a venue file."""

from pathlib import Path

EXAMPLE = Path(__file__).with_name("example.toml")
