"""Telling requests that take their connection over from others, however they arrive."""

import pytest

from pier.api.server import UPGRADE, as_ordinary, takeover_length

ATTACH = b"POST /v1.50/containers/x/attach?stream=1 HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n"
START = b"POST /exec/x/start HTTP/1.1\r\nHost: d\r\ncontent-length: 4\r\n\r\nbody"


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (ATTACH, len(ATTACH)),
        (ATTACH + b"early", len(ATTACH)),
        (START, len(START)),
        (START + b"early", len(START)),
        (START[:-1], None),
        (ATTACH[:-1], None),
        (ATTACH[:30], None),
        (b"PO", None),
        (b"", None),
        (b"GET /containers/x/attach HTTP/1.1\r\n\r\n", 0),
        (b"POST /containers/x/start HTTP/1.1\r\n", 0),
        (b"POST /containers/create?name=/attach HTTP/1.1\r\n\r\n", 0),
        (b"POST \r\n\r\n", 0),
        (b"\x16\x03\x01", 0),
    ],
)
def test_only_attach_and_exec_start_take_over(data: bytes, length: int | None) -> None:
    assert takeover_length(data) == length


def test_the_wish_for_an_upgrade_moves_into_a_header_of_our_own() -> None:
    forged = ATTACH.replace(b"Host: d", b"Host: d\r\n" + UPGRADE.encode() + b": forged")
    assert as_ordinary(forged) == (
        b"POST /v1.50/containers/x/attach?stream=1 HTTP/1.1\r\nHost: d\r\nX-Pier-Upgrade: tcp\r\n\r\n"
    )
    assert b"X-Pier-Upgrade: none" in as_ordinary(START)
