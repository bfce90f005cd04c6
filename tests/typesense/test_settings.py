"""What we are told about Typesense: read strictly, and nothing at all where it is not configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from joelclaw_backup.typesense.settings import PodPlace, read_typesense_settings
from joelclaw_contracts import Config
from joelclaw_pod import SettingsError


def read(tmp_path: Path, **environ: str):
    return read_typesense_settings(Config(), {"TYPESENSE_API_KEY": "k", **environ}, tmp_path)


def test_without_a_key_nothing_is_configured(tmp_path):
    assert (
        read_typesense_settings(Config(), {"TYPESENSE_URL": "http://x:1", "TYPESENSE_API_KEY": " "}, tmp_path) is None
    )


def test_the_contracts_defaults_hold(tmp_path):
    told = read(tmp_path)
    assert (told.url, told.roots, told.keep, told.pod) == ("http://localhost:8108", ("/data/snapshots",), 2, None)
    assert told.schedule == "TZ=America/Los_Angeles 0 3 * * *"
    assert "'k'" not in repr(told), "the key is shown nowhere"


def test_a_fallback_root_that_differs_is_the_second(tmp_path):
    roots = read(tmp_path, TYPESENSE_SNAPSHOT_ROOT="/a", TYPESENSE_SNAPSHOT_FALLBACK_ROOT="/b/").roots
    assert roots == ("/a", "/b")


def test_a_pod_has_its_place(tmp_path):
    pod = read(tmp_path, TYPESENSE_SNAPSHOT_SOURCE="k8s", TYPESENSE_K8S_NAMESPACE="joelclaw").pod
    assert pod == PodPlace("joelclaw", "typesense-0", "typesense")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TYPESENSE_URL", "localhost:8108"),
        ("TYPESENSE_URL", "ftp://x"),
        ("TYPESENSE_SNAPSHOT_ROOT", "snapshots"),
        ("TYPESENSE_SNAPSHOT_ROOT", "/"),
        ("TYPESENSE_SNAPSHOT_FALLBACK_ROOT", "/data/../etc"),
        ("TYPESENSE_SNAPSHOT_RETENTION_COUNT", "0"),
        ("TYPESENSE_SNAPSHOT_RETENTION_COUNT", "2x"),
        ("TYPESENSE_SNAPSHOT_SOURCE", "k8"),
        ("TYPESENSE_SNAPSHOT_RETENTON_COUNT", "2"),
        ("TYPESENSE_SERVER_BINARY", "/nowhere/typesense-server"),
    ],
)
def test_what_can_not_be_meant_stops_the_start_and_is_named(tmp_path, name, value):
    with pytest.raises(SettingsError, match=name):
        read(tmp_path, **{name: value})


@pytest.mark.parametrize("word", ["-n", "a b", "x;y", "--"])
def test_a_name_for_kubectl_is_no_option(tmp_path, word):
    with pytest.raises(SettingsError, match="TYPESENSE_K8S_POD"):
        read(tmp_path, TYPESENSE_SNAPSHOT_SOURCE="k8s", TYPESENSE_K8S_POD=word)
