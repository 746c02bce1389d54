"""What the daemon says of itself: ``info``, ``version``, the headers of every response, fsck."""

import asyncio
import os
import platform
import time
from collections import Counter
from typing import Any

from pier.api.services import Services
from pier.containers.deps import Deps
from pier.daemon import fsck
from pier.daemon.config import Config
from pier.daemon.host import Host, backing_filesystem, engine_id, limit_warnings, limits, sysctl
from pier.daemon.values import by_host
from pier.events.timestamps import rfc3339
from pier.linux import cgroup
from pier.oci.platform import host_platform
from pier.version import API_VERSION, MIN_API_VERSION, VERSION


class HostSystem:
    """Implements :class:`pier.api.services.System` for this host. ``config`` is replaced on reload."""

    def __init__(self, config: Config, deps: Deps) -> None:
        self.config = config
        self._deps = deps
        self._host = Host.read()
        self._id = engine_id(config.root)
        self._filesystem = backing_filesystem(config.root)
        self._trees = cgroup.detect()
        self._headers = {
            "Api-Version": API_VERSION,
            "Docker-Experimental": "false",
            "Ostype": "linux",
            "Server": f"Pier/{VERSION} (linux)",
        }

    def headers(self) -> dict[str, str]:
        return self._headers

    def version(self) -> dict[str, Any]:
        runtime = self._deps.runtime
        architecture = host_platform().architecture
        about: dict[str, str] = {
            "ApiVersion": API_VERSION,
            "MinAPIVersion": MIN_API_VERSION,
            "Os": "linux",
            "Arch": architecture,
            "KernelVersion": self._host.kernel,
            "GitCommit": "",
            "GoVersion": f"python{platform.python_version()}",
            "BuildTime": "",
        }
        engine = {"Name": "Engine", "Version": VERSION, "Details": about | {"Experimental": "false"}}
        program = {"Name": runtime.name, "Version": runtime.version, "Details": {"Path": str(runtime.path)}}
        return {"Platform": {"Name": "Pier"}, "Components": [engine, program], "Version": VERSION, **about}

    async def info(self) -> dict[str, Any]:
        found = await asyncio.to_thread(limits, self._trees)
        return {
            **self._about_host(),
            **self._about_containers(),
            **self._about_setup(),
            **self._about_registries(),
            **found,
            **_constants(),
            "Warnings": limit_warnings(found) + self._own_warnings() or None,
        }

    def _about_host(self) -> dict[str, Any]:
        host, proxies = self._host, self.config.environment
        return {
            "ID": self._id,
            "Name": host.name,
            "KernelVersion": host.kernel,
            "OperatingSystem": host.system,
            "OSVersion": host.system_version,
            "OSType": "linux",
            "Architecture": host.machine,
            "NCPU": host.processors,
            "MemTotal": host.memory,
            "SystemTime": rfc3339(time.time_ns()),
            "IPv4Forwarding": sysctl("net/ipv4/ip_forward"),
            "HttpProxy": _without_password(proxies.get("HTTP_PROXY", "")),
            "HttpsProxy": _without_password(proxies.get("HTTPS_PROXY", "")),
            "NoProxy": proxies.get("NO_PROXY", ""),
        }

    def _about_containers(self) -> dict[str, Any]:
        registry = self._deps.registry
        states = Counter(live.record.state.status for live in registry)
        running, paused = states["running"] + states["restarting"], states["paused"]
        return {
            "Containers": len(registry),
            "ContainersRunning": running,
            "ContainersPaused": paused,
            "ContainersStopped": len(registry) - running - paused,
            "Images": len(self._deps.images.store.list()),
        }

    def _about_setup(self) -> dict[str, Any]:
        runtime = self._deps.runtime
        runtimes = {runtime.name: {"path": str(runtime.path)}}
        runtimes |= {name: {"path": path} for name, path in self.config.pairs("runtimes").items()}
        return {
            "Driver": "overlay2",
            "DriverStatus": [
                ["Backing Filesystem", self._filesystem],
                ["Supports d_type", "true"],
                ["Using metacopy", "false"],
                ["Native Overlay Diff", "true"],
                ["userxattr", "false"],
            ],
            "DockerRootDir": str(self.config.root),
            "CgroupDriver": "cgroupfs",
            "CgroupVersion": str(self._trees.version),
            "LoggingDriver": self.config["log-driver"],
            "ServerVersion": VERSION,
            "Runtimes": runtimes,
            "DefaultRuntime": runtime.name,
            "InitBinary": str(self._deps.settings.init_path or ""),
            "Labels": list(self.config["labels"]),
            "Debug": self.config["debug"],
            "NFd": len(os.listdir("/proc/self/fd")),
            "NGoroutines": len(asyncio.all_tasks()),
            "SecurityOptions": ["name=seccomp,profile=builtin", *self._cgroupns()],
        }

    def _cgroupns(self) -> list[str]:
        return ["name=cgroupns"] if self._deps.settings.cgroupns == "private" else []

    def _about_registries(self) -> dict[str, Any]:
        insecure = [name for name in self.config["insecure-registries"] if "/" not in name]
        blocks = [name for name in self.config["insecure-registries"] if "/" in name]
        mirrors = {
            host: [_without_password(url) for url in urls]
            for host, urls in by_host(self.config["registry-mirrors"]).items()
        }
        hub = {"Name": "docker.io", "Mirrors": mirrors.pop("docker.io", []), "Secure": True, "Official": True}
        others = {
            name: {"Name": name, "Mirrors": mirrors.get(name, []), "Secure": name not in insecure, "Official": False}
            for name in sorted({*insecure, *mirrors})
        }
        return {
            "IndexServerAddress": "https://index.docker.io/v1/",
            "RegistryConfig": {
                "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8", *blocks],
                "IndexConfigs": {"docker.io": hub, **others},
                "Mirrors": hub["Mirrors"] or None,
            },
        }

    def _own_warnings(self) -> list[str]:
        if any(host.startswith("tcp://") for host in self.config.hosts) and not self.config["tlsverify"]:
            return ["WARNING: API is accessible over TCP without client certificates: whoever reaches it is root"]
        return []

    async def findings(self, services: Services, *, fix: bool) -> list[dict[str, Any]]:
        return await fsck.findings(services, fix=fix)


def _constants() -> dict[str, Any]:
    """What clients expect to be told and what is always so here."""
    nothing = {"ID": ""}
    return {
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file", "local", "none"],
        },
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
        "NEventsListener": 0,
        "GenericResources": None,
        "ExperimentalBuild": False,
        "LiveRestoreEnabled": True,
        "Isolation": "",
        "ContainerdCommit": nothing,
        "RuncCommit": nothing,
        "InitCommit": nothing,
        "CDISpecDirs": [],
        "KernelMemoryTCP": False,
    }


def _without_password(url: str) -> str:
    """A proxy's URL, its password masked."""
    scheme, separator, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    if not at:
        return url
    return f"{scheme}{separator}{credentials.partition(':')[0]}:xxxxx@{place}"
