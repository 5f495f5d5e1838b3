"""The cores of a machine by the name of its size: the convention, constrained sizes, and the series before it."""

from dataclasses import replace

import pytest

from pipeline_core.domain import floors
from pipeline_core.domain.floors import Promises
from pipeline_core.domain.machine_sizes import ASSUMED_CORES, cores_of
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.policy import OPEN, Policy
from pipeline_core.domain.team_limits import PerTeamLimits, PolicyLimits
from pipeline_core.wire.image_yaml import model
from tests.unit.domain import factories as make

CASES = {
    "Standard_D2s_v5": 2,
    "standard_d2S_V5": 2,
    "Standard_D96ads_v6": 96,
    "Standard_D2plds_v5": 2,
    "Standard_D2_v3": 2,
    "Standard_D16_v4": 16,
    "Standard_E8-4s_v5": 8,
    "Standard_E104i_v5": 104,
    "Standard_M128-32ms": 128,
    "Standard_M416ms_v2": 416,
    "Standard_M832ixs_12_v3": 832,
    "Standard_B1ls": 1,
    "Standard_B2s": 2,
    "Standard_B20ms": 20,
    "Standard_F4": 4,
    "Standard_F72s_v2": 72,
    "Standard_FX12-6mds_v2": 12,
    "Standard_L80as_v3": 80,
    "Standard_NC24ads_A100_v4": 24,
    "Standard_NV36adms_A10_v5": 36,
    "Standard_ND128isr_NDR_GB200_v6": 128,
    "Standard_NCC40ads_H100_v5": 40,
    "Standard_HB120-16rs_v3": 120,
    "Standard_HC44rs": 44,
    "Standard_DC2as_v5": 2,
    "Standard_A2_v2": 2,
    "Standard_A4m_v2": 4,
    # Before the convention, the number is that of the size in its series.
    "Basic_A0": 1,
    "Basic_A4": 8,
    "Standard_A3": 4,
    "Standard_A5": 2,
    "Standard_A9": 16,
    "Standard_A11": 16,
    "Standard_D1": 1,
    "Standard_D3": 4,
    "Standard_D14": 16,
    "Standard_D2_v2": 2,
    "Standard_D5_v2": 16,
    "Standard_D11_v2": 2,
    "Standard_D15_v2": 20,
    "Standard_D15i_v2": 20,
    "Standard_D3_v2_Promo": 4,
    "Standard_DS4": 8,
    "Standard_DS12_v2": 4,
    "Standard_DS13-4_v2": 8,
    "Standard_G3": 8,
    "Standard_GS5-16": 32,
    # What says no number, or a number that no machine of an old series has.
    "Standard_D": None,
    "Standard_Large": None,
    "Standard_D0s_v5": None,
    "Standard_D7_v2": None,
    "Standard_G9": None,
    "Standard_D2s-v5": None,
    "D2s_v5": None,
    "": None,
}


@pytest.mark.parametrize(("size", "cores"), CASES.items())
def test_the_name_of_a_size_says_its_cores(size: str, cores: int | None) -> None:
    assert cores_of(size) == cores


def test_what_counts_where_nobody_can_tell_are_the_cores_of_the_default_size() -> None:
    assert cores_of(str(model.Build.model_fields["vm_size"].default)) == ASSUMED_CORES


FOUR = Promises(vm_size="Standard_D4s_v5")
PAYMENTS = TeamName("payments")
REFUSED: dict[str, tuple[Promises, Policy, list[str]]] = {
    "no cores are counted": (replace(FOUR, vm_size="Standard_Large"), OPEN, []),
    "as many as the team may use": (
        FOUR,
        Policy(revision=4, limits=PolicyLimits(general=PerTeamLimits(cores=4))),
        [],
    ),
    "more than the team may use": (
        FOUR,
        Policy(revision=4, limits=PolicyLimits(teams={PAYMENTS: PerTeamLimits(cores=3)})),
        [
            "is Standard_D4s_v5 with 4 cores, and the limit of team payments in policy 4 allows 3 for all builds of"
            " the team: use a size with 3 cores or fewer"
        ],
    ),
    "a name that does not say them": (
        replace(FOUR, vm_size="Standard_Large"),
        Policy(revision=4, limits=PolicyLimits(general=PerTeamLimits(cores=4))),
        [
            "is Standard_Large, whose name does not say how many cores it has, and the limit in policy 4 counts"
            " cores: use a size whose name says it, like Standard_D2s_v5"
        ],
    ),
    "a registration that does not keep the size": (
        Promises(),
        Policy(revision=4, limits=PolicyLimits(general=PerTeamLimits(cores=1))),
        [],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_definition_is_held_against_the_cores_of_its_team(case: str) -> None:
    promises, policy, expected = REFUSED[case]
    found = floors.breaches(
        promises, origin=make.SOURCE, catalog=(), max_age=None, policy=policy, root=make.BASE, team=PAYMENTS
    )
    assert [
        f"{each.message}: {each.remedy}" for each in found if each.path == "spec.build.vmSize"
    ] == expected
