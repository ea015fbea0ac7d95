"""The ``outcry`` command whole: the pipeline's commands, and the bench's beside them."""

from openoutcry.bench.cli import bench
from openoutcry.pipeline.cli import main

main.add_command(bench)

if __name__ == "__main__":
    main(prog_name="outcry")
