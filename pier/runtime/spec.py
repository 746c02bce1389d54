"""The OCI runtime spec (config.json) of a container, as Docker makes it. Pure.

See the OCI runtime specification, ``config.md`` and ``config-linux.md``.
"""

from typing import Final

from pier.errors import Unsupported
from pier.runtime import seccomp
from pier.runtime.capabilities import effective
from pier.runtime.filesystems import INIT_PATH, MASKED_PATHS, READONLY_PATHS, mounts, root_propagation
from pier.runtime.plan import (
    UNCONFINED,
    Device,
    DeviceRule,
    ExecPlan,
    HostFacts,
    IdMap,
    OciObject,
    Resources,
    SpecMount,
    SpecPlan,
    Ulimit,
)
from pier.runtime.resources import device_rule, linux_resources

__all__ = [
    "UNCONFINED",
    "Device",
    "DeviceRule",
    "ExecPlan",
    "HostFacts",
    "IdMap",
    "Resources",
    "SpecMount",
    "SpecPlan",
    "Ulimit",
    "build_process",
    "build_spec",
]

_VERSION: Final = "1.0.2"
_NETWORK_SYSCTLS: Final = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
_EVERY_DEVICE: Final = DeviceRule("a", None, None, "rwm")


def build_spec(plan: SpecPlan, host: HostFacts) -> OciObject:
    """The whole object. ``Unsupported`` when the default seccomp profile is wanted and the host has none."""
    spec: OciObject = {
        "ociVersion": _VERSION,
        "process": _process(plan, host),
        "root": {"path": str(plan.rootfs), "readonly": plan.read_only},
        "mounts": mounts(plan),
        "linux": _linux(plan, host),
    }
    if plan.hostname and plan.uts_mode == "private":
        spec["hostname"] = plan.hostname
    if plan.domainname and plan.uts_mode == "private":
        spec["domainname"] = plan.domainname
    if plan.annotations:
        spec["annotations"] = dict(plan.annotations)
    return spec


def _process(plan: SpecPlan, host: HostFacts) -> OciObject:
    args = [INIT_PATH, "--", *plan.args] if plan.init is not None else list(plan.args)
    process: OciObject = {
        "terminal": plan.terminal,
        "user": {"uid": plan.uid, "gid": plan.gid, "additionalGids": list(plan.groups or (plan.gid,))},
        "args": args,
        "env": list(plan.env),
        "cwd": plan.cwd or "/",
        "capabilities": _capability_sets(effective(plan.cap_add, plan.cap_drop, plan.privileged, host.capabilities)),
        "noNewPrivileges": plan.no_new_privileges,
    }
    if plan.ulimits:
        process["rlimits"] = [
            {"type": f"RLIMIT_{limit.name.upper()}", "soft": limit.soft, "hard": limit.hard} for limit in plan.ulimits
        ]
    if plan.oom_score_adj is not None:
        process["oomScoreAdj"] = plan.oom_score_adj
    if plan.apparmor and not plan.privileged:
        process["apparmorProfile"] = plan.apparmor
    if plan.terminal and plan.console_size:
        process["consoleSize"] = {"height": plan.console_size[0], "width": plan.console_size[1]}
    return process


def _capability_sets(names: tuple[str, ...]) -> OciObject:
    return {"bounding": list(names), "effective": list(names), "permitted": list(names)}


def build_process(container: OciObject, plan: ExecPlan, host: HostFacts) -> OciObject:
    """The process of an exec: the container's own (``process`` of its spec) with what the exec asks for.

    The environment is the container's, overridden name by name.
    """
    process: OciObject = {key: value for key, value in container.items() if key not in ("consoleSize", "oomScoreAdj")}
    process |= {
        "args": list(plan.args),
        "env": merge_env(container.get("env", []), plan.env),
        "terminal": plan.terminal,
    }
    if plan.cwd:
        process["cwd"] = plan.cwd
    if plan.uid is not None:
        gid = plan.gid or 0
        process["user"] = {"uid": plan.uid, "gid": gid, "additionalGids": list(plan.groups or (gid,))}
    if plan.privileged:
        process["capabilities"] = _capability_sets(effective((), (), True, host.capabilities))
        process.pop("apparmorProfile", None)
    if plan.terminal and plan.console_size:
        process["consoleSize"] = {"height": plan.console_size[0], "width": plan.console_size[1]}
    return process


