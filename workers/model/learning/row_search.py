"""Searching how a new style is best learnt: style weight, rate and steps, within a number of trials.

The search is the tree-structured Parzen estimator of Bergstra et al. 2011, "Algorithms for
Hyper-Parameter Optimization", as optuna has it, seeded. The first trial is the built-in way, so that
a search never ends with less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution

from workers.model.checkpoint import Checkpoint
from workers.model.config import TrainConfig
from workers.model.learning.row_learning import LearntRow, learn_row
from workers.model.learning.training import Diverged, Progress, TrainingData
from workers.model.vgg import Vgg

RANGE = 4.0
"""Style weight and rate are searched from a quarter to four times the built-in ones, steps from half to twice."""


@dataclass(frozen=True)
class Trial:
    """One way to learn the style, and its error on held-out photos; None where it did not learn.

    ``error`` weighs content, style, structure and edges as the built-in way does, so that trials compare.
    """

    style_weight: float
    rate: float
    steps: int
    error: float | None
    style_error: float | None


def search_row(
    config: TrainConfig,
    known: Checkpoint,
    data: TrainingData,
    vgg: Vgg,
    *,
    trials: int,
    report: Callable[[Progress], None],
) -> tuple[LearntRow, list[Trial]]:
    """Learn the row of the one style of ``config`` in several ways; return the best row and what was tried.

    Raises Diverged if no way leads to a row that is better than the one it began from.
    """
    device = vgg.mean.device
    (stage,) = config.stages
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=config.seed))
    study.enqueue_trial({"style_weight": config.style_weight, "rate": stage.rate, "steps": stage.steps})
    space = {
        "style_weight": FloatDistribution(config.style_weight / RANGE, config.style_weight * RANGE, log=True),
        "rate": FloatDistribution(stage.rate / RANGE, stage.rate * RANGE, log=True),
        "steps": CategoricalDistribution([max(1, stage.steps // 2), stage.steps, 2 * stage.steps]),
    }
    tried: list[Trial] = []
    best: tuple[float, LearntRow] | None = None
    failed = Diverged("no trial was made")
    for _ in range(trials):
        asked = study.ask(space)
        trial = Trial(**asked.params, error=None, style_error=None)
        try:
            learnt = learn_row(_config_of(config, trial), known, data, vgg, device=device, report=report)
        except Diverged as error:
            failed = error
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
        else:
            reached = weighed(config, learnt)
            study.tell(asked, reached)
            trial = replace(trial, error=reached, style_error=learnt.error_after)
            if best is None or reached < best[0]:
                best = reached, learnt
        tried.append(trial)
    if best is None:
        raise failed
    return best[1], tried


def _config_of(config: TrainConfig, trial: Trial) -> TrainConfig:
    (stage,) = config.stages
    final = trial.rate * stage.final_rate / stage.rate
    stages = (replace(stage, steps=trial.steps, rate=trial.rate, final_rate=final),)
    return replace(config, stages=stages, style_weight=trial.style_weight, validate_every=trial.steps)


def weighed(config: TrainConfig, learnt: LearntRow) -> float:
    """Return a row's error on held-out photos, its terms weighed as ``config`` does."""
    weights = {name: getattr(config, f"{name}_weight") for name in ("content", "style", "structure", "edge")}
    return float(sum(weight * learnt.errors_after[name] for name, weight in weights.items()))


def search_table(trials: list[Trial]) -> list[str]:
    """Return the trials as lines of a table, the best marked."""
    errors = [trial.error for trial in trials if trial.error is not None]
    lines = ["trial  style weight     rate  steps   error  style error"]
    for number, one in enumerate(trials, 1):
        found = f"{one.error:7.3f}  {one.style_error:11.3f}" if one.error is not None else "not learnt"
        mark = "  best" if errors and one.error == min(errors) else ""
        lines.append(f"{number:5}  {one.style_weight:12.2f}  {one.rate:7.4f}  {one.steps:5}  {found}{mark}")
    return lines
