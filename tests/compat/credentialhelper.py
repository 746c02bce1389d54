#!/usr/bin/env python3
"""A credential helper, as clients call ``docker-credential-NAME``: ``get``, ``store``, ``erase``, ``list``.

It keeps credentials in the folder CREDENTIAL_HELPER: a file for each server. The file ``behave`` there makes it
misbehave: ``fail`` says a word and ends with 1, ``silent`` ends with 3 and no word, ``garbage`` answers what is not
JSON, ``kinds`` what is not text, ``echo`` fails and repeats what it was told, ``killed`` ends by a signal, ``hang``
reads and never answers. ``calls`` is the log.
"""

import json
import os
import sys
from pathlib import Path
from signal import pause

NOT_FOUND = "credentials not found in native keychain"


def main() -> int:
    folder = Path(os.environ["CREDENTIAL_HELPER"])
    verb, told = sys.argv[1], sys.stdin.read()
    server = json.loads(told)["ServerURL"] if verb == "store" else told.strip()
    with (folder / "calls").open("a") as log:
        log.write(f"{verb} {server}\n")
    behave = folder / "behave"
    if behave.exists() and (code := misbehave(behave.read_text().strip(), told)) is not None:
        return code
    return {"get": get, "store": store, "erase": erase, "list": show}[verb](folder, server, told)


def misbehave(how: str, told: str) -> int | None:
    if how == "hang":
        while True:
            pause()
    if how == "killed":
        os.kill(os.getpid(), 9)
    answers = {"garbage": "<html>", "kinds": '{"Username": 5, "Secret": ["x"]}'}
    if how in answers:
        print(answers[how])
        return 0
    words = {"fail": "out of order", "silent": "", "echo": told}
    if how in words:
        print(words[how])
        return 3 if how == "silent" else 1
    return None


def path_of(folder: Path, server: str) -> Path:
    return folder / ("server-" + server.replace("/", "_"))


def get(folder: Path, server: str, told: str) -> int:
    if not path_of(folder, server).exists():
        print(NOT_FOUND)
        return 1
    print(path_of(folder, server).read_text())
    return 0


def store(folder: Path, server: str, told: str) -> int:
    path_of(folder, server).write_text(told)
    return 0


def erase(folder: Path, server: str, told: str) -> int:
    if not path_of(folder, server).exists():
        print(NOT_FOUND)
        return 1
    path_of(folder, server).unlink()
    return 0


def show(folder: Path, server: str, told: str) -> int:
    kept = [json.loads(path.read_text()) for path in folder.glob("server-*")]
    print(json.dumps({each["ServerURL"]: each["Username"] for each in kept}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
