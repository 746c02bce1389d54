"""The command line is read as pflag reads it, errors included."""

import pytest

from pier.cli.command import Flag, HelpWanted
from pier.cli.parse import FlagError, parse_flags

FLAGS = (
    Flag("interactive", "bool", "", "i"),
    Flag("tty", "bool", "", "t"),
    Flag("rm", "bool", ""),
    Flag("publish", "list", "", "p"),
    Flag("memory", "bytes", "", "m"),
    Flag("name", "string", ""),
    Flag("label", "label", "", "l"),
    Flag("opt", "strings", ""),
    Flag("shares", "int", "", "c"),
    Flag("weight", "uint16", ""),
    Flag("network", "string", ""),
    Flag("net", "string", "", hidden=True, same_as="network"),
)


@pytest.mark.parametrize(
    ("argv", "values", "args"),
    [
        ([], {}, []),
        (["-it", "box"], {"interactive": True, "tty": True}, ["box"]),
        (["-p8080:80", "-p", "1", "-p=2"], {"publish": ["8080:80", "1", "2"]}, []),
        (["-itp80", "x"], {"interactive": True, "tty": True, "publish": ["80"]}, ["x"]),
        (["--name=a=b"], {"name": "a=b"}, []),
        (["--name", "--rm"], {"name": "--rm"}, []),
        (["--name="], {"name": ""}, []),
        (["--rm=false"], {"rm": False}, []),
        (["-i=0"], {"interactive": False}, []),
        (["--rm", "false"], {"rm": True}, ["false"]),
        (["a", "--rm", "b"], {"rm": True}, ["a", "b"]),
        (["--", "--rm", "-x"], {}, ["--rm", "-x"]),
        (["a", "--", "-x"], {}, ["a", "-x"]),
        (["-", "x"], {}, ["-", "x"]),
        (["-m", "64m", "-m1k"], {"memory": 1024}, []),
        (["-c", "-3"], {"shares": -3}, []),
        (["-c", "0x10"], {"shares": 16}, []),
        (["--opt", "a,b", "--opt", '"c,d",e'], {"opt": ["a", "b", "c,d", "e"]}, []),
        (["--net", "x"], {"network": "x"}, []),
        (["-l", "a=b", "-l", "c"], {"label": ["a=b", "c"]}, []),
    ],
)
def test_interspersed(argv: list[str], values: dict[str, object], args: list[str]) -> None:
    parsed = parse_flags(FLAGS, argv, interspersed=True)
    assert (parsed.values, parsed.args) == (values, args)


@pytest.mark.parametrize(
    ("argv", "values", "args"),
    [
        (["--rm", "box", "ls", "--rm"], {"rm": True}, ["box", "ls", "--rm"]),
        (["box", "--", "x"], {}, ["box", "--", "x"]),
        (["--", "box", "-i"], {}, ["box", "-i"]),
        (["-i", "box", "--help"], {"interactive": True}, ["box", "--help"]),
    ],
)
def test_flags_end_at_the_first_argument(argv: list[str], values: dict[str, object], args: list[str]) -> None:
    parsed = parse_flags(FLAGS, argv, interspersed=False)
    assert (parsed.values, parsed.args) == (values, args)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--foo"], "unknown flag: --foo"),
        (["--foo=1"], "unknown flag: --foo"),
        (["-Z"], "unknown shorthand flag: 'Z' in -Z"),
        (["-ixt"], "unknown shorthand flag: 'x' in -xt"),
        (["--name"], "flag needs an argument: --name"),
        (["-m"], "flag needs an argument: 'm' in -m"),
        (["-ip"], "flag needs an argument: 'p' in -p"),
        (["--=x"], "bad flag syntax: --=x"),
        (["---x"], "bad flag syntax: ---x"),
        (["-m", "x"], 'invalid argument "x" for "-m, --memory" flag: invalid size: \'x\''),
        (
            ["--rm=maybe"],
            'invalid argument "maybe" for "--rm" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (
            ["-c", "abc"],
            'invalid argument "abc" for "-c, --shares" flag: strconv.ParseInt: parsing "abc": invalid syntax',
        ),
        (
            ["-c", "9223372036854775808"],
            'invalid argument "9223372036854775808" for "-c, --shares" flag: '
            'strconv.ParseInt: parsing "9223372036854775808": value out of range',
        ),
        (
            ["--weight", "-1"],
            'invalid argument "-1" for "--weight" flag: strconv.ParseUint: parsing "-1": invalid syntax',
        ),
        (["-l", "=x"], 'invalid argument "=x" for "-l, --label" flag: invalid label \'=x\': empty name'),
    ],
)
def test_errors(argv: list[str], message: str) -> None:
    with pytest.raises(FlagError) as caught:
        parse_flags(FLAGS, argv, interspersed=True)
    assert str(caught.value) == message


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["-ih"], ["--rm", "--help", "--nonsense"]])
def test_help(argv: list[str]) -> None:
    with pytest.raises(HelpWanted):
        parse_flags(FLAGS, argv, interspersed=True)


def test_a_command_may_use_h_for_itself() -> None:
    assert parse_flags((Flag("hostname", "string", "", "h"),), ["-h", "x"], True).values == {"hostname": "x"}
