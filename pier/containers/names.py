"""Names of containers (pure): which are allowed, and making one up."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from pier.errors import InvalidArgument

_ALLOWED: Final = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")

_ADJECTIVES: Final = (
    "able", "agile", "airy", "amber", "ample", "balmy", "brave", "breezy", "bright", "brisk", "calm", "candid",
    "cheery", "civil", "clear", "clever", "cosy", "crisp", "daring", "deft", "eager", "earnest", "easy", "fair",
    "fancy", "fleet", "fond", "frank", "fresh", "gallant", "gentle", "glad", "golden", "grand", "handy", "hardy",
    "hearty", "honest", "humble", "jolly", "jovial", "keen", "kind", "level", "light", "lively", "loyal", "lucid",
    "lucky", "mellow", "merry", "mild", "modest", "neat", "nimble", "noble", "patient", "placid", "plucky",
    "polite", "prim", "proud", "quick", "quiet", "rapid", "ready", "robust", "rosy", "sage", "sane", "serene",
    "sharp", "silent", "sincere", "sleek", "snug", "sober", "solid", "spry", "steady", "still", "sturdy", "sunny",
    "supple", "swift", "tidy", "trim", "trusty", "upbeat", "urbane", "valiant", "vivid", "warm", "wary", "willing",
    "wise", "witty", "zesty",
)  # fmt: skip
_SURNAMES: Final = (
    "abel", "ampere", "avogadro", "bassi", "bell", "bessel", "bohr", "boole", "borel", "brahe", "cantor", "carson",
    "cauchy", "cavendish", "chladni", "coulomb", "curie", "dalton", "darwin", "davy", "descartes", "dirac", "dyson",
    "edison", "einstein", "erdos", "euclid", "euler", "faraday", "fermat", "fermi", "feynman", "fourier",
    "franklin", "frege", "galilei", "galois", "gauss", "germain", "goedel", "hamilton", "heaviside", "hertz",
    "hilbert", "hooke", "hopper", "hubble", "huygens", "joule", "kepler", "knuth", "kovalevskaya", "lagrange",
    "laplace", "lavoisier", "leavitt", "leibniz", "linnaeus", "lovelace", "mach", "maxwell", "meitner", "mendel",
    "mercator", "michelson", "napier", "newton", "noether", "ohm", "pascal", "pasteur", "pauli", "payne", "planck",
    "poincare", "raman", "rayleigh", "riemann", "rutherford", "sagan", "shannon", "somerville", "tesla", "thales",
    "turing", "vesalius", "volta", "watt", "weber", "wiener", "wren", "wu", "yalow", "yukawa",
)  # fmt: skip
_TRIES: Final = 20


def check_name(name: str) -> str:
    """``name`` without its leading slash; InvalidArgument when it is none."""
    if not _ALLOWED.fullmatch(name):
        raise InvalidArgument(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return name.removeprefix("/")


def random_name(taken: Callable[[str], object], choice: Callable[[Sequence[str]], str]) -> str:
    """An ``adjective_surname`` that is not ``taken``; after some tries a number makes it unique."""
    name = ""
    for _ in range(_TRIES):
        name = f"{choice(_ADJECTIVES)}_{choice(_SURNAMES)}"
        if not taken(name):
            return name
    number = 1
    while taken(f"{name}{number}"):
        number += 1
    return f"{name}{number}"
