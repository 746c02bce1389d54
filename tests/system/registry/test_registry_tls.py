"""The registry over TLS, with a certificate that changes under it."""

import asyncio
import base64
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from pier.oci.digest import sha256
from pier.testing.registry import free_port
from pier.testing.registrypeople import password, settle
from pier.testing.registryserver import PierRegistry, pier_registry
from tests.system.registry.waiting import eventually

LARGE = os.urandom(5 << 20)


def make_pair(folder: Path, serial: int) -> tuple[str, str]:
    """A self-signed certificate for 127.0.0.1, and its key: the same files each time."""
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3", "-set_serial", str(serial)]
    names = ["-subj", "/CN=registry", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


async def shown_by(registry: PierRegistry) -> bytes:
    """The certificate that a new connection is shown (DER)."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, _, port = registry.host.partition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    data: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return data


async def shows(registry: PierRegistry, certificate: bytes) -> None:
    async def there() -> bool:
        return await shown_by(registry) == certificate

    await eventually(there)


async def says(registry: PierRegistry, text: str) -> bool:
    return text in await asyncio.to_thread(registry.log.read_text)


def der_of(certificate: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(Path(certificate).read_text())


def spoil(path: str) -> None:
    Path(path).write_text("nonsense")


async def test_blobs_over_tls(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path, 1)
    context = ssl.create_default_context(cafile=certificate)
    async with pier_registry(tmp_path, tls_cert=certificate, tls_key=key) as registry, aiohttp.ClientSession() as http:
        where = f"https://{registry.host}/v2/team/a/blobs/"

        async def whole() -> AsyncIterator[bytes]:
            yield LARGE

        async with http.post(f"{where}uploads/?digest={sha256(LARGE)}", data=whole(), ssl=context) as answer:
            assert answer.status == 201
        async with http.get(f"{where}{sha256(LARGE)}", ssl=context) as answer:
            assert await answer.read() == LARGE
        async with http.get(f"{where}{sha256(LARGE)}", ssl=context, headers={"Range": "bytes=7-1000000"}) as answer:
            assert await answer.read() == LARGE[7:1000001]


async def test_a_new_certificate_without_a_restart(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path, 1)
    async with pier_registry(tmp_path, tls_cert=certificate, tls_key=key) as registry:
        assert await shown_by(registry) == der_of(certificate)
        make_pair(tmp_path, 2)
        second = der_of(certificate)
        registry.child.send_signal(signal.SIGHUP)
        await shows(registry, second)
        spoil(key)
        registry.child.send_signal(signal.SIGHUP)
        for _ in range(5):
            assert await shown_by(registry) == second


async def test_old_versions_of_the_protocol_are_refused(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path, 1)
    async with pier_registry(tmp_path, tls_cert=certificate, tls_key=key) as registry:
        for version, code in (("-tls1_1", 1), ("-tls1_2", 0), ("-tls1_3", 0)):
            argv = ["openssl", "s_client", "-connect", registry.host, version, "-cipher", "DEFAULT:@SECLEVEL=0"]
            done = await asyncio.to_thread(subprocess.run, argv, input=b"", capture_output=True, timeout=60)
            assert (version, done.returncode) == (version, code)


async def test_a_certificate_that_fits_no_key_is_refused_and_said(tmp_path: Path) -> None:
    certificate, key = make_pair(tmp_path, 1)
    other = tmp_path / "other"
    other.mkdir()
    async with pier_registry(tmp_path, tls_cert=certificate, tls_key=key) as registry:
        first = der_of(certificate)
        new_certificate, new_key = make_pair(other, 2)
        shutil.copyfile(new_certificate, certificate)
        registry.child.send_signal(signal.SIGHUP)
        await eventually(lambda: says(registry, "cannot load the TLS files"))
        assert await shown_by(registry) == first
        assert "Traceback" not in await asyncio.to_thread(registry.log.read_text)
        shutil.copyfile(new_key, key)
        registry.child.send_signal(signal.SIGHUP)
        await shows(registry, der_of(certificate))


async def test_with_people_and_tls_others_are_let_in(tmp_path: Path) -> None:
    """The challenge leads to the token server as the client has called us; over TLS that is https."""
    (tmp_path / "pier-registry").mkdir()
    await settle(f"sqlite://{tmp_path}/pier-registry/registry.db")
    certificate, key = make_pair(tmp_path, 1)
    context = ssl.create_default_context(cafile=certificate)
    everywhere = f"0.0.0.0:{free_port()}"
    async with pier_registry(tmp_path, listen=[everywhere], tls_cert=certificate, tls_key=key) as registry:
        here = registry.host.replace("0.0.0.0", "127.0.0.1")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http:
            async with http.get(f"https://{here}/v2/") as answer:
                assert f'realm="https://{here}/token"' in answer.headers["WWW-Authenticate"]
            given = base64.b64encode(f"bob:{password('bob')}".encode()).decode()
            async with http.get(f"https://{here}/token", headers={"Authorization": f"Basic {given}"}) as answer:
                token = (await answer.json())["token"]
            async with http.get(f"https://{here}/v2/", headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == 200
