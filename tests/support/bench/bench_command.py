"""`outcry bench` in this process, for what ends before anything is measured."""

from click.testing import CliRunner, Result

from openoutcry.cli.bench import bench


def bench_here(*arguments: str) -> Result:
    """How the command ends: usage errors as status 2, errors of ours as ``exception``."""
    return CliRunner().invoke(bench, arguments, prog_name="outcry bench")
