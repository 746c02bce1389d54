"""Lines of the log: what clients say in them stays between its quotes."""

import logging

import pytest

from pier.log import _LineFormatter


def line(value: object) -> str:
    record = logging.LogRecord("pier", logging.INFO, "", 0, "request", (), None)
    record.fields = {"agent": value}
    return _LineFormatter().format(record)


@pytest.mark.parametrize(
    "value, shown",
    [
        ("docker/26.1", "docker/26.1"),
        ("", '""'),
        ("Go http (x; y)", '"Go http (x; y)"'),
        ("größer als", '"größer als"'),
        ('a "b" \\ c', '"a \\"b\\" \\\\ c"'),
        ("a\nlevel=error", '"a\\nlevel=error"'),
        ("a\r\x1b[31mb", '"a\\r\\x1b[31mb"'),
        ("a\x85b\u2028time=now", '"a\\x85b\\u2028time=now"'),
        ("\x9b31m", '"\\x9b31m"'),
        ("\udcff", '"\\udcff"'),
    ],
)
def test_a_field(value: str, shown: str) -> None:
    assert line(value).endswith(f" level=info msg=request agent={shown}")
    assert len(line(value).splitlines()) == 1
