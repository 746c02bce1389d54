"""One request's leave to trust one registry."""

from pier.remote.client import Registries
from pier.remote.insecure import trusting
from pier.remote.resolver import endpoints
from pier.remote.settings import Settings


async def test_one_host_is_trusted_and_nothing_else_changes() -> None:
    registries = Registries(Settings(insecure=("old:5000",)))
    try:
        view = trusting(registries, "r.example.com:5000")
        tried = [(str(each.base), each.verify) for each in endpoints("r.example.com:5000", view.settings)]
        assert tried == [("https://r.example.com:5000", False), ("http://r.example.com:5000", False)]
        assert len(endpoints("old:5000", view.settings)) == 2
        assert [each.verify for each in endpoints("other.example.com", view.settings)] == [True]
        assert [each.verify for each in endpoints("r.example.com:5000", registries.settings)] == [True]
        assert view.transport is registries.transport and view.downloads is registries.downloads
    finally:
        await registries.close()
