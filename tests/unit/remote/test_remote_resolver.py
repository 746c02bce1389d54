"""Which URLs stand for a registry, and which proxy leads there."""

import pytest
from yarl import URL

from pier.errors import InvalidArgument, PierError
from pier.remote.login import server_host
from pier.remote.proxies import proxy_for
from pier.remote.resolver import endpoints, mirrors
from pier.remote.settings import Credentials, Settings


@pytest.mark.parametrize(
    ("domain", "insecure", "expected"),
    [
        ("docker.io", (), ["https://registry-1.docker.io"]),
        ("index.docker.io", (), ["https://registry-1.docker.io"]),
        ("example.org", (), ["https://example.org"]),
        ("example.org:5000", (), ["https://example.org:5000"]),
        ("example.org:5000", ("example.org:5000",), ["https://example.org:5000", "http://example.org:5000"]),
        ("example.org:5001", ("example.org:5000",), ["https://example.org:5001"]),
        ("10.1.2.3:5000", ("10.0.0.0/8",), ["https://10.1.2.3:5000", "http://10.1.2.3:5000"]),
        ("10.1.2.3:5000", (), ["https://10.1.2.3:5000"]),
        ("localhost:5000", (), ["https://localhost:5000", "http://localhost:5000"]),
        ("127.9.9.9", (), ["https://127.9.9.9", "http://127.9.9.9"]),
        ("[::1]:5000", (), ["https://[::1]:5000", "http://[::1]:5000"]),
    ],
)
def test_endpoints(domain: str, insecure: tuple[str, ...], expected: list[str]) -> None:
    found = endpoints(domain, Settings(insecure=insecure))
    assert [str(endpoint.base).rstrip("/") for endpoint in found] == expected
    assert all(endpoint.verify for endpoint in found) == (len(found) == 1)


def test_v2_url() -> None:
    (endpoint,) = endpoints("example.org:5000", Settings())
    assert str(endpoint.v2) == "https://example.org:5000/v2/"
    assert endpoint.owns(URL("https://example.org:5000/anything"))
    assert not endpoint.owns(URL("http://example.org:5000/v2/"))
    assert not endpoint.owns(URL("https://example.org/v2/"))
    (endpoint,) = endpoints("example.org:443", Settings())
    assert endpoint.owns(URL("https://example.org/v2/")), "so a Location may have it"
    assert not endpoint.owns(URL("http://example.org:443/v2/"))
    assert not endpoint.owns(URL("https://other.org/v2/"))


@pytest.mark.parametrize("domain", ["example.org", "example.org:443", "example.org:5000", "[2001:db8::1]", "[::1]:443"])
def test_hosts_are_as_they_were_written(domain: str) -> None:
    """They name folders of certificates."""
    assert endpoints(domain, Settings())[0].host == domain
    (mirror,) = mirrors("r", Settings(mirrors={"r": (f"https://me:it@{domain}/path",)}))
    assert mirror.host == domain
    assert not mirrors("r", Settings(insecure=(domain,), mirrors={"r": (f"https://{domain}",)}))[0].verify


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("", "docker.io"),
        ("https://index.docker.io/v1/", "index.docker.io"),
        ("r.example", "r.example"),
        ("https://r.example/v2/", "r.example"),
        ("[::1]:5000", "[::1]:5000"),
        ("http://me@[::1]:5000/v2/", "[::1]:5000"),
    ],
)
def test_where_a_login_goes(address: str, host: str) -> None:
    assert server_host(address) == host


@pytest.mark.parametrize("address", ["http://[bad", "https://host:port/", "host:99999"])
def test_where_no_login_goes(address: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^unable to parse server address: "):
        server_host(address)


def test_mirrors() -> None:
    settings = Settings(
        insecure=("inside:5000",),
        mirrors={"docker.io": ("https://one", "http://inside:5000"), "ghcr.io": ("https://me:it@two:8443/a/b/",)},
    )
    hub = mirrors("registry-1.docker.io", settings)
    assert [(str(each.base), each.verify, each.prefix) for each in hub] == [
        ("https://one", True, ""),
        ("http://inside:5000", False, ""),
    ]
    (two,) = mirrors("ghcr.io", settings)
    assert (str(two.base), two.prefix, two.credentials) == ("https://two:8443", "a/b", Credentials("me", "it"))
    assert mirrors("quay.io", settings) == []


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("https://r.example/v2/", {"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://r.example/v2/", {"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        ("http://r.example/v2/", {"HTTPS_PROXY": "http://proxy:3128"}, None),
        ("https://127.0.0.1:5000/v2/", {"HTTPS_PROXY": "http://proxy:3128"}, None),
        ("https://localhost/v2/", {"HTTPS_PROXY": "http://proxy:3128"}, None),
        ("https://r.example/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "other,.example"}, None),
        ("https://r.example/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "ample"}, "http://proxy:1"),
        ("https://10.1.1.1/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "10.0.0.0/8"}, None),
        ("https://r.example:5/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "r.example:6"}, "http://proxy:1"),
        ("https://r.example/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "*"}, None),
        ("https://r.example/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "R.Example"}, None),
        ("https://r.example/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": ".r.example"}, "http://proxy:1"),
        ("https://a.r.example/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "*.r.example"}, None),
        ("https://10.1.1.1:5/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "10.1.1.1:5"}, None),
        ("https://10.1.1.1:5/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "10.1.1.1:6"}, "http://proxy:1"),
        ("https://[2001:db8::1]:5/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "2001:db8::1"}, None),
        ("https://[2001:db8::1]:5/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "[2001:db8::1]:5"}, None),
        (
            "https://[2001:db8::1]:5/",
            {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "[2001:db8::1]:6"},
            "http://proxy:1",
        ),
        ("https://[2001:db8::1]/", {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "2001:db8::/32"}, None),
    ],
)
def test_proxy(url: str, environment: dict[str, str], expected: str | None) -> None:
    found = proxy_for(URL(url), environment)
    assert (str(found).rstrip("/") if found else None) == expected


@pytest.mark.parametrize(
    ("proxy", "error"),
    [
        ("http://me:secret@[bad", "invalid proxy address: HTTPS_PROXY is no URL"),
        ("http://me:secret@proxy:x", "invalid proxy address: HTTPS_PROXY is no URL"),
        ("http://", "invalid proxy address: HTTPS_PROXY names no host"),
        ("socks5://me:secret@proxy", "unsupported proxy: HTTPS_PROXY is of the scheme socks5, not http or https"),
    ],
)
def test_proxies_that_are_none(proxy: str, error: str) -> None:
    with pytest.raises(PierError) as caught:
        proxy_for(URL("https://r.example/"), {"https_proxy": proxy})
    assert str(caught.value) == error
    assert proxy_for(URL("https://localhost/"), {"https_proxy": proxy}) is None
