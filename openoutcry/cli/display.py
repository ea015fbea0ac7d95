"""Progress while a run is under way."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from openoutcry.pipeline.run import Sample, Watcher
from openoutcry.wire.text import printable


class Display:
    """Progress on standard error.  Never redrawn by a thread: the pipeline forks."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("[bold]{task.description:<24}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self.task = self.progress.add_task("starting", total=None, detail="")
        self.last = Sample(0.0, 0, 0, None, {}, 0)
        self.interactive = console.is_terminal

    def __enter__(self) -> "Display":
        if self.interactive:
            self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.interactive:
            self.progress.stop()

    def watcher(self) -> Watcher:
        """Return the callbacks to which a run reports its progress."""
        return Watcher(self.phase, self.compiling, self.sample, self.note)

    def note(self, text: str) -> None:
        """A line for the user, above the progress bar."""
        self.console.print(printable(text, keep="\n"), highlight=False, markup=False)

    def phase(self, text: str) -> None:
        """Show the run's present phase; without a terminal, a line."""
        if not self.interactive:
            self.note(f"{text} …")
            return
        self.progress.reset(self.task, description=text, total=None, detail="", completed=0)
        self.progress.refresh()

    def compiling(self, label: str, done: int, total: int) -> None:
        """The first run on a machine compiles for a minute or more, unless the wheel has the
        kernels; later ones load what it kept."""
        if done == total:
            return
        text = f"preparing kernels: {label}"
        if not self.interactive:
            self.note(f"{text} ({done} of {total} done) …")
            return
        self.progress.update(
            self.task,
            description="preparing kernels",
            total=total,
            completed=done,
            detail=f"{label} (compiled once on each machine: a minute or more)",
        )
        self.progress.refresh()

    def sample(self, sample: Sample) -> None:
        """Show the rate and the rings' fill; without a terminal, nothing."""
        if not self.interactive:
            return
        span = sample.t_s - self.last.t_s
        if 0 < span < 0.1 and sample.commands != sample.total:
            return
        rate = (sample.commands - self.last.commands) / span if span > 0 else 0.0
        fills = "  ".join(f"{ring} {fill:4.0%}" for ring, fill in sample.fill.items())
        dropped = f"  dropped by the system: {sample.dropped:,}" if sample.dropped else ""
        if sample.refused:
            dropped += f"  refused beyond a rate: {sample.refused:,}"
        self.progress.update(
            self.task,
            description="running",
            total=sample.total,
            completed=sample.commands,
            detail=f"{rate:>12,.0f}/s  book {sample.book_fill:4.0%}  rings: {fills}{dropped}",
        )
        self.progress.refresh()
        self.last = sample
