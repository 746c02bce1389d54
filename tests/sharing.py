"""One run of the tests by several processes: each takes the next module that no other has taken.

    pytest -p tests.sharing --taken FOLDER tests/compat tests/system

``FOLDER`` is empty when the first of them begins. Fixtures of a module are made once, those of a session by each.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--taken", type=Path, help="the folder in which the processes of one run note what they take")


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    folder: Path | None = session.config.getoption("--taken")
    if folder is None or session.testsfailed or session.config.getoption("collectonly"):
        return None
    taking = take(session.items, folder)
    item = next(taking, None)
    while item is not None:
        following = next(taking, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True


def take(items: Sequence[pytest.Item], folder: Path) -> Iterator[pytest.Item]:
    """The tests of a module are taken when the first of them is asked for."""
    for path, module in groupby(items, key=lambda item: item.path):
        try:
            (folder / str(path).replace("/", "-")).mkdir()
        except FileExistsError:
            continue
        yield from module
