"""Ctrl-C ends a command whatever the interpreter is at."""

import sys
from pathlib import Path

import pytest

from pier.linux.process import run_sync

ROOT = Path(__file__).parents[3]
LOST = """
import _signal, sys
from select import poll
sys.path.insert(0, sys.argv[1])
from pier.cli.main import heed

class Tidied:
    def __del__(self):
        {inside}

sys.unraisablehook = heed
Tidied()
poll().poll(60_000)
"""


@pytest.mark.parametrize(
    ("inside", "code", "said"),
    [
        ("_signal.raise_signal(_signal.SIGINT)", -2, "KeyboardInterrupt"),
        ("raise KeyboardInterrupt", -2, "KeyboardInterrupt"),
        ("_signal.alarm(1); raise ValueError('wrong')", -14, "ValueError: wrong"),
    ],
)
def test_an_interrupt_that_the_interpreter_drops_comes_again(inside: str, code: int, said: str) -> None:
    """It does, in a finalizer: it would wait for a minute."""
    done = run_sync([sys.executable, "-IS", "-c", LOST.format(inside=inside), str(ROOT)], timeout=120)
    assert (done.returncode, said in done.stderr.decode()) == (code, True), done
