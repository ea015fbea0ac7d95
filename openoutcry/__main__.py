"""The ``outcry`` command whole: the pipeline's commands, bench, clock, doctor and rings beside."""

from openoutcry.bench.cli import bench
from openoutcry.bench.doctor import doctor
from openoutcry.pipeline.cli import main
from openoutcry.pipeline.clock_cli import clock
from openoutcry.pipeline.journal_cli import journal
from openoutcry.pipeline.rings_cli import rings

main.add_command(bench)
main.add_command(clock)
main.add_command(doctor)
main.add_command(journal)
main.add_command(rings)

if __name__ == "__main__":
    main(prog_name="outcry")
