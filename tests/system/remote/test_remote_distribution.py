"""The client against Debian's Distribution registry: open, with passwords, with a token server, with TLS."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pier.errors import DataCorrupted, NotFound, Unauthorized, Unavailable
from pier.linux import process
from pier.oci import mediatypes
from pier.oci.digest import Digest, sha256
from pier.oci.manifest import Descriptor
from pier.oci.reference import Reference, parse_reference
from pier.remote import fetch, push
from pier.remote.client import Registries
from pier.remote.login import check_login
from pier.remote.repository import Repository
from pier.remote.settings import Credentials, Settings
from pier.testing.registry import PASSWORD, USER, distribution
from pier.testing.tokens import token_server

GOOD = Credentials(USER, PASSWORD)
WRONG = Credentials(USER, "wrong")


@pytest.fixture
async def registries() -> AsyncIterator[Registries]:
    made = Registries(Settings(first_delay=0.01, attempts=2))
    yield made
    await made.close()


def _source(data: bytes, piece: int = 100_000) -> push.Source:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), piece):
            yield data[start : start + piece]

    return pieces


async def _push_manifest(repository: Repository, tag: str, config: Digest, size: int) -> Digest:
    document = (
        f'{{"schemaVersion":2,"mediaType":"{mediatypes.DOCKER_MANIFEST}","layers":[],"config":'
        f'{{"mediaType":"{mediatypes.DOCKER_CONFIG}","digest":"{config}","size":{size}}}}}'
    )
    return await push.put_manifest(repository, tag, document.encode(), mediatypes.DOCKER_MANIFEST)


def _descriptor(data: bytes) -> Descriptor:
    return Descriptor(mediatypes.DOCKER_LAYER_GZIP, sha256(data), len(data))


async def _all(repository: Repository, descriptor: Descriptor, offset: int = 0) -> bytes:
    return b"".join([piece async for piece in fetch.blob(repository, descriptor, offset)])


async def test_blobs_travel(tmp_path: Path, registries: Registries) -> None:
    data = os.urandom(3_000_000)
    async with distribution(tmp_path) as registry:
        repository = await registries.repository(parse_reference(f"{registry.host}/team/app"), push=True)
        assert not await push.exists(repository, sha256(data))
        assert await push.upload(repository, _source(data)) == (sha256(data), len(data))
        assert await push.exists(repository, sha256(data))
        assert await _all(repository, _descriptor(data)) == data
        assert await _all(repository, _descriptor(data), 2_999_000) == data[2_999_000:]


async def test_a_known_blob_is_sent_in_one_request(tmp_path: Path, registries: Registries) -> None:
    data = os.urandom(300_000)
    async with distribution(tmp_path) as registry:
        repository = await registries.repository(parse_reference(f"{registry.host}/team/app"), push=True)
        sent = await push.upload(repository, _source(data), _descriptor(data))
        assert sent == (sha256(data), len(data))
        assert await _all(repository, _descriptor(data)) == data


async def test_a_lie_about_the_digest_is_refused(tmp_path: Path, registries: Registries) -> None:
    data = b"x" * 1000
    async with distribution(tmp_path) as registry:
        repository = await registries.repository(parse_reference(f"{registry.host}/team/app"), push=True)
        lie = Descriptor(mediatypes.DOCKER_LAYER, sha256(b"other"), len(data))
        with pytest.raises(Exception, match="digest invalid: provided digest did not match uploaded content"):
            await push.upload(repository, _source(data), lie)


async def test_mounting_from_another_repository(tmp_path: Path, registries: Registries) -> None:
    data = os.urandom(1000)
    async with distribution(tmp_path) as registry:
        first = await registries.repository(parse_reference(f"{registry.host}/team/app"), push=True)
        await push.upload(first, _source(data))
        second = await registries.repository(parse_reference(f"{registry.host}/other/app"), push=True)
        assert not await push.mount(second, sha256(b"nobody has it"), "team/app")
        assert await push.mount(second, sha256(data), "team/app")
        assert await push.exists(second, sha256(data))
        assert not list(registry.storage.glob("docker/registry/v2/repositories/other/app/_uploads/*/data"))


async def test_manifests_and_tags(tmp_path: Path, registries: Registries) -> None:
    config = b"{}"
    async with distribution(tmp_path) as registry:
        reference = parse_reference(f"{registry.host}/team/app:one")
        repository = await registries.repository(reference, push=True)
        await push.upload(repository, _source(config), Descriptor("x", sha256(config), len(config)))
        digest = await _push_manifest(repository, "one", sha256(config), len(config))
        await _push_manifest(repository, "two", sha256(config), len(config))
        assert await fetch.manifest_digest(repository, reference) == digest
        found = await fetch.manifest(repository, reference)
        assert (found.digest, found.media_type) == (digest, mediatypes.DOCKER_MANIFEST)
        by_digest = await fetch.manifest(repository, reference.with_digest(digest))
        assert by_digest.data == found.data
        assert sorted(await fetch.tags(repository)) == ["one", "two"]


async def test_what_is_not_there(tmp_path: Path, registries: Registries) -> None:
    async with distribution(tmp_path) as registry:
        reference = parse_reference(f"{registry.host}/team/none:one")
        repository = await registries.repository(reference)
        assert await fetch.manifest_digest(repository, reference) is None
        with pytest.raises(NotFound) as caught:
            await fetch.manifest(repository, reference)
        assert str(caught.value) == f"manifest for {reference} not found: manifest unknown: manifest unknown"
        with pytest.raises(NotFound) as caught:
            await fetch.tags(repository)
        expected = (
            f"repository {registry.host}/team/none not found: name unknown: repository name not known to registry"
        )
        assert str(caught.value) == expected
        with pytest.raises(NotFound, match="blob unknown: blob unknown to registry"):
            await _all(repository, _descriptor(b"none"))


async def test_passwords(tmp_path: Path, registries: Registries) -> None:
    async with distribution(tmp_path, htpasswd=True) as registry:
        reference = parse_reference(f"{registry.host}/team/app:1")
        good = await registries.repository(reference, GOOD, push=True)
        await push.upload(good, _source(b"{}"))
        digest = await _push_manifest(good, "1", sha256(b"{}"), 2)
        assert (await fetch.manifest(good, reference)).digest == digest
        with pytest.raises(
            Unauthorized, match=r'^Head "http://.*/v2/team/app/manifests/1": no basic auth credentials$'
        ):
            await fetch.manifest(await registries.repository(reference), reference)
        with pytest.raises(Unauthorized, match=r"^unauthorized: authentication required$"):
            await fetch.manifest(await registries.repository(reference, WRONG), reference)


async def test_login_with_a_password(tmp_path: Path, registries: Registries) -> None:
    async with distribution(tmp_path, htpasswd=True) as registry:
        good = Credentials(USER, PASSWORD, server_address=registry.host)
        login = await check_login(registries, good)
        assert (login.status, login.identity_token) == ("Login Succeeded", "")
        with pytest.raises(Unauthorized) as caught:
            await check_login(registries, Credentials(USER, "wrong", server_address=f"http://{registry.host}/v2/"))
        expected = f"login attempt to http://{registry.host}/v2/ failed with status: 401 Unauthorized"
        assert str(caught.value) == expected


async def test_tokens(tmp_path: Path, registries: Registries) -> None:
    async with token_server(tmp_path, {USER: PASSWORD}) as tokens, distribution(tmp_path, tokens=tokens) as registry:
        reference = parse_reference(f"{registry.host}/public/app:1")
        writer = await registries.repository(reference, GOOD, push=True)
        await push.upload(writer, _source(b"{}"))
        digest = await _push_manifest(writer, "1", sha256(b"{}"), 2)
        expected = {"service": "pier-test", "scope": "repository:public/app:pull,push", "account": USER}
        assert tokens.asked == [("GET", expected)]
        anyone = await registries.repository(reference)
        assert (await fetch.manifest(anyone, reference)).digest == digest
        assert tokens.asked[1:] == [("GET", {"service": "pier-test", "scope": "repository:public/app:pull"})]
        denied = await registries.repository(reference, push=True)
        with pytest.raises(Exception, match=r"^denied: requested access to the resource is denied$"):
            await push.upload(denied, _source(b"more"))


async def test_a_private_repository_is_as_good_as_none(tmp_path: Path, registries: Registries) -> None:
    async with token_server(tmp_path, {USER: PASSWORD}) as tokens, distribution(tmp_path, tokens=tokens) as registry:
        reference = parse_reference(f"{registry.host}/private/app:1")
        with pytest.raises(NotFound) as caught:
            await fetch.manifest(await registries.repository(reference), reference)
        assert str(caught.value) == (
            f"pull access denied for {registry.host}/private/app, repository does not exist or may require "
            "'docker login': denied: requested access to the resource is denied"
        )
        with pytest.raises(Unauthorized, match=r'^Head ".*": unauthorized: incorrect username or password$'):
            await fetch.manifest(await registries.repository(reference, WRONG), reference)


async def test_a_mount_asks_for_both_repositories(tmp_path: Path, registries: Registries) -> None:
    async with token_server(tmp_path, {USER: PASSWORD}) as tokens, distribution(tmp_path, tokens=tokens) as registry:
        first = await registries.repository(parse_reference(f"{registry.host}/a/app"), GOOD, push=True)
        await push.upload(first, _source(b"layer"))
        second = await registries.repository(parse_reference(f"{registry.host}/b/app"), GOOD, push=True)
        assert await push.mount(second, sha256(b"layer"), "a/app")
        assert tokens.asked[-1][1]["scope"] == "repository:b/app:pull,push repository:a/app:pull"


async def test_login_gives_an_identity_token_that_works(tmp_path: Path, registries: Registries) -> None:
    async with token_server(tmp_path, {USER: PASSWORD}) as tokens, distribution(tmp_path, tokens=tokens) as registry:
        login = await check_login(registries, Credentials(USER, PASSWORD, server_address=registry.host))
        assert login.identity_token
        held = Credentials(identity_token=login.identity_token)
        repository = await registries.repository(parse_reference(f"{registry.host}/mine/app"), held, push=True)
        await push.upload(repository, _source(b"layer"))
        method, asked = tokens.asked[-1]
        assert (method, asked["grant_type"]) == ("POST", "refresh_token")
        with pytest.raises(Unauthorized) as caught:
            await check_login(registries, Credentials(USER, "wrong", server_address=registry.host))
        expected = f'Get "http://{registry.host}/v2/": unauthorized: incorrect username or password'
        assert str(caught.value) == expected


async def test_a_registry_token_is_sent_as_it_is(tmp_path: Path, registries: Registries) -> None:
    async with token_server(tmp_path, {USER: PASSWORD}) as tokens, distribution(tmp_path, tokens=tokens) as registry:
        reference = parse_reference(f"{registry.host}/a/app:1")
        held = Credentials(registry_token="nonsense")
        with pytest.raises(Unauthorized, match="unauthorized: "):
            await fetch.manifest(await registries.repository(reference, held), reference)
        assert tokens.asked == []


async def test_tls_on_loopback(tmp_path: Path, registries: Registries) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "crt.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=pier-test", "-days", "3"]
    made = await process.run([*argv, "-keyout", key, "-out", certificate])
    assert made.returncode == 0, made.stderr
    async with distribution(tmp_path, tls=(certificate, key)) as registry:
        repository = await registries.repository(parse_reference(f"{registry.host}/team/app"), push=True)
        assert repository.endpoint.base.scheme == "https"
        await push.upload(repository, _source(b"layer"))
        assert await push.exists(repository, sha256(b"layer"))


async def test_certificates_are_verified_and_certs_d_is_read(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "crt.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=r", "-days", "3"]
    made = await process.run([*argv, "-addext", "subjectAltName=DNS:r.test", "-keyout", key, "-out", certificate])
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "certs.d" / "r.test:9"
    folder.mkdir(parents=True)
    (folder / "broken.crt").write_text("no certificate")
    registries = Registries(Settings(certificates=str(tmp_path / "certs.d")))
    with pytest.raises(Exception, match=f"cannot use the certificates in {folder}"):
        await registries.repository(Reference("r.test:9", "app"))
    await registries.close()


async def test_nobody_listens(registries: Registries) -> None:
    with pytest.raises(Unavailable) as caught:
        await registries.repository(parse_reference("127.0.0.1:1/x"))
    assert str(caught.value) == 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'


async def test_no_such_host(registries: Registries) -> None:
    with pytest.raises(Unavailable) as caught:
        await registries.repository(parse_reference("nosuch.invalid:5000/x"))
    expected = 'Get "https://nosuch.invalid:5000/v2/": dial tcp: lookup nosuch.invalid: no such host'
    assert str(caught.value) == expected


async def test_a_manifest_by_digest_must_have_that_digest(tmp_path: Path, registries: Registries) -> None:
    async with distribution(tmp_path) as registry:
        reference = parse_reference(f"{registry.host}/team/app")
        repository = await registries.repository(reference, push=True)
        await push.upload(repository, _source(b"{}"))
        digest = await _push_manifest(repository, "1", sha256(b"{}"), 2)
        (blob,) = registry.storage.glob(f"**/{digest.removeprefix('sha256:')}/data")
        blob.write_bytes(blob.read_bytes().replace(b'"layers"', b'"lAyers"'))
        with pytest.raises((DataCorrupted, Unavailable)):
            await fetch.manifest(repository, reference.with_digest(digest))
