"""Paths, pages, ranges, callers and figures: decisions of the registry's HTTP side over plain values."""

from typing import Any

import pytest

from pier.errors import InvalidArgument
from pier.oci.digest import sha256
from pier.registry.http import conditions, pages, ranges
from pier.registry.http.caller import client_address, networks
from pier.registry.http.metrics import Metrics
from pier.registry.http.routes import Endpoint, Match, behind, match
from pier.registry.refusals import Code, Refusal

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2/", Match(Endpoint.BASE)),
        ("/v2", Match(Endpoint.BASE)),
        ("/v2/_catalog", Match(Endpoint.CATALOGUE)),
        ("/v2/a/tags/list", Match(Endpoint.TAGS, "a")),
        ("/v2/a/b/c/manifests/1.0", Match(Endpoint.MANIFEST, "a/b/c", "1.0")),
        (f"/v2/a/blobs/{D}", Match(Endpoint.BLOB, "a", D)),
        (f"/v2/a/blobs/{D.replace(':', '%3A')}", Match(Endpoint.BLOB, "a", D)),
        ("/v2/a%2Fb/manifests/x", Match(Endpoint.MANIFEST, "a/b", "x")),
        ("/v2/a/blobs/uploads/", Match(Endpoint.UPLOADS, "a")),
        ("/v2/a/blobs/uploads", Match(Endpoint.UPLOADS, "a")),
        ("/v2/a/blobs/uploads/1-2", Match(Endpoint.UPLOAD, "a", "1-2")),
        (f"/v2/a/referrers/{D}", Match(Endpoint.REFERRERS, "a", D)),
        ("/v2/manifests/manifests/manifests", Match(Endpoint.MANIFEST, "manifests", "manifests")),
        ("/v2/a/blobs/uploads/tags/list", Match(Endpoint.TAGS, "a/blobs/uploads")),
        ("/v2/../../etc/manifests/passwd", Match(Endpoint.MANIFEST, "../../etc", "passwd")),
        ("/v2/a%00b/manifests/x", Match(Endpoint.MANIFEST, "a\0b", "x")),
        ("/v2/a%0ab/manifests/x", Match(Endpoint.MANIFEST, "a\nb", "x")),
        ("/v2/a%ff/manifests/x", Match(Endpoint.MANIFEST, "a\ufffd", "x")),
        ("/v2/a/manifests/", None),
        ("/v2//manifests/", None),
        ("/v2/manifests/x", None),
        ("/v1/_ping", None),
        ("/", None),
        ("", None),
        ("/v2/a/tags", None),
    ],
)
def test_paths(path: str, expected: Match | None) -> None:
    assert match(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/hub/v2/", Match(Endpoint.BASE)),
        ("/hub/v2/library/x/manifests/1", Match(Endpoint.MANIFEST, "hub/library/x", "1")),
        (f"/a/b/v2/x/blobs/{D}", Match(Endpoint.BLOB, "a/b/x", D)),
        ("/a/v2/b/v2/x/manifests/1", Match(Endpoint.MANIFEST, "a/b/v2/x", "1")),
        ("/hub/v2/_catalog", None),
        ("/hub/v2/x/blobs/uploads/", None),
        ("/v2/v2/x/manifests/1", None),
        ("/v2/hub/v2/", None),
        ("/../v2/x/manifests/1", None),
        ("//v2/x/manifests/1", None),
        ("/hub/", None),
    ],
)
def test_a_mirror_with_a_path(path: str, expected: Match | None) -> None:
    assert behind(path) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=20-10", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=0-" + "9" * 40, (0, 100)),
        ("bytes=-" + "9" * 40, (0, 100)),
        ("bytes=" + "9" * 400 + "-", None),
    ],
)
def test_ranges_of_downloads(header: str | None, expected: Any) -> None:
    assert ranges.wanted(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=" + "9" * 40 + "-"])
def test_ranges_beyond_the_end(header: str) -> None:
    with pytest.raises(Refusal) as caught:
        ranges.wanted(header, 100)
    assert (caught.value.code, caught.value.headers["Content-Range"]) == (Code.RANGE_INVALID, "bytes */100")


@pytest.mark.parametrize(("header", "expected"), [("bytes=-5", None), ("bytes=0-1,2-3", None)])
def test_ranges_of_nothing(header: str, expected: Any) -> None:
    assert ranges.wanted(header, 0) == expected


DIGEST = sha256(b"x")
OTHER = sha256(b"y")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, False),
        ("", False),
        ("*", True),
        (" * ", True),
        (f'"{DIGEST}"', True),
        (f'W/"{DIGEST}"', True),
        (DIGEST, True),
        (f'"{OTHER}", W/"{DIGEST}"', True),
        (f'"{OTHER}",{DIGEST}', True),
        (f'"{OTHER}"', False),
        (f'"{DIGEST}0"', False),
        (f'"x{DIGEST}"', False),
        ('"*"', False),
        ('"', False),
    ],
)
def test_what_a_client_has_already(header: str | None, expected: bool) -> None:
    assert conditions.in_hand(header, DIGEST) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, True),
        (f'"{DIGEST}"', True),
        (f'W/"{DIGEST}"', False),
        (f'"{OTHER}"', False),
        (f'"{OTHER}", "{DIGEST}"', False),
        ("Sat, 21 Nov 2026 12:00:00 GMT", False),
    ],
)
def test_whether_a_part_still_fits(header: str | None, expected: bool) -> None:
    assert conditions.still(header, DIGEST) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, None), ("0-9", (0, 10)), ("bytes 5-5/10", (5, 6)), ("bytes=0-1/*", (0, 2)), (" 0-9 ", (0, 10))],
)
def test_ranges_of_uploads(header: str | None, expected: Any) -> None:
    assert ranges.offered(header) == expected


