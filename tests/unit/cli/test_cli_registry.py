"""``pier registry serve`` knows the registry's settings, which it may not import."""

import pytest

from pier.cli.commands.registry import SERVE, unshown
from pier.registry.configuration import FIELDS


def test_each_setting_has_its_flag() -> None:
    flags = {flag.name: (flag.kind, flag.help) for flag in SERVE.flags if flag.name != "config"}
    assert flags == {field.flag: (field.kind, field.help) for field in FIELDS.values() if field.kind}


def test_flags_show_the_defaults() -> None:
    shown = {flag.name: flag.default for flag in SERVE.flags}
    defaults = {field.flag: field.default for field in FIELDS.values() if field.kind in ("int", "string", "bool")}
    assert {name: shown[name] for name, value in defaults.items() if value} == {
        name: value for name, value in defaults.items() if value
    }


@pytest.mark.parametrize(
    ("words", "kept", "variables"),
    [
        (["serve", "--root=/r", "--open=true"], ["serve", "--root=/r", "--open=true"], {}),
        (
            ["serve", "--database=postgresql://a:b@c/d?x=y", "--root=/r", "--storage=s3://b/p?secret_key=s"],
            ["serve", "--root=/r"],
            {
                "PIER_REGISTRY_DATABASE": "postgresql://a:b@c/d?x=y",
                "PIER_REGISTRY_STORAGE": "s3://b/p?secret_key=s",
            },
        ),
        (["user", "--database=", "--", "add", "--database=x"], ["user", "--", "add", "--database=x"], {}),
    ],
)
def test_addresses_are_no_arguments(words: list[str], kept: list[str], variables: dict[str, str]) -> None:
    """Of the process that serves: everybody can read those."""
    assert unshown(words) == (kept, variables)
