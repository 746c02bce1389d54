"""Shapes for old clients."""

import json

import pytest

from pier.api import versions


@pytest.mark.parametrize(("version", "there"), [((1, 24), True), ((1, 43), True), ((1, 44), False), ((1, 51), False)])
def test_virtual_size_went_with_1_44(version: tuple[int, int], there: bool) -> None:
    body = {"RepoTags": ["a:1"], "RepoDigests": [], "Size": 3, "Config": {}}
    assert ("VirtualSize" in versions.image_summary(dict(body), version)) is there
    assert ("VirtualSize" in versions.image(dict(body), version)) is there


@pytest.mark.parametrize(
    ("version", "tags"), [((1, 24), ["<none>:<none>"]), ((1, 42), ["<none>:<none>"]), ((1, 43), [])]
)
def test_dangling_images_had_a_name_before_1_43(version: tuple[int, int], tags: list[str]) -> None:
    body = {"RepoTags": [], "RepoDigests": [], "Size": 3}
    assert versions.image_summary(body, version)["RepoTags"] == tags


def test_console_size_is_ignored_where_old_clients_sent_rubbish_in_it() -> None:
    body = json.dumps({"HostConfig": {"ConsoleSize": None, "Memory": 1}}).encode()
    assert json.loads(versions.create_request(body, (1, 41))) == {"HostConfig": {"Memory": 1}}
    assert versions.create_request(body, (1, 42)) == body


@pytest.mark.parametrize("data", [b"", b"{ConsoleSize", b'["ConsoleSize"]'])
def test_a_body_that_is_wrong_is_left_to_who_decodes_it(data: bytes) -> None:
    assert versions.create_request(data, (1, 30)) in (data, data.replace(b" ", b""))


def test_an_images_config_had_the_form_of_a_containers_before_1_50() -> None:
    body = {"Size": 3, "Config": {"Cmd": ["sh"], "Tty": True}}
    assert versions.image(dict(body), (1, 50))["Config"] == {"Cmd": ["sh"]}
    old = versions.image(dict(body), (1, 49))["Config"]
    assert old["Cmd"] == ["sh"]
    assert old["Tty"] is True
    assert old["Entrypoint"] is None
    assert old["Hostname"] == ""


@pytest.mark.parametrize(("version", "there"), [((1, 24), True), ((1, 44), True), ((1, 45), False), ((1, 51), False)])
def test_the_config_of_an_images_container_went_with_1_45(version: tuple[int, int], there: bool) -> None:
    body = versions.image({"Size": 3, "Config": {"Cmd": ["sh"]}}, version)
    assert ("ContainerConfig" in body) is there
    if there:
        assert body["ContainerConfig"]["Cmd"] is None
        assert body["ContainerConfig"]["Image"] == ""
