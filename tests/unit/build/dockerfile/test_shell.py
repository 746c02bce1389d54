"""``data/shell.json`` is what Docker 26 made of ``ENV out=WORD``, or said of it."""

import json
from pathlib import Path

import pytest

from pier.build.dockerfile.shell import Expansion, ExpansionError, expand, expand_words, quoted, visible

VARIABLES = {
    "set": "value",
    "empty": "",
    "path": "/usr/local/lib.tar.gz",
    "star": "a*b",
    "q": "it's",
    "U\xe9": "uni",
}
CASES: list[tuple[str, str]] = [
    (word, result) for word, result in json.loads((Path(__file__).parent / "data" / "shell.json").read_text())
]


@pytest.mark.parametrize(("word", "result"), CASES)
def test_as_docker(word: str, result: str) -> None:
    if result.startswith("failed to process"):
        with pytest.raises(ExpansionError) as caught:
            expand(word, VARIABLES)
        assert str(caught.value) == result
    else:
        assert expand(word, VARIABLES).text == result


def test_what_was_used() -> None:
    expected = Expansion("value and x", frozenset({"set", "empty"}), frozenset({"b", "c"}))
    assert expand("$set and ${a:-$b}${a+c}${empty:-x}${c#x}", VARIABLES) == expected


OTHERS = [
    ("`$set \\$set", "`", "$set \\value"),
    ('"`"" \\d', "`", '" \\d'),
    ("a\\", "\\", "a"),
    ("", "\\", ""),
    ("'\\'", "\\", "\\"),
]


@pytest.mark.parametrize(("word", "escape", "text"), OTHERS)
def test_escapes(word: str, escape: str, text: str) -> None:
    assert expand(word, VARIABLES, escape).text == text


def test_raw_is_for_documents() -> None:
    document = "a $set \\$set \\n \\\\ 'q' \"d\" ${set:-y} it's\n"
    assert expand(document, VARIABLES, "`", raw=True).text == "a value $set n \\ 'q' \"d\" value it's\n"


WORDS = [
    ("a b", ["a", "b"]),
    ("  a\tb ", ["a", "b"]),
    ("'a b' c", ["a b", "c"]),
    ("a\\ b c", ["a b", "c"]),
    ("$two", ["x", "y"]),
    ('"$two" z$two', ["x y", "zx", "y"]),
    ("''", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_words(text: str, words: list[str]) -> None:
    assert expand_words(text, {"two": "x y"}) == words


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ExpansionError, match="nested too deeply"):
        expand("${a:-" * 5000 + "}" * 5000, {})


def test_quoting() -> None:
    assert quoted('a"\\\n\x01\xa0\xe9') == '"a\\"\\\\\\n\\x01\\u00a0\xe9"'


SHOWN = [
    ("RUN printf '<%s>' \"$set\"", "RUN printf '<%s>' \"value\""),
    ("RUN echo $0 $((1<<2)) ${unset:-x} ${unset?}", "RUN echo $0 $((1<<2)) ${unset:-x} ${unset?}"),
    ("RUN echo a \\\\", "RUN echo a \\"),
    ("RUN cat <<E\\ F", "RUN cat <<E F"),
    ("RUN ${set", "RUN ${set"),
    (r"""RUN printf 'a\n$set' \$set "q\n$set" a\b""", r"""RUN printf 'a\n$set' $set "q\nvalue" ab"""),
    ("RUN it's $set", "RUN it's $set"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_what_steps_are_called(text: str, shown: str) -> None:
    assert visible(text, VARIABLES) == shown
