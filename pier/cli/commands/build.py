"""``build``, under all the names that it has."""

from __future__ import annotations

import os

from pier.cli.build import sinks
from pier.cli.build.request import request_of
from pier.cli.build.views import view_for
from pier.cli.call import Call, say, warn
from pier.cli.command import Command, Failure, Flag
from pier.client.build import BuildFailed, Offers, build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pier.cli.build.views import View

    Json = dict[str, Any]

INTERRUPTED = 130


def run(call: Call) -> int:
    """0; 1 where it failed or ``--check`` found something; 130 when it was interrupted."""
    offers = Offers()
    try:
        return _build(call, offers)
    finally:
        for end in offers.ending:
            end()


def _build(call: Call, offers: Offers) -> int:
    request, contexts = request_of(call, offers)
    try:
        sinks.check(request["outputs"])
        offers.credentials = _credentials(call)
        offers.sinks = lambda number: sinks.sink(request, number)
        view = view_for("quiet" if call.flag("quiet") else call.text("progress"))
        if request["error_shell"]:
            from pier.cli.build.errorshell import open_terminal

            offers.shell = lambda question: open_terminal(view, question)
        return _run(call, request, offers, view)
    finally:
        if contexts.temporary:
            from shutil import rmtree

            rmtree(contexts.temporary, ignore_errors=True)


def _run(call: Call, request: Json, offers: Offers, view: View) -> int:
    try:
        result = build(call.client, _sent(request), offers, view)
    except BuildFailed as error:
        view.finish()
        return _failed(call, request, view, error)
    except BaseException:
        view.finish()
        raise
    view.finish()
    _write_results(call, result)
    if request["check"]:
        _report(view)
    elif not call.flag("quiet"):
        _summary(view)
    if call.flag("quiet") and result["images"]:
        say(_image_id(result))
    return 0


def _sent(request: Json) -> Json:
    """What is the client's own business stays here: where results go."""
    outputs = [
        {"type": each["type"], "attributes": {**each["attributes"], **_destination(each)}}
        for each in request["outputs"]
    ]
    return {**request, "outputs": outputs}


def _destination(output: Json) -> Json:
    return {"dest": "-"} if "dest" in output["attributes"] else {}


def _failed(call: Call, request: Json, view: View, error: BuildFailed) -> int:
    from pier.cli.build.failure import account

    kind = error.told.get("kind")
    if kind == "CheckFailed":
        _report(view)
        return 1
    if kind == "Cancelled":
        warn(f"ERROR: failed to solve: {error}")
        return INTERRUPTED
    told = error.told
    if call.flag("quiet") and told.get("step"):
        step = next((each for each in view.model.known if each.id == told.get("vertex")), None)
        told = {**told, "output": step.lines(64) if step else told.get("output", ())}
    raise Failure(account(told).rstrip("\n"))


def _report(view: View) -> None:
    from pier.cli.build.findings import checked

    say(checked(view.model.warnings).rstrip("\n"))


def _summary(view: View) -> None:
    if view.model.warnings:
        from pier.cli.build.findings import summary

        warn(summary(view.model.warnings).rstrip("\n"))


def _image_id(result: Json) -> str:
    return str(result["metadata"].get("containerimage.config.digest") or result["images"][0])


def _write_results(call: Call, result: Json) -> None:
    if call.text("iidfile") and result["images"]:
        _write(call.text("iidfile"), _image_id(result))
    if call.text("metadata-file"):
        import json

        _write(call.text("metadata-file"), json.dumps(_metadata(result["metadata"]), indent=2, sort_keys=True))


def _metadata(told: dict[str, str]) -> Json:
    """Values that are JSON in base64 are shown as what they are."""
    from base64 import b64decode

    from pier.client.jsontext import decode

    found: Json = {}
    for name, value in told.items():
        found[name] = value
        if name.endswith(("descriptor", "provenance", "buildinfo")):
            try:
                found[name] = decode(b64decode(value, validate=True).decode())
            except ValueError:
                continue
    return found


def _write(path: str, text: str) -> None:
    temporary = f"{path}.{os.urandom(4).hex()}.part"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def _credentials(call: Call) -> Any:
    def find(domain: str) -> Json:
        from pier.cli.config import load
        from pier.cli.credentials import key_of, lookup

        return lookup(load(call.options), key_of(domain))

    return find


