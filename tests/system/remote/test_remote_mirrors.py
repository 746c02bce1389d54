"""Mirrors that did not answer are left alone for a while, unless somebody has just mended the settings."""

from pier.oci.reference import Reference
from pier.remote.client import Registries
from pier.remote.settings import Settings
from pier.testing.faulty_registry import faulty_registry, say


async def first_source(registries: Registries, own: str) -> str:
    """The host that is asked first for an image of ``own``."""
    sources = registries.sources(Reference(own, "app", tag="1"), None)
    try:
        return (await anext(sources)).endpoint.host
    finally:
        await sources.aclose()


async def test_new_settings_have_mirrors_asked_again() -> None:
    async with faulty_registry() as mirror, faulty_registry() as own:
        settings = Settings(mirrors={own.host: (f"http://{mirror.host}",)})
        registries = Registries(settings)
        mirror.misbehave(".*", say(500))
        assert await first_source(registries, own.host) == own.host
        mirror.forget()
        assert await first_source(registries, own.host) == own.host
        registries.reconfigure(settings)
        assert await first_source(registries, own.host) == mirror.host
        await registries.close()
