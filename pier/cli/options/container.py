"""``run`` and ``create`` flags to the API's create request. Only what was asked for is in it."""

from __future__ import annotations

from pier.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.cli.call import Call

    Json = dict[str, Any]

CONFIG_FIELDS = {
    "hostname": "Hostname",
    "domainname": "Domainname",
    "user": "User",
    "workdir": "WorkingDir",
    "stop-signal": "StopSignal",
    "stop-timeout": "StopTimeout",
}

HOST_FIELDS = {
    "blkio-weight": "BlkioWeight",
    "blkio-weight-device": "BlkioWeightDevice",
    "cgroup-parent": "CgroupParent",
    "cidfile": "ContainerIDFile",
    "cpu-period": "CpuPeriod",
    "cpu-quota": "CpuQuota",
    "cpu-rt-period": "CpuRealtimePeriod",
    "cpu-rt-runtime": "CpuRealtimeRuntime",
    "cpu-shares": "CpuShares",
    "cpus": "NanoCpus",
    "cpuset-cpus": "CpusetCpus",
    "cpuset-mems": "CpusetMems",
    "device-cgroup-rule": "DeviceCgroupRules",
    "device-read-bps": "BlkioDeviceReadBps",
    "device-read-iops": "BlkioDeviceReadIOps",
    "device-write-bps": "BlkioDeviceWriteBps",
    "device-write-iops": "BlkioDeviceWriteIOps",
    "dns": "Dns",
    "dns-option": "DnsOptions",
    "dns-search": "DnsSearch",
    "add-host": "ExtraHosts",
    "group-add": "GroupAdd",
    "init": "Init",
    "ipc": "IpcMode",
    "isolation": "Isolation",
    "link": "Links",
    "memory": "Memory",
    "memory-reservation": "MemoryReservation",
    "memory-swap": "MemorySwap",
    "memory-swappiness": "MemorySwappiness",
    "oom-kill-disable": "OomKillDisable",
    "oom-score-adj": "OomScoreAdj",
    "pids-limit": "PidsLimit",
    "privileged": "Privileged",
    "publish-all": "PublishAllPorts",
    "read-only": "ReadonlyRootfs",
    "rm": "AutoRemove",
    "runtime": "Runtime",
    "shm-size": "ShmSize",
    "volume-driver": "VolumeDriver",
    "volumes-from": "VolumesFrom",
}

MODES = {
    "pid": ("PidMode", ("host",), True, "--pid: invalid PID mode"),
    "uts": ("UTSMode", ("host",), False, "--uts: invalid UTS mode"),
    "userns": ("UsernsMode", ("host", "private"), False, "--userns: invalid USER mode"),
    "cgroupns": ("CgroupnsMode", ("host", "private"), False, "--cgroupns: invalid CGROUP mode"),
}


def create_request(call: Call, image: str, command: list[str], console: tuple[int, int] | None) -> Json:
    """The body of ``POST /containers/create``; ``console`` is the terminal's height and width.

    Raises InvalidArgument for what can be seen to be wrong without the daemon.
    """
    body: Json = {field: call.get(flag) for flag, field in CONFIG_FIELDS.items() if call.given(flag)}
    body["Image"] = image
    if command:
        body["Cmd"] = command
    if call.given("entrypoint"):
        body["Entrypoint"] = [call.text("entrypoint")]
    body.update(_streams(call))
    _environment(call, body)
    host = body["HostConfig"] = _host_config(call)
    if console is not None:
        host["ConsoleSize"] = list(console)
    _ports(call, body, host)
    _storage(call, body, host)
    if call.given("no-healthcheck") or any(name.startswith("health-") for name in call.values):
        from pier.cli.options.health import healthcheck

        body["Healthcheck"] = healthcheck(call)
    _network(call, body, host)
    return body


def _streams(call: Call) -> Json:
    attached = call.items("attach")
    if not attached and not (call.given("detach") and call.flag("detach")):
        attached = ["stdout", "stderr"] + (["stdin"] if call.flag("interactive") else [])
    stdin = "stdin" in attached
    return {
        "AttachStdin": stdin,
        "AttachStdout": "stdout" in attached,
        "AttachStderr": "stderr" in attached,
        "Tty": call.flag("tty"),
        "OpenStdin": call.flag("interactive"),
        "StdinOnce": call.flag("interactive") and stdin,
    }


def _environment(call: Call, body: Json) -> None:
    if call.given("env") or call.given("env-file"):
        from pier.cli.options.environment import read_file

        from_files = [line for path in call.items("env-file") for line in read_file(path, "env file", True)]
        body["Env"] = from_files + call.items("env")
    if call.given("label") or call.given("label-file"):
        from pier.cli.options.environment import mapping, read_file

        from_files = [line for path in call.items("label-file") for line in read_file(path, "label file", False)]
        body["Labels"] = mapping(from_files + call.items("label"))


