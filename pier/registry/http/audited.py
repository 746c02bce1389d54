"""Which requests stand in the audit log: what was pulled, pushed and deleted, and all that was refused."""

from typing import Final

from aiohttp import web

from pier.oci.digest import is_digest
from pier.registry.access.audit import Audit
from pier.registry.http.call import Call
from pier.registry.http.routes import METHODS, Endpoint
from pier.registry.refusals import STATUS, Code

_EVENTS: Final = {
    (Endpoint.MANIFEST, "GET"): "pull",
    (Endpoint.MANIFEST, "PUT"): "push",
    (Endpoint.MANIFEST, "DELETE"): "delete",
    (Endpoint.BLOB, "DELETE"): "delete",
}
_REFUSED: Final = {STATUS[code]: code.value for code in (Code.UNAUTHORIZED, Code.DENIED, Code.TOOMANYREQUESTS)}


def note(audit: Audit, call: Call, response: web.StreamResponse | None) -> None:
    """A request without credentials that is told to bring some is only a client's first step."""
    status = response.status if response is not None else 499
    if status == 401 and "Authorization" not in call.request.headers:
        return
    method, endpoint = call.request.method, call.match.endpoint
    event = _EVENTS.get((endpoint, method), "")
    if not event and (status not in _REFUSED or endpoint is Endpoint.PAGE):
        return
    reference = call.match.reference
    digest = call.concerned or (response.headers.get("Docker-Content-Digest", "") if response is not None else "")
    audit.note(
        event or METHODS[endpoint].get(method, method),
        who=call.principal.name,
        address=call.address,
        result="ok" if status < 400 else _REFUSED.get(status, str(status)),
        repository=call.match.name,
        tag="" if is_digest(reference) or event == "" else reference,
        digest=digest or (reference if is_digest(reference) else ""),
        agent=call.request.headers.get("User-Agent", ""),
    )
