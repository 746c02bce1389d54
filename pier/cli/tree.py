"""Where every command hangs: its names, the table that defines it, what it is for.

A row: group, names (the first two are shown in help: the short one and the noun's), "module:TABLE"
under ``commands``, summary. Modules are imported only when their command is called.
"""

from __future__ import annotations

from pier.cli.command import Command

COMMON = "Common Commands"
MANAGEMENT = "Management Commands"
OTHER = "Commands"
ONLY_NOUN = ""

ROWS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    (COMMON, ("run", "container run"), "run:RUN", "Create a container from an image and start it"),
    (COMMON, ("exec", "container exec"), "exec:EXEC", "Run a command in a running container"),
    (COMMON, ("ps", "container ls", "container list", "container ps"), "ps:PS", "List containers"),
    (COMMON, ("build", "image build", "builder build", "buildx build", "buildx b"), "build:BUILD", "Build an image"),
    (COMMON, ("pull", "image pull"), "transfer:PULL", "Download an image from a registry"),
    (COMMON, ("push", "image push"), "transfer:PUSH", "Upload an image to a registry"),
    (COMMON, ("images", "image ls", "image list"), "images:IMAGES", "List images"),
    (COMMON, ("login",), "login:LOGIN", "Sign in to a registry"),
    (COMMON, ("logout",), "login:LOGOUT", "Sign out of a registry"),
    (COMMON, ("search",), "search:SEARCH", "Search the Docker Hub, or a registry, for images"),
    (COMMON, ("version",), "version:VERSION_COMMAND", "Show the versions of the client and the daemon"),
    (COMMON, ("info", "system info"), "info:INFO", "Show what the daemon is and what it holds"),
    (OTHER, ("attach", "container attach"), "attach:ATTACH", "Join the streams of a running container"),
    (OTHER, ("commit", "container commit"), "commit:COMMIT", "Make an image of a container's changes"),
    (OTHER, ("cp", "container cp"), "cp:CP", "Copy files between a container and this machine"),
    (OTHER, ("create", "container create"), "run:CREATE", "Create a container without starting it"),
    (OTHER, ("diff", "container diff"), "look:DIFF", "Show what a container changed in its file system"),
    (OTHER, ("events", "system events"), "events:EVENTS", "Watch what happens in the daemon"),
    (OTHER, ("export", "container export"), "archive:EXPORT", "Write a container's file system to a tar archive"),
    (OTHER, ("history", "image history"), "history:HISTORY", "Show how an image was made"),
    (OTHER, ("import", "image import"), "archive:IMPORT", "Make an image of a tar archive of a file system"),
    (OTHER, ("inspect",), "inspect:INSPECT", "Show everything known about containers, images, volumes, networks"),
    (OTHER, ("kill", "container kill"), "lifecycle:KILL", "Send a signal to running containers"),
    (OTHER, ("load", "image load"), "archive:LOAD", "Read images from a tar archive"),
    (OTHER, ("logs", "container logs"), "logs:LOGS", "Show what a container has printed"),
    (OTHER, ("pause", "container pause"), "lifecycle:PAUSE", "Freeze all processes of containers"),
    (OTHER, ("port", "container port"), "look:PORT", "Show where a container's ports are published"),
    (OTHER, ("rename", "container rename"), "lifecycle:RENAME", "Give a container another name"),
    (OTHER, ("restart", "container restart"), "lifecycle:RESTART", "Stop containers and start them again"),
    (OTHER, ("rm", "container rm", "container remove"), "lifecycle:RM", "Remove containers"),
    (OTHER, ("rmi", "image rm", "image remove"), "images:RMI", "Remove images"),
    (OTHER, ("save", "image save"), "archive:SAVE", "Write images to a tar archive"),
    (OTHER, ("start", "container start"), "start:START", "Start stopped containers"),
    (OTHER, ("stats", "container stats"), "stats:STATS", "Show what containers use, live"),
    (OTHER, ("stop", "container stop"), "lifecycle:STOP", "Stop running containers"),
    (OTHER, ("tag", "image tag"), "images:TAG", "Give an image one more name"),
    (OTHER, ("top", "container top"), "look:TOP", "Show the processes of a container"),
    (OTHER, ("unpause", "container unpause"), "lifecycle:UNPAUSE", "Let paused containers go on"),
    (OTHER, ("update", "container update"), "update:UPDATE", "Change the limits of containers"),
    (OTHER, ("wait", "container wait"), "lifecycle:WAIT", "Wait until containers stop, and print their exit codes"),
    (OTHER, ("completion",), "completion:COMPLETION", "Print a completion script for bash, zsh or fish"),
    (ONLY_NOUN, ("builder du", "buildx du"), "builder:DU", "Show what the build cache takes"),
    (ONLY_NOUN, ("builder prune", "buildx prune"), "builder:PRUNE", "Remove the build cache"),
    (ONLY_NOUN, ("container inspect",), "inspect:CONTAINER_INSPECT", "Show everything known about containers"),
    (ONLY_NOUN, ("container prune",), "prune:CONTAINER_PRUNE", "Remove all stopped containers"),
    (ONLY_NOUN, ("image bootstrap",), "bootstrap:BOOTSTRAP", "Build a base image from this host's package sources"),
    (ONLY_NOUN, ("image inspect",), "inspect:IMAGE_INSPECT", "Show everything known about images"),
    (ONLY_NOUN, ("image prune",), "prune:IMAGE_PRUNE", "Remove images that nothing uses"),
    (ONLY_NOUN, ("manifest annotate",), "manifest:ANNOTATE", "Say what platform a manifest of a local list is for"),
    (ONLY_NOUN, ("manifest create",), "manifest:CREATE", "Make a local list of manifests that a registry has"),
    (ONLY_NOUN, ("manifest inspect",), "manifest:INSPECT", "Show a manifest or a list, local or of a registry"),
    (ONLY_NOUN, ("manifest push",), "manifest:PUSH", "Upload a local list to its registry"),
    (ONLY_NOUN, ("manifest rm",), "manifest:RM", "Remove local lists"),
    (ONLY_NOUN, ("registry build",), "registrybuild:BUILD", "Have an image of a Git repository built now"),
    (ONLY_NOUN, ("registry fsck",), "registrykeep:FSCK", "Check whether a registry has all that it should have"),
    (ONLY_NOUN, ("registry gc",), "registrykeep:GC", "Do a registry's housekeeping now"),
    (ONLY_NOUN, ("registry project",), "registryadmin:PROJECT", "Say what the rules of a registry's projects are"),
    (ONLY_NOUN, ("registry replicate",), "registryreplicate:REPLICATE", "Copy to or from another registry now"),
    (ONLY_NOUN, ("registry robot",), "registryadmin:ROBOT", "Give programs access to a registry"),
    (ONLY_NOUN, ("registry serve",), "registry:SERVE", "Run a registry"),
    (ONLY_NOUN, ("registry user",), "registryadmin:USER", "Say who may do what in a registry"),
    (ONLY_NOUN, ("volume create",), "volume:CREATE", "Create a volume"),
    (ONLY_NOUN, ("volume inspect",), "inspect:VOLUME_INSPECT", "Show everything known about volumes"),
    (ONLY_NOUN, ("volume ls", "volume list"), "volume:LS", "List volumes"),
    (ONLY_NOUN, ("volume prune",), "prune:VOLUME_PRUNE", "Remove volumes that no container uses"),
    (ONLY_NOUN, ("volume rm", "volume remove"), "volume:RM", "Remove volumes"),
    (ONLY_NOUN, ("network connect",), "network:CONNECT", "Connect a container to a network"),
    (ONLY_NOUN, ("network create",), "network:CREATE", "Create a network"),
    (ONLY_NOUN, ("network disconnect",), "network:DISCONNECT", "Disconnect a container from a network"),
    (ONLY_NOUN, ("network inspect",), "inspect:NETWORK_INSPECT", "Show everything known about networks"),
    (ONLY_NOUN, ("network ls", "network list"), "network:LS", "List networks"),
    (ONLY_NOUN, ("network prune",), "prune:NETWORK_PRUNE", "Remove networks that no container uses"),
    (ONLY_NOUN, ("network rm", "network remove"), "network:RM", "Remove networks"),
    (ONLY_NOUN, ("system df",), "df:DF", "Show what takes the disk's space"),
    (ONLY_NOUN, ("system dial-stdio",), "dial:DIAL", "Join our standard streams with the daemon's socket"),
    (ONLY_NOUN, ("system fsck",), "fsck:FSCK", "Compare what lies on disk with what is recorded"),
    (ONLY_NOUN, ("system prune",), "prune:SYSTEM_PRUNE", "Remove everything that nothing uses"),
)

