"""``POST /images/create`` and ``/images/NAME/push`` as clients other than docker's send them."""

import asyncio
from pathlib import Path

from pier.testing.engine import RunningEngine, running_engine
from pier.testing.faulty_registry import faulty_registry
from pier.testing.images import layer_tar

HEADERS = ("!!!", "Zm9v", "bnVsbA==", "W10=", "undefined")
"""No base64, no JSON, nothing, no object, and what JavaScript makes of nothing."""


async def test_credentials_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    async with faulty_registry() as registry:
        registry.add_image("t/app", "1", [layer_tar(file=b"x")])

        def use(engine: RunningEngine) -> None:
            for header in HEADERS:
                sent = {"X-Registry-Auth": header}
                path = f"/images/create?fromImage={registry.host}/t/app&tag=1"
                status, told = engine.request("POST", path, headers=sent)
                assert (status, "errorDetail" in str(told)) == (200, False), header
                status, told = engine.request("POST", "/images/gone/push?tag=1", headers=sent)
                assert status == 200 and "does not exist locally" in str(told)
                assert engine.request("GET", f"/distribution/{registry.host}/t/app:1/json", headers=sent)[0] == 200

        with running_engine(tmp_path) as engine:
            await asyncio.to_thread(use, engine)


async def test_tags_beside_names(tmp_path: Path) -> None:
    async with faulty_registry() as registry:
        digest = registry.add_image("t/app", "1", [layer_tar(file=b"x")])
        registry.add_image("t/app", "2", [layer_tar(file=b"y")])
        name = f"{registry.host}/t/app"

        def use(engine: RunningEngine) -> None:
            for image, tag, found in (
                (f"{name}:1", "", f"{name}:1"),
                (f"{name}:1", "2", f"{name}:2"),
                (f"{name}:2", digest, f"{name}@{digest}"),
                (f"{name}@{digest}", "2", f"{name}@{digest}"),
            ):
                assert engine.request("POST", f"/images/create?fromImage={image}&tag={tag}")[0] == 200
                assert engine.request("GET", f"/images/{found}/json")[0] == 200
                engine.request("DELETE", f"/images/{found}?force=1")
            status, told = engine.request("POST", f"/images/create?fromImage={name}&tag=sha256:12")
            assert (status, told) == (400, {"message": "invalid tag format"})

        with running_engine(tmp_path) as engine:
            await asyncio.to_thread(use, engine)
