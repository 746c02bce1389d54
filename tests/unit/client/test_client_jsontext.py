"""JSON without the ``json`` package gives what ``json`` gives."""

import json
import subprocess
import sys

import pytest

from pier.client.jsontext import decode, encode

VALUES: list[object] = [
    None,
    True,
    -1.5,
    10**20,
    "",
    'quote " back \\ tab \t é ☃ 😀 \u0001',
    [],
    {},
    {"b": [1, {"a": None}], "a": "x"},
    [[[[]]]],
]


@pytest.mark.parametrize("value", VALUES)
def test_round_trip(value: object) -> None:
    text = encode(value)
    assert json.loads(text) == value
    assert decode(text) == value


def test_keys_keep_their_order_and_text_is_compact() -> None:
    assert encode({"b": 1, "a": [1, 2]}) == '{"b":1,"a":[1,2]}'


def test_white_space_around_is_allowed() -> None:
    assert decode(' \r\n{"a": 1}\n') == {"a": 1}


NOT_JSON = ["", "{", "{open", "nul", '{"a":}', "1 2", '{"a":1}x', "[1,]", '"open', '"\\x"', "[" * 100_000]


@pytest.mark.parametrize("text", NOT_JSON, ids=lambda text: text[:10])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        decode(text)


def test_so_it_is_where_nobody_has_loaded_the_json_package() -> None:
    program = """
import ast, sys
from pier.client.jsontext import decode
for text in ast.literal_eval(sys.stdin.read()):
    for name in [name for name in sys.modules if name.startswith("json")]:
        del sys.modules[name]
    try:
        decode(text)
    except ValueError as error:
        print(error)
"""
    told = subprocess.run([sys.executable, "-c", program], input=repr(NOT_JSON), capture_output=True, text=True)
    assert told.stderr == ""
    assert len(told.stdout.splitlines()) == len(NOT_JSON)
    assert "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)" in told.stdout


def test_values_that_are_not_json_are_refused() -> None:
    with pytest.raises(TypeError):
        encode({"a": object()})
