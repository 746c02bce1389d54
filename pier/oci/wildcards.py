"""Expressions of patterns with many wildcards, tried in time that grows with a text and not with its power (pure)."""

from collections.abc import Sequence


def joined(runs: Sequence[str], star: str, *, shortest: bool = False) -> str:
    """The expression of ``runs`` with ``star`` (``.*``) between them.

    What stands between two stars is looked for once: its first place leaves the most for what follows. Only the last
    star reaches as far as it can, or with ``shortest`` as little as it must.
    """
    if len(runs) == 1:
        return runs[0]
    middle = "".join(f"(?>{star}?{run})" for run in runs[1:-1])
    return f"{runs[0]}{middle}{star}{'?' if shortest else ''}{runs[-1]}"


def split(tokens: Sequence[str], star: str) -> list[str]:
    """The runs between those tokens that are ``star``."""
    runs: list[list[str]] = [[]]
    for token in tokens:
        if token == star:
            runs.append([])
        else:
            runs[-1].append(token)
    return ["".join(run) for run in runs]
