"""Some kills of a Typesense's backup, as `make backup-faults` makes them with more."""

from __future__ import annotations

import pytest

from tests.backup.faults.campaigns import CAMPAIGNS, Campaign
from tests.backup.test_faults import KILLS, require_root

pytestmark = [pytest.mark.slow, pytest.mark.typesense]


@pytest.mark.parametrize("campaign", [c for c in CAMPAIGNS if "typesense" in c.name], ids=lambda c: c.name)
def test_kills_of_a_typesense_backup_leave_the_good_set_and_the_source(campaign: Campaign) -> None:
    require_root()
    told = campaign.run(KILLS, seed=7)
    assert told.misses == []
    assert told.kills == campaign.share(KILLS) > 0
