"""What a Dockerfile says. The error texts and results are Docker 26's, asked with the same Dockerfiles."""

import pytest

from pier.build.dockerfile import ast
from pier.build.dockerfile.fault import SyntaxFault
from pier.build.dockerfile.parse import MissingInclude, parse, parse_instruction

HERE = ast.Location("Dockerfile", 1, 1)


def read(text: str | bytes, **files: str) -> ast.Dockerfile:
    data = text if isinstance(text, bytes) else text.encode()
    return parse({"Dockerfile": data} | {name: content.encode() for name, content in files.items()}, "Dockerfile")


def only(text: str | bytes) -> ast.Instruction:
    """The one instruction after FROM."""
    data = text if isinstance(text, bytes) else text.encode()
    (stage,) = read(b"FROM busybox\n" + data).stages
    (instruction,) = stage.instructions
    return instruction


def fault(text: str | bytes, **files: str) -> SyntaxFault:
    with pytest.raises(SyntaxFault) as caught:
        read(text, **files)
    return caught.value


WHOLE_FILES = [
    ("", "the Dockerfile cannot be empty"),
    ("# only\n", "file with no instructions"),
    ("ARG X=1\n", "dockerfile contains no stages to build"),
    ("RUN x\n", "no build stage in current context"),
    ("ENV a=b\nFROM busybox\n", "no build stage in current context"),
    ("FROM\n", "dockerfile parse error on line 1: FROM requires either one or three arguments"),
    ("FROM a b\n", "dockerfile parse error on line 1: FROM requires either one or three arguments"),
    ("FROM a as\n", "dockerfile parse error on line 1: FROM requires either one or three arguments"),
    ("FROM a as b c\n", "dockerfile parse error on line 1: FROM requires either one or three arguments"),
    (
        "FROM busybox AS 9x\n",
        'dockerfile parse error on line 1: invalid name for build stage: "9x", '
        "name can't start with a number or contain symbols",
    ),
    (
        "FROM busybox AS a/b\n",
        'dockerfile parse error on line 1: invalid name for build stage: "a/b", '
        "name can't start with a number or contain symbols",
    ),
    ("FROM --platform busybox\n", "dockerfile parse error on line 1: missing a value on flag: platform"),
    ("FROM --foo=1 busybox\n", "dockerfile parse error on line 1: unknown flag: foo"),
    ("FROM --platform=a --platform=b x\n", "dockerfile parse error on line 1: duplicate flag specified: platform"),
    ("ARG\nFROM busybox\n", "dockerfile parse error on line 1: ARG requires at least one argument"),
    ("# escape=x\nFROM busybox\n", "invalid escape token 'x' does not match ` or \\"),
    ("# escape=`\n# escape=`\nFROM busybox\n", "only one escape parser directive can be used"),
]


@pytest.mark.parametrize(("text", "reason"), WHOLE_FILES)
def test_files_that_are_wrong(text: str, reason: str) -> None:
    assert fault(text).reason == reason


