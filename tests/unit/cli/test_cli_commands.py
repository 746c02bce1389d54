"""The tree of commands as a whole: tables, help, completion, errors before any daemon is asked, start-up."""

import subprocess
import sys
from pathlib import Path

import pytest

from pier.cli.command import Command
from pier.cli.commands.completion import candidates
from pier.cli.help import command_help
from pier.cli.main import GLOBAL_FLAGS, main
from pier.cli.reference import page
from pier.cli.tree import GROUPS, ROWS, find, load
from pier.cli.values import KINDS

ROOT = Path(__file__).resolve().parents[3]
PATHS = [name for row in ROWS for name in row[1]]


@pytest.mark.parametrize("path", PATHS)
def test_tables_are_sound(path: str) -> None:
    found, command, rest = find(path.split())
    assert (found, rest) == (path, [])
    assert isinstance(command, Command)
    names = [flag.name for flag in command.flags]
    shorts = [flag.short for flag in command.flags if flag.short]
    assert len(set(names)) == len(names)
    assert len(set(shorts)) == len(shorts)
    assert [flag.kind for flag in command.flags if flag.kind not in KINDS] == []
    assert [flag.same_as for flag in command.flags if flag.same_as and flag.same_as not in names] == []


@pytest.mark.parametrize("path", PATHS)
def test_help_shows_every_flag(path: str) -> None:
    _, command, _ = find(path.split())
    assert command is not None
    text = command_help(path, command)
    assert text.startswith(f"Usage:  pier {path}")
    assert [flag.name for flag in command.flags if not flag.hidden and f"--{flag.name}" not in text] == []


def test_names_are_unique() -> None:
    assert len(set(PATHS)) == len(PATHS)


@pytest.mark.parametrize("argv", [[], ["--help"], ["help"], *([group] for group in GROUPS), ["help", "run"]])
def test_help_is_no_error(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("Usage:")
    assert captured.err == ""


@pytest.mark.parametrize(
    ("argv", "status", "lines"),
    [
        (["foo"], 1, ["pier: unknown command: pier foo", "Run 'pier --help' for more information"]),
        (
            ["container", "foo"],
            1,
            [
                "pier: unknown command: pier container foo",
                "Usage:  pier container",
                "Run 'pier container --help' for more information",
            ],
        ),
        (
            ["run"],
            1,
            [
                "pier: 'pier run' requires at least 1 argument",
                "Usage:  pier run [OPTIONS] IMAGE [COMMAND] [ARG...]",
                "See 'pier run --help' for more information",
            ],
        ),
        (
            ["run", "--foo", "x"],
            125,
            [
                "unknown flag: --foo",
                "Usage:  pier run [OPTIONS] IMAGE [COMMAND] [ARG...]",
                "Run 'pier run --help' for more information",
            ],
        ),
        (
            ["rename", "a"],
            1,
            [
                "pier: 'pier rename' requires 2 arguments",
                "Usage:  pier rename CONTAINER NEW_NAME",
                "Run 'pier rename --help' for more information",
            ],
        ),
        (
            ["ps", "x"],
            1,
            [
                "pier: 'pier ps' accepts no arguments",
                "Usage:  pier ps [OPTIONS]",
                "Run 'pier ps --help' for more information",
            ],
        ),
        (
            ["pull"],
            1,
            [
                "pier: 'pier pull' requires 1 argument",
                "Usage:  pier pull [OPTIONS] NAME[:TAG|@DIGEST]",
                "Run 'pier pull --help' for more information",
            ],
        ),
        (
            ["port", "a", "b", "c"],
            1,
            [
                "pier: 'pier port' requires at least 1 and at most 2 arguments",
                "Usage:  pier port CONTAINER [PRIVATE_PORT[/PROTO]]",
                "Run 'pier port --help' for more information",
            ],
        ),
        (
            ["--foo"],
            125,
            [
                "unknown flag: --foo",
                "Usage:  pier [OPTIONS] COMMAND [ARG...]",
                "Run 'pier --help' for more information",
            ],
        ),
        (["cp", "a", "b"], 1, ["must specify at least one container source"]),
        (["cp", "a:b", "c:d"], 1, ["copying between containers is not supported"]),
        (["update", "x"], 1, ["you must provide one or more flags when using this command"]),
        (["run", "-d", "-a", "stdin", "x"], 1, ["conflicting options: cannot specify both --attach and --detach"]),
        (["load", "-i", "/nope"], 1, ["open /nope: no such file or directory"]),
        (["-H", "a:1", "-H", "b:2", "ps"], 1, ["Specify only one -H"]),
        (["completion", "tcsh"], 1, ["no completion for 'tcsh': there are bash, zsh and fish"]),
        (
            ["run", "NOPE"],
            125,
            [
                "pier: invalid reference format: repository name (library/NOPE) must be lowercase",
                "Run 'pier run --help' for more information",
            ],
        ),
    ],
)
def test_errors_before_any_daemon(
    argv: list[str], status: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == status
    assert [line for line in capsys.readouterr().err.splitlines() if line] == lines


def test_nobody_listens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host = f"unix://{tmp_path}/x.sock"
    assert main(["-H", host, "ps"]) == 1
    assert capsys.readouterr().err == (f"Cannot connect to the Pier daemon at {host}. Is the pier daemon running?\n")


def names(before: list[str], current: str) -> list[str]:
    return [name for name, _ in candidates(before, current, GLOBAL_FLAGS, {}) if name.startswith(current)]


def test_completion_of_commands() -> None:
    assert names([], "ru") == ["run"]
    assert "container" in names([], "c")
    assert names(["-H", "unix:///x"], "resta") == ["restart"]
    assert names(["image"], "i") == ["import", "inspect"]
    assert names([], "--ho") == ["--host"]


def test_completion_of_flags() -> None:
    assert names(["run"], "--cpus") == ["--cpus", "--cpuset-cpus", "--cpuset-mems"]
    assert names(["network", "create"], "--ipv") == ["--ipv4", "--ipv6"]


def test_completion_without_a_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIER_HOST", f"unix://{tmp_path}/x.sock")
    assert names(["stop"], "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "pier __complete" in capsys.readouterr().out


def test_run_starts_without_slow_modules() -> None:
    """Each of these costs 3 to 45 ms, which is what a whole ``run`` may cost."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pier.cli.main import main\n"
        "status = main(['-H', 'unix:///nonexistent.sock', 'run', '--rm', '-p', '80:80', '-e', 'A=1', 'box', 'true'])\n"
        "assert status == 125, status\n"
        "print(' '.join(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(ROOT)], capture_output=True, text=True, check=True
    )
    slow = {
        "re",
        "enum",
        "typing",
        "json",
        "socket",
        "signal",
        "asyncio",
        "argparse",
        "click",
        "dataclasses",
        "inspect",
    }
    assert slow & set(done.stdout.split()) == set()


def test_the_reference_page_is_current() -> None:
    """``python -m pier.cli.reference`` makes it."""
    assert (ROOT / "docs/user/commands.md").read_text() == page()


def test_every_target_loads() -> None:
    assert all(isinstance(load(row[2]), Command) for row in ROWS)
