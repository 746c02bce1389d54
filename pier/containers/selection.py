"""Which containers the filters of ``ps`` let through."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, get_args

from pier.containers.container import Container, Status
from pier.containers.deps import Deps
from pier.containers.ports import parse_port
from pier.errors import InvalidArgument, NotFound
from pier.events.filters import Filters
from pier.images import lookup
from pier.oci.digest import Digest

KEYS: Final = (
    "ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name", "network",
    "publish", "since", "status", "volume",
)  # fmt: skip
_HEALTH: Final = ("none", "starting", "healthy", "unhealthy")
_STATUSES: Final[tuple[str, ...]] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Selection:
    """``wanted`` decides on one record; ``stopped``: the filters ask for containers that do not run too."""

    wanted: Callable[[Container], bool]
    stopped: bool


def select(deps: Deps, filters: Filters) -> Selection:
    """Check the filters and resolve what they name. InvalidArgument, NotFound for ``before`` and ``since``."""
    filters.require_known(KEYS)
    _check(filters)
    tests: list[Callable[[Container], bool]] = [
        lambda record: filters.prefix("id", record.id),
        lambda record: filters.pattern("name", record.name) or filters.pattern("name", f"/{record.name}"),
        lambda record: filters.match_label(record.labels),
        lambda record: filters.exact("status", record.state.status),
    ]
    tests += _by_time(deps, filters)
    if "exited" in filters:
        codes = {int(text) for text in filters.get("exited")}
        tests.append(lambda record: _has_ended(record) and record.state.exit_code in codes)
    if "ancestor" in filters:
        ancestors = _ancestors(deps, filters.get("ancestor"))
        tests.append(lambda record: record.image_id in ancestors)
    if "volume" in filters:
        tests.append(lambda record: _has_volume(record, filters.get("volume")))
    if "network" in filters:
        tests.append(lambda record: _on_network(deps, record, filters.get("network")))
    if "publish" in filters:
        published = _ports(filters, "publish")
        tests.append(lambda record: bool(published & set(_published(record))))
    if "expose" in filters:
        exposed = _ports(filters, "expose")
        tests.append(lambda record: bool(exposed & {parse_port(text) for text in record.config.exposed_ports or {}}))
    if "health" in filters:
        tests.append(lambda record: _health(record) in filters.get("health"))
    if filters.boolean("is-task", False):
        tests.append(lambda record: False)
    return Selection(lambda record: all(test(record) for test in tests), "status" in filters)


def _has_ended(record: Container) -> bool:
    return record.state.started_at > 0 and not record.state.running


def _health(record: Container) -> str:
    return record.state.health.status if record.state.health else "none"


def _check(filters: Filters) -> None:
    for value in filters.get("status"):
        if value not in _STATUSES:
            raise InvalidArgument(f"invalid filter 'status={value}'")
    for value in filters.get("exited"):
        if not value.lstrip("-").isdigit():
            raise InvalidArgument(f"invalid filter 'exited={value}'")
    for value in filters.get("health"):
        if value not in _HEALTH:
            raise InvalidArgument(f"unrecognized filter value for health: {value}")


def _by_time(deps: Deps, filters: Filters) -> Iterable[Callable[[Container], bool]]:
    if "before" in filters:
        last = min(deps.registry.find(name).record.created for name in filters.get("before"))
        yield lambda record: record.created < last
    if "since" in filters:
        first = max(deps.registry.find(name).record.created for name in filters.get("since"))
        yield lambda record: record.created > first


def _ancestors(deps: Deps, names: Iterable[str]) -> set[str]:
    """The images of those names and all that were built on them; a name that means none selects nothing."""
    found: set[str] = set()
    queue: list[Digest] = []
    for name in names:
        try:
            queue.append(lookup.resolve(deps.images, name))
        except (NotFound, InvalidArgument):
            continue
    while queue:
        image_id = queue.pop()
        if image_id not in found:
            found.add(image_id)
            queue.extend(deps.images.store.children(image_id))
    return found


def _has_volume(record: Container, wanted: Iterable[str]) -> bool:
    names = {text for mount in record.mounts for text in (mount.name, mount.destination, mount.source) if text}
    return any(text in names for text in wanted)


def _on_network(deps: Deps, record: Container, wanted: Iterable[str]) -> bool:
    for reference in wanted:
        if reference in record.networks or any(reference == each.network_id for each in record.endpoints):
            return True
        try:
            if deps.networks.find(reference).name in record.networks:
                return True
        except (NotFound, InvalidArgument):
            continue
    return False


def _published(record: Container) -> Iterable[tuple[int, str]]:
    for endpoint in record.endpoints:
        for port in endpoint.ports:
            yield port.container_port, port.protocol
            yield port.host_port, port.protocol


def _ports(filters: Filters, key: str) -> set[tuple[int, str]]:
    """The ports of a filter; a range such as ``8000-8010/udp`` stands for each in it."""
    found: set[tuple[int, str]] = set()
    for text in filters.get(key):
        numbers, slash, protocol = text.partition("/")
        first, dash, last = numbers.partition("-")
        try:
            low, tail = parse_port(first + slash + protocol)
            high = parse_port(last)[0] if dash else low
        except InvalidArgument as error:
            raise InvalidArgument(f"error while looking up for {key} {text}: {error}") from error
        found.update((number, tail) for number in range(low, high + 1))
    return found
