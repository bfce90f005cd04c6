"""How the NAS is reached over SSH: `NAS_SSH_FLAGS`, parsed to typed options. Pure.

The flags are ssh's own, `-o Name=value` and its short forms. One that is not understood is refused with the nearest
that is: a flag that is silently ignored is a fallback that never worked. ssh's own configuration files are not read,
so that what is in force is what `joelclaw nas config show` tells; flags that would go another way to the host (a jump
host, a proxy, a file of settings) are refused with what can be done instead.

| flag                                    | short | default                                                    |
|-----------------------------------------|-------|------------------------------------------------------------|
| BatchMode                               |       | yes; nothing else: there is nobody to ask                  |
| ConnectTimeout                          |       | 10 s, to connect, and again to agree on keys               |
| ServerAliveInterval, ServerAliveCountMax |      | 5 s, 2: a dead connection is noticed in so long            |
| Port, User, IdentityFile, AddressFamily | -p -l -i -4 -6 | 22, this user, ssh's own keys and agent, any      |
| IdentitiesOnly                          |       | no                                                         |
| UserKnownHostsFile, HostKeyAlias        |       | ~/.ssh/known_hosts, the host's own name                    |
| StrictHostKeyChecking                   |       | yes; nothing else: no key is ever taken on trust           |
| Compression                             | -C    | no                                                         |
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal


class SshFlagsInvalid(ValueError):
    """A flag that can't be used. `str()` says which, why, and what can."""


@dataclass(frozen=True, slots=True)
class SshOptions:
    """`user` empty: this one. `identities`, `known_hosts` empty: ssh's own files. Times in seconds."""

    host: str
    user: str = ""
    port: int = 22
    connect_timeout: int = 10
    alive_interval: int = 5
    alive_count: int = 2
    identities: tuple[str, ...] = ()
    identities_only: bool = False
    known_hosts: tuple[str, ...] = ()
    host_key_alias: str = ""
    family: Literal["any", "inet", "inet6"] = "any"
    compression: bool = False
    bytes_per_second: int = 0
    """What a copy may use of the line; 0: all of it."""

    @property
    def shown(self) -> str:
        """For people: user@host, and the port where it is another one."""
        where = f"{self.user}@{self.host}" if self.user else self.host
        return where if self.port == 22 else f"{where}:{self.port}"

    @property
    def known_as(self) -> str:
        """By this name the host's key is looked up."""
        return self.host_key_alias or self.host


Reader = Callable[[str, str], dict[str, Any]]


def parse_ssh(host: str, flags: Sequence[str]) -> SshOptions:
    """The options that `user@host` and ssh's flags mean. SshFlagsInvalid."""
    user, _, name = host.rpartition("@")
    options, seen = SshOptions(name, user), set[str]()
    for flag, value in _pairs(flags):
        read = _OPTIONS[flag]
        if flag in seen and flag not in _MANY:  # ssh takes the first one; two that differ are a mistake
            raise SshFlagsInvalid(f"{flag} is given twice")
        seen.add(flag)
        more = read(flag, value)
        for field in _MANY.get(flag, ()):
            more[field] = (*getattr(options, field), *more[field])
        options = replace(options, **more)
    return options


