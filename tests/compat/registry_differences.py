"""Where our registry answers otherwise than Debian's Distribution 2.8, and why. Every one has to occur."""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Difference:
    """``note`` is a pattern of the calls' notes, ``ours`` the beginning of our answer."""

    story: str
    note: str
    ours: str
    why: str

    def covers(self, story: str, line: str) -> bool:
        note, _, answer = line.partition(": ")
        if note.startswith("push a blob"):
            note, _, answer = answer.partition(": ")
        return self.story == story and re.fullmatch(self.note, note) is not None and answer.startswith(self.ours)


DIFFERENCES: Final = (
    Difference("base", "(POST|DELETE) /v2/", "405 UNSUPPORTED", "/v2/ is there to be asked, not to be changed"),
    Difference("base", "without its slash", "200", "clients that leave out the slash need not come back"),
    Difference("blob_in_one_call", "POST with all of it", "201", "OCI's single POST; Distribution has none"),
    Difference("wrong_chunks", "again|with a gap", "416 RANGE_INVALID", "OCI: a chunk that does not fit is refused"),
    Difference("wrong_chunks", "backwards|no range", "416 RANGE_INVALID", "the same; there the upload breaks"),
    Difference("wrong_chunks", "shorter than said", "400 SIZE_INVALID", "the same; there the upload breaks"),
    Difference("wrong_chunks", "status after all that", "204 ", "a wrong chunk does not cost what came before it"),
    Difference("wrong_digests", "GET no digest", "400 DIGEST_INVALID", "says what is wrong"),
    Difference(
        "cancelled_upload", "an upload that.*|go on with it", "404 BLOB_UPLOAD_UNKNOWN", "whatever it is called"
    ),
    Difference("mounts", "mount from anywhere", "201", "OCI: a mount may leave out where it comes from"),
    Difference("ranges", "10240-|99999-", "416 RANGE_INVALID Content-Range=bytes */10240", "errors have one form"),
    Difference("ranges", "-0", "416 RANGE_INVALID", "RFC 9110: the last none of all bytes are no part"),
    Difference("ranges", "9-5|a-b|lines", "200 ", "RFC 9110: what is no range of bytes is ignored"),
    Difference("manifests", "conditional", "304 ", "an answer without a body has its validator all the same"),
    Difference("manifests", "by no digest", "400 DIGEST_INVALID", "no error of the server's"),
    Difference("wrong_manifests", "too large", "413 MANIFEST_INVALID", "OCI's status for it"),
    Difference("wrong_manifests", "a tag that is none", "400 TAG_INVALID", "says what is wrong"),
    Difference("wrong_sizes", "a layer of less than.*", "400 MANIFEST_INVALID", "no client could pull it"),
    Difference("artifacts", "an artifact without layers", "201 ", "OCI-Subject says that the subject was seen"),
    Difference("artifacts", "referrers( of a type| of nothing)?", "200 ", "Distribution 2.8 has no referrers"),
    Difference("artifacts", "referrers of no digest", "400 DIGEST_INVALID", "Distribution 2.8 has no referrers"),
    Difference("tags", "all|n=[0-9].*|last=.*", "200 ", "Distribution 2.8 has neither order nor pages of tags"),
    Difference("tags", "n=(-1|x)", "400 PAGINATION_NUMBER_INVALID", "as of Distribution 3"),
    Difference("catalogue", "nonsense", "400 PAGINATION_NUMBER_INVALID", "as of Distribution 3"),
    Difference("deletes", "a tag", "202 ", "OCI: tags can be deleted"),
    Difference("deletes", "a tag that is not there", "404 MANIFEST_UNKNOWN", "OCI: tags can be deleted"),
    Difference("deletes", "no digest", "400 DIGEST_INVALID", "says what is wrong"),
    Difference("hostile_names", "(tags of|push to) .*", "400 NAME_INVALID", "says what is wrong; follows no dots"),
)