@pytest.mark.parametrize("header", ["", "9-0", "0", "-5", "a-b", "0-" + "9" * 30, "0-9; rm -rf"])
def test_ranges_of_uploads_that_are_none(header: str) -> None:
    with pytest.raises(Refusal) as caught:
        ranges.offered(header)
    assert caught.value.code is Code.RANGE_INVALID


def test_what_an_upload_has() -> None:
    assert [ranges.reached(offset) for offset in (0, 1, 10)] == ["0-0", "0-0", "0-9"]


def test_pages() -> None:
    page = pages.page_of({"n": "2", "last": "b"})
    assert (page.limit, page.after) == (3, "b")
    assert page.cut(["c", "d", "e"]) == ["c", "d"]
    assert page.link("/v2/x/tags/list", ["c", "d", "e"]) == {"Link": '</v2/x/tags/list?last=d&n=2>; rel="next"'}
    assert page.link("/v2/x/tags/list", ["c", "d"]) == {}


def test_all_and_none() -> None:
    assert pages.page_of({}).limit == 0
    assert pages.page_of({}, 100).limit == 101
    nothing = pages.page_of({"n": "0"})
    assert (nothing.nothing, nothing.cut(["a"]), nothing.link("/x", ["a"])) == (True, [], {})
    assert pages.page_of({"n": "99999999999999999999"}).size == pages.LARGEST


@pytest.mark.parametrize("text", ["-1", "ten", "1.5", "²", "0x10", " 1"])
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        pages.page_of({"n": text})
    assert caught.value.code is Code.PAGINATION_NUMBER_INVALID


def test_figures() -> None:
    metrics = Metrics()
    metrics.answered("blob", "GET", 200, 0.02, 0, 500)
    metrics.answered("blob", "GET", 200, 900.0, 0, 500)
    metrics.gauges["uploads"] = 3
    lines = metrics.text().splitlines()
    assert 'pier_registry_requests_total{endpoint="blob",method="GET",status="200"} 2' in lines
    assert 'pier_registry_request_seconds_bucket{endpoint="blob",le="0.025"} 1' in lines
    assert 'pier_registry_request_seconds_bucket{endpoint="blob",le="+Inf"} 2' in lines
    assert 'pier_registry_sent_bytes_total{endpoint="blob"} 1000' in lines
    assert "pier_registry_uploads 3" in lines
    assert all(line.startswith(("# HELP pier_registry_", "# TYPE pier_registry_", "pier_registry_")) for line in lines)


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("", "10.0.0.1"),
        ("192.0.2.7", "192.0.2.7"),
        ("203.0.113.9, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("nonsense", "nonsense"),
        ("2001:db8::1, ", "2001:db8::1"),
    ],
)
def test_clients_behind_proxies(forwarded: str, expected: str) -> None:
    """What stands before the last hop that is not ours may be made up."""
    assert client_address(forwarded, "10.0.0.1", networks(["10.0.0.0/8"])) == expected


def test_networks_that_are_none() -> None:
    with pytest.raises(InvalidArgument, match="trusted_proxies"):
        networks(["10.0.0.0/99"])
