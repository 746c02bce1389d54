import pytest

from pier.errors import InvalidArgument
from pier.events.timestamps import parse_duration, parse_timestamp, rfc3339

NOW = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("1700000000", NOW),
        ("1700000000.5", NOW + 500_000_000),
        ("1700000000.000000001", NOW + 1),
        ("10m", NOW - 600_000_000_000),
        ("1h30m", NOW - 5_400_000_000_000),
        ("1.5s", NOW - 1_500_000_000),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20.25Z", NOW + 250_000_000),
        ("2023-11-15T00:13:20+02:00", NOW),
        ("2023-11-14T22:13:20", NOW),
        ("2023-11-14T22:13", NOW - 20_000_000_000),
        ("2023-11-14", 1_699_920_000_000_000_000),
    ],
)
def test_points_in_time(text: str, expected: int) -> None:
    assert parse_timestamp(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "zzz", "1x", "2023-13-01", "2023-11-14T25:00", "m", "1h30", "9" * 30, "0001-01-01T00:00+23:59"]
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_timestamp(text, NOW)


def test_durations() -> None:
    assert parse_duration("-1ms") == -1_000_000
    assert parse_duration("1h1m1s1ms1us1ns") == 3_661_001_001_001
    with pytest.raises(InvalidArgument):
        parse_duration("")


def test_rfc3339_drops_trailing_zeros_as_go_does() -> None:
    assert rfc3339(0) == "0001-01-01T00:00:00Z"
    assert rfc3339(NOW) == "2023-11-14T22:13:20Z"
    assert rfc3339(NOW + 120_000_000) == "2023-11-14T22:13:20.12Z"
    assert rfc3339(NOW + 1) == "2023-11-14T22:13:20.000000001Z"