def _host_config(call: Call) -> Json:
    host: Json = {field: call.get(flag) for flag, field in HOST_FIELDS.items() if call.given(flag)}
    swappiness = host.get("MemorySwappiness", -1)
    if swappiness != -1 and not 0 <= swappiness <= 100:
        raise InvalidArgument(f"invalid value: {swappiness}. Valid memory swappiness range is 0-100")
    for flag, (field, allowed, joinable, message) in MODES.items():
        mode = call.text(flag) if call.given(flag) else ""
        if mode and mode not in allowed and not (joinable and _is_container(mode)):
            raise InvalidArgument(message)
        if mode:
            host[field] = mode
    if call.given("restart"):
        host["RestartPolicy"] = restart_policy(call.text("restart"))
        if call.flag("rm") and host["RestartPolicy"]["Name"] not in ("", "no"):
            raise InvalidArgument("conflicting options: cannot specify both --restart and --rm")
    _lists(call, host)
    return host


def _is_container(mode: str) -> bool:
    kind, _, name = mode.partition(":")
    return kind == "container" and bool(name)


def _lists(call: Call, host: Json) -> None:
    """Flags whose values need more than copying; each is looked at only when given."""
    if call.given("ulimit"):
        by_name = {each["Name"]: each for each in call.items("ulimit")}
        host["Ulimits"] = [by_name[name] for name in sorted(by_name)]
    if call.given("sysctl") or call.given("annotation") or call.given("storage-opt"):
        from pier.cli.options.environment import mapping

        if any("=" not in each for each in call.items("storage-opt")):
            raise InvalidArgument("invalid storage option")
        for flag, field in (("sysctl", "Sysctls"), ("annotation", "Annotations"), ("storage-opt", "StorageOpt")):
            if call.given(flag):
                host[field] = mapping(call.items(flag))
    if call.given("log-driver") or call.given("log-opt"):
        host["LogConfig"] = _log_config(call)
    if call.given("device") or call.given("gpus"):
        _devices(call, host)
    if call.given("cap-add") or call.given("cap-drop"):
        from pier.cli.options.security import capabilities

        host["CapAdd"], host["CapDrop"] = capabilities(call.items("cap-add")), capabilities(call.items("cap-drop"))
    if call.given("security-opt"):
        from pier.cli.options.security import security_options

        host["SecurityOpt"], unmasked = security_options(call.items("security-opt"))
        if unmasked:
            host["MaskedPaths"] = host["ReadonlyPaths"] = []


def _log_config(call: Call) -> Json:
    from pier.cli.options.environment import mapping

    driver = call.text("log-driver")
    if driver == "none" and call.given("log-opt"):
        raise InvalidArgument("invalid logging opts for driver none")
    return {"Type": driver, "Config": mapping(call.items("log-opt"))}


def _devices(call: Call, host: Json) -> None:
    from pier.cli.options.resources import device, gpu_request, is_cdi

    requests: list[Json] = []
    try:
        host["Devices"] = [device(spec) for spec in call.items("device") if not is_cdi(spec)]
        if call.given("gpus"):
            requests.append(gpu_request(call.text("gpus")))
    except ValueError as error:
        raise InvalidArgument(str(error)) from None
    cdi = [spec for spec in call.items("device") if is_cdi(spec)]
    if cdi:
        requests.append({"Driver": "cdi", "DeviceIDs": cdi})
    if requests:
        host["DeviceRequests"] = requests


def restart_policy(text: str) -> Json:
    """``on-failure:3``. Raises InvalidArgument; which names exist is the daemon's to say."""
    name, colon, count = text.partition(":")
    if colon and not name:
        raise InvalidArgument("invalid restart policy format: no policy provided before colon")
    if not colon:
        return {"Name": name}
    if not count.removeprefix("-").isdecimal():
        raise InvalidArgument("invalid restart policy format: maximum retry count must be an integer")
    return {"Name": name, "MaximumRetryCount": int(count)}


def _ports(call: Call, body: Json, host: Json) -> None:
    if not (call.given("publish") or call.given("expose")):
        return
    from pier.cli.options.ports import exposed, publish

    bindings = publish(call.items("publish"))
    body["ExposedPorts"] = {**{port: {} for port in bindings}, **exposed(call.items("expose"))}
    if bindings:
        host["PortBindings"] = bindings


def _storage(call: Call, body: Json, host: Json) -> None:
    if not any(call.given(flag) for flag in ("volume", "mount", "tmpfs", "use-api-socket")):
        return
    from pier.cli.options.mounts import tmpfs, volumes

    binds, anonymous = volumes(call.items("volume"))
    if binds:
        host["Binds"] = binds
    if anonymous:
        body["Volumes"] = anonymous
    if call.given("tmpfs"):
        host["Tmpfs"] = tmpfs(call.items("tmpfs"))
    mounts = call.items("mount")
    if call.flag("use-api-socket"):
        source = call.client.endpoint.path
        if not source:
            raise InvalidArgument("flag --use-api-socket can't be used with a daemon that is not local")
        mounts = [*mounts, {"Type": "bind", "Source": source, "Target": "/var/run/docker.sock"}]
    if mounts:
        host["Mounts"] = mounts


def _network(call: Call, body: Json, host: Json) -> None:
    flags = ("network", "network-alias", "ip", "ip6", "link-local-ip", "mac-address")
    if not any(call.given(flag) for flag in flags):
        return
    from pier.cli.options.networking import plan

    host["NetworkMode"], endpoints = plan(call)
    if endpoints:
        body["NetworkingConfig"] = {"EndpointsConfig": endpoints}
