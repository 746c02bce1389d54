"""Error kinds to HTTP statuses."""

import inspect

import pytest

from pier import errors
from pier.api.status import status_of

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.PierError) and kind is not errors.PierError
]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.InvalidArgument, 400),
        (errors.Unauthorized, 401),
        (errors.Forbidden, 403),
        (errors.NotFound, 404),
        (errors.Conflict, 409),
        (errors.NotModified, 304),
        (errors.Unsupported, 501),
        (errors.Unavailable, 503),
    ],
)
def test_statuses_are_dockers(kind: type[errors.PierError], status: int) -> None:
    assert status_of(kind("text")) == status


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_status(kind: type[errors.PierError]) -> None:
    assert 300 <= status_of(kind("text")) < 600


def test_a_kinds_subclass_has_its_status() -> None:
    class Narrower(errors.NotFound):
        pass

    assert status_of(Narrower("text")) == 404