def merge_env(base: list[str], changes: tuple[str, ...]) -> list[str]:
    """``NAME=value`` lines over others: a name keeps its place, a bare ``NAME`` removes it."""
    merged = {line.partition("=")[0]: line for line in base}
    for line in changes:
        name, equals, _ = line.partition("=")
        if equals:
            merged[name] = line
        else:
            merged.pop(name, None)
    return list(merged.values())


def _linux(plan: SpecPlan, host: HostFacts) -> OciObject:
    linux: OciObject = {
        "namespaces": _namespaces(plan),
        "cgroupsPath": plan.cgroup_path,
        "resources": {
            "devices": _device_rules(plan),
            **linux_resources(plan.resources, cgroup_version=host.cgroup_version),
        },
        "maskedPaths": _paths(plan, plan.masked_paths, MASKED_PATHS),
        "readonlyPaths": _paths(plan, plan.readonly_paths, READONLY_PATHS),
    }
    devices = [*plan.devices, *(host.devices if plan.privileged else ())]
    if devices:
        linux["devices"] = [_device(device) for device in devices]
    if plan.userns != "host":
        linux["uidMappings"] = [_id_map(entry) for entry in plan.uid_maps]
        linux["gidMappings"] = [_id_map(entry) for entry in plan.gid_maps]
    if sysctls := _sysctls(plan):
        linux["sysctl"] = sysctls
    if propagation := root_propagation(plan):
        linux["rootfsPropagation"] = propagation
    if (filtered := _seccomp(plan, host)) is not None:
        linux["seccomp"] = filtered
    return linux


def _paths(plan: SpecPlan, asked: tuple[str, ...] | None, default: tuple[str, ...]) -> list[str]:
    if asked is not None:
        return list(asked)
    return [] if plan.privileged else list(default)


def _namespaces(plan: SpecPlan) -> list[OciObject]:
    found: list[OciObject] = [{"type": "mount"}]
    modes = (
        ("network", "host" if plan.netns is None else str(plan.netns)),
        ("uts", plan.uts_mode),
        ("pid", plan.pid_mode),
        ("ipc", "private" if plan.ipc_mode == "none" else plan.ipc_mode),
        ("cgroup", plan.cgroupns_mode),
        ("user", plan.userns),
    )
    for kind, mode in modes:
        if mode == "private":
            found.append({"type": kind})
        elif mode != "host":
            found.append({"type": kind, "path": mode})
    return found


def _device_rules(plan: SpecPlan) -> list[OciObject]:
    """What the container may touch; the runtime adds the nodes that every container has."""
    if plan.privileged:
        return [device_rule(_EVERY_DEVICE)]
    nodes = [DeviceRule(device.type, device.major, device.minor, device.access) for device in plan.devices]
    return [
        device_rule(_EVERY_DEVICE, allow=False),
        *(device_rule(rule) for rule in (*nodes, *plan.device_rules)),
    ]


def _device(device: Device) -> OciObject:
    return {
        "path": device.path,
        "type": device.type,
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode,
        "uid": device.uid,
        "gid": device.gid,
    }


def _id_map(entry: IdMap) -> OciObject:
    return {"containerID": entry.container, "hostID": entry.host, "size": entry.size}


def _sysctls(plan: SpecPlan) -> dict[str, str]:
    """The user's; and in a network of its own every user may bind low ports and ping."""
    own_network = plan.netns is not None and plan.userns == "host"
    return (_NETWORK_SYSCTLS if own_network else {}) | plan.sysctls


def _seccomp(plan: SpecPlan, host: HostFacts) -> OciObject | None:
    if plan.seccomp == UNCONFINED or plan.privileged:
        return None
    profile = plan.seccomp or host.seccomp
    if not isinstance(profile, seccomp.Profile):
        raise Unsupported(
            f"the default seccomp profile is missing ({seccomp.DEFAULT_PATHS[-1]}): install the package "
            f"{seccomp.PACKAGE}, or run the container with --security-opt seccomp=unconfined"
        )
    names = effective(plan.cap_add, plan.cap_drop, plan.privileged, host.capabilities)
    return seccomp.lower(profile, frozenset(names), host.architecture, host.kernel)
