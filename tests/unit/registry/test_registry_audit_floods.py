"""Which refusals the audit log tells at once, and how the others are summed up."""

from typing import Any

from pier.registry.access.floods import OTHERS, Floods


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def refusal(repository: str = "team/a", who: str = "eve", address: str = "192.0.2.1", **more: Any) -> dict[str, Any]:
    return {"event": "pull", "who": who, "address": address, "result": "DENIED", "repository": repository, **more}


def test_the_first_is_told_and_the_others_of_a_minute_are_counted() -> None:
    clock = Clock()
    floods = Floods(clock)
    assert [floods.is_new(refusal(tag=str(number))) for number in range(1000)] == [True] + [False] * 999
    clock.now += 59
    assert floods.over() == []
    clock.now += 1
    assert floods.over() == [refusal(tag="0", times=999)]
    assert floods.over() == []
    assert floods.is_new(refusal())
    assert floods.over(all=True) == []


def test_another_name_repository_address_or_reason_is_another_refusal() -> None:
    floods = Floods()
    assert floods.is_new(refusal())
    assert floods.is_new(refusal("team/b"))
    assert floods.is_new(refusal(who="bob"))
    assert floods.is_new(refusal(event="push"))
    assert floods.is_new(refusal(address="192.0.2.2"))
    assert floods.is_new(refusal(result="UNAUTHORIZED"))
    assert floods.over(all=True) == []


def test_who_always_asks_for_something_else_is_counted_too() -> None:
    floods = Floods()
    told = [floods.is_new(refusal(f"team/{number}", who=f"n{number}")) for number in range(100)]
    assert told == [True] * 30 + [False] * 70
    assert floods.over(all=True) == [{"event": OTHERS, "address": "192.0.2.1", "result": "DENIED", "times": 70}]


def test_one_house_of_many_addresses() -> None:
    floods = Floods()
    assert floods.is_new(refusal(address="2001:db8::1"))
    assert not floods.is_new(refusal(address="2001:db8::2"))


def test_memory_is_bounded() -> None:
    floods = Floods()
    for number in range(1200):
        assert floods.is_new(refusal(address=f"198.51.{number // 250}.{number % 250}"))
        floods.is_new(refusal(address=f"198.51.{number // 250}.{number % 250}"))
    assert len(floods.over()) == 200
    assert len(floods.over(all=True)) == 1000
