"""Who calls a build's webhook: the secret that both know, as each service proves that it has it (pure).

GitHub (https://docs.github.com/webhooks, "Validating webhook deliveries") and Gitea sign the body; GitLab sends the
secret itself.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from pier.errors import Forbidden, Unauthorized

GITHUB: Final = "X-Hub-Signature-256"
GITEA: Final = "X-Gitea-Signature"
GITLAB: Final = "X-Gitlab-Token"
_WRONG: Final = "the signature is not that of the secret"
_PREFIXES: Final = {GITHUB: "sha256=", GITEA: ""}


def check_token(headers: Mapping[str, str], secret: str) -> bool:
    """Whether a token was shown, and nothing is left to prove; else the body has to be signed.

    Raises Unauthorized where nothing proves anything, Forbidden for another token.
    """
    if GITHUB in headers or GITEA in headers:
        return False
    if GITLAB not in headers:
        raise Unauthorized(f"not signed: there is no {GITHUB}, {GITEA} or {GITLAB}")
    if not _same(headers[GITLAB], secret):
        raise Forbidden("the token is not the secret")
    return True


def check_signature(headers: Mapping[str, str], body: bytes, secret: str) -> None:
    """``body`` as it came. Raises Forbidden for any signature that is wrong."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    for header, prefix in _PREFIXES.items():
        if header in headers and not _same(headers[header], prefix + expected):
            raise Forbidden(_WRONG)


def _same(given: str, expected: str) -> bool:
    """Takes as long whatever is given."""
    return hmac.compare_digest(given.encode(errors="surrogatepass"), expected.encode())
