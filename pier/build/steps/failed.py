"""How a RUN fails."""

from collections.abc import Sequence

from pier.errors import InvalidArgument


class StepFailed(InvalidArgument):
    """A process of the build ended with another code than 0. ``command``: its arguments."""

    def __init__(self, command: Sequence[str], exit_code: int, reason: str = "") -> None:
        said = reason or f"exit code: {exit_code}"
        super().__init__(f'process "{" ".join(command)}" did not complete successfully: {said}')
        self.command = tuple(command)
        self.exit_code = exit_code
