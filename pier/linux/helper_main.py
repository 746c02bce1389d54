"""The program that helpers run: ``python -I -S helper_main.py TASK`` with TASK as JSON (see ``helper.Task``).

It opens nothing by itself: folders, files and streams come as descriptors. It changes its root to the folder
it works on before it looks at a stranger's first entry, and ends with a report, JSON in the report's file.
"""

import json
import os
import sys
from typing import Any


def _unpack(task: dict[str, Any]) -> dict[str, Any]:
    from pier.linux.helper_input import Source, plain
    from pier.linux.helper_skeleton import Writer
    from pier.linux.helper_tarread import TarReader
    from pier.linux.helper_untar import Unpacker

    source = Source(0, keep=task.get("keep"), hashed=task["hashed"])
    pieces = plain(source)
    first = next(pieces, b"")  # loads the decompressor's modules while they can be reached
    skeleton = Writer(task["skeleton"]) if "skeleton" in task else None
    _enter(task["root"])
    reader = TarReader(_chain(first, pieces), skeleton)
    unpacker = Unpacker(reader, skeleton, task["replaced"], task["whiteouts"])
    unpacker.run()
    if skeleton is not None:
        skeleton.finish(reader.size)
    return {
        "diff_id": reader.digest,
        "tar_size": reader.size,
        "size": unpacker.size,
        "blob_digest": source.digest or reader.digest,
        "blob_size": source.size,
    }


def _land(task: dict[str, Any]) -> dict[str, Any]:
    from pier.linux.helper_input import Source, plain
    from pier.linux.helper_land import Lander
    from pier.linux.helper_tarread import TarReader

    pieces = plain(Source(0, keep=None, hashed=False))
    first = next(pieces, b"")  # loads the decompressor's modules while they can be reached
    _enter(task["root"])
    Lander(TarReader(_chain(first, pieces), None, hashed=False)).run()
    return {}


def _inflate(task: dict[str, Any]) -> dict[str, Any]:
    from pier.linux.helper_input import Source, plain, write_all

    size = 0
    for piece in plain(Source(0, keep=None, hashed=False)):
        write_all(1, piece)
        size += len(piece)
    return {"size": size}


def _chain(first: Any, rest: Any) -> Any:
    if len(first):
        yield first
        yield from rest


def _regenerate(task: dict[str, Any]) -> dict[str, Any]:
    from pier.linux.helper_pack import Output, pack_skeleton

    _enter(task["root"])
    output = Output(1)
    pack_skeleton(task["skeleton"], task["replaced"], output)
    return {"diff_id": output.digest, "tar_size": output.size}


def _pack(task: dict[str, Any]) -> dict[str, Any]:
    from pier.linux.helper_pack import Output, Packer

    _enter(task["root"])
    output = Output(1)
    Packer(output, task["whiteouts"]).run(with_root=task["with_root"])
    return {"diff_id": output.digest, "tar_size": output.size}


def _seal(task: dict[str, Any]) -> dict[str, Any]:
    from pier.linux.helper_seal import seal

    _enter(task["root"])
    return seal(task["skeleton"], b"")


def _transfer(task: dict[str, Any]) -> dict[str, Any]:
    import marshal

    from pier.linux.transfer import transfer

    os.umask(0)
    with open(task["plan"], "rb") as plan:
        try:
            transfer(task["from"], task["to"], marshal.load(plan), xattrs=task["xattrs"])
        except IsADirectoryError as error:
            return {"error": "InvalidArgument", "message": f"cannot replace to directory /{error.filename} with file"}
    return {}


def _enter(root: int) -> None:
    from pier.linux.helper_tarheader import printable

    printable(b"\xff")  # loads the codecs that error messages need
    os.fchdir(root)
    os.chroot(".")
    os.close(root)


def _copy(task: dict[str, Any]) -> dict[str, Any]:
    from pier.linux.helper_copy import run

    return run(task, _enter)


_TASKS = {
    "inflate": _inflate,
    "unpack": _unpack,
    "land": _land,
    "regenerate": _regenerate,
    "pack": _pack,
    "seal": _seal,
    "transfer": _transfer,
    "copy": _copy,
}


def _run(task: dict[str, Any]) -> dict[str, Any]:
    """The task's report, or what went wrong as the name of an error kind and a line."""
    from pier.linux.helper_tarheader import TarError

    try:
        return _TASKS[task["task"]](task)
    except TarError as error:
        return {"error": "DataCorrupted", "message": str(error)}
    except BrokenPipeError:
        return {"error": "Cancelled", "message": "the reader went away"}
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return {"error": "OSError", "errno": error.errno, "message": f"{where}{error.strerror}"}
    except MemoryError:
        return {"error": "DataCorrupted", "message": "archive needs more memory than it may have"}


def main() -> None:
    task = json.loads(sys.argv[1])
    sys.path[:0] = [task["source"]]
    sys.path += task["libraries"]
    report = json.dumps(_run(task)).encode()
    os.pwrite(task["report"], report, 0)


if __name__ == "__main__":
    main()
