"""Rich's console, for a stream that shows colours; imported only where one does."""

from rich.console import Console


class Terminal(Console):
    """A console that leaves a reader who has gone to `main`: Rich would exit with 1, as if the command had failed."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError
