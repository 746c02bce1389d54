"""The flags of ``run`` and ``create``."""

from __future__ import annotations

from pier.cli.command import Flag

PROCESS = (
    Flag("attach", "attach", "Join STDIN, STDOUT or STDERR", "a"),
    Flag("cidfile", "string", "Write the container's ID to this file"),
    Flag("entrypoint", "string", "Run this instead of the image's entrypoint"),
    Flag("env", "env", "Set an environment variable (NAME=value, or NAME to pass ours on)", "e"),
    Flag("env-file", "list", "Read environment variables from a file, one a line"),
    Flag("group-add", "list", "Add the process to a group"),
    Flag("init", "bool", "Run a small init that forwards signals and reaps processes"),
    Flag("interactive", "bool", "Keep standard input open", "i"),
    Flag("tty", "bool", "Give the process a terminal", "t"),
    Flag("user", "string", "User name or UID, and group (<name|uid>[:<group|gid>])", "u"),
    Flag("workdir", "string", "Folder that the process starts in", "w"),
    Flag("stop-signal", "string", "Signal that asks the process to stop"),
    Flag("stop-timeout", "int", "Seconds to wait for that before it is killed"),
)

IDENTITY = (
    Flag("annotation", "map", "Pass an annotation to the OCI runtime"),
    Flag("domainname", "string", "NIS domain name"),
    Flag("hostname", "string", "Host name inside the container", "h"),
    Flag("label", "label", "Set a label (NAME=value)", "l"),
    Flag("label-file", "list", "Read labels from a file, one a line"),
    Flag("name", "string", "Name of the container"),
    Flag("platform", "string", "Platform of the image (os/arch[/variant])"),
    Flag("pull", "string", 'When to pull the image ("always", "missing", "never")', default="missing"),
    Flag("quiet", "bool", "Say nothing while pulling", "q"),
    Flag("rm", "bool", "Remove the container and its anonymous volumes when it ends"),
    Flag("restart", "string", "When to restart it (no, always, unless-stopped, on-failure[:max])", default="no"),
    Flag("runtime", "string", "OCI runtime to use"),
    Flag("isolation", "string", "Isolation technology"),
    Flag("disable-content-trust", "bool", "Do not check the image's signature", default=True),
)

STORAGE = (
    Flag("mount", "mount", "Mount a volume, a folder or a tmpfs (type=bind,source=/a,target=/b,readonly)"),
    Flag("read-only", "bool", "Mount the container's root file system read-only"),
    Flag("shm-size", "bytes", "Size of /dev/shm"),
    Flag("storage-opt", "list", "Option of the storage driver (size=10G)"),
    Flag("tmpfs", "list", "Mount a tmpfs (/run:size=64m)"),
    Flag("use-api-socket", "bool", "Mount the daemon's socket into the container"),
    Flag("volume", "list", "Mount a volume or a folder (SOURCE:TARGET[:ro])", "v"),
    Flag("volume-driver", "string", "Driver of the volumes"),
    Flag("volumes-from", "list", "Mount the volumes of another container"),
)

NETWORK = (
    Flag("add-host", "add-host", "Add a line to /etc/hosts (NAME:ADDRESS, the address may be host-gateway)"),
    Flag("dns", "dns", "Use this DNS server"),
    Flag("dns-option", "list", "Set a resolver option"),
    Flag("dns-opt", "list", "Set a resolver option", hidden=True, same_as="dns-option"),
    Flag("dns-search", "dns-search", "Search this domain"),
    Flag("expose", "list", "Expose a port or a range of ports"),
    Flag("ip", "string", "IPv4 address (172.30.100.104)"),
    Flag("ip6", "string", "IPv6 address (2001:db8::33)"),
    Flag("link", "link", "Link to another container"),
    Flag("link-local-ip", "list", "Link-local address"),
    Flag("mac-address", "string", "MAC address (92:d0:c6:0a:29:33)"),
    Flag("network", "network", "Connect to a network (NAME, or name=NAME,alias=A,ip=ADDRESS)"),
    Flag("net", "network", "Connect to a network", hidden=True, same_as="network"),
    Flag("network-alias", "list", "Name of the container on the network"),
    Flag("net-alias", "list", "Name of the container on the network", hidden=True, same_as="network-alias"),
    Flag("publish", "list", "Publish a port ([[IP:]HOST:]CONTAINER[/udp], ranges too)", "p"),
    Flag("publish-all", "bool", "Publish all exposed ports, each on a free port", "P"),
)

