"""What differs between versions of the API (pure): today's shapes to those that an older client expects.

One function a shape; each takes and returns plain JSON values, newest first.
"""

from typing import Any, Final

import msgspec

from pier.api.routing import Version

# The config of an image as it was shown when it still had the form of a container's, with its empty values.
_CONTAINERS_CONFIG: Final[dict[str, Any]] = {
    "Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": False,
    "AttachStderr": False, "Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": None,
    "Image": "", "Volumes": None, "WorkingDir": "", "Entrypoint": None, "OnBuild": None, "Labels": None,
}  # fmt: skip
_IMAGES_CONFIG: Final = frozenset(
    {"User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal"}
    | {"ArgsEscaped", "Healthcheck", "OnBuild", "Shell"}
)


def container_summary(body: dict[str, Any], version: Version) -> dict[str, Any]:
    """An element of ``GET /containers/json``."""
    if version < (1, 48):
        body.pop("ImageManifestDescriptor", None)
    return body


def container(body: dict[str, Any], version: Version) -> dict[str, Any]:
    """The body of ``GET /containers/{id}/json``."""
    if version < (1, 48):
        body.pop("ImageManifestDescriptor", None)
    if version < (1, 44):
        for endpoint in body.get("NetworkSettings", {}).get("Networks", {}).values():
            endpoint.pop("DNSNames", None)
    else:
        body.get("Config", {}).pop("MacAddress", None)
    return body


def create_request(data: bytes, version: Version) -> bytes:
    """The body of ``POST /containers/create``: what old clients meant by leaving something out."""
    if version >= (1, 42) or b"ConsoleSize" not in data:
        return data
    try:
        body = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return data  # whoever decodes it says what is wrong
    if isinstance(body, dict) and isinstance(body.get("HostConfig"), dict):
        body["HostConfig"].pop("ConsoleSize", None)
    return msgspec.json.encode(body)


def image_summary(body: dict[str, Any], version: Version) -> dict[str, Any]:
    """An element of ``GET /images/json``."""
    if version < (1, 44):
        body["VirtualSize"] = body["Size"]
    if version < (1, 43) and not body["RepoTags"] and not body["RepoDigests"]:
        body["RepoTags"], body["RepoDigests"] = ["<none>:<none>"], ["<none>@<none>"]
    return body


def image(body: dict[str, Any], version: Version) -> dict[str, Any]:
    """The body of ``GET /images/{name}/json``. Since 1.50 its config has what belongs to an image, where not empty.

    The config of the container that made it is empty: no image here was made by one that a client could know.
    """
    config = body["Config"]
    if version < (1, 50):
        body["Config"] = _CONTAINERS_CONFIG | config
    else:
        body["Config"] = {name: value for name, value in config.items() if name in _IMAGES_CONFIG}
    if version < (1, 45):
        body["ContainerConfig"] = dict(_CONTAINERS_CONFIG)
    if version < (1, 44):
        body["VirtualSize"] = body["Size"]
    if version < (1, 48):
        body.pop("Descriptor", None)
    return body


def info(body: dict[str, Any], version: Version) -> dict[str, Any]:
    """The body of ``GET /info``."""
    if version < (1, 47):
        body.get("RegistryConfig", {}).update(
            AllowNondistributableArtifactsCIDRs=None, AllowNondistributableArtifactsHostnames=None
        )
    if version < (1, 49):
        for name in ("ContainerdCommit", "RuncCommit", "InitCommit"):
            body[name] = {**body[name], "Expected": body[name]["ID"]}
    if version < (1, 50):
        body.setdefault("BridgeNfIptables", False)
        body.setdefault("BridgeNfIp6tables", False)
    return body
