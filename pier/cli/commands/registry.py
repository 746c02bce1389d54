"""``registry serve``: become the registry's process."""

from __future__ import annotations

import os
import re
import sys

from pier.cli.call import Call
from pier.cli.command import Command, Failure, Flag

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
_PREFIX = "PIER_REGISTRY_"
_PASSWORD = re.compile(r"://[^/?@]*:[^/?@]+@|[?&](password|secret_key)=[^&]")
DETAILS = """
One command is a registry: it keeps its database and its blobs under --root, and answers on 127.0.0.1:5000.

Settings also come from a file (--config, TOML, the flags' names with underscores) and from variables
(PIER_REGISTRY_LISTEN and so on). A flag wins over a variable, and that over the file; passwords belong into the file
or a variable, since others can read the flags of a command while it begins. SIGHUP reads the certificate
again; SIGTERM waits for transfers that are under way.
"""


def serve(call: Call) -> int:
    """Run the server in place of this process."""
    return become("pier.daemon.registry", ["serve", *given(call)])


def become(module: str, words: list[str]) -> int:
    """Run a program of Pier's in place of this process."""
    python = os.path.join(ROOT, ".venv", "bin", "python")
    if not os.access(python, os.X_OK):
        python = sys.executable
    path = os.environ.get("PYTHONPATH")
    words, secrets = unshown(words)
    environment = {**os.environ, **secrets, "PYTHONPATH": f"{ROOT}:{path}" if path else ROOT}
    for name in (name for name, value in secrets.items() if _PASSWORD.search(value)):
        flag = name.removeprefix(_PREFIX).lower()
        print(
            f"WARNING! Using --{flag} with a password via the CLI is insecure. Use {name} or the settings file.",
            file=sys.stderr,
        )
    sys.stdout.flush()
    try:
        os.execve(python, [python, "-P", "-m", module, *words], environment)
    except OSError as error:
        raise Failure(f"cannot run {python}: {error.strerror}") from None


def unshown(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """``words`` without the flags whose addresses may have passwords, and those as variables, which count as much.

    Everybody can read the arguments of a process, and only its user the variables.
    """
    end = words.index("--") if "--" in words else len(words)
    secrets = {}
    for word in words[:end]:
        name, _, value = word.partition("=")
        if name in ("--database", "--storage") and value:
            secrets[_PREFIX + name[2:].upper()] = value
    kept = [word for word in words[:end] if not word.startswith(("--database=", "--storage="))]
    return [*kept, *words[end:]], secrets


def given(call: Call) -> list[str]:
    words = []
    for name, value in call.values.items():
        for each in value if isinstance(value, list) else [value]:
            words.append(f"--{name}={str(each).lower() if isinstance(each, bool) else each}")
    return words


SERVE = Command(
    serve,
    "",
    (
        Flag("config", "string", "File of settings (default: /etc/pier/registry.toml, where there is one)"),
        Flag("access-log", "bool", "Log a line for each request", default=True),
        Flag("admins", "list", "Users who may do everything"),
        Flag(
            "anonymous-pull",
            "list",
            "Projects or globs of repositories that anybody may pull from, beside public projects",
        ),
        Flag(
            "audit-log",
            "string",
            "File of who pulled, pushed, deleted, was refused; - for lines in the log (default: none)",
        ),
        Flag("collect-every", "int", "Seconds between two collections of what nothing refers to", default=15),
        Flag(
            "database", "string", "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME (default: ROOT/registry.db)"
        ),
        Flag("default-role", "string", "Role of every user in every project: reader, writer, admin (default: none)"),
        Flag("failed-logins", "int", "Wrong passwords a minute of one address (0: any number)", default=20),
        Flag(
            "htpasswd",
            "string",
            "File of users (htpasswd -B), beside those of the database; read again when it changes",
        ),
        Flag("idle-timeout", "int", "Seconds that a client may send or take nothing", default=120),
        Flag("job-lease", "int", "Seconds after which the jobs of an instance that died are another's", default=60),
        Flag("largest-manifest", "int", "Bytes of the largest manifest that is taken", default=4194304),
        Flag("lease", "int", "Seconds that a pushed blob is kept for the manifest that will refer to it", default=3600),
        Flag("listen", "list", "HOST:PORT to listen on, also several (default: 127.0.0.1:5000)"),
        Flag("log-level", "string", "debug, info, warn, error", default="info"),
        Flag("metrics-listen", "string", "HOST:PORT of a listener for /metrics alone (default: with the rest)"),
        Flag("open", "bool", "While there are no users let everybody do everything, from anywhere; allow no TLS"),
        Flag("rate-address", "int", "Requests a second of one address (0: any number)"),
        Flag("rate-burst", "int", "Requests at once beyond that (default: twice the rate)"),
        Flag("rate-user", "int", "Requests a second of one user (0: any number)"),
        Flag("redirect", "bool", "Send clients to the object storage for blobs, where it allows"),
        Flag(
            "refresh-life",
            "int",
            "Seconds that a refresh token is good for, unless the password changes",
            default=7776000,
        ),
        Flag("retain-every", "int", "Seconds between two looks at the projects' retention rules", default=600),
        Flag("root", "string", "Folder of the database and the blobs", default="/var/lib/pier-registry"),
        Flag(
            "service", "string", "Name of this registry in tokens; the same in all instances", default="pier-registry"
        ),
        Flag("stop-wait", "int", "Seconds that transfers under way have when the registry stops", default=60),
        Flag("storage", "string", "file:///PATH or s3://BUCKET/PREFIX?endpoint=URL (default: ROOT/blobs)"),
        Flag("tls-cert", "string", "File of the TLS certificate and its chain; read again when it changes"),
        Flag("tls-key", "string", "File of the certificate's key"),
        Flag("token-life", "int", "Seconds that a token is good for", default=300),
        Flag("trusted-proxies", "list", "Networks of proxies whose X-Forwarded-For and -Proto are believed"),
        Flag("upload-life", "int", "Seconds after which an upload that nobody goes on with ends", default=86400),
        Flag(
            "upstream-size",
            "int",
            "Bytes that what was pulled through may take (0: any number); least used goes first",
            default=50_000_000_000,
        ),
    ),
    maximum=0,
    details=DETAILS,
    examples=(
        ("pier registry serve", "For this machine alone, on 127.0.0.1:5000"),
        (
            "pier registry serve --listen :443 --tls-cert /etc/pier/cert.pem --tls-key /etc/pier/key.pem",
            "For a team",
        ),
        ("pier registry serve --config /etc/pier/registry.toml", "With all that a file can say"),
    ),
)
