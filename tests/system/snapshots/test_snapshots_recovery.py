"""Killed at every named point: the next start finishes or undoes it, and nothing is left over."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pier.log import set_tracer
from pier.snapshots.overlay import OverlaySnapshotter
from pier.testing.snapshots import make_layer

Reopen = Callable[[], OverlaySnapshotter]


def killed_at(point: str, reopen: Reopen, work: Callable[[OverlaySnapshotter], object]) -> bool:
    """Do ``work`` in a child that kills itself when it comes to ``point``; whether it came there."""
    child = os.fork()
    if child == 0:
        try:
            set_tracer(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == point else None)
            work(reopen())
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def names(root: Path) -> list[str]:
    return sorted(name for name in os.listdir(root / "overlay2") if name not in ("l", ".new", ".trash"))


@pytest.mark.parametrize("point", ["layer:placed", "layer:begun", "layer:unpacked"])
def test_a_layer_that_was_not_recorded_is_undone(point: str, root: Path, reopen: Reopen) -> None:
    assert killed_at(point, reopen, lambda snapshots: make_layer(snapshots, None, {"a": "1"}))
    again = reopen()
    assert (again.layers(), again.verify(), names(root)) == ({}, [], [])
    assert os.listdir(root / "overlay2/l") == os.listdir(root / "overlay2/.new") == []
    assert make_layer(again, None, {"a": "1"}).size == 1
    again.close()
    assert os.listdir(root / "overlay2/.trash") == []


def test_a_recorded_layer_is_kept(root: Path, reopen: Reopen) -> None:
    assert killed_at("layer:recorded", reopen, lambda snapshots: make_layer(snapshots, None, {"a": "1"}))
    again = reopen()
    assert len(again.layers()) == 1
    assert again.verify() == []


@pytest.mark.parametrize("point", ["layer:removing", "layer:unrecorded"])
def test_a_removal_is_finished(point: str, root: Path, reopen: Reopen) -> None:
    layer = make_layer(reopen(), None, {"a": "1"})
    assert killed_at(point, reopen, lambda snapshots: snapshots.remove_layer(layer.chain_id))
    again = reopen()
    assert (again.layers(), again.verify(), names(root)) == ({}, [], [])


@pytest.mark.parametrize("point", ["init:begun", "rw:begun", "rw:made"])
def test_a_snapshot_that_was_not_recorded_is_undone(point: str, root: Path, reopen: Reopen) -> None:
    layer = make_layer(reopen(), None, {"a": "1"})
    assert killed_at(point, reopen, lambda snapshots: snapshots.create_rw("c1", layer.chain_id))
    again = reopen()
    assert (again.rw_snapshots(), again.verify()) == ({}, [])
    again.create_rw("c1", layer.chain_id)
    again.remove_rw("c1")
    again.remove_layer(layer.chain_id)
    assert names(root) == []


@pytest.mark.parametrize("point", ["rw:removing", "rw:unrecorded"])
def test_the_removal_of_a_snapshot_is_finished(point: str, root: Path, reopen: Reopen) -> None:
    first = reopen()
    layer = make_layer(first, None, {"a": "1"})
    first.create_rw("c1", layer.chain_id)
    assert killed_at(point, reopen, lambda snapshots: snapshots.remove_rw("c1"))
    again = reopen()
    assert (again.rw_snapshots(), again.verify()) == ({}, [])
    again.remove_layer(layer.chain_id)
    assert names(root) == []


def test_recovery_may_be_killed_too(root: Path, reopen: Reopen) -> None:
    layer = make_layer(reopen(), None, {"a": "1"})
    assert killed_at("layer:removing", reopen, lambda snapshots: snapshots.remove_layer(layer.chain_id))
    assert killed_at("layer:unrecorded", reopen, lambda _: None)
    again = reopen()
    assert (again.layers(), again.verify(), names(root)) == ({}, [], [])
