"""An ``ssh-agent`` for one build, with keys from files. It ends with us, even if we are killed."""

from __future__ import annotations

import os

from pier.cli.command import Failure

WAITING = 'echo && cat >/dev/null; kill "$SSH_AGENT_PID"; rm -rf -- "$0"'
"""``ssh-agent COMMAND`` runs beside its command: this one says that it is there, and waits for our end."""


class KeyAgent:
    """``path``: its socket, in a folder that nobody else can enter."""

    def __init__(self) -> None:
        from tempfile import mkdtemp

        self._folder = mkdtemp(prefix="pier-ssh-")
        self.path = os.path.join(self._folder, "agent")
        self._pid = 0
        self._alive = -1

    def start(self) -> None:
        """Raises Failure."""
        ours, said = os.pipe()
        theirs, self._alive = os.pipe()
        words = ["ssh-agent", "-a", self.path, "sh", "-c", WAITING, self._folder]
        try:
            self._pid = _spawn(words, os.environ, theirs, said, os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))
            ready = os.read(ours, 1)
        finally:
            os.close(ours)
        if not ready:
            raise Failure(f"ERROR: ssh-agent did not start with the socket {self.path}")

    def add(self, key: str) -> None:
        """Raises Failure in buildx's words. It is asked for no passphrase."""
        try:
            file = os.open(key, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Failure(f"ERROR: open {key}: {(error.strerror or '').lower()}") from None
        ours, said = os.pipe()
        environment = {**os.environ, "SSH_AUTH_SOCK": self.path, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
        pid = _spawn(["ssh-add", "-q", "-"], environment, file, os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), said)
        with os.fdopen(ours, "rb") as stream:
            told = stream.read()
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
            locked = b"passphrase" in told
            raise Failure(
                f"ERROR: failed to parse {key}: ssh: this private key is passphrase protected: "
                f"add it to an agent (ssh-add {key}) and give that"
                if locked
                else f"ERROR: failed to parse {key}: ssh: no key found"
            )

    def close(self) -> None:
        """End it, and wait until it has."""
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1
        if self._pid:
            os.waitpid(self._pid, 0)
            self._pid = 0
        from shutil import rmtree

        rmtree(self._folder, ignore_errors=True)


def _spawn(words: list[str], environment: os._Environ[str] | dict[str, str], *streams: int) -> int:
    """Without a terminal, and where our Ctrl-C does not reach it. Closes ``streams``, which are its 0, 1 and 2."""
    actions = [(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams)]
    try:
        return os.posix_spawnp(words[0], words, environment, file_actions=actions, setsid=True)
    except OSError as error:
        raise Failure(
            f"ERROR: keys from files need {words[0]}: {(error.strerror or '').lower()}: "
            "install the client programs of OpenSSH"
        ) from None
    finally:
        for stream in streams:
            os.close(stream)
