"""Read Verilog strictly, with slang: print every error and warning.

python strict_reader.py FOLDER
"""

import sys
from pathlib import Path

from pyslang import driver


def main(folder: Path) -> None:
    """Read the modules of a folder, each below the one that instantiates it."""
    files = " ".join(str(file) for file in sorted(folder.glob("*.v")))
    reader = driver.Driver()
    reader.addStandardArgs()
    assert reader.parseCommandLine(f"slang -Weverything --single-unit -I {folder} {files}")
    assert reader.processOptions()
    assert reader.parseAllSources()
    reader.reportCompilation(reader.createCompilation(), True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
