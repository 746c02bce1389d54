"""SIGHUP: read the configuration file again and take over what may change while the daemon runs."""

import os
import sys
from typing import TYPE_CHECKING

from pier import log
from pier.daemon import config as configuration
from pier.daemon.settings import SETTINGS
from pier.errors import PierError

if TYPE_CHECKING:
    from pier.daemon.wiring import Daemon

_log = log.Logger("pier.daemon")


def reload(daemon: "Daemon") -> None:
    """Apply what is reloadable; a configuration that is wrong changes nothing."""
    try:
        fresh = configuration.load(sys.argv[1:], os.environ)
    except PierError as error:
        _log.error("configuration not reloaded", error=error.message)
        return
    changed = [each.name for each in SETTINGS if fresh[each.name] != daemon.config[each.name]]
    reloadable = {each.name for each in SETTINGS if each.reloadable}
    daemon.reconfigure(fresh, [name for name in changed if name in reloadable])
    _log.info("configuration reloaded", changed=",".join(name for name in changed if name in reloadable) or "nothing")
    if ignored := [name for name in changed if name not in reloadable]:
        _log.warning("these settings need a restart", settings=",".join(ignored))
