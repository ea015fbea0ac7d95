"""The ``outcry`` command.

Exit status: 0 only when everything requested happened, 2 for a usage error, 1 for anything else.
With ``--json``, exactly one JSON document goes to standard output (`{"error": …}` on failure), and
text for people to standard error.
"""

import errno
import json
import os
from typing import Any

import click

import openoutcry
from openoutcry.cli.extras import extra_of
from openoutcry.cli.groups import SectionedGroup
from openoutcry.cli.sections import COMMANDS
from openoutcry.early import hide_secrets
from openoutcry.report.plain import plain_output
from openoutcry.wire.errors import OutcryError
from openoutcry.wire.extras import missing_program

AS_JSON = "openoutcry.json"
LIMITS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
A_LIMIT = "a limit of this user or machine (ulimit -a)"


class OutcryGroup(SectionedGroup):
    """Turns an error that a user can cause into one line and exit status 1."""

    sections = COMMANDS

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        hide_secrets(args)
        ctx.meta[AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        # What a command writes (journals, cases, exports, reports) is its user's alone.
        before = os.umask(0o077)
        try:
            with plain_output():
                return self._invoked(ctx)
        finally:
            os.umask(before)

    def _invoked(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if ctx.meta[AS_JSON]:
                click.echo(json.dumps({"error": error.format_message()}))
            raise
        except (KeyboardInterrupt, click.Abort):
            if ctx.meta[AS_JSON]:
                click.echo(json.dumps({"error": "Aborted!"}))
            raise
        except OutcryError as error:
            text = str(error)
        except ModuleNotFoundError as error:
            extra = extra_of(error.name or "")
            if extra is None:
                raise
            text = f"this command needs {error.name}: pip install 'openoutcry[{extra}]'"
        except MemoryError:
            text = f"out of memory: {A_LIMIT}"
        except OSError as error:
            # Of a path that was given; without a name it is not the user's error, except for a
            # limit.
            if error.filename is not None:
                text = missing_program(error) or f"{error.filename}: {error.strerror}"
            elif error.errno in LIMITS:
                text = f"{error.strerror}: {A_LIMIT}"
            else:
                raise
        click.echo(f"outcry: {text}", err=True)
        if ctx.meta[AS_JSON]:
            click.echo(json.dumps({"error": text}))
        ctx.exit(1)


@click.group(cls=OutcryGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(openoutcry.__version__, prog_name="outcry")
def main() -> None:
    """Open Outcry: a low-latency exchange pipeline for one Linux host.

    \b
    source -> receive -> gateway -> sequenced ring -+-> journal
                                                    +-> matcher -> event ring -> gate -> replies

    Begin with `outcry run`: it sends a million generated orders through all of it, prints the
    latency of each stage, and proves the journal by replaying it.
    """
