"""Passwords in the addresses of databases and storages: who looks at the processes does not see them."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from pier.linux import process
from pier.oci.digest import sha256
from pier.testing.postgres import postgres
from pier.testing.registry import free_port, running
from pier.testing.swift import KEY, swift

PIER = str(Path(__file__).resolve().parents[3] / "bin" / "pier")
SECRET = "S3cr3t-of-the-database"
WARNED = "WARNING! Using --{} with a password via the CLI is insecure. Use PIER_REGISTRY_{} or the settings file."


async def test_a_server_that_was_given_passwords_as_flags(tmp_path: Path) -> None:
    log, host = tmp_path / "log", f"127.0.0.1:{free_port()}"
    with postgres() as server:
        database = f"{server.url}&password={SECRET}"
        async with swift(tmp_path) as s3:
            argv = [PIER, "registry", "serve", "--root", str(tmp_path / "root"), "--listen", host]
            argv += ["--database", database, f"--storage={s3.url('blobs')}"]
            async with (
                running(argv, b"msg=ready", log) as child,
                aiohttp.ClientSession(f"http://{host}") as http,
            ):
                shown = await asyncio.to_thread(Path(f"/proc/{child.pid}/cmdline").read_text)
                assert "pier.daemon.registry" in shown and host in shown
                assert SECRET not in shown and KEY not in shown
                async with http.post(f"/v2/a/b/blobs/uploads/?digest={sha256(b'x')}", data=b"x") as answer:
                    assert answer.status == 201
            admin = await process.run([PIER, "registry", "user", "ls", "--database", database])
            assert admin.returncode == 0 and b"NAME" in admin.stdout
    said = await asyncio.to_thread(log.read_text)
    for flag in ("database", "storage"):
        assert WARNED.format(flag, flag.upper()) in said
    assert SECRET not in said and f"={KEY}" not in said
    assert WARNED.format("database", "DATABASE") in admin.stderr.decode()


@pytest.mark.parametrize("flags", [["--database", "sqlite://{}/registry.db"], ["--storage", "file://{}/blobs"]])
async def test_nothing_is_said_of_addresses_without(flags: list[str], tmp_path: Path) -> None:
    log, host = tmp_path / "log", f"127.0.0.1:{free_port()}"
    words = [word.format(tmp_path) for word in flags]
    argv = [PIER, "registry", "serve", "--root", str(tmp_path / "root"), "--listen", host, *words]
    async with running(argv, b"msg=ready", log):
        pass
    assert "WARNING" not in await asyncio.to_thread(log.read_text)
    assert await asyncio.to_thread((tmp_path / Path(words[1]).name).exists)
