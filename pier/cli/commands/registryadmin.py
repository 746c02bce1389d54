"""``registry user|robot|project``: become the program that changes the registry's records."""

from __future__ import annotations

from pier.cli.call import Call
from pier.cli.command import Command, Flag
from pier.cli.commands.registry import become, given

WHERE = (
    Flag("config", "string", "File of the registry's settings (default: /etc/pier/registry.toml, where there is one)"),
    Flag("database", "string", "The registry's database (default: ROOT/registry.db)"),
    Flag("root", "string", "The registry's folder (default: /var/lib/pier-registry)"),
)
DETAILS = """
It works on the registry's database, on its host and as its user, whether the registry runs or not; what runs takes
notice within two seconds. The settings (--config, --root, --database, variables) are those of the registry.
"""


def run(call: Call) -> int:
    noun = call.path.rpartition(" ")[2]
    return become("pier.daemon.registryadmin", [noun, *given(call), "--", *call.args])


USER = Command(
    run,
    "add|set|passwd|rm|ls [NAME]",
    (
        *WHERE,
        Flag("admin", "bool", "They may do everything"),
        Flag("days", "int", "They can sign in for so many days from now (set; 0: for ever)"),
        Flag("disabled", "bool", "They cannot sign in (set)"),
        Flag("no-password", "bool", "The htpasswd file has their password (add)"),
        Flag("password-stdin", "bool", "Read the password from standard input, not from the terminal"),
        Flag("role", "list", "PROJECT=ROLE, of reader, writer, admin; PROJECT may be a glob; an empty ROLE ends it"),
    ),
    minimum=1,
    maximum=2,
    details=DETAILS,
    examples=(
        ("pier registry user add --admin ann", "Somebody who may do everything; it asks for the password"),
        ("pier registry user add --role team=writer bob", "Who pulls and pushes team/…"),
        ("pier registry user set --role team= --role 'other/*'=reader bob", "Other rights"),
    ),
)
ROBOT = Command(
    run,
    "add|set|rm|ls [PROJECT/NAME]",
    (
        *WHERE,
        Flag("days", "int", "Its secret is good for so many days from now (0: for ever)"),
        Flag("disabled", "bool", "It cannot sign in (set)"),
        Flag("role", "list", "reader, writer or admin (default: writer)"),
    ),
    minimum=1,
    maximum=2,
    details=DETAILS,
    examples=(("pier registry robot add --days 365 team/ci", "Prints its name and, this once, its secret"),),
)
PROJECT = Command(
    run,
    "add|set|rm|ls [NAME]",
    (
        *WHERE,
        Flag("days", "int", "Retention: tags that are younger stay in any case"),
        Flag("immutable", "list", "Globs of tags that cannot be moved or deleted"),
        Flag("keep", "list", "Retention: PATTERN=N keeps the newest N tags that match"),
        Flag("public", "bool", "Anybody may pull"),
        Flag("quota", "int", "Bytes that it may take (0: any number)"),
        Flag("untagged", "bool", "Retention: manifests without a tag go, after --days"),
    ),
    minimum=1,
    maximum=2,
    details=DETAILS,
    examples=(
        ("pier registry project add --public --immutable 'v*' site", "Anybody may pull site/…, and v1 stays v1"),
        ("pier registry project set --quota 50000000000 team", "50 GB"),
    ),
)
