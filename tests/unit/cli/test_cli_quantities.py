"""Sizes, CPUs and durations in Docker's notation."""

from collections.abc import Callable

import pytest

from pier.cli.options.quantities import duration, memory, memory_or_unlimited, nano_cpus


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1024", 1024),
        ("32b", 32),
        ("32B", 32),
        ("1k", 1024),
        ("64m", 64 << 20),
        ("1.5GiB", 3 << 29),
        ("1 KB", 1024),
        ("2tb", 2 << 40),
        ("1p", 1 << 50),
        (".5k", 512),
    ],
)
def test_memory(text: str, value: int) -> None:
    assert memory(text) == value


@pytest.mark.parametrize(
    ("parser", "text", "message"),
    [
        (memory, "", "invalid size: ''"),
        (memory, "x", "invalid size: 'x'"),
        (memory, "-1", "invalid size: '-1'"),
        (memory, "5zb", "invalid suffix: 'zb'"),
        (memory, "1kx", "invalid suffix: 'kx'"),
        (memory, "5bb", "invalid suffix: 'bb'"),
        (memory_or_unlimited, "-2", "invalid size: '-2'"),
        (nano_cpus, "x", "failed to parse x as a rational number"),
        (nano_cpus, "1/0", "failed to parse 1/0 as a rational number"),
        (nano_cpus, "1.0000000001", "value is too precise"),
        (nano_cpus, "1/3", "value is too precise"),
        (duration, "5", 'time: missing unit in duration "5"'),
        (duration, "5x", 'time: unknown unit "x" in duration "5x"'),
        (duration, "", 'time: invalid duration ""'),
        (duration, "s", 'time: invalid duration "s"'),
        (duration, "-", 'time: invalid duration "-"'),
    ],
)
def test_refused(parser: Callable[[str], int], text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parser(text)
    assert str(caught.value) == message


def test_unlimited() -> None:
    assert memory_or_unlimited("-1") == -1
    assert memory_or_unlimited("1k") == 1024


@pytest.mark.parametrize(
    ("text", "value"), [("1", 10**9), ("0.5", 5 * 10**8), ("1/2", 5 * 10**8), ("1e1", 10**10), ("0.000000001", 1)]
)
def test_cpus(text: str, value: int) -> None:
    assert nano_cpus(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1s", 10**9),
        ("1h30m", 5400 * 10**9),
        ("1.5s", 1500 * 10**6),
        (".5s", 500 * 10**6),
        ("2ms3us4ns", 2_003_004),
        ("-5s", -5 * 10**9),
        ("+1m", 60 * 10**9),
    ],
)
def test_durations(text: str, value: int) -> None:
    assert duration(text) == value
