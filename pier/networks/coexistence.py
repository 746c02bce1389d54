"""Living beside another engine or firewall whose forward chain drops what nobody accepts.

An ``accept`` in our own table does not end another table's chain, so that a ``FORWARD`` chain with
the policy ``DROP`` (Docker sets one, ufw too) would cut our containers off. Where there is such a
chain, rules of ours are appended at its end: its owner's own rules are heard first. They carry
our table's name as a comment and go when the bridge goes. Containers may always reach out;
connections from outside to published ports are let in only where it was Docker that closed
the chain, for otherwise the user's firewall has the last word.
"""

import shutil
from collections.abc import Sequence
from typing import Any, Final

from pier.linux import nftables, process
from pier.log import Logger
from pier.networks.firewall import table_name

_log = Logger("pier.networks")
_CHAIN: Final = "FORWARD"
_DOCKERS_PORTS: Final = "DOCKER"
_DOCKERS: Final = frozenset({"DOCKER-USER", "DOCKER-FORWARD"})


def engine_bridges() -> tuple[str, ...]:
    """The bridges of a Docker up to 27, to whose containers only its chain's policy bars the way."""
    chains = _filter_chains()
    if not (_drops(chains) and any(chain["name"] == _DOCKERS_PORTS for chain in chains)):
        return ()
    rules = [entry["rule"]["expr"] for entry in nftables.query(f"list chain ip filter {_CHAIN}") if "rule" in entry]
    found = [_matched(rule, "oifname") for rule in rules if {"jump": {"target": _DOCKERS_PORTS}} in rule]
    return tuple(sorted(name for name in found if name))


def permit(bridge: str) -> None:
    """Append our rules where a chain would drop our packets and they are not there."""
    chains = _filter_chains()
    if not _drops(chains):
        return
    if _mentions(nftables.query(f"list chain ip filter {_CHAIN}"), bridge):
        return
    dockers = any(chain["name"] in _DOCKERS for chain in chains)
    if not dockers:
        _log.warning("the host's firewall decides which published ports other machines reach", chain=_CHAIN)
    for rule in _rules(bridge, open_inward=dockers):
        _iptables("-A", rule)


def forbid(bridge: str) -> None:
    """Remove our rules, wherever they were appended."""
    if not any(chain["name"] == _CHAIN for chain in _filter_chains()):
        return
    if _mentions(nftables.query(f"list chain ip filter {_CHAIN}"), bridge):
        for inward in (True, False):
            for rule in _rules(bridge, open_inward=inward):
                _iptables("-D", rule, missing_is_fine=True)


def _filter_chains() -> list[dict[str, Any]]:
    """The chains of the table that iptables keeps, in the shape of libnftables-json(5)."""
    chains = [entry["chain"] for entry in nftables.query("list chains ip") if "chain" in entry]
    return [chain for chain in chains if chain["table"] == "filter"]


def _drops(chains: Sequence[dict[str, Any]]) -> bool:
    return any(chain["name"] == _CHAIN and chain.get("policy") == "drop" for chain in chains)


def _mentions(entries: Sequence[dict[str, Any]], bridge: str) -> bool:
    """Whether a rule asks for packets that come from ``bridge``."""
    return any(_matched(entry.get("rule", {}).get("expr", ()), "iifname") == bridge for entry in entries)


def _matched(expressions: Sequence[Any], key: str) -> str:
    """What a rule wants the packet's ``key`` to equal; empty where it does not ask."""
    for expression in expressions:
        match = expression.get("match", {}) if isinstance(expression, dict) else {}
        if match.get("left") == {"meta": {"key": key}} and match.get("op") == "==":
            return str(match["right"])
    return ""


def _rules(bridge: str, *, open_inward: bool) -> list[list[str]]:
    comment = ["-m", "comment", "--comment", table_name(bridge), "-j", "ACCEPT"]
    replies = [] if open_inward else ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"]
    return [["-i", bridge, *comment], ["-o", bridge, *replies, *comment]]


def _iptables(verb: str, rule: Sequence[str], *, missing_is_fine: bool = False) -> None:
    program = shutil.which("iptables-nft") or shutil.which("iptables")
    if program is None:
        _log.warning(
            "forwarded packets are dropped by the host's firewall, and iptables is not installed to let ours by"
        )
        return
    finished = process.run_sync([program, "-w", verb, _CHAIN, *rule])
    if finished.returncode != 0 and not missing_is_fine:
        said = finished.stderr.decode(errors="replace").strip().partition("\n")[0]
        _log.warning("the host's firewall keeps dropping our packets", said=said)