def _pairs(flags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(name, value) of each flag, the name as it is spelt in the table."""
    left = list(flags)
    while left:
        word = left.pop(0)
        short = word[:2]
        if short in _ELSEWHERE:
            raise SshFlagsInvalid(f"{word} can't be used: {_ELSEWHERE[short]}; {_INSTEAD}")
        if short in _SWITCHES and word == short:
            yield _SWITCHES[short]
            continue
        if short != "-o" and short not in _SHORT:
            known = ", ".join(["-o", *_SHORT, *_SWITCHES])
            raise SshFlagsInvalid(f"{word!r} is no flag that is understood here; those are {known}")
        value = word[2:]
        if not value:
            if not left:
                raise SshFlagsInvalid(f"{word} wants a value")
            value = left.pop(0)
        yield _named(value) if short == "-o" else (_SHORT[short], value)


def _named(text: str) -> tuple[str, str]:
    name, value = [*re.split(r"\s*=\s*|\s+", text.strip(), maxsplit=1), ""][:2]
    exact = {known.casefold(): known for known in _OPTIONS}
    if why := _ELSEWHERE.get(name.casefold()):
        raise SshFlagsInvalid(f"-o {name} can't be used: {why}; {_INSTEAD}")
    if name.casefold() not in exact:
        close = difflib.get_close_matches(name.casefold(), exact, n=1, cutoff=0.6)
        hint = f"did you mean {exact[close[0]]}?" if close else f"those are {', '.join(_OPTIONS)}"
        raise SshFlagsInvalid(f"-o {name} is no option that is understood here; {hint}")
    if not value:
        raise SshFlagsInvalid(f"-o {exact[name.casefold()]} wants a value, as in {exact[name.casefold()]}=…")
    return exact[name.casefold()], value


def _number(field: str, low: int, high: int) -> Reader:
    def read(name: str, value: str) -> dict[str, Any]:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise SshFlagsInvalid(f"{name}={value} is no whole number from {low} to {high}")
        return {field: int(value)}

    return read


def _text(field: str) -> Reader:
    return lambda _, value: {field: value}


def _files(field: str, *, split: bool = False) -> Reader:
    return lambda _, value: {field: tuple(value.split()) if split else (value,)}


def _switch(field: str) -> Reader:
    def read(name: str, value: str) -> dict[str, Any]:
        if value.casefold() not in ("yes", "no"):
            raise SshFlagsInvalid(f"{name}={value} is neither yes nor no")
        return {field: value.casefold() == "yes"}

    return read


def _only_yes(why: str) -> Reader:
    def read(name: str, value: str) -> dict[str, Any]:
        if value.casefold() not in ("yes", "true"):
            raise SshFlagsInvalid(f"{name}={value} can't be used: {why}; {name}=yes can")
        return {}

    return read


def _family(name: str, value: str) -> dict[str, Any]:
    if value not in ("any", "inet", "inet6"):
        raise SshFlagsInvalid(f"{name}={value} is none of any, inet, inet6")
    return {"family": value}


_JUMP = "copies go straight to the host, over no jump host and no proxy"
_FILE = "ssh's configuration files are not read, neither ~/.ssh/config nor another"
_ELSEWHERE = {
    **dict.fromkeys(("-J", "proxyjump", "proxycommand", "proxyusefdpass"), _JUMP),
    **dict.fromkeys(("-F", "include"), _FILE),
}
_INSTEAD = (
    "put what they say into the flags (Port, User, IdentityFile, HostKeyAlias), and for a host behind another keep a "
    "tunnel open (ssh -N -L 2222:nas:22 jump) and set NAS_SSH_HOST=user@127.0.0.1 with -o Port=2222 -o HostKeyAlias=nas"
)
_TRUST = "a copy goes only to a host whose key was known before (put it there with ssh-keyscan, and compare it)"
_OPTIONS: dict[str, Reader] = {
    "BatchMode": _only_yes("there is nobody to ask for a password"),
    "ConnectTimeout": _number("connect_timeout", 1, 600),
    "ServerAliveInterval": _number("alive_interval", 1, 600),
    "ServerAliveCountMax": _number("alive_count", 1, 100),
    "Port": _number("port", 1, 65535),
    "User": _text("user"),
    "IdentityFile": _files("identities"),
    "IdentitiesOnly": _switch("identities_only"),
    "UserKnownHostsFile": _files("known_hosts", split=True),
    "HostKeyAlias": _text("host_key_alias"),
    "StrictHostKeyChecking": _only_yes(_TRUST),
    "AddressFamily": _family,
    "Compression": _switch("compression"),
}
_MANY = {"IdentityFile": ("identities",), "UserKnownHostsFile": ("known_hosts",)}
_SHORT = {"-p": "Port", "-l": "User", "-i": "IdentityFile"}
_SWITCHES = {
    "-4": ("AddressFamily", "inet"),
    "-6": ("AddressFamily", "inet6"),
    "-C": ("Compression", "yes"),
}
