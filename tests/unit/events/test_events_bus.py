import asyncio
import time

import pytest

from pier.events.bus import BACKLOG, RING, Event, EventBus
from pier.events.filters import parse_filters
from pier.events.matching import matches


async def test_subscribers_hear_what_happens_after_they_subscribed() -> None:
    bus = EventBus()
    bus.publish("container", "create", "1")
    subscription = bus.subscribe()
    bus.publish("container", "start", "1", {"name": "x"})
    event = await anext(subscription)
    assert (event.type, event.action, event.attributes) == ("container", "start", {"name": "x"})


async def test_since_replays_and_until_in_the_past_ends() -> None:
    bus = EventBus()
    first = bus.publish("image", "tag", "1")
    bus.publish("image", "untag", "1")
    heard = [event.action async for event in bus.subscribe(first.time_ns, time.time_ns())]
    assert heard == ["tag", "untag"]


async def test_until_in_the_future_ends_by_itself() -> None:
    bus = EventBus()
    subscription = bus.subscribe(until_ns=time.time_ns() + 20_000_000)
    bus.publish("image", "tag", "1")
    assert [event.action async for event in subscription] == ["tag"]


async def test_the_ring_is_bounded() -> None:
    bus = EventBus()
    for number in range(RING + 5):
        bus.publish("image", "tag", str(number))
    heard = [event.actor_id async for event in bus.subscribe(0, time.time_ns())]
    assert heard[0] == "5" and len(heard) == RING


async def test_who_does_not_keep_up_is_cut_off() -> None:
    bus = EventBus()
    subscription = bus.subscribe()
    for number in range(BACKLOG + 10):
        bus.publish("image", "tag", str(number))
    assert len([event async for event in subscription]) == BACKLOG


async def test_publishing_from_a_thread_reaches_the_loop() -> None:
    bus = EventBus()
    subscription = bus.subscribe()
    await asyncio.to_thread(bus.publish, "volume", "mount", "v")
    assert (await anext(subscription)).actor_id == "v"


async def test_close_ends_all() -> None:
    bus = EventBus()
    subscription = bus.subscribe()
    bus.close()
    assert [event async for event in subscription] == []


def test_the_api_form_has_the_old_members_for_containers_and_images_only() -> None:
    event = Event("container", "die", "abc", {"image": "box", "exitCode": "0"}, 1_700_000_000_000_000_005)
    assert event.to_api() == {
        "status": "die",
        "id": "abc",
        "from": "box",
        "Type": "container",
        "Action": "die",
        "Actor": {"ID": "abc", "Attributes": {"image": "box", "exitCode": "0"}},
        "scope": "local",
        "time": 1_700_000_000,
        "timeNano": 1_700_000_000_000_000_005,
    }
    assert "status" not in Event("network", "connect", "n", {}, 1).to_api()


ATTRIBUTES = {"image": "box:1", "name": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ('{"type":["container"]}', True),
        ('{"type":["image","network"]}', False),
        ('{"event":["exec_create"]}', True),
        ('{"event":["exec_create: ls"]}', True),
        ('{"event":["exec"]}', False),
        ('{"container":["web"]}', True),
        ('{"container":["abc"]}', True),
        ('{"container":["other"]}', False),
        ('{"image":["box:1"]}', True),
        ('{"image":["box"]}', True),
        ('{"image":["bo"]}', False),
        ('{"label":["tier=front"]}', True),
        ('{"label":["tier=back"]}', False),
        ('{"volume":["v"]}', False),
        ('{"scope":["local"]}', True),
        ('{"scope":["swarm"]}', False),
    ],
)
def test_filters(filters: str, passes: bool) -> None:
    assert matches(parse_filters(filters), "container", "exec_create: ls", "abcdef", ATTRIBUTES) is passes


def test_a_network_event_is_found_by_its_container() -> None:
    wanted = parse_filters('{"container":["abc"]}')
    assert matches(wanted, "network", "connect", "n1", {"container": "abc", "name": "bridge"})
    assert not matches(wanted, "network", "connect", "n1", {"container": "xyz", "name": "bridge"})