FLAGS = (
    Flag("add-host", "add-host", "Add a line to the steps' /etc/hosts (host:ip)"),
    Flag("allow", "strings", 'Allow more to steps: "network.host", "security.insecure"'),
    Flag("annotation", "list", "Add an annotation to the image"),
    Flag("attest", "list", "Attestations: none can be made, only disabled ones are accepted"),
    Flag("build-arg", "list", "Set a variable of the Dockerfile's (NAME=value, or NAME to pass ours on)"),
    Flag("build-context", "list", "One more place to copy from (name=folder, image or URL)"),
    Flag("builder", "string", "Name of the builder: there is one", hidden=True),
    Flag("cache-from", "list", 'Take cache from elsewhere ("user/app:cache", "type=local,src=folder")'),
    Flag("cache-to", "list", 'Give cache elsewhere ("user/app:cache", "type=local,dest=folder")'),
    Flag("call", "string", 'What to do: "build" or "check"', default="build"),
    Flag("cgroup-parent", "string", "Group that steps run in"),
    Flag("check", "bool", "Only check the Dockerfile, as --call=check"),
    Flag("compress", "bool", "Compress the context: it is not sent where it can be helped"),
    Flag("cpu-period", "int", "Period of the CPU's completely fair scheduler, in microseconds"),
    Flag("cpu-quota", "int", "Quota of the CPU's completely fair scheduler, in microseconds"),
    Flag("cpu-shares", "int", "Relative share of CPU time", "c"),
    Flag("cpuset-cpus", "string", "CPUs that steps may use (0-3, 0,1)"),
    Flag("cpuset-mems", "string", "Memory nodes that steps may use (0-3, 0,1)"),
    Flag("disable-content-trust", "bool", "Do not check the image's signature", default=True),
    Flag("file", "string", "Name of the Dockerfile (default: PATH/Dockerfile)", "f"),
    Flag("force-rm", "bool", "Nothing is left in any case"),
    Flag("iidfile", "string", "Write the image's ID to a file"),
    Flag("isolation", "string", "Isolation of steps: there is one here"),
    Flag("label", "label", "Set a label of the image"),
    Flag("load", "bool", "Put the result among the engine's images: --output=type=docker"),
    Flag("memory", "bytes", "Memory that a step may use", "m"),
    Flag("memory-swap", "swap", "Memory and swap that a step may use, -1 for no limit"),
    Flag("metadata-file", "string", "Write what is known of the result to a file"),
    Flag("network", "string", "Network of the steps: default, host or none", default="default"),
    Flag("no-cache", "bool", "Run every step"),
    Flag("no-cache-filter", "list", "Run every step of these stages"),
    Flag("on-error", "string", 'What to do where a step fails: "shell" opens one in its file system'),
    Flag("output", "list", "Where the result goes (type=local,dest=path)", "o"),
    Flag("platform", "list", "Platforms to build for"),
    Flag("progress", "string", 'View of the progress: "auto", "plain", "tty", "quiet", "rawjson"'),
    Flag("provenance", "string", "Attestation of provenance: none can be made, only false is accepted"),
    Flag("pull", "bool", "Ask the registry for newer images"),
    Flag("push", "bool", "Push the result: --output=type=registry"),
    Flag("quiet", "bool", "Print only the image's ID", "q"),
    Flag("rm", "bool", "Nothing is left in any case", default=True),
    Flag("sbom", "string", "Attestation of contents: none can be made, only false is accepted"),
    Flag("secret", "list", "A secret for steps (id=name[,src=file][,env=variable])"),
    Flag("security-opt", "list", "Options of the steps' security"),
    Flag("shm-size", "bytes", "Size of the steps' /dev/shm"),
    Flag("squash", "bool", "Make one layer of the image's own"),
    Flag("ssh", "list", "An SSH agent for steps (default or id=socket)"),
    Flag("tag", "list", "Name of the image (name:tag)", "t"),
    Flag("target", "string", "Stage to build"),
    Flag("ulimit", "ulimit", "Limits of the steps' processes"),
)
BUILD = Command(
    run,
    "PATH | URL | -",
    FLAGS,
    minimum=1,
    maximum=1,
    examples=(
        ("pier build -t site .", "An image of the Dockerfile and files here"),
        ("pier build -t site --target release --build-arg VERSION=2 .", "One stage, with a variable"),
        ("pier build -o out .", "The files of the result, in a folder"),
    ),
)
