"""The config that an image gets: times of its history, whatever the base image says of itself."""

import pytest

from pier.build.export.configure import image_config, own_layers, rfc3339
from pier.build.graph import Target
from pier.oci.digest import sha256
from pier.oci.image import ExecutionConfig, HistoryEntry
from pier.oci.platform import Platform

OLD = "2020-01-01T00:00:00Z"
LAYERS = [sha256(bytes([number])) for number in range(9)]
SECOND = 1_000_000_000


def target(*history: HistoryEntry) -> Target:
    return Target(Platform("arm64", "linux", "", "v8"), None, ExecutionConfig(cmd=["sh"]), history)


def entry(created: str | None = None, *, empty: bool = False) -> HistoryEntry:
    return HistoryEntry(created, "step", empty_layer=empty)


def times(config_target: Target, layers: int, epoch: int | None = None) -> list[str | None]:
    made = [number * 60 * SECOND for number in range(layers)]
    return [each.created for each in image_config(config_target, LAYERS[:layers], made, epoch).history]


def test_a_step_without_layer_has_the_time_of_the_layer_before() -> None:
    made = target(entry(OLD), entry(empty=True), entry(), entry(empty=True), entry(), entry(empty=True))
    first, second = "1970-01-01T00:01:00Z", "1970-01-01T00:02:00Z"
    assert times(made, 3) == [OLD, first, first, first, second, second]
    assert image_config(made, LAYERS[:3], [0, 60 * SECOND, 120 * SECOND]).created == second


def test_only_labels_keep_the_time_of_the_base() -> None:
    assert times(target(entry(OLD), entry(empty=True)), 1) == [OLD, OLD]


def test_nothing_at_all_has_no_time() -> None:
    config = image_config(target(entry(empty=True)), [], [])
    assert config.created is None
    assert [each.created for each in config.history] == [None]


def test_an_epoch_is_the_time_of_what_is_new() -> None:
    made = target(entry(OLD), entry(), entry(empty=True))
    assert times(made, 2, epoch=1_700_000_000) == [OLD, "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"]
    assert image_config(made, LAYERS[:2], [0, 1], 1_700_000_000).created == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("base", "layers", "empty"),
    [
        ([], 3, [False, False, False]),
        ([entry(OLD)], 4, [False, False, False, False]),
        ([entry(OLD), entry(OLD), entry(OLD)], 2, [False, True, True, False]),
    ],
)
def test_a_history_of_another_length_is_made_to_fit(base: list[HistoryEntry], layers: int, empty: list[bool]) -> None:
    history = image_config(target(*base, entry()), LAYERS[:layers], [SECOND] * layers).history
    assert [each.empty_layer for each in history] == empty
    assert history[-1].created_by == "step"
    assert sum(not each.empty_layer for each in history) == layers


def test_the_platform_is_whole() -> None:
    config = image_config(target(), [], [])
    assert (config.architecture, config.os, config.variant) == ("arm64", "linux", "v8")


def test_own_layers_are_those_without_a_time() -> None:
    assert own_layers((entry(OLD), entry(), entry(empty=True), entry())) == 2
    assert own_layers((entry(OLD),)) == 0


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_500_000_000, "1970-01-01T00:00:01.5Z"), (1, "1970-01-01T00:00:00.000000001Z")],
)
def test_times_are_printed_as_go_does(nanoseconds: int, text: str) -> None:
    assert rfc3339(nanoseconds) == text
