"""The daemon's settings: one row each, from which flags, ``daemon.json``, ``--help`` and ``info`` come.

Names, flags, aliases and defaults are dockerd's where dockerd has the setting.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pier.daemon import values


@dataclass(frozen=True, slots=True)
class Setting:
    """``name`` is the key in ``daemon.json``, ``flag`` the long flag where it differs (dockerd's singular of a list).

    ``parse`` turns the text of one flag into a value, or raises ValueError. A ``many`` setting is a tuple and its
    flag may be repeated. ``flag_only`` is not accepted in ``daemon.json``. A ``fixed`` setting is one of dockerd's
    that always has its default value here; another value is refused rather than ignored.
    """

    name: str
    kind: str
    default: Any
    help: str
    flag: str = ""
    short: str = ""
    parse: Callable[[str], Any] = str
    many: bool = False
    reloadable: bool = False
    flag_only: bool = False
    fixed: bool = False

    @property
    def long(self) -> str:
        return self.flag or self.name

    @property
    def is_switch(self) -> bool:
        return self.parse is values.boolean


def _text(name: str, default: str, help: str, **more: Any) -> Setting:
    return Setting(name, more.pop("kind", "string"), default, help, **more)


def _switch(name: str, default: bool, help: str, **more: Any) -> Setting:
    return Setting(name, "", default, help, parse=values.boolean, **more)


def _number(name: str, default: int, help: str, **more: Any) -> Setting:
    return Setting(name, "int", default, help, parse=values.integer, **more)


def _list(name: str, help: str, **more: Any) -> Setting:
    return Setting(name, more.pop("kind", "list"), (), help, many=True, **more)


SETTINGS: Final[tuple[Setting, ...]] = (
    _list("hosts", "Socket(s) to listen on: unix://PATH, tcp://HOST:PORT, fd://", flag="host", short="H"),
    _text("data-root", "/var/lib/pier", "Root directory of persistent state"),
    _text("exec-root", "/run/pier", "Root directory of execution state"),
    _text("pidfile", "", 'Path of the process ID file (default "EXEC-ROOT/pierd.pid")', short="p"),
    _text("group", "pier", "Group of the unix socket (falls back to docker)", short="G"),
    _text("config-file", "/etc/pier/daemon.json", "Configuration file of the daemon", flag_only=True),
    _switch("debug", False, "Enable debug mode", short="D", reloadable=True),
    _text("log-level", "info", "Logging level (debug|info|warn|error|fatal)", short="l", reloadable=True),
    _text("log-format", "text", "Logging format (text)", fixed=True),
    _switch("raw-logs", True, "Accepted for dockerd's sake: lines never have colours"),
    _text("bridge", "pier0", "Name of the default network's bridge", short="b"),
    _text("bip", "", "Address of the bridge, in CIDR form (default: a free pool)", parse=values.cidr),
    _number("mtu", 0, "MTU of the default network (default: that of the way out)"),
    _list("dns", "DNS servers of containers", kind="ipSlice", parse=values.address),
    _list("dns-search", "DNS search domains of containers"),
    _list("dns-opts", "DNS options of containers", flag="dns-opt"),
    _switch("ip-forward", True, "Enable net.ipv4.ip_forward", fixed=True),
    _switch("ip-masq", True, "Enable masquerading on the default network", fixed=True),
    _switch("iptables", True, "Manage the firewall, in an nftables table of our own", fixed=True),
    _switch("userland-proxy", False, "Accepted for dockerd's sake: there is none"),
    _switch("icc", True, "Let containers of the default network reach each other", fixed=True),
    Setting(
        "insecure-registries",
        "list",
        (),
        "Registries that may be spoken to over plain HTTP",
        flag="insecure-registry",
        many=True,
        parse=values.insecure,
        reloadable=True,
    ),
    _list(
        "registry-mirrors",
        "Registries to pull from first: URL for Docker Hub, HOST=URL for any other",
        flag="registry-mirror",
        parse=values.mirror,
        reloadable=True,
    ),
    _text("http-proxy", "", "Proxy of registries and build sources over http (default: HTTP_PROXY)"),
    _text("https-proxy", "", "Proxy of registries and build sources over https (default: HTTPS_PROXY)"),
    _text("no-proxy", "", "Hosts, domains and CIDRs that are asked directly (default: NO_PROXY)"),
    _number("max-concurrent-downloads", 6, "Layers of one pull that are fetched at a time", reloadable=True),
    _number("max-concurrent-uploads", 5, "Layers of one push that are sent at a time", reloadable=True),
    _number("max-download-attempts", 5, "Attempts at each layer of a pull", reloadable=True),
    _list("labels", "key=value labels of the daemon", flag="label", parse=values.label, reloadable=True),
    _text("default-runtime", "", "OCI runtime of containers (default: crun, else runc)"),
    Setting(
        "runtimes",
        "runtime",
        (),
        "Register a further OCI runtime, NAME=PATH",
        flag="add-runtime",
        many=True,
        parse=values.pair,
    ),
    Setting("default-shm-size", "bytes", 64 << 20, "Size of /dev/shm", parse=values.size),
    Setting(
        "default-ulimits",
        "ulimit",
        (),
        "Limits of containers, NAME=SOFT[:HARD]",
        flag="default-ulimit",
        many=True,
        parse=values.ulimit,
    ),
    _text("log-driver", "json-file", "Driver of container logs (json-file, local)"),
    Setting(
        "log-opts",
        "map",
        (),
        "Options of the log driver (max-size, max-file)",
        flag="log-opt",
        many=True,
        parse=values.pair,
    ),
    _text("cgroup-parent", "", "Parent cgroup of all containers"),
    _text("default-cgroupns-mode", "", "Cgroup namespace of containers (host|private)"),
    _switch("init", False, "Run an init in containers that forwards signals and reaps processes"),
    _text("init-path", "", "The program of --init"),
    _number("shutdown-timeout", 15, "Seconds that requests under way have at shutdown", reloadable=True),
    _switch("live-restore", True, "Always on: containers go on running while there is no daemon", fixed=True),
    _text("storage-driver", "overlay2", "Storage driver (overlay2)", short="s"),
    Setting(
        "build.cache.max",
        "bytes",
        0,
        "Ceiling of the build cache (default: a tenth of the disk)",
        flag="build-cache-max",
        parse=values.size,
    ),
    _number("build.parallelism", 8, "Steps of builds that run at a time", flag="build-parallelism"),
    _list("features", "Accepted for dockerd's sake: the builder is always there", kind="map", parse=values.pair),
    _switch("experimental", False, "Accepted for dockerd's sake"),
    _switch("tls", False, "Use TLS; implied by --tlsverify"),
    _switch("tlsverify", False, "Use TLS and ask clients for a certificate"),
    _text("tlscacert", "/etc/pier/ca.pem", "Trust certificates signed by this CA only"),
    _text("tlscert", "/etc/pier/cert.pem", "TLS certificate"),
    _text("tlskey", "/etc/pier/key.pem", "TLS key"),
    _switch("allow-insecure-tcp", False, "Listen on TCP without TLS: whoever reaches the port is root here"),
    _switch("validate", False, "Check the configuration and exit", flag_only=True),
    _switch("version", False, "Print the version and exit", short="v", flag_only=True),
    _switch("help", False, "Print this and exit", short="h", flag_only=True),
)
