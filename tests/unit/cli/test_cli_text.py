"""What is printed: units, tables, rows, ports, progress, help."""

from typing import Any

import pytest

from pier.cli import progress, render
from pier.cli.command import Failure, Flag
from pier.cli.commands.ps import shown_ports
from pier.cli.commands.stats import cpu_percent, memory
from pier.cli.commands.volume import natural
from pier.cli.help import flag_lines
from pier.cli.table import align
from pier.cli.units import ago, binary_size, duration, parse_rfc3339, shorten, size


@pytest.mark.parametrize(
    ("count", "digits", "expected"),
    [
        (0, 4, "0B"),
        (999, 4, "999B"),
        (1000, 4, "1kB"),
        (1_984_230, 4, "1.984MB"),
        (1_984_230, 3, "1.98MB"),
        (24_980_000, 3, "25MB"),
        (4_430_000, 3, "4.43MB"),
        (123_456_789_012, 4, "123.5GB"),
    ],
)
def test_sizes(count: int, digits: int, expected: str) -> None:
    assert size(count, digits) == expected


def test_binary_sizes() -> None:
    assert [binary_size(count) for count in (0, 1023, 1536, 64 << 20, 25_276_743_680)] == [
        "0B",
        "1023B",
        "1.5KiB",
        "64MiB",
        "23.54GiB",
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.9, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (5400, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (14 * 86400, "2 weeks"),
        (60 * 86400, "2 months"),
        (729 * 86400, "24 months"),
        (730 * 86400, "2 years"),
    ],
)
def test_durations(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_ago() -> None:
    assert ago(100, now=220) == "2 minutes ago"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10.0),
        ("1970-01-01T00:00:10.5Z", 10.5),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-01T00:00:00.25-00:30", 1800.25),
        ("2026-11-21T03:23:14.140079133Z", 1795231394.140079133),
        ("0001-01-01T00:00:00Z", 0.0),
        ("", 0.0),
        ("nonsense", 0.0),
    ],
)
def test_time_stamps(text: str, seconds: float) -> None:
    assert parse_rfc3339(text) == pytest.approx(seconds)


def test_shorten() -> None:
    assert [shorten("abcdef", limit) for limit in (6, 5, 1)] == ["abcdef", "abcd…", "…"]


def test_tables_are_aligned_by_columns() -> None:
    assert align("A\tLONG HEADER\tC\nlonger value\tx\ty\n") == (
        "A              LONG HEADER   C\nlonger value   x             y\n"
    )


def test_a_line_without_tabs_ends_a_column() -> None:
    assert align("aaaaaaaaaaaa\tb\nplain\nc\td") == "aaaaaaaaaaaa   b\nplain\nc         d"


def test_wide_letters_count_as_one() -> None:
    assert align("é\tx\naa\ty", minimum=0) == "é    x\naa   y"


SHAPE = render.Shape(
    "*formatter.thing",
    {"ID": lambda each: each["id"], "Name": lambda each: each["name"], "Label": lambda each, key: each.get(key, "")},
    {"ID": "THING ID"},
    frozenset(("Label",)),
)
THINGS = [{"id": "1", "name": "<one>", "a.b-c": "x"}, {"id": "22", "name": "two"}]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("", "THING ID   NAME\n1          <one>\n22         two\n"),
        ("table", "THING ID   NAME\n1          <one>\n22         two\n"),
        ("table {{.Name}}\\t{{.ID}}", "NAME      THING ID\n<one>     1\ntwo       22\n"),
        ("table {{.ID}}: {{.Name | upper}}", "THING ID: NAME\n1: <ONE>\n22: TWO\n"),
        ('table {{.Label "a.b-c"}}\t{{.ID}}', "b c       THING ID\nx         1\n          22\n"),
        ("{{.ID}}\\t{{.Name}}", "1\t<one>\n22\ttwo\n"),
        ("json", '{"ID":"1","Name":"\\u003cone\\u003e"}\n{"ID":"22","Name":"two"}\n'),
        ("{{json .}}", '{"ID":"1","Name":"\\u003cone\\u003e"}\n{"ID":"22","Name":"two"}\n'),
    ],
)
def test_formats(form: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    render.show(SHAPE, THINGS, form, render.table(("ID", "Name")))
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("{{.ID", "template parsing error: template: :1: unclosed action"),
        (
            "table {{.ID}}\\t{{.Foo}}",
            'template parsing error: template: :1:10: executing "" at <.Foo>: '
            "can't evaluate field Foo in type *formatter.thing",
        ),
    ],
)
def test_bad_formats(form: str, message: str) -> None:
    with pytest.raises(Failure) as caught:
        render.show(SHAPE, THINGS, form, render.table(("ID",)))
    assert str(caught.value) == message