GROUPS = {
    "builder": "Build images and manage the build cache",
    "buildx": "Build images and manage the build cache, as buildx calls it",
    "container": "Manage containers",
    "image": "Manage images",
    "manifest": "Manage image manifests and lists of them",
    "network": "Manage networks",
    "registry": "Run a registry of your own",
    "system": "Manage the daemon and its disk space",
    "volume": "Manage volumes",
}


def is_group(path: str) -> bool:
    return path in GROUPS


def row_of(path: str) -> tuple[str, tuple[str, ...], str, str] | None:
    """The row in which ``path`` is one of the names."""
    for row in ROWS:
        if path in row[1]:
            return row
    return None


def find(words: list[str]) -> tuple[str, Command | None, list[str]]:
    """The path that ``words`` begin with, its command (None for a group or nothing), and the words after it."""
    if words[0] in GROUPS:
        if len(words) == 1 or words[1].startswith("-"):
            return words[0], None, words[1:]
        path, rest = f"{words[0]} {words[1]}", words[2:]
        row = row_of(path)
        return (path, load(row[2]), rest) if row else (words[0], None, words[1:])
    row = row_of(words[0])
    return (words[0], load(row[2]), words[1:]) if row else ("", None, words)


def load(target: str) -> Command:
    """Import a command's table."""
    module, _, name = target.partition(":")
    table = getattr(__import__(f"pier.cli.commands.{module}", fromlist=(name,)), name)
    assert isinstance(table, Command)
    return table
