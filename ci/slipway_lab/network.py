"""The cable between the machine and the lab, and the way out for the lab's packets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from slipway_lab import command
from slipway_lab.errors import LabError
from slipway_lab.layout import GATEWAY, HOST, LAB_LINK, MACHINE_LINK, NETWORK

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
COMMENT = ("-m", "comment", "--comment", "slipway-lab")
RULES = (
    ("nat", "POSTROUTING", "-s", NETWORK, "!", "-d", NETWORK, *COMMENT, "-j", "MASQUERADE"),
    ("filter", "FORWARD", "-i", MACHINE_LINK, *COMMENT, "-j", "ACCEPT"),
    ("filter", "FORWARD", "-o", MACHINE_LINK, *COMMENT, "-j", "ACCEPT"),
)


def _iptables() -> str:
    # A kernel may know only one of the two back ends: take the one that can list its rules.
    for name in ("iptables", "iptables-legacy", "iptables-nft"):
        program = shutil.which(name)
        if program:
            try:
                command.run([program, "-w", "-t", "nat", "-S"])
            except LabError:
                continue
            return program
    raise LabError("no iptables back end works on this kernel: the lab needs NAT to reach registries")


def connect(pid: int) -> None:
    """Lay the cable into the network namespace of process `pid` and let its packets out."""
    inside = ["nsenter", "-t", str(pid), "-n", "--", "ip"]
    command.run(["ip", "link", "add", MACHINE_LINK, "type", "veth", "peer", "name", LAB_LINK])
    command.run(["ip", "link", "set", LAB_LINK, "netns", str(pid)])
    command.run(["ip", "addr", "add", f"{GATEWAY}/24", "dev", MACHINE_LINK])
    command.run(["ip", "link", "set", MACHINE_LINK, "up"])
    command.run([*inside, "addr", "add", f"{HOST}/24", "dev", LAB_LINK])
    command.run([*inside, "link", "set", LAB_LINK, "up"])
    command.run([*inside, "link", "set", "lo", "up"])
    command.run([*inside, "route", "add", "default", "via", GATEWAY])
    FORWARDING.write_text("1")
    iptables = _iptables()
    for table, chain, *rule in RULES:
        command.run([iptables, "-w", "-t", table, "-I", chain, *rule])


def disconnect() -> None:
    """Remove the cable and the rules; the machine's forwarding switch stays, others may need it."""
    links = json.loads(command.run(["ip", "-json", "link", "show"]))
    if any(link["ifname"] == MACHINE_LINK for link in links):
        command.run(["ip", "link", "delete", MACHINE_LINK])
    if not shutil.which("iptables"):
        return
    iptables = _iptables()
    for table, chain, *rule in RULES:
        while _present(iptables, table, chain, rule):
            command.run([iptables, "-w", "-t", table, "-D", chain, *rule])


def _present(iptables: str, table: str, chain: str, rule: list[str]) -> bool:
    try:
        command.run([iptables, "-w", "-t", table, "-C", chain, *rule])
    except LabError:
        return False
    return True
