"""The Dockerfile frontend's options, and what goes with them, to a :class:`BuildRequest` (pure)."""

import csv
from collections.abc import Mapping
from typing import Final

import msgspec

from pier.api.buildkit.exporters import outputs
from pier.api.buildkit.proto import control_pb2, gateway_pb2
from pier.api.buildkit.results import identifier_of
from pier.build.request import BuildRequest, CacheSpec, Limits, Ulimit
from pier.errors import InvalidArgument, Unsupported

_UPLOADS: Final = "http://buildkit-session/"
_FRONTENDS: Final = ("docker/dockerfile", "docker/dockerfile-upstream")

Options = Mapping[str, str]


class _CacheEntry(msgspec.Struct, frozen=True):
    Type: str = ""
    Attrs: dict[str, str] | None = None


def build_request(job: control_pb2.SolveRequest, solve: gateway_pb2.SolveRequest) -> BuildRequest:
    """``job``: the build as a whole; ``solve``: what is to be built in it. Raises InvalidArgument, Unsupported."""
    options = solve.FrontendOpt
    _require_dockerfile(solve.Frontend, options)
    no_cache = options.get("no-cache")
    network = options.get("force-network-mode", "") or "default"
    if network not in ("default", "sandbox", "none", "host"):
        raise InvalidArgument(f"invalid netmode {network}")
    return BuildRequest(
        id=job.Ref,
        contexts=_contexts(solve),
        target=options.get("target", ""),
        build_args=_prefixed(options, "build-arg:"),
        labels=_prefixed(options, "label:"),
        platforms=tuple(part for part in options.get("platform", "").split(",") if part),
        pull=_resolve_mode(options) == "pull",
        no_cache=no_cache == "",
        no_cache_filter=tuple(no_cache.split(",")) if no_cache else (),
        cache_from=_cache_from(options, job, solve),
        cache_to=tuple(CacheSpec(entry.Type, dict(entry.Attrs)) for entry in job.Cache.Exports),
        outputs=outputs(job),
        network="default" if network == "sandbox" else network,
        extra_hosts=tuple(host.replace("=", ":", 1) for host in _fields(options.get("add-hosts", ""))),
        limits=_limits(options),
        context=_context(options),
        dockerfile=options.get("filename", "") or "Dockerfile",
        dockerfile_context=_dockerfile_context(options),
        entitlements=tuple(job.Entitlements),
        source_date_epoch=_epoch(options.get("build-arg:SOURCE_DATE_EPOCH", "")),
    )


def _require_dockerfile(frontend: str, options: Options) -> None:
    source = options.get("source", "").partition("@")[0].partition(":")[0].removeprefix("docker.io/")
    if frontend == "dockerfile.v0" or (frontend == "gateway.v0" and source in _FRONTENDS):
        return
    raise Unsupported(f"the frontend {options.get('source') or frontend} is not supported: only dockerfile.v0 is")


def _remote(options: Options) -> str:
    """The context that is not a folder of the client's, as it was given."""
    return options.get(options.get("contextkey", "context"), "")


def _context(options: Options) -> str:
    if options.get("contextsubdir"):
        raise Unsupported("contextsubdir is not supported: name the folder in the context's URL")
    given = _remote(options)
    if given.startswith(_UPLOADS):
        return "upload:" + given.removeprefix(_UPLOADS)
    return given or "local:context"


def _dockerfile_context(options: Options) -> str:
    """Empty where the Dockerfile lies in the context."""
    if _remote(options) and "dockerfilekey" not in options:
        return ""
    return "local:" + options.get("dockerfilekey", "dockerfile")


def _contexts(solve: gateway_pb2.SolveRequest) -> dict[str, str]:
    found = {}
    for name, value in _prefixed(solve.FrontendOpt, "context:").items():
        kind, _, rest = value.partition(":")
        if kind == "input":
            if rest not in solve.FrontendInputs:
                raise InvalidArgument(f"invalid input {rest} for {name}")
            value = identifier_of(solve.FrontendInputs[rest])
        found[name] = value
    return found


def _prefixed(options: Options, prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in options.items() if name.startswith(prefix)}


def _resolve_mode(options: Options) -> str:
    mode = options.get("image-resolve-mode", "")
    if mode not in ("", "default", "pull", "local"):
        raise InvalidArgument(f"invalid image-resolve-mode: {mode}")
    return mode


def _cache_from(
    options: Options, job: control_pb2.SolveRequest, solve: gateway_pb2.SolveRequest
) -> tuple[CacheSpec, ...]:
    """The same entries may be told in several places; each counts once."""
    try:
        told = msgspec.json.decode(options.get("cache-imports", "") or "[]", type=list[_CacheEntry])
    except msgspec.DecodeError as error:
        raise InvalidArgument(f"failed to unmarshal cache-imports: {error}") from error
    found = [CacheSpec(entry.Type, entry.Attrs or {}) for entry in told]
    found += [CacheSpec(entry.Type, dict(entry.Attrs)) for entry in (*solve.CacheImports, *job.Cache.Imports)]
    found += [CacheSpec("registry", {"ref": ref}) for ref in options.get("cache-from", "").split(",") if ref]
    return tuple(entry for place, entry in enumerate(found) if entry not in found[:place])


def _limits(options: Options) -> Limits:
    size = options.get("shm-size", "") or "0"
    if not size.isdecimal():
        raise InvalidArgument(f'failed to parse shm size: strconv.ParseInt: parsing "{size}": invalid syntax')
    return Limits(
        shm_size=int(size),
        ulimits=tuple(_ulimit(text) for text in _fields(options.get("ulimit", ""))),
        cgroup_parent=options.get("cgroup-parent", ""),
    )


def _ulimit(text: str) -> Ulimit:
    name, _, values = text.partition("=")
    soft, _, hard = values.partition(":")
    try:
        return Ulimit(name, int(soft), int(hard or soft))
    except ValueError:
        raise InvalidArgument(f"failed to parse ulimit: invalid ulimit argument: {text}") from None


def _fields(text: str) -> list[str]:
    return next(csv.reader([text]), []) if text else []


def _epoch(text: str) -> int | None:
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise InvalidArgument(
            f'invalid SOURCE_DATE_EPOCH: {text}: strconv.ParseInt: parsing "{text}": invalid syntax'
        ) from None