RESOURCES = (
    Flag("blkio-weight", "uint16", "Relative weight of block I/O, 10 to 1000, 0 for none", default=0),
    Flag("blkio-weight-device", "weight-device", "The same for one device (/dev/sda:200)"),
    Flag("cgroup-parent", "string", "Cgroup to make the container's in"),
    Flag("cpu-count", "int", "Number of CPUs (Windows)", hidden=True),
    Flag("cpu-percent", "int", "Share of the CPUs (Windows)", hidden=True),
    Flag("cpu-period", "int", "Length of a CFS period, in microseconds"),
    Flag("cpu-quota", "int", "CPU time in each period, in microseconds"),
    Flag("cpu-rt-period", "int", "Length of a real-time period, in microseconds"),
    Flag("cpu-rt-runtime", "int", "Real-time CPU time in each period, in microseconds"),
    Flag("cpu-shares", "int", "Relative weight of CPU time", "c"),
    Flag("cpus", "decimal", "Number of CPUs (1.5)"),
    Flag("cpuset-cpus", "string", "CPUs to run on (0-3, 0,1)"),
    Flag("cpuset-mems", "string", "Memory nodes to use (0-3, 0,1)"),
    Flag("device", "list", "Add a device of the host (/dev/a[:/dev/b][:rwm])"),
    Flag("device-cgroup-rule", "list", "Add a rule to the devices that are allowed"),
    Flag("device-read-bps", "bps-device", "Limit the bytes read a second (/dev/sda:1mb)"),
    Flag("device-read-iops", "iops-device", "Limit the reads a second (/dev/sda:1000)"),
    Flag("device-write-bps", "bps-device", "Limit the bytes written a second (/dev/sda:1mb)"),
    Flag("device-write-iops", "iops-device", "Limit the writes a second (/dev/sda:1000)"),
    Flag("gpus", "gpus", "Add GPUs ('all' for all of them)"),
    Flag("kernel-memory", "bytes", "Limit of kernel memory (no longer has an effect)"),
    Flag("memory", "bytes", "Limit of memory (512m)", "m"),
    Flag("memory-reservation", "bytes", "Memory that is left to it when the host runs short"),
    Flag("memory-swap", "swap", "Limit of memory and swap together, -1 for no limit"),
    Flag("memory-swappiness", "int", "How eagerly to swap, 0 to 100", default=-1),
    Flag("oom-kill-disable", "bool", "Do not kill it when memory runs out"),
    Flag("oom-score-adj", "int", "How readily to kill it, -1000 to 1000"),
    Flag("pids-limit", "int", "Limit of processes, -1 for no limit"),
    Flag("ulimit", "ulimit", "Set a resource limit (nofile=1024:2048)"),
)

SECURITY = (
    Flag("cap-add", "list", "Add a capability"),
    Flag("cap-drop", "list", "Drop a capability"),
    Flag("cgroupns", "string", "Cgroup namespace (host, private)"),
    Flag("ipc", "string", "IPC namespace (host, private, shareable, container:NAME)"),
    Flag("pid", "string", "PID namespace (host, container:NAME)"),
    Flag("privileged", "bool", "Give it all devices and capabilities of the host"),
    Flag("security-opt", "list", "Security option (seccomp=FILE, no-new-privileges, apparmor=PROFILE)"),
    Flag("sysctl", "sysctl", "Set a kernel parameter of its namespaces"),
    Flag("userns", "string", "User namespace (host)"),
    Flag("uts", "string", "UTS namespace (host)"),
)

HEALTH = (
    Flag("health-cmd", "string", "Command that says whether it is healthy"),
    Flag("health-interval", "duration", "Time between two checks (ms|s|m|h)"),
    Flag("health-retries", "int", "Failures in a row that make it unhealthy"),
    Flag("health-start-interval", "duration", "Time between two checks while it starts (ms|s|m|h)"),
    Flag("health-start-period", "duration", "Time to start, in which failures do not count (ms|s|m|h)"),
    Flag("health-timeout", "duration", "Time that a check may take (ms|s|m|h)"),
    Flag("no-healthcheck", "bool", "Do not run the image's check"),
)

LOGGING = (
    Flag("log-driver", "string", "Where its output goes"),
    Flag("log-opt", "list", "Option of the log driver (max-size=10m)"),
)

CREATE_FLAGS = PROCESS + IDENTITY + STORAGE + NETWORK + RESOURCES + SECURITY + HEALTH + LOGGING
RUN_FLAGS = (
    *CREATE_FLAGS,
    Flag("detach", "bool", "Run in the background and print the container's ID", "d"),
    Flag("detach-keys", "string", "Keys that leave a container running"),
    Flag("sig-proxy", "bool", "Pass signals on to the process", default=True),
)
