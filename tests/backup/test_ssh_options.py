"""NAS_SSH_FLAGS become typed options; what is not understood is refused with the nearest that is."""

from __future__ import annotations

import pytest

from joelclaw_backup.ssh_options import SshFlagsInvalid, SshOptions, parse_ssh
from joelclaw_contracts.config.retrying import DEFAULT_SSH_FLAGS


def test_the_default_flags_are_what_the_contract_says():
    wanted = SshOptions("three-body", "joel", connect_timeout=10, alive_interval=5, alive_count=2)
    assert parse_ssh("joel@three-body", DEFAULT_SSH_FLAGS) == wanted


@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        (["-p", "2222"], "port", 2222),
        (["-p2222"], "port", 2222),
        (["-oPort=2222"], "port", 2222),
        (["-o", "port 2222"], "port", 2222),
        (["-o", "Port = 2222"], "port", 2222),
        (["-l", "backup"], "user", "backup"),
        (["-i", "~/.ssh/nas", "-o", "IdentityFile=/k"], "identities", ("~/.ssh/nas", "/k")),
        (["-o", "IdentitiesOnly=yes"], "identities_only", True),
        (["-o", "UserKnownHostsFile=/a /b"], "known_hosts", ("/a", "/b")),
        (["-o", "HostKeyAlias=nas"], "known_as", "nas"),
        (["-o", "StrictHostKeyChecking=yes"], "known_hosts", ()),
        (["-6"], "family", "inet6"),
        (["-C"], "compression", True),
    ],
)
def test_each_flag_is_read_in_its_long_and_its_short_form(flags, field, value):
    assert getattr(parse_ssh("joel@nas", flags), field) == value


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["-o", "ConectTimeout=10"], "did you mean ConnectTimeout?"),
        (["-o", "ServerAliveIntervall=5"], "did you mean ServerAliveInterval?"),
        (["-o", "ForwardAgent=yes"], "ForwardAgent is no option that is understood here"),
        (["-o BatchMode=yes -o ConnectTimeout=10"], "BatchMode=yes -o ConnectTimeout=10 can't be used"),
        (["-v"], "'-v' is no flag"),
        (["-o"], "-o wants a value"),
        (["-o", "Port"], "-o Port wants a value"),
        (["-o", "Port=22x"], "Port=22x is no whole number from 1 to 65535"),
        (["-o", "Port=0"], "from 1 to 65535"),
        (["-o", "Port=1", "-p", "2"], "Port is given twice"),
        (["-o", "BatchMode=no"], "nobody to ask"),
        (["-o", "StrictHostKeyChecking=no"], "whose key was known before"),
        (["-o", "StrictHostKeyChecking=accept-new"], "whose key was known before"),
        (["-o", "Compression=maybe"], "neither yes nor no"),
    ],
)
def test_a_flag_that_can_not_be_used_says_what_can(flags, told):
    with pytest.raises(SshFlagsInvalid) as caught:
        parse_ssh("joel@nas", flags)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "flags",
    [
        ["-J", "jump"],
        ["-Jjump"],
        ["-o", "ProxyJump=jump"],
        ["-oproxycommand=nc %h %p"],
        ["-F", "/etc/ssh/another"],
        ["-o", "Include config.d/*"],
    ],
)
def test_a_way_around_and_a_file_of_settings_are_refused_with_what_can_be_done_instead(flags):
    with pytest.raises(SshFlagsInvalid) as caught:
        parse_ssh("nas", flags)
    told = str(caught.value)
    assert ("can't be used" in told, "HostKeyAlias" in told, "\n" in told) == (True, True, False)
