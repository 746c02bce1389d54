"""JSON without the ``json`` package gives what ``json`` gives."""

import json

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


@pytest.mark.parametrize("text", ["", "{", "nul", '{"a":}', "1 2", '{"a":1}x', "[1,]", '"open'])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        decode(text)


def test_values_that_are_not_json_are_refused() -> None:
    with pytest.raises(TypeError):
        encode({"a": object()})
