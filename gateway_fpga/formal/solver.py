# SPDX-License-Identifier: Apache-2.0
"""Bitwuzla as the command that SymbiYosys looks for; its wheel has the library only.

SMT-LIB 2 comes from stdin a command at a time and is answered on stdout.  Bitwuzla
(https://bitwuzla.github.io) decides in seconds what took z3 minutes or never ended here: the
verdict's flags 8 to 53 s each.
"""

import sys
from pathlib import Path


def install(folder: Path) -> None:
    """A program ``bitwuzla`` in the folder, which is then put into PATH."""
    program = folder / "bitwuzla"
    program.write_text(f"#!{sys.executable}\nfrom {__name__} import main\nmain()\n")
    program.chmod(0o755)


def main() -> None:
    """Answer until stdin ends.  smtbmc asks for help first, and reads from it which options there
    are."""
    if "--help" in sys.argv:
        print("--lang")
        return
    # Only a proof needs it.
    import bitwuzla

    options = bitwuzla.Options()
    options.set(bitwuzla.Option.PRODUCE_MODELS, True)
    parser = bitwuzla.Parser(bitwuzla.TermManager(), options)
    command, depth = "", 0
    for line in sys.stdin:
        command += line
        # A comment ends the line; between bars is a name, which may have brackets.
        for text in line.split(";")[0].split("|")[::2]:
            depth += text.count("(") - text.count(")")
        if depth == 0:
            parser.parse(command, parse_only=False, parse_file=False)
            sys.stdout.flush()
            command = ""
