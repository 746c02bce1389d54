"""``--insecure``: one request's leave to trust a registry that the daemon's settings do not."""

import copy
from dataclasses import replace

from pier.remote.client import Registries


def trusting(registries: Registries, domain: str) -> Registries:
    """``registries`` as if ``domain`` were among the insecure ones: any certificate, and plain HTTP after it.

    The connections and limits are shared with ``registries``, whose settings stay as they are.
    """
    view = copy.copy(registries)
    view.settings = replace(registries.settings, insecure=(*registries.settings.insecure, domain))
    return view
