"""Registries through a proxy: one whose name nobody but the proxy knows."""

from pathlib import Path

import pytest

from pier.errors import PierError
from pier.oci import mediatypes
from pier.oci.digest import sha256
from pier.oci.manifest import Descriptor
from pier.oci.reference import parse_reference
from pier.remote import fetch, push
from pier.remote.client import Registries
from pier.remote.settings import Settings
from pier.testing.images import pieces
from pier.testing.registry import distribution
from tests.compat.sites import Site, certificate, proxy

NAME = "registry.nobody-knows:443"


async def test_through_a_tunnel(tmp_path: Path) -> None:
    both = certificate(tmp_path, NAME.partition(":")[0])
    trusted = tmp_path / "certs.d" / NAME
    trusted.mkdir(parents=True)
    (trusted / "ca.crt").write_bytes((tmp_path / "crt").read_bytes())
    async with distribution(tmp_path, tls=(both, both)) as registry:
        server = Site(f"https://{registry.host}", [])
        with proxy(server, server) as between:
            environment = {"HTTPS_PROXY": between.url.replace("://", "://me:secret@")}
            registries = Registries(Settings(environment=environment, certificates=str(trusted.parent), attempts=2))
            try:
                repository = await registries.repository(parse_reference(f"{NAME}/t/app:1"), push=True)
                data = b"x" * 200_000
                digest, size = await push.upload(repository, lambda: pieces(data))
                described = Descriptor(mediatypes.OCI_LAYER, digest, size)
                assert b"".join([piece async for piece in fetch.blob(repository, described)]) == data
            finally:
                await registries.close()
            assert set(between.asked) == {f"CONNECT {NAME}"}
    assert digest == sha256(data)


async def test_without_it_nobody_is_found(tmp_path: Path) -> None:
    registries = Registries(Settings(environment={}, attempts=1))
    try:
        with pytest.raises(PierError, match=r"lookup registry.nobody-knows: no such host"):
            await registries.repository(parse_reference(f"{NAME}/t/app:1"))
    finally:
        await registries.close()
