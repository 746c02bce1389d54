"""``pierd``: from the command line to a running daemon."""

import gc
import os
import sys
from collections.abc import Sequence

from pier import log
from pier.daemon import config as configuration
from pier.daemon.config import Config
from pier.daemon.help import usage
from pier.errors import PierError
from pier.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit code. Wrong usage is 125 and failure 1, as dockerd's."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        config = configuration.load(words, os.environ)
    except PierError as error:
        print(f"{error.message}\nSee 'pierd --help'.", file=sys.stderr)
        return 125 if "flag" in error.message else 1
    if config["help"]:
        print(usage(), end="")
    elif config["version"]:
        print(f"Pier version {VERSION}")
    elif config["validate"]:
        print("configuration OK")
    else:
        return _run(config)
    return 0


def _run(config: Config) -> int:
    if os.geteuid() != 0:
        print("failed to start daemon: pierd needs to be started with root privileges", file=sys.stderr)
        return 1
    log.configure(config.log_level)
    gc.disable()  # what start-up makes stays for good; ``serve`` turns it on again
    from pier.daemon import serve  # the rest of Pier, which --help and --version need not load

    try:
        serve.run(config)
    except PierError as error:
        print(f"pierd: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # while it waits for the daemon before it
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
