"""``manifest``: lists of manifests, made here and kept on registries."""

from __future__ import annotations

from base64 import b64encode

from pier.cli import progress
from pier.cli.call import Call, say
from pier.cli.command import Command, Failure, Flag
from pier.cli.config import load
from pier.cli.credentials import header, key_of, usable
from pier.cli.manifests import documents
from pier.cli.manifests.platforms import is_known
from pier.cli.manifests.store import Store
from pier.client import manifests
from pier.client.failures import Answer
from pier.errors import InvalidArgument
from pier.oci.reference import Reference, parse_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Json = dict[str, Any]


def create(call: Call) -> int:
    store = Store(call.options)
    target = _named(call.args[0], "error parsing name for manifest list")
    if store.list(target.canonical) is not None and not call.flag("amend"):
        raise Failure("refusing to amend an existing manifest list with no --amend flag")
    for entry in [_manifest(call, store, target, _named(name)) for name in call.args[1:]]:
        store.save(target.canonical, entry)
    say(f"Created manifest list {target.canonical}")
    return 0


def annotate(call: Call) -> int:
    store = Store(call.options)
    target = _named(call.args[0], "annotate: error parsing name for manifest list")
    reference = _named(call.args[1], "annotate: error parsing name for manifest")
    entry = store.get(target.canonical, reference.canonical)
    if entry is None:
        raise Failure(f"manifest for image {call.args[1]} does not exist in {call.args[0]}")
    platform = documents.platform_of(entry)
    for flag, name in (("arch", "architecture"), ("os", "os"), ("os-version", "os.version"), ("variant", "variant")):
        if call.text(flag):
            platform[name] = call.text(flag)
    features = [*platform.get("os.features", []), *call.items("os-features")]
    if features:
        platform["os.features"] = list(dict.fromkeys(features))
    if not is_known(platform["os"], platform["architecture"]):
        wanted = f"{call.text('os')}/{call.text('arch')}"
        raise Failure(f"manifest entry for image has unsupported os/arch combination: {wanted}")
    entry["Descriptor"]["platform"] = platform
    entry["Descriptor"]["platform"] = documents.platform_of(entry)
    store.save(target.canonical, entry)
    return 0


def inspect(call: Call) -> int:
    store = Store(call.options)
    if len(call.args) == 2:
        target, reference = _named(call.args[0]), _named(call.args[1])
        return _show(call, [_manifest(call, store, target, reference)], one=True)
    reference = _named(call.args[0])
    local = store.list(reference.canonical)
    if local:
        return _show(call, local, one=False)
    found = _read(call, reference)
    names = [reference.canonical]
    if found["List"]:
        names = [f"{reference.canonical.partition('@')[0]}@{_digest(each)}" for each in found["Manifests"]]
    entries = [documents.record(name, each) for name, each in zip(names, found["Manifests"], strict=True)]
    return _show(call, entries, one=not found["List"])


def _digest(found: Json) -> str:
    return str(found["Descriptor"]["digest"])


def _show(call: Call, entries: list[Json], one: bool) -> int:
    if call.flag("verbose"):
        say(documents.verbose(entries[0] if one else entries))
    elif one:
        say(documents.plain(entries[0]))
    else:
        say(documents.list_of(entries)[0])
    return 0


def push(call: Call) -> int:
    store = Store(call.options)
    target = _named(call.args[0])
    entries = store.list(target.canonical)
    if entries is None:
        raise Failure(f"No such manifest: {target.canonical}")
    if not entries:
        raise Failure(f"{target.canonical} not found")
    for entry in entries:
        domain = parse_reference(entry["Ref"]).domain
        if domain != target.domain:
            raise Failure(
                f"cannot use source images from a different registry than the target image: {domain} != {target.domain}"
            )
    documents.require_platforms(entries)
    _push(call, target, entries)
    if call.flag("purge"):
        store.remove(target.canonical)
    return 0


def _push(call: Call, target: Reference, entries: list[Json]) -> None:
    text, kind = documents.list_of(entries)
    body = {
        "Manifests": [
            {"Raw": entry["Raw"], "MediaType": entry["Descriptor"]["mediaType"], "Reference": entry["Ref"]}
            for entry in entries
        ],
        "List": {"Raw": b64encode(text.encode()).decode(), "MediaType": kind},
    }
    try:
        pushed = manifests.write(call.client, target.canonical, body, call.flag("insecure"), _auth(call, target))
        progress.show(pushed, on_aux=lambda told: say(str(told["Digest"])))
    except Answer as error:
        raise _failure(error) from error


def remove(call: Call) -> int:
    store = Store(call.options)
    missing: list[str] = []
    for target in [_named(name).canonical for name in call.args]:
        if store.list(target) is None:
            missing.append(f"No such manifest: {target}")
        else:
            store.remove(target)
    if missing:
        raise Failure("\n".join(missing))
    return 0


def _named(text: str, what: str = "") -> Reference:
    try:
        return parse_reference(text).with_default_tag()
    except InvalidArgument as error:
        raise Failure(f"{what} {text}: {error}" if what else str(error)) from error


def _manifest(call: Call, store: Store, target: Reference, reference: Reference) -> Json:
    """A manifest of the list, else of its registry."""
    kept = store.get(target.canonical, reference.canonical)
    if kept is not None:
        return kept
    found = _read(call, reference)
    if found["List"]:
        raise Failure(f"{reference.canonical} is a manifest list")
    return documents.record(reference.canonical, found["Manifests"][0])


def _read(call: Call, reference: Reference) -> Json:
    try:
        return manifests.read(call.client, reference.canonical, call.flag("insecure"), _auth(call, reference))
    except Answer as error:
        raise _failure(error) from error


def _failure(error: Answer) -> Failure:
    if "page not found" in str(error):
        return Failure("this daemon does not speak to registries for manifests: it must be a pierd")
    return Failure(str(error))


def _auth(call: Call, reference: Reference) -> str:
    return header(usable(load(call.options), key_of(reference.domain)))


INSECURE = Flag("insecure", "bool", "Trust any certificate of the registry, and speak plain HTTP where it must be")
CREATE = Command(
    create,
    "MANIFEST_LIST MANIFEST [MANIFEST...]",
    (Flag("amend", "bool", "Add to a list that is there already", "a"), INSECURE),
    minimum=2,
    examples=(("pier manifest create r:5000/app:1 r:5000/app:1-amd64 r:5000/app:1-arm64", "One name for both"),),
)
ANNOTATE = Command(
    annotate,
    "MANIFEST_LIST MANIFEST",
    (
        Flag("arch", "string", "Set the architecture"),
        Flag("os", "string", "Set the operating system"),
        Flag("os-features", "strings", "Add a feature of the operating system"),
        Flag("os-version", "string", "Set the operating system's version"),
        Flag("variant", "string", "Set the architecture's variant"),
    ),
    minimum=2,
    maximum=2,
)
INSPECT = Command(
    inspect,
    "[MANIFEST_LIST] MANIFEST",
    (INSECURE, Flag("verbose", "bool", "Show the platform, and the document as it was sent", "v")),
    minimum=1,
    maximum=2,
)
PUSH = Command(
    push,
    "MANIFEST_LIST",
    (INSECURE, Flag("purge", "bool", "Remove the local list afterwards", "p")),
    minimum=1,
    maximum=1,
)
RM = Command(remove, "MANIFEST_LIST [MANIFEST_LIST...]", minimum=1)
