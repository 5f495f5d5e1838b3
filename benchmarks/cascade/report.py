"""The figures of runs, for people and as JSON. Nothing is simulated here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.cascade import models
from benchmarks.cascade.fleet import SampleFleet, percentile
from benchmarks.cascade.models import CascadePolicy, Run

Facts = dict[str, float | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A fleet, with the slots and creations that every policy of a comparison may use."""

    fleet: SampleFleet
    slots: int
    creates_per_hour: int

    @property
    def bound(self) -> float:
        """The lower bound in seconds."""
        return self.fleet.lower_bound(slots=self.slots, creates_per_hour=self.creates_per_hour)

    def under(self, policy: CascadePolicy) -> Run:
        """The model of a policy in this setting."""
        return models.run(self.fleet, policy, slots=self.slots, creates_per_hour=self.creates_per_hour)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyComparison:
    """Policies in one setting."""

    setting: Setting
    policies: Mapping[str, Facts]

    def to_wire(self) -> dict[str, object]:
        """A JSON object."""
        return {
            "images": len(self.setting.fleet.images),
            "slots": self.setting.slots,
            "creates_per_hour": self.setting.creates_per_hour,
            "lower_bound_seconds": round(self.setting.bound),
            "policies": dict(self.policies),
        }


def compare(setting: Setting, runs: Sequence[Run]) -> PolicyComparison:
    """The figures of each run. Avoided builds are counted against a policy that builds everything every night."""
    nightly = setting.under(models.POLICIES["nightly-all"]).builds
    figures = {run.policy: _facts_of(run, setting.bound, nightly) for run in runs}
    return PolicyComparison(setting=setting, policies=figures)


def table(comparison: PolicyComparison) -> str:
    """Lines for a terminal."""
    setting = comparison.setting
    heads = ("policy", "makespan", "ratio", "p50", "p95", "builds", "avoided")
    lines = [
        f"{len(setting.fleet.images)} images, {setting.slots} slots, {setting.creates_per_hour} creations per hour: "
        f"lower bound {_hours(setting.bound)}",
        "  {:<12} {:>10} {:>7} {:>9} {:>9} {:>8} {:>8}".format(*heads),
    ]
    for name, each in comparison.policies.items():
        lines.append(
            f"  {name:<12} {_hours(each['makespan_seconds']):>10} {each['ratio']:>7.3f}"
            f" {_hours(each['exposure_p50_seconds']):>9} {_hours(each['exposure_p95_seconds']):>9}"
            f" {each['builds']:>8} {each['builds_avoided']:>8}"
        )
    return "\n".join(lines)


def _facts_of(run: Run, bound: float, nightly: int) -> Facts:
    return {
        "makespan_seconds": round(run.makespan),
        "ratio": round(run.makespan / bound, 3),
        "exposure_p50_seconds": round(percentile(run.published, 0.5)),
        "exposure_p95_seconds": round(percentile(run.published, 0.95)),
        "builds": run.builds,
        "builds_avoided": nightly - run.builds,
    }


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"
