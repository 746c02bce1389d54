"""Calls that are made to two registries alike: each function is one story, told to a fresh repository ``name``."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from pier.oci import mediatypes
from pier.oci.digest import Digest, sha256
from tests.compat.registry_raw import Raw

Story = Callable[[Raw, str], Awaitable[None]]
ABSENT: Final = sha256(b"nobody has this")
BLOB: Final = bytes(range(256)) * 40
OTHER: Final = b"other" * 100


async def push_blob(http: Raw, name: str, data: bytes, note: str = "push a blob") -> Digest:
    digest = sha256(data)
    begun = await http("POST", f"/v2/{name}/blobs/uploads/", note=f"{note}: begin")
    where = with_query(begun.headers["Location"], digest=digest)
    await http("PUT", where, note=f"{note}: end", body=data)
    return digest


def with_query(location: str, **query: str) -> str:
    return location + ("&" if "?" in location else "?") + "&".join(f"{key}={value}" for key, value in query.items())


def image(*blobs: bytes, media_type: str = mediatypes.OCI_MANIFEST, **more: Any) -> bytes:
    """A manifest whose config is the first of ``blobs``."""
    docker = media_type == mediatypes.DOCKER_MANIFEST
    types = (
        (mediatypes.DOCKER_CONFIG, mediatypes.DOCKER_LAYER_GZIP)
        if docker
        else (mediatypes.OCI_CONFIG, mediatypes.OCI_LAYER_GZIP)
    )
    config, *layers = [
        {"mediaType": types[min(place, 1)], "size": len(blob), "digest": sha256(blob)}
        for place, blob in enumerate(blobs)
    ]
    document = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers, **more}
    return json.dumps(document, indent=1).encode()


async def put_manifest(http: Raw, name: str, reference: str, data: bytes, note: str, media_type: str = "") -> None:
    kind = media_type or json.loads(data).get("mediaType", mediatypes.OCI_MANIFEST)
    await http("PUT", f"/v2/{name}/manifests/{reference}", note=note, headers={"Content-Type": kind}, body=data)


async def push_image(http: Raw, name: str, *tags: str) -> bytes:
    await push_blob(http, name, BLOB)
    await push_blob(http, name, OTHER)
    data = image(OTHER, BLOB)
    for tag in tags:
        await put_manifest(http, name, tag, data, f"tag {tag}")
    return data


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def accept(*types: str) -> Mapping[str, str]:
    return {"Accept": ", ".join(types or mediatypes.MANIFEST_TYPES)}


async def base(http: Raw, name: str) -> None:
    for method in ("GET", "HEAD", "POST", "DELETE"):
        await http(method, "/v2/", note=f"{method} /v2/")
    await http("GET", "/v2", note="without its slash")
    await http("GET", "/v2/nonsense", note="no endpoint")
    await http("GET", f"/v2/{name}", note="no endpoint of a repository")


async def blob_at_once(http: Raw, name: str) -> None:
    digest = await push_blob(http, name, BLOB)
    path = f"/v2/{name}/blobs/{digest}"
    await http("HEAD", path)
    await http("GET", path)
    await http("GET", path, note="conditional", headers={"If-None-Match": f'"{digest}"'})
    await http("GET", path, note="conditional, another", headers={"If-None-Match": f'"{ABSENT}"'})
    await http("GET", path, note="conditional, any", headers={"If-None-Match": "*"})
    for mark in (f'"{digest}"', f'W/"{digest}"', f'"{ABSENT}"', "Sat, 21 Nov 2026 12:00:00 GMT"):
        headers = {"Range": "bytes=5-9", "If-Range": mark}
        await http("GET", path, note=f"a part of {mark[:9]}", headers=headers)
    await http("POST", path, note="a method that blobs do not know")
    await http("PUT", path, note="another")


async def blob_in_one_call(http: Raw, name: str) -> None:
    await http(
        "POST", with_query(f"/v2/{name}/blobs/uploads/", digest=sha256(BLOB)), note="POST with all of it", body=BLOB
    )


async def blob_in_chunks(http: Raw, name: str) -> None:
    begun = await http("POST", f"/v2/{name}/blobs/uploads/", note="begin")
    where = begun.headers["Location"]
    for start, stop in ((0, 100), (100, 5000)):
        headers = {"Content-Range": f"{start}-{stop - 1}", "Content-Type": "application/octet-stream"}
        answer = await http("PATCH", where, note=f"chunk {start}", headers=headers, body=BLOB[start:stop])
        where = answer.headers["Location"]
        await http("GET", where, note=f"status at {stop}")
    await http("PUT", with_query(where, digest=sha256(BLOB)), note="end, with the rest", body=BLOB[5000:])
    await http("GET", where, note="status of what has ended")
    await http("GET", f"/v2/{name}/blobs/{sha256(BLOB)}")


async def blob_in_a_stream(http: Raw, name: str) -> None:
    begun = await http("POST", f"/v2/{name}/blobs/uploads/", note="begin")
    sent = await http("PATCH", begun.headers["Location"], note="stream", body=chunks(BLOB[:77], BLOB[77:]))
    await http("PUT", with_query(sent.headers["Location"], digest=sha256(BLOB)), note="end", body=b"")
    await http("HEAD", f"/v2/{name}/blobs/{sha256(BLOB)}")


async def empty_blob(http: Raw, name: str) -> None:
    digest = await push_blob(http, name, b"")
    await http("HEAD", f"/v2/{name}/blobs/{digest}")
    await http("GET", f"/v2/{name}/blobs/{digest}")


async def wrong_chunks(http: Raw, name: str) -> None:
    begun = await http("POST", f"/v2/{name}/blobs/uploads/", note="begin")
    first = await http(
        "PATCH", begun.headers["Location"], note="first", headers={"Content-Range": "0-99"}, body=BLOB[:100]
    )
    where = first.headers["Location"]
    for note, span, data in (
        ("again", "0-99", BLOB[:100]),
        ("with a gap", "200-299", BLOB[200:300]),
        ("backwards", "99-50", BLOB[:50]),
        ("no range", "all", BLOB[:50]),
        ("shorter than said", "100-299", BLOB[100:200]),
    ):
        await http("PATCH", where, note=note, headers={"Content-Range": span}, body=data)
    await http("GET", where, note="status after all that")


async def wrong_digests(http: Raw, name: str) -> None:
    for note, digest in (
        ("another's", ABSENT),
        ("none", ""),
        ("too short", "sha256:abcd"),
        ("no digest", "abcd"),
        ("unknown algorithm", "md5:" + hashlib.md5(BLOB).hexdigest()),
        ("in capitals", sha256(BLOB).upper()),
    ):
        begun = await http("POST", f"/v2/{name}/blobs/uploads/", note="begin")
        where = begun.headers["Location"]
        await http("PUT", with_query(where, digest=digest) if digest else where, note=note, body=BLOB)
    await http("HEAD", f"/v2/{name}/blobs/{sha256(BLOB)}", note="it is not there")
    await http("GET", f"/v2/{name}/blobs/sha256:abcd", note="GET too short")
    await http("GET", f"/v2/{name}/blobs/abcd", note="GET no digest")


async def cancelled_upload(http: Raw, name: str) -> None:
    begun = await http("POST", f"/v2/{name}/blobs/uploads/", note="begin")
    where = begun.headers["Location"]
    await http("GET", where, note="status of nothing")
    await http("DELETE", where, note="cancel")
    await http("DELETE", where, note="cancel again")
    await http("GET", where, note="status")
    await http("PATCH", where, note="go on", body=b"x")
    await http("PUT", with_query(where, digest=ABSENT), note="end", body=b"x")
    await http("GET", f"/v2/{name}/blobs/uploads/made-up", note="an upload that never was")
    await http("PATCH", f"/v2/{name}/blobs/uploads/made-up", note="go on with it", body=b"x")


async def mounts(http: Raw, name: str) -> None:
    digest = await push_blob(http, f"{name}/one", BLOB)
    begin = f"/v2/{name}/two/blobs/uploads/"
    await http("POST", with_query(begin, mount=digest, **{"from": f"{name}/one"}), note="mount")
    await http("HEAD", f"/v2/{name}/two/blobs/{digest}", note="it is there")
    await http("POST", with_query(begin, mount=ABSENT, **{"from": f"{name}/one"}), note="mount what is not there")
    await http("POST", with_query(begin, mount=digest, **{"from": f"{name}/none"}), note="mount from nowhere")
    await http("POST", with_query(begin, mount="nonsense", **{"from": f"{name}/one"}), note="mount nonsense")
    await http("POST", with_query(begin, mount=digest, **{"from": "NO/Name"}), note="mount from no name")
    await http("POST", with_query(f"/v2/{name}/three/blobs/uploads/", mount=digest), note="mount from anywhere")


async def ranges(http: Raw, name: str) -> None:
    digest = await push_blob(http, name, BLOB)
    for span in ("0-0", "0-", "100-199", "-1", "-99999", "10239-", "10240-", "99999-", "-0", "9-5", "a-b"):
        await http("GET", f"/v2/{name}/blobs/{digest}", note=span, headers={"Range": f"bytes={span}"})
    await http("GET", f"/v2/{name}/blobs/{digest}", note="lines", headers={"Range": "lines=0-1"})


async def manifests(http: Raw, name: str) -> None:
    data = await push_image(http, name, "one")
    digest = sha256(data)
    for method in ("HEAD", "GET"):
        for reference in ("one", digest):
            await http(method, f"/v2/{name}/manifests/{reference}", headers=accept())
    condition = {"If-None-Match": f'"{digest}"', **accept()}
    await http("GET", f"/v2/{name}/manifests/one", note="conditional", headers=condition)
    await put_manifest(http, name, digest, data, "by its digest")
    await put_manifest(http, name, ABSENT, data, "by another digest")
    await put_manifest(http, name, "sha256:abcd", data, "by no digest")
    for reference in ("none", ABSENT, ".hidden", "a" * 129):
        await http("GET", f"/v2/{name}/manifests/{reference}", note=f"GET {reference[:9]}", headers=accept())
    await http("PATCH", f"/v2/{name}/manifests/one", note="a method that manifests do not know")


async def docker_manifests(http: Raw, name: str) -> None:
    for blob in (BLOB, OTHER):
        await push_blob(http, name, blob)
    data = image(OTHER, BLOB, media_type=mediatypes.DOCKER_MANIFEST)
    await put_manifest(http, name, "docker", data, "schema 2")
    child = {"mediaType": mediatypes.DOCKER_MANIFEST, "size": len(data), "digest": sha256(data)}
    child["platform"] = {"os": "linux", "architecture": "amd64"}
    many = {"schemaVersion": 2, "mediaType": mediatypes.DOCKER_INDEX, "manifests": [child]}
    await put_manifest(http, name, "list", json.dumps(many).encode(), "a list")
    await http("GET", f"/v2/{name}/manifests/list", headers=accept())
    index = {"schemaVersion": 2, "mediaType": mediatypes.OCI_INDEX, "manifests": [child]}
    await put_manifest(http, name, "index", json.dumps(index).encode(), "an index")
    missing = {**index, "manifests": [{**child, "digest": ABSENT}]}
    await put_manifest(http, name, "gap", json.dumps(missing).encode(), "an index of what is not there")


async def wrong_manifests(http: Raw, name: str) -> None:
    await push_blob(http, name, BLOB)
    await push_blob(http, name, OTHER)
    good = json.loads(image(OTHER, BLOB))
    for note, data, media_type in (
        ("no JSON", b"{", mediatypes.OCI_MANIFEST),
        ("empty", b"", mediatypes.OCI_MANIFEST),
        ("a list", b"[]", mediatypes.OCI_MANIFEST),
        ("another type", json.dumps(good).encode(), mediatypes.DOCKER_MANIFEST),
        ("unknown type", json.dumps({**good, "mediaType": "x/y"}).encode(), "x/y"),
        ("a layer that is not there", image(OTHER, b"absent"), mediatypes.OCI_MANIFEST),
        ("a config that is not there", image(b"absent", BLOB), mediatypes.OCI_MANIFEST),
        ("image and index", json.dumps({**good, "manifests": []}).encode(), mediatypes.OCI_MANIFEST),
        ("too large", json.dumps({**good, "annotations": {"a": "a" * (4 << 20)}}).encode(), mediatypes.OCI_MANIFEST),
    ):
        await put_manifest(http, name, "wrong", data, note, media_type)
    await put_manifest(http, name, "-wrong", image(OTHER, BLOB), "a tag that is none")
    await http("GET", f"/v2/{name}/manifests/wrong", note="none of them is there", headers=accept())


async def wrong_sizes(http: Raw, name: str) -> None:
    """Blobs that are here, and are not as long as the manifest says: old Docker engines say 0 of configs."""
    await push_blob(http, name, BLOB)
    await push_blob(http, name, OTHER)
    for number, (note, field, size) in enumerate(
        (
            ("a layer that is longer", "layers", len(BLOB) + 1),
            ("a layer without bytes", "layers", 0),
            ("a layer of a TiB", "layers", 1 << 40),
            ("a layer of less than nothing", "layers", -1),
            ("a config without bytes", "config", 0),
        )
    ):
        document = json.loads(image(OTHER, BLOB))
        (document[field][0] if field == "layers" else document[field])["size"] = size
        await put_manifest(http, name, f"t{number}", json.dumps(document).encode(), note)


async def artifacts(http: Raw, name: str) -> None:
    subject = await push_image(http, name, "subject")
    await push_blob(http, name, b"{}")
    pointer = {"mediaType": mediatypes.OCI_MANIFEST, "size": len(subject), "digest": sha256(subject)}
    made = image(b"{}", media_type=mediatypes.OCI_MANIFEST, subject=pointer, artifactType="application/x-sbom")
    await put_manifest(http, name, sha256(made), made, "an artifact without layers")
    await http("GET", f"/v2/{name}/referrers/{sha256(subject)}", note="referrers")
    await http("GET", f"/v2/{name}/referrers/{sha256(subject)}?artifactType=x/y", note="referrers of a type")
    await http("GET", f"/v2/{name}/referrers/{ABSENT}", note="referrers of nothing")
    await http("GET", f"/v2/{name}/referrers/nonsense", note="referrers of no digest")


async def tags(http: Raw, name: str) -> None:
    await http("GET", f"/v2/{name}/tags/list", note="of a repository that is not there")
    await push_image(http, name, *"cabed")
    list_ = f"/v2/{name}/tags/list"
    await http("GET", list_, note="all")
    for query in ("n=2", "n=2&last=b", "n=2&last=d", "n=5", "n=100", "last=c", "last=zzz", "n=0"):
        await http("GET", f"{list_}?{query}", note=query)
    for query in ("n=-1", "n=x"):
        await http("GET", f"{list_}?{query}", note=query)
    await http("POST", list_, note="a method that it does not know")


async def catalogue(http: Raw, name: str) -> None:
    last = f"zz-{name}"
    for each in "ba":
        await push_image(http, f"{last}/{each}", "1")
    await http("GET", f"/v2/_catalog?n=1&last={last}", note="one")
    await http("GET", f"/v2/_catalog?n=2&last={last}", note="two")
    await http("GET", f"/v2/_catalog?last={last}/a", note="the rest")
    await http("GET", "/v2/_catalog?n=0", note="none")
    await http("GET", "/v2/_catalog?n=x", note="nonsense")
    await http("DELETE", "/v2/_catalog", note="a method that it does not know")


async def deletes(http: Raw, name: str) -> None:
    data = await push_image(http, name, "one", "two")
    manifest = f"/v2/{name}/manifests/"
    await http("DELETE", f"{manifest}none", note="a tag that is not there")
    await http("DELETE", f"{manifest}{ABSENT}", note="a digest that is not there")
    await http("DELETE", f"{manifest}one", note="a tag")
    await http("DELETE", f"{manifest}{sha256(data)}", note="by digest")
    await http("DELETE", f"{manifest}{sha256(data)}", note="again")
    await http("GET", f"{manifest}two", note="its tag is gone", headers=accept())
    await http("DELETE", f"/v2/{name}/blobs/{sha256(BLOB)}", note="a blob")
    await http("DELETE", f"/v2/{name}/blobs/{sha256(BLOB)}", note="again")
    await http("GET", f"/v2/{name}/blobs/{sha256(BLOB)}", note="it is gone")
    await http("DELETE", f"/v2/{name}/blobs/nonsense", note="no digest")


async def hostile_names(http: Raw, name: str) -> None:
    for bad in (
        "Upper",
        "-a",
        "a..b",
        "a//b",
        "../../etc",
        "a%2F..%2Fb",
        "a%00",
        "a%0Ab",
        "a%20b",
        "a" * 300,
        "%C3%A9",
    ):
        await http("GET", f"/v2/{bad}/tags/list", note=f"tags of {bad[:12]}")
        await http("POST", f"/v2/{bad}/blobs/uploads/", note=f"push to {bad[:12]}")
    await push_image(http, f"{name}/a", "1")
    await http("GET", f"/v2/{name}%2Fa/tags/list", note="a slash that is encoded")


STORIES: Final[Mapping[str, Story]] = {
    story.__name__: story
    for story in (
        base,
        blob_at_once,
        blob_in_one_call,
        blob_in_chunks,
        blob_in_a_stream,
        empty_blob,
        wrong_chunks,
        wrong_digests,
        cancelled_upload,
        mounts,
        ranges,
        manifests,
        docker_manifests,
        wrong_manifests,
        wrong_sizes,
        artifacts,
        tags,
        catalogue,
        deletes,
        hostile_names,
    )
}
