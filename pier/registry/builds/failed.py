"""The end of a build that asking again would not change."""

from pier.errors import PierError


class BuildFailed(PierError):
    """The engine, the Git server or the settings say no. The message is for people: the run's note."""
