"""What certs.d says: the folder of a registry, read again when it changes, and what is unfit in one."""

from pathlib import Path

import pytest
from yarl import URL

from pier.errors import InvalidArgument, PierError
from pier.linux import process
from pier.oci.reference import Reference
from pier.remote import tls
from pier.remote.client import Registries
from pier.remote.resolver import Endpoint, endpoints
from pier.remote.settings import Settings
from pier.testing.registry import distribution

SELF_SIGNED = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=r", "-days", "3"]
UNKNOWN = "certificate signed by unknown authority"


async def made(folder: Path, name: str, *more: str) -> None:
    """A self-signed certificate for localhost: NAME.crt and NAME.key."""
    argv = [*SELF_SIGNED, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", *more]
    told = await process.run([*argv, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"])
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize(
    "domain", ["r.example", "r.example:443", "r.example:5000", "[2001:db8::1]:5000", "[2001:db8::1]"]
)
async def test_the_folder_is_the_registrys_name(domain: str, tmp_path: Path) -> None:
    (endpoint,) = endpoints(domain, Settings())
    without = len(tls.context(endpoint, str(tmp_path / "certs.d")).get_ca_certs())
    await made(tmp_path, "own")
    folder = tmp_path / "certs.d" / domain
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes((tmp_path / "own.crt").read_bytes())
    assert len(tls.context(endpoint, str(tmp_path / "certs.d")).get_ca_certs()) == without + 1


async def test_files_that_change_where_they_are(tmp_path: Path) -> None:
    """Also while the daemon runs: a folder's own time says nothing of what is written into its files."""
    await made(tmp_path, "own")
    await made(tmp_path, "other")
    async with distribution(tmp_path, tls=(tmp_path / "own.crt", tmp_path / "own.key")) as registry:
        authority = tmp_path / "certs.d" / registry.host / "ca.crt"
        authority.parent.mkdir(parents=True)
        registries = Registries(Settings(certificates=str(tmp_path / "certs.d"), attempts=1))
        endpoint = Endpoint(URL(f"https://{registry.host}"))

        async def ask(name: str) -> None:
            authority.write_bytes((tmp_path / f"{name}.crt").read_bytes())
            (await registries.transport.send("GET", endpoint.v2, endpoint, {})).release()

        await ask("own")
        with pytest.raises(PierError, match=UNKNOWN):
            await ask("other")
        await ask("own")
        await registries.close()


@pytest.mark.parametrize(
    ("there", "error"),
    [
        (
            {"client.cert": "own.crt"},
            "missing key client.key for client certificate client.cert. CA certificates must use the extension .crt",
        ),
        ({"client.key": "own.key"}, "missing client certificate client.cert for key client.key"),
        (
            {"client.cert": "own.crt", "client.key": "other.key"},
            "cannot use the certificates in FOLDER: client.cert: private key does not match public key",
        ),
        (
            {"client.cert": "locked.crt", "client.key": "locked.key"},
            "a client certificate's key must not need a password",
        ),
        ({"ca.crt": "own.key"}, "cannot use the certificates in FOLDER: ca.crt: no certificate or crl found"),
        ({"ca.crt": "folder"}, "cannot use the certificates in FOLDER: ca.crt: is a directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
async def test_unfit_files(there: dict[str, str], error: str, tmp_path: Path) -> None:
    await made(tmp_path, "own")
    await made(tmp_path, "other")
    locked = [*SELF_SIGNED[:3], "-newkey", "rsa:2048", "-passout", "pass:secret", *SELF_SIGNED[6:]]
    told = await process.run([*locked, "-keyout", tmp_path / "locked.key", "-out", tmp_path / "locked.crt"])
    assert told.returncode == 0, told.stderr
    folder = tmp_path / "certs.d" / "r.test"
    folder.mkdir(parents=True)
    for name, source in there.items():
        if source == "folder":
            (folder / name).mkdir()
        else:
            (folder / name).write_bytes((tmp_path / source).read_bytes())
    registries = Registries(Settings(certificates=str(folder.parent)))
    with pytest.raises(InvalidArgument) as caught:
        await registries.repository(Reference("r.test", "app"))
    assert caught.value.message.replace(str(folder), "FOLDER") == error
    await registries.close()
