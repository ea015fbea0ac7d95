"""What the tests of venue file in several tiers share."""

from click.testing import CliRunner, Result

from openoutcry.cli.main import main


def outcry(*arguments: object) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])
