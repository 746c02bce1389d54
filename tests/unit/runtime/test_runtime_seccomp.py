"""Seccomp profiles and the compiled filters that are kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from pier.errors import InvalidArgument
from pier.runtime.capabilities import DEFAULT
from pier.runtime.filters import FilterStore
from pier.runtime.seccomp import Profile, load, lower, parse

FILE: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    "syscalls": [
        {"names": ["read", "mount", "clone", "clone3", "keyctl", "socket"], "action": "SCMP_ACT_ALLOW", "args": []},
        {"names": ["arm_only"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
        {"names": ["not_here"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
        {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["bpf"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["modern"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "9.0"}},
        {
            "name": "personality",
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 8, "valueTwo": 0, "op": "SCMP_CMP_EQ"}],
        },
    ],
}


def lowered(profile: Profile, *capabilities: str) -> dict[str, list[dict[str, Any]]]:
    """System call to its rules."""
    made = lower(profile, frozenset(capabilities), "amd64", (6, 1))
    found: dict[str, list[dict[str, Any]]] = {}
    for rule in made["syscalls"]:
        for name in rule["names"]:
            found.setdefault(name, []).append(rule)
    return found


def test_conditions() -> None:
    profile = parse(json.dumps(FILE))
    calls = lowered(profile)
    assert set(calls) == {
        "read", "mount", "clone", "clone3", "keyctl", "socket", "bpf", "ptrace", "personality",
    }  # fmt: skip
    assert (calls["bpf"][0]["action"], calls["bpf"][0]["errnoRet"]) == ("SCMP_ACT_ERRNO", 1)
    assert lowered(profile, "CAP_SYS_ADMIN")["bpf"][0]["action"] == "SCMP_ACT_ALLOW"
    assert calls["personality"][0]["args"] == [{"index": 0, "value": 8, "valueTwo": 0, "op": "SCMP_CMP_EQ"}]
    made = lower(profile, frozenset(), "amd64", (6, 1))
    assert (made["defaultErrnoRet"], made["architectures"]) == (38, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])
    assert lower(profile, frozenset(), "riscv64", (6, 1))["architectures"] == ["SCMP_ARCH_RISCV64"]


def test_strictness() -> None:
    profile = parse(json.dumps(FILE), strict=True)
    calls = lowered(profile, *DEFAULT)
    assert [rule["action"] for rule in calls["mount"]] == ["SCMP_ACT_ERRNO"]
    assert [rule["action"] for rule in calls["keyctl"]] == ["SCMP_ACT_ERRNO"]
    assert [rule["errnoRet"] for rule in calls["clone3"]] == [38]
    assert calls["clone"][0]["args"][0]["value"] == 0x7E020000
    assert calls["socket"][0]["args"][0]["value"] == 40
    assert [rule["action"] for rule in calls["read"]] == ["SCMP_ACT_ALLOW"]
    admin = lowered(profile, "CAP_SYS_ADMIN")
    assert [rule["action"] for rule in admin["mount"]] == ["SCMP_ACT_ALLOW"]
    assert admin["clone3"][0]["action"] == "SCMP_ACT_ALLOW"
    assert [rule["action"] for rule in admin["keyctl"]] == ["SCMP_ACT_ERRNO"]


def test_no_call_has_two_unconditional_rules() -> None:
    """libseccomp takes no second one."""
    profile = load()
    assert profile is not None, "install the package golang-github-containers-common"
    for capabilities in (DEFAULT, frozenset({"CAP_SYS_ADMIN"}), frozenset[str]()):
        for name, rules in lowered(profile, *capabilities).items():
            unconditional = [rule["action"] for rule in rules if "args" not in rule]
            assert len(set(unconditional)) <= 1, name


def test_nonsense() -> None:
    for text in ("", "[]", "{", '{"defaultAction": 1}', '{"defaultAction": "X", "syscalls": 5}'):
        with pytest.raises(InvalidArgument, match="Decoding seccomp profile failed"):
            parse(text)
    odd = parse('{"defaultAction": "A", "syscalls": [{"names": ["x"], "action": "B", "includes": {"minKernel": "x"}}]}')
    with pytest.raises(InvalidArgument, match="kernel version"):
        lower(odd, frozenset(), "amd64", (6, 1))


def test_no_file_is_no_profile(tmp_path: Path) -> None:
    assert load((tmp_path / "none",)) is None


def test_filters_are_kept_by_profile_and_version(tmp_path: Path) -> None:
    spec = {"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}, "annotations": {"a": "b"}}
    store = FilterStore(tmp_path / "filters", "1.8")
    key = store.key(spec)
    assert key is not None
    assert not store.annotate(spec, key)
    (tmp_path / "seccomp.bpf").write_bytes(b"8 bytes!" * 2)
    store.keep(key, tmp_path / "seccomp.bpf")
    assert FilterStore(tmp_path / "filters", "1.8").annotate(spec, key)
    assert spec["annotations"] == {"a": "b", "run.oci.seccomp_bpf_data": "OCBieXRlcyE4IGJ5dGVzIQ=="}
    assert FilterStore(tmp_path / "filters", "1.9").key(spec) != key
    assert store.key({"linux": {}}) is None


def test_what_is_no_filter_is_not_kept(tmp_path: Path) -> None:
    store = FilterStore(tmp_path / "filters", "1.8")
    (tmp_path / "seccomp.bpf").write_bytes(b"cut")
    store.keep("key", tmp_path / "seccomp.bpf")
    store.keep("key", tmp_path / "missing")
    assert not store.annotate({}, "key")
