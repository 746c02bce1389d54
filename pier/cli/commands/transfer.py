"""``pull`` and ``push``."""

from __future__ import annotations

from pier.cli import progress
from pier.cli.call import Call, say
from pier.cli.command import Command, Failure, Flag
from pier.cli.config import load
from pier.cli.credentials import header, key_of, usable
from pier.cli.options.platform import given_platform
from pier.cli.relay import write_all
from pier.client import images
from pier.errors import PierError
from pier.oci.reference import Reference, parse_reference

BOOTSTRAPPED = ("busybox", "debian", "hello-world")


def _auth(call: Call, reference: Reference) -> str:
    return header(usable(load(call.options), key_of(reference.domain)))


def pull_image(call: Call, name: str, *, platform: str, quiet: bool, output: int, all_tags: bool = False) -> Reference:
    """Pull with progress to the descriptor ``output``. Raises InvalidArgument, Failure."""
    bare = parse_reference(name)
    if all_tags and (bare.tag or bare.digest):
        raise Failure("tag can't be used with --all-tags/-a")
    wanted = bare if all_tags else bare.with_default_tag()
    if not all_tags and not quiet and output == 1 and not bare.tag and not bare.digest:
        write_all(output, f"Using default tag: {wanted.tag}\n".encode())
    tag = "" if all_tags else str(wanted.digest or wanted.tag)
    try:
        found = images.pull(call.client, wanted.familiar_name, tag, platform, _auth(call, wanted))
        if quiet:
            progress.drain(found)
        else:
            progress.show(found, output)
    except PierError as error:
        if wanted.familiar_name in BOOTSTRAPPED and _unreachable(error):
            write_all(2, f"No registry in reach? Make it here: pier image bootstrap {wanted.familiar_name}\n".encode())
        raise
    return wanted


def _unreachable(error: PierError) -> bool:
    return any(words in str(error) for words in ("dial tcp", "Client.Timeout", "timeout"))


def pull(call: Call) -> int:
    _refuse_trust(call)
    wanted = pull_image(
        call,
        call.args[0],
        platform=call.text("platform"),
        quiet=call.flag("quiet"),
        output=1,
        all_tags=call.flag("all-tags"),
    )
    say(wanted.canonical if not call.flag("all-tags") else wanted.name)
    return 0


def _refuse_trust(call: Call) -> None:
    """Who asks for a check that is not made must not believe that it was."""
    if not call.flag("disable-content-trust"):
        raise Failure("content trust is not supported: signatures of images are not checked")


def push(call: Call) -> int:
    places = [word for word in call.args if word.startswith("ssh://")]
    names = [word for word in call.args if word not in places]
    if len(names) != 1:
        raise Failure("name one image to push, and at most one ssh://HOST to push it to")
    _refuse_trust(call)
    platform = given_platform(call, f"Invalid platform {call.text('platform')}")
    reference = parse_reference(names[0])
    every, quiet = call.flag("all-tags"), call.flag("quiet")
    if every and reference.tag:
        raise Failure("tag can't be used with --all-tags/-a")
    if reference.digest:
        raise Failure("cannot push a digest reference")
    if not every and not reference.tag:
        reference = reference.with_default_tag()
        if not quiet:
            say(f"Using default tag: {reference.tag}")
    import sys

    sys.stdout.flush()
    if places:
        from pier.cli.commands.sshpush import push_over_ssh

        if every or call.text("platform"):
            raise Failure("only one tag, of this host's platform, can be pushed over ssh")
        push_over_ssh(call, reference, places[0], quiet)
        return 0
    tag = "" if every else str(reference.tag)
    found = images.push(call.client, reference.familiar_name, tag, platform, _auth(call, reference))
    if quiet:
        progress.drain(found)
        say(reference.canonical)
    else:
        progress.show(found)
    return 0


TRUST = Flag("disable-content-trust", "bool", "Do not check the image's signature", default=True)
PULL = Command(
    pull,
    "NAME[:TAG|@DIGEST]",
    (
        Flag("all-tags", "bool", "Pull every tag of the repository", "a"),
        TRUST,
        Flag("platform", "string", "Platform of the image (os/arch[/variant])"),
        Flag("quiet", "bool", "Print only the image's name", "q"),
    ),
    minimum=1,
    maximum=1,
    completes="repository",
    examples=(
        ("pier pull debian", "The tag latest, from the Docker Hub"),
        ("pier pull localhost:5000/app:1.2", "From a registry of your own"),
    ),
)
PUSH = Command(
    push,
    "NAME[:TAG] [ssh://[USER@]HOST[:PORT][/SOCKET]]",
    (
        Flag("all-tags", "bool", "Push every tag of the repository", "a"),
        TRUST,
        Flag("platform", "string", "Push only this platform of the image (os[/arch[/variant]])"),
        Flag("quiet", "bool", "Print only the image's name", "q"),
    ),
    minimum=1,
    maximum=2,
    completes="images",
    examples=(
        ("pier push localhost:5000/app:1.2", "To a registry"),
        ("pier push app:1.2 ssh://me@server", "To the engine of another host: only the layers that it lacks"),
    ),
)
