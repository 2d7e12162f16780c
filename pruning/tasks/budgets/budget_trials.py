"""The trials of a search under a budget, and the folder that they are kept in."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pruning.plans.pruning_plan import Plan
from pruning.tasks.snapshot import Snapshot
from pruning.tasks.task_measures import Measured, same_measures
from schedules.task_budget import TaskBudget

_FORMAT = 1


@dataclass(frozen=True)
class Trial:
    """One plan that was tried.

    Attributes:
        rise: of the losses that the surrogate was allowed; saved: share of the MACs that its plan saves.
        surrogate: task -> relative rise of its loss before fine-tuning; stopped: task -> how many groups it stopped.
        measured: task -> measure -> value, after fine-tuning.
        drops, used: of the judgement; binding: the task that used most of its budget.
        held: whether every task stayed within its budget.
        seconds: that the trial took.
    """

    rise: float
    saved: float
    surrogate: Mapping[str, float]
    stopped: Mapping[str, int]
    measured: Measured
    drops: Mapping[str, float]
    used: Mapping[str, float]
    binding: str
    held: bool
    seconds: float


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        plan: the one that saves most of those that held; None where none did.
        trial: its Trial, or None.
        trials: all, in their order.
        budget: that was asked for.
        reference: {task: {measure: value}} of the reference.
    """

    plan: Plan | None
    trial: Trial | None
    trials: tuple[Trial, ...]
    budget: TaskBudget
    reference: Measured

    def __str__(self) -> str:
        lines = ["losses may rise  saved   stopped groups by              budget used after fine-tuning"]
        for trial in self.trials:
            stopped = ", ".join(f"{task} {count}" for task, count in trial.stopped.items()) or "none"
            used = ", ".join(f"{task} {share:.0%}" for task, share in trial.used.items())
            held = "held" if trial.held else "not held"
            verdict = f"{used}: {held}, {trial.binding} binds"
            lines.append(f"{trial.rise:>15.0%}  {trial.saved:>5.1%}   {stopped:<29}  {verdict}")
        most = "no trial held" if self.trial is None else f"most that held: {self.trial.saved:.1%} saved"
        return "\n".join([*lines, most])


class TrialFolder:
    """Trials in memory, and in a folder if there is one: search.json, a plan a trial, the best one's weights.

    Args:
        path: of the folder, or None.
        asked: what makes a search the same one, in JSON's types.
        dense: measures of the dense model, which tell it from others of its structure.

    Raises:
        ValueError: the folder is of another search, or of another dense model.
    """

    def __init__(self, path: Path | None, asked: Mapping[str, Any], dense: Measured) -> None:
        self._path, self._asked, self._dense = path, json.loads(json.dumps(asked)), dense
        self.reference: Measured | None = None
        self.trials: list[Trial] = []
        self._plans: list[Plan] = []
        self._best: Snapshot | None = None
        if path is None or not (path / "search.json").exists():
            return
        state = json.loads((path / "search.json").read_text(encoding="utf-8"))
        if state.get("format") != _FORMAT or state["asked"] != self._asked:
            differs = [name for name, value in self._asked.items() if state.get("asked", {}).get(name) != value]
            raise ValueError(
                f"{path / 'search.json'} is of another search ({', '.join(differs) or 'another format'}): give another "
                "folder, or delete this one"
            )
        if not same_measures(state["dense"], dense):
            raise ValueError(
                f"{path / 'search.json'} began with another dense model, which measured {state['dense']}; this one "
                f"measures {dense}: give another folder, or delete this one"
            )
        self.reference = state["reference"]
        self.trials = [Trial(**trial) for trial in state["trials"]]
        self._plans = [Plan.load(self._plan_file(number)) for number in range(len(self.trials))]

    def _plan_file(self, number: int) -> Path:
        assert self._path is not None
        return self._path / f"plan_{number + 1}.json"

    @property
    def best(self) -> int | None:
        """The trial that saves most of those that held."""
        held = [number for number, trial in enumerate(self.trials) if trial.held]
        return max(held, key=lambda number: self.trials[number].saved) if held else None

    def plan(self, number: int) -> Plan:
        """A trial's plan."""
        return self._plans[number]

    def set_reference(self, reference: Measured) -> None:
        """Keep the reference's measures."""
        self.reference = reference
        self._write()

    def add(self, trial: Trial, plan: Plan, model: Any) -> None:
        """Keep a trial, and the model's state if it is the best so far."""
        self.trials.append(trial)
        self._plans.append(plan)
        last = len(self.trials) - 1
        if self._path is not None:
            self._path.mkdir(parents=True, exist_ok=True)
            plan.save(self._plan_file(last))
        if self.best == last:
            self._best = Snapshot(model)
            if self._path is not None:
                self._best.save(self._path / "best.npz")
        self._write()

    def restore_best(self, model: Any) -> None:
        """Give the model the state of the best trial."""
        if self._best is None:
            assert self._path is not None, "the best trial is in memory or in the folder"
            self._best = Snapshot(model)
            self._best.load(self._path / "best.npz")
        self._best.restore()

    def _write(self) -> None:
        if self._path is None:
            return
        self._path.mkdir(parents=True, exist_ok=True)
        state = {
            "format": _FORMAT,
            "asked": self._asked,
            "dense": self._dense,
            "reference": self.reference,
            "trials": [asdict(trial) for trial in self.trials],
        }
        part = self._path / ".search.json.part"
        part.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        os.replace(part, self._path / "search.json")