def test_an_unknown_column_of_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    render.show(SHAPE, [], "table {{.Foo}}", "")
    assert capsys.readouterr().out == "<no value>\n"


def port(private: int, public: int = 0, address: str = "", kind: str = "tcp") -> dict[str, Any]:
    return {"PrivatePort": private, "Type": kind} | ({"PublicPort": public, "IP": address} if public else {})


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([], ""),
        ([port(80), port(443)], "80/tcp, 443/tcp"),
        ([port(81), port(80), port(82)], "80-82/tcp"),
        ([port(80, 8080, "0.0.0.0"), port(80, 8080, "::")], "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"),
        (
            [port(number, number, "127.0.0.1", "udp") for number in (9000, 9001, 9002)] + [port(77)],
            "77/tcp, 127.0.0.1:9000-9002->9000-9002/udp",
        ),
        ([port(80, 80, "::"), port(81)], "81/tcp, [::]:80->80/tcp"),
    ],
)
def test_ports(ports: list[dict[str, Any]], expected: str) -> None:
    assert sorted(shown_ports(ports).split(", ")) == sorted(expected.split(", "))


def test_cpu_is_of_one_processor() -> None:
    sample = {
        "cpu_stats": {"cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 4},
        "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
    }
    assert cpu_percent(sample) == pytest.approx(80.0)
    assert cpu_percent({}) == 0.0


@pytest.mark.parametrize(
    ("detail", "used"),
    [({}, 100), ({"inactive_file": 30}, 70), ({"total_inactive_file": 20, "inactive_file": 30}, 80), ({"x": 1}, 100)],
)
def test_memory_is_without_the_page_cache(detail: dict[str, int], used: int) -> None:
    assert memory({"memory_stats": {"usage": 100, "limit": 1000, "stats": detail}}) == (used, 1000)


def test_names_are_sorted_as_people_count() -> None:
    assert sorted(["v10", "v2", "a", "10", "9"], key=natural) == ["9", "10", "a", "v2", "v10"]


@pytest.mark.parametrize(
    ("detail", "width", "expected"),
    [
        ({}, 200, ""),
        ({"current": 500}, 200, "    500B"),
        ({"current": 1, "units": "s"}, 200, "1 s"),
        ({"current": 500, "total": 1000}, 200, f"[{'=' * 25}>{' ' * 25}]     500B/1kB"),
        ({"current": 500, "total": 1000}, 80, "    500B/1kB"),
        ({"current": 2000, "total": 1000}, 80, "     2kB"),
        ({"current": 1, "total": 4, "units": "layers"}, 80, "1/4 layers"),
    ],
)
def test_progress_bars(detail: dict[str, Any], width: int, expected: str) -> None:
    assert progress.bar(detail, width) == expected


def test_an_error_ends_the_progress() -> None:
    messages: list[dict[str, Any]] = [{"status": "x"}, {"error": "e", "errorDetail": {"message": "no such tag"}}]
    with pytest.raises(Failure, match="no such tag"):
        progress.drain(messages)


def test_help_is_wrapped_and_sorted() -> None:
    flags = (
        Flag("zeta", "bool", "Last"),
        Flag("alpha", "list", "One two three four five six seven eight nine ten eleven twelve thirteen", "a"),
        Flag("secret", "bool", "Not shown", hidden=True),
        Flag("mode", "string", "Mode", default="x"),
        Flag("on", "bool", "On", default=True),
    )
    assert flag_lines(flags).splitlines() == [
        "  -a, --alpha list    One two three four five six seven eight nine ten eleven",
        "                      twelve thirteen",
        '      --mode string   Mode (default "x")',
        "      --on            On (default true)",
        "      --zeta          Last",
    ]
