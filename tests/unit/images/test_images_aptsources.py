"""From what apt says on the host to the sources and settings of an image."""

import pytest

from pier.images.aptsources import (
    Source,
    carried_options,
    extra_authorities,
    for_suite,
    host_sources,
    host_suite,
    loopback_proxies,
)

TARGETS = """\
http://mirror.example/debian/\tbookworm\tmain\tDebian\tbookworm
http://mirror.example/debian/\tbookworm\tcontrib\tDebian\tbookworm
http://mirror.example/debian/\tbookworm-updates\tmain\tDebian\tbookworm-updates
http://mirror.example/debian-security/\tbookworm-security\tmain\tDebian\tbookworm-security
https://packages.example/apt/\tbookworm\tstable\tSomebody\tbookworm
https://other.example/apt/\tnodistro\tmain\tOther\tnodistro
"""


def test_the_host_s_archives() -> None:
    sources = host_sources(TARGETS, "Debian")
    assert [source.line() for source in sources] == [
        "deb http://mirror.example/debian/ bookworm main contrib",
        "deb http://mirror.example/debian/ bookworm-updates main",
        "deb http://mirror.example/debian-security/ bookworm-security main",
    ]
    assert host_suite(sources) == "bookworm"
    assert host_sources(TARGETS, "Ubuntu") == []
    assert host_suite([]) == ""


@pytest.mark.parametrize("origin", ["", "$(ORIGIN)"])
def test_archives_that_were_never_updated(origin: str) -> None:
    targets = f"http://m/debian/\ttrixie\tmain\t{origin}\t\nhttp://x/\ttrixie\tstable\t{origin}\t\n"
    assert host_sources(targets, "Debian") == [Source("http://m/debian/", "trixie", ("main",))]


def test_another_suite() -> None:
    sources = host_sources(TARGETS, "Debian")
    assert [source.release for source in for_suite(sources, "trixie")] == [
        "trixie",
        "trixie-updates",
        "trixie-security",
    ]
    assert [source.release for source in for_suite(sources, "sid")] == ["sid"]


CONFIGURATION = """\
Acquire "";
Acquire::http "";
Acquire::http::Proxy "http://cache.example:3142";
Acquire::http::Proxy::mirror.example "DIRECT";
Acquire::https::Proxy "http://127.0.0.1:3142/";
Acquire::https::Verify-Peer "true";
Acquire::Check-Valid-Until "false";
Acquire::Languages:: "none";
Acquire::Changelogs::URI::Origin::Debian "https://m/";
Acquire::IndexTargets::deb::Packages::MetaKey "x";
"""


def test_settings_that_an_image_needs() -> None:
    assert carried_options(CONFIGURATION) == [
        'Acquire::http::Proxy "http://cache.example:3142";',
        'Acquire::http::Proxy::mirror.example "DIRECT";',
        'Acquire::https::Verify-Peer "true";',
        'Acquire::Check-Valid-Until "false";',
        'Acquire::Languages:: "none";',
    ]
    assert loopback_proxies(CONFIGURATION) == {"https_proxy": "http://127.0.0.1:3142/"}


def test_authorities_of_the_site() -> None:
    def pem(body: str) -> str:
        return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"

    bundle = "\n".join(["# comment", pem("AAA\nBBB"), pem("CCC"), pem("CCC")])
    assert extra_authorities(bundle, [pem("AAABBB")]) == [pem("CCC")]