LINE = "dockerfile parse error on line 2: "
INSTRUCTIONS = [
    ("ARG", LINE + "ARG requires at least one argument"),
    ("ARG =x", LINE + "ARG names can not be blank"),
    ("ENV", LINE + "ENV requires at least one argument"),
    ("ENV a", "ENV must have two arguments"),
    ("ENV a=b c", 'Syntax error - can\'t find = in "c". Must be of the form: name=value'),
    ("ENV =b", LINE + "ENV names can not be blank"),
    ("LABEL a", "LABEL must have two arguments"),
    ("LABEL", LINE + "LABEL requires at least one argument"),
    ("LABEL =a", LINE + "LABEL names can not be blank"),
    *(
        (
            text,
            f"{LINE}{text.split()[0]} requires at least two arguments, but only one was provided. "
            "Destination could not be determined",
        )
        for text in ("COPY", "COPY a", 'COPY ["a"]', "COPY --from=", "ADD a", "COPY <<EOF\nfoo\nEOF")
    ),
    ("COPY --fro=x a b", LINE + "unknown flag: fro (did you mean from?)"),
    ("COPY --link=maybe a b", LINE + "expecting boolean value for flag link, not: maybe"),
    ("COPY --link= a b", LINE + "missing a value on flag: link"),
    ("ADD --from=foo a /", LINE + "unknown flag: from"),
    ("RUN --network=foo true", LINE + 'invalid network mode "foo"'),
    ("RUN --network=$x echo hi", LINE + 'invalid network mode "$x"'),
    ("RUN --security=foo true", LINE + 'security "foo" is not valid'),
    ("RUN --mount= x", LINE + "failed to parse csv mounts: EOF"),
    (
        "RUN --mount=type=bind,from=$X,target=/a x",
        LINE + "'from' doesn't support variable expansion, define alias stage instead",
    ),
    ("RUN --mount", LINE + "missing a value on flag: mount"),
    ("RUN [1]", "when using JSON array syntax, arrays must be comprised of strings only"),
    ('CMD ["a",1]', "when using JSON array syntax, arrays must be comprised of strings only"),
    ('ONBUILD RUN ["a", 1]', "when using JSON array syntax, arrays must be comprised of strings only"),
    ("RUN []", LINE + "RUN requires at least one argument"),
    ("RUN --foo", LINE + "unknown flag: foo"),
    ("RUN --foo x", LINE + "unknown flag: foo"),
    ("EXPOSE", LINE + "EXPOSE requires at least one argument"),
    ("WORKDIR", LINE + "WORKDIR requires exactly one argument"),
    ("USER", LINE + "USER requires exactly one argument"),
    ("USER\\", LINE + "USER requires exactly one argument"),
    ("VOLUME", LINE + "VOLUME requires at least one argument"),
    ('VOLUME [""]', LINE + "VOLUME specified can not be an empty string"),
    ('VOLUME [" "]', LINE + "VOLUME specified can not be an empty string"),
    ("VOLUME []", LINE + "VOLUME requires at least one argument"),
    ("STOPSIGNAL", LINE + "STOPSIGNAL requires exactly one argument"),
    ("SHELL", LINE + "SHELL requires at least one argument"),
    ("SHELL []", LINE + "SHELL requires at least one argument"),
    ("SHELL foo", LINE + "SHELL requires the arguments to be in JSON form"),
    ("MAINTAINER", LINE + "MAINTAINER requires exactly one argument"),
    ("ONBUILD", LINE + "ONBUILD requires at least one argument"),
    ("ONBUILD ONBUILD RUN x", LINE + "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
    ("ONBUILD FROM x", LINE + "FROM isn't allowed as an ONBUILD trigger"),
    ("ONBUILD MAINTAINER x", LINE + "MAINTAINER isn't allowed as an ONBUILD trigger"),
    ("ONBUILD INCLUDE x", LINE + "INCLUDE isn't allowed as an ONBUILD trigger"),
    ("ONBUILD ENV a", "ENV must have two arguments"),
    ("HEALTHCHECK", LINE + "HEALTHCHECK requires at least one argument"),
    ("HEALTHCHECK NONE x", LINE + "HEALTHCHECK NONE takes no arguments"),
    ("HEALTHCHECK CMD", LINE + "Missing command after HEALTHCHECK CMD"),
    ("HEALTHCHECK CMD []", LINE + "Missing command after HEALTHCHECK CMD"),
    ("HEALTHCHECK FOO x", LINE + 'Unknown type "FOO" in HEALTHCHECK (try CMD)'),
    ("HEALTHCHECK --interval=x CMD a", LINE + 'time: invalid duration "x"'),
    ("HEALTHCHECK --interval=1ns CMD a", LINE + 'Interval "interval" cannot be less than 1ms'),
    ("HEALTHCHECK --interval=-1s CMD a", LINE + 'Interval "interval" cannot be less than 1ms'),
    ("HEALTHCHECK --start-interval=10us CMD a", LINE + 'Interval "start-interval" cannot be less than 1ms'),
    ("HEALTHCHECK --retries=x CMD a", LINE + 'strconv.ParseInt: parsing "x": invalid syntax'),
    ("HEALTHCHECK --retries=-1 CMD a", LINE + "--retries cannot be negative (-1)"),
    ("FROM", LINE + "FROM requires either one or three arguments"),
    ("RUN <<EOF\nfoo", "unterminated heredoc"),
    ("FOO bar", LINE + "unknown instruction: FOO (did you mean FROM?)"),
    ("RNU x", LINE + "unknown instruction: RNU (did you mean RUN?)"),
    ("XYZZYPLUGH x", LINE + "unknown instruction: XYZZYPLUGH"),
    ("RUN\xa0echo hi", LINE + "unknown instruction: RUN\xa0echo"),
    ("RUN echo a\0b", LINE + "RUN has a NUL byte in its arguments"),
    ("INCLUDE", LINE + "INCLUDE requires exactly one argument, the path of a file"),
    ("INCLUDE ../x", LINE + "INCLUDE of ../x: the file must be in the context"),
]


@pytest.mark.parametrize(("text", "reason"), INSTRUCTIONS)
def test_instructions_that_are_wrong(text: str, reason: str) -> None:
    assert fault(f"FROM busybox\n{text}\n").reason == reason


def test_a_fault_shows_its_lines() -> None:
    text = 'FROM busybox\nRUN echo hi \\\n  # com\n\n  && echo "$X"\nFOO bar\n'
    assert str(fault(text)) == (
        'Dockerfile:6\n--------------------\n   4 |     \n   5 |       && echo "$X"\n   6 | >>> FOO bar\n   7 |     \n'
        "--------------------\ndockerfile parse error on line 6: unknown instruction: FOO (did you mean FROM?)"
    )


RUNS = [
    ("RUN echo a \\  \n  b", "RUN echo a   b"),
    ("RUN echo a\\\nb", "RUN echo ab"),
    ("RUN echo a \\\n   \t# c \\\n b", "RUN echo a  b"),
    ("RUN echo '# not comment' \\\n  x #y", "RUN echo '# not comment'   x #y"),
    ("RUN echo a \\\\", "RUN echo a \\\\"),
    ("RUN echo a \\", "RUN echo a"),
    ("  RUN echo indented", "RUN echo indented"),
    ("run echo low", "run echo low"),
    ("RUN echo a \\\n\n  b", "RUN echo a   b"),
    ("\\\nRUN x", "RUN x"),
    (b"RUN echo \xe9", "RUN echo \N{REPLACEMENT CHARACTER}"),
    (b"RUN echo a \\\r\n  b\r\n", "RUN echo a   b"),
    ("RUN echo " + "a" * 200_000, "RUN echo " + "a" * 200_000),
]


@pytest.mark.parametrize(("text", "joined"), RUNS)
def test_lines_are_joined(text: str | bytes, joined: str) -> None:
    run = only(text)
    assert isinstance(run, ast.Run)
    assert run.text == joined
    assert run.command == ast.Command((joined[4:],), shell=True)


def test_gaps_and_comments_are_remembered() -> None:
    run = only("# one\n#two\nRUN a \\\n\n b\n")
    assert (run.gap, run.comments, run.location) == (True, ("one", "two"), ast.Location("Dockerfile", 4, 6))


ESCAPES = [
    ("# escape=`\nFROM b\nRUN a `\n c\n", "`"),
    ("\ufeff# escape=`\r\nFROM b\r\nRUN a `\r\n c\r\n", "`"),
    ("#syntax = foo\n#  ESCAPE = `  \nFROM b\nRUN a `\n c\n", "`"),
]


@pytest.mark.parametrize(("text", "escape"), ESCAPES)
def test_the_escape_directive(text: str, escape: str) -> None:
    read_file = read(text)
    assert read_file.escape == escape
    assert read_file.stages[0].instructions[0].text == "RUN a  c"


@pytest.mark.parametrize("before", ["\n", "# foo=bar\n", "# a comment\n", "#!/bin/x\n", "# syntax=\n"])
def test_directives_end_with_the_first_other_line(before: str) -> None:
    assert read(f"{before}# escape=`\nFROM b\n").escape == "\\"


def test_directives_are_kept() -> None:
    made = read("# syntax=docker/dockerfile:1-labs\n# check=skip=all;error=true\nFROM b\n")
    assert (made.syntax, made.check) == ("docker/dockerfile:1-labs", "skip=all;error=true")


HEREDOCS = [
    ("RUN <<EOF\necho hi\nEOF", [("EOF", "echo hi\n", True)]),
    ("RUN <<-EOF\n\techo hi\n\t\techo ho\n\tEOF", [("EOF", "echo hi\necho ho\n", True)]),
    ("RUN cat <<'X' 3<<Y\nb\nX\nc\nY", [("X", "b\n", False), ("Y", "c\n", True)]),
    ("RUN cat <<EOF && echo $((1<<2)) <<-'X'\na\nEOF\nb\nX", [("EOF", "a\n", True), ("X", "b\n", False)]),
    ('RUN cat <<"E F"\na\nE F', [("E F", "a\n", False)]),
    ("RUN <<$X\necho hi\n$X", [("$X", "echo hi\n", True)]),
    ('RUN echo "<<EOF"', []),
    ("RUN echo a<<EOF", []),
    ("RUN cat <<<foo", []),
    ("RUN --mount=type=tmpfs,target=/x <<EOF\necho yes\nEOF", [("EOF", "echo yes\n", True)]),
    (b"RUN <<EOF\r\necho hi\r\nEOF", [("EOF", "echo hi\r\n", True)]),
    ("RUN <<EOF\n# kept\n\na \\\nEOF", [("EOF", "# kept\n\na \\\n", True)]),
]


@pytest.mark.parametrize(("text", "documents"), HEREDOCS)
def test_heredocs(text: str | bytes, documents: list[tuple[str, str, bool]]) -> None:
    run = only(text)
    assert isinstance(run, ast.Run)
    assert [(d.name, d.content, d.expand) for d in run.command.heredocs] == documents


def test_copy_takes_heredocs_as_sources() -> None:
    copy = only('COPY --chmod=755 <<one <<"two" x /dest/\n1\none\n2\ntwo\n')
    assert copy == ast.Copy(
        location=ast.Location("Dockerfile", 2, 6),
        text='COPY --chmod=755 <<one <<"two" x /dest/',
        sources=("<<one", '<<"two"', "x"),
        dest="/dest/",
        chmod="755",
        heredocs=(ast.Heredoc("one", "1\n"), ast.Heredoc("two", "2\n", expand=False)),
    )


def test_only_some_instructions_take_heredocs() -> None:
    assert fault("FROM busybox\nCMD <<EOF\nfoo\nEOF\n").reason == (
        "dockerfile parse error on line 3: unknown instruction: foo (did you mean from?)"
    )


def values(**fields: object) -> dict[str, object]:
    return fields


VALUES = [
    ("FROM --platform=$X a AS Name", values(image="a", platform="$X", name="name")),
    ("ARG a b=c d='e f'", values(pairs=(ast.Pair("a"), ast.Pair("b", "c"), ast.Pair("d", "'e f'")))),
    ('ENV a=b\\ c "d"=$e', values(pairs=(ast.Pair("a", "b\\ c"), ast.Pair('"d"', "$e")), legacy=False)),
    ("ENV a b c  d", values(pairs=(ast.Pair("a", "b c  d"),), legacy=True)),
    ("LABEL a=b", values(pairs=(ast.Pair("a", "b"),))),
    ('CMD ["a", "b c"]', values(command=ast.Command(("a", "b c"), shell=False))),
    ('CMD ["a"] foo', values(command=ast.Command(("a",), shell=False))),
    ('CMD ["a', values(command=ast.Command(('["a',), shell=True))),
    ("CMD", values(command=ast.Command(("",), shell=True))),
    ("ENTRYPOINT exec a", values(command=ast.Command(("exec a",), shell=True))),
    (
        "RUN --network='none' --mount=type=cache,target=\"/a b\" --mount=x=y --security=insecure -- echo",
        values(
            command=ast.Command(("echo",), shell=True),
            mounts=("type=cache,target=/a b", "x=y"),
            network="none",
            security="insecure",
        ),
    ),
    (
        "COPY --link=TRUE --from=b --parents --exclude=*.o --exclude=x --chown=1:2 a b /c",
        values(sources=("a", "b"), dest="/c", link=True, from_="b", parents=True, exclude=("*.o", "x"), chown="1:2"),
    ),
    ('COPY ["a b", "/c d"]', values(sources=("a b",), dest="/c d")),
    ('COPY ["a", "b" /', values(sources=('["a",', '"b"'), dest="/")),
    (
        "ADD --checksum=sha256:1 --keep-git-dir --unpack=false --chmod=a+x u /",
        values(checksum="sha256:1", keep_git_dir=True, unpack=False, chmod="a+x", sources=("u",), dest="/"),
    ),
    ("ADD u /", values(unpack=None, keep_git_dir=False)),
    ("WORKDIR a b", values(path="a b")),
    ("USER a b", values(user="a b")),
    ("VOLUME /a  /b", values(paths=("/a", "/b"))),
    ('VOLUME ["/a b"]', values(paths=("/a b",))),
    ("EXPOSE 80 $p/udp", values(ports=("80", "$p/udp"))),
    ('SHELL ["a", "-c"]', values(words=("a", "-c"))),
    ("STOPSIGNAL a b", values(signal="a b")),
    ("MAINTAINER a b", values(name="a b")),
    ("HEALTHCHECK none", values(command=None)),
    ("HEALTHCHECK --interval=x NONE", values(command=None, interval=0)),
    (
        "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=0 --retries=3 CMD curl a",
        values(command=ast.Command(("curl a",), shell=True), interval=90 * 10**9, timeout=1_500_000_000, retries=3),
    ),
    ('HEALTHCHECK CMD ["a"]', values(command=ast.Command(("a",), shell=False))),
    ("ONBUILD RUN echo", values(trigger="RUN echo")),
    ("ONBUILD FOO x", values(trigger="FOO x")),
    ("ONBUILD RUN <<EOF\necho hi\nEOF", values(trigger="RUN <<EOF\necho hi\nEOF")),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_values(text: str, expected: dict[str, object]) -> None:
    instruction = read(text + "\n").stages[0].start if text.startswith("FROM") else only(text + "\n")
    assert {name: getattr(instruction, name) for name in expected} == expected


def test_stages_and_global_arguments() -> None:
    made = read("ARG A=1\nFROM a AS x\nRUN 1\nFROM x\nRUN 2\nRUN 3\n")
    assert [arg.pairs for arg in made.args] == [(ast.Pair("A", "1"),)]
    assert [(stage.start.image, [i.text for i in stage.instructions]) for stage in made.stages] == [
        ("a", ["RUN 1"]),
        ("x", ["RUN 2", "RUN 3"]),
    ]


def test_includes_stand_in_the_place_of_their_instruction() -> None:
    files = {"sub/two.inc": "RUN 2\nINCLUDE three.inc", "sub/three.inc": "# nothing\nRUN 3", "end": "FROM c\nRUN 4"}
    made = read("FROM b\nRUN 1\nINCLUDE sub/two.inc\nRUN 5\nINCLUDE /end\n", **files)
    assert [(i.text, i.location.file, i.location.first) for stage in made.stages for i in stage.instructions] == [
        ("RUN 1", "Dockerfile", 2),
        ("RUN 2", "sub/two.inc", 1),
        ("RUN 3", "sub/three.inc", 2),
        ("RUN 5", "Dockerfile", 4),
        ("RUN 4", "end", 2),
    ]
    assert set(made.sources) == {"Dockerfile", *files}


def test_an_include_that_is_missing_is_asked_for() -> None:
    with pytest.raises(MissingInclude) as caught:
        read("FROM b\nINCLUDE ./sub//x\n")
    assert caught.value.path == "sub/x"
    assert caught.value.fault.reason == "dockerfile parse error on line 2: INCLUDE of sub/x: no such file"


def test_includes_that_go_round_are_refused() -> None:
    wrong = fault("FROM b\nINCLUDE a\n", a="INCLUDE b\n", b="\nINCLUDE a\n")
    assert wrong.reason == "dockerfile parse error on line 2 of b: INCLUDE of a, which includes this file"
    assert wrong.shown.startswith("b:2\n")


def test_includes_that_go_deep_are_refused() -> None:
    files = {f"f{n}": f"INCLUDE f{n + 1}\n" for n in range(100)}
    assert "too many files include each other" in fault("FROM b\nINCLUDE f0\n", **files).reason


def test_an_included_file_must_agree_on_the_escape() -> None:
    assert fault("FROM b\nINCLUDE a\n", a="# escape=`\nRUN x\n").reason == (
        "the escape directive is not that of Dockerfile"
    )


def test_a_trigger_alone() -> None:
    run = parse_instruction("RUN <<EOF\necho hi\nEOF", HERE)
    assert isinstance(run, ast.Run)
    assert run.command.heredocs == (ast.Heredoc("EOF", "echo hi\n"),)
    with pytest.raises(SyntaxFault, match="onbuild trigger should be a single expression"):
        parse_instruction("RUN a\nRUN b", HERE)
