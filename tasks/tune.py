"""The last stage of the flow `tune`: make the best of its trials a recipe, and all of them a page.

Makes a `tuning`: recipe.json, the best trial as a recipe that can be run; trials.csv, every trial; and report.html.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tasks.data.metrics import PreparedMetrics
from tasks.errors import FitError
from tasks.reports.tuning import Trial, Tuned, Tuning, render, to_csv
from tasks.stage import stage
from tasks.store import Artifact, Draft, Store
from tasks.store.provenance import commit, versions
from tasks.training import recipes, studies
from tasks.training.recipes import Recipe

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def tune(store: Store, prepared: Artifact, base: Recipe, call: str) -> Artifact:
    """Return the tuning of a recipe on prepared data, from the trials that its study holds by now.

    call: the command that makes it again, for the page.
    Raises: FitError if none of them came to its end.
    """
    study = studies.open_study(store.root, base, prepared.name)
    if not any(_ended(trial) for trial in study.trials):
        raise FitError(
            "no trial came to its end", expected="at least one", remedy="try more of them, or start from a lower rate"
        )
    best = study.best_trial
    recipe = replace(recipes.with_values(base, best.params), name=f"{base.name}-tuned")

    def build(draft: Draft) -> Tuned:
        tuning = Tuning(
            recipe=base.name,
            best=recipe.as_parameters(),
            trials=[_trial(trial) for trial in study.trials if trial.state.is_finished()],
            images=prepared.measured(PreparedMetrics).validation,
            prepared=prepared.name,
            importance=studies.importance(study),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            reproduce=call,
            versions=versions(),
            commit=commit(),
        )
        text = json.dumps(recipe.as_parameters(), indent=2) + "\n"
        (draft.folder / "recipe.json").write_text(text, encoding="utf-8")
        (draft.folder / "trials.csv").write_text(to_csv(tuning), encoding="utf-8")
        (draft.folder / "report.html").write_text(render(tuning), encoding="utf-8")
        return Tuned(studies.finished_trials(study), study.best_value, best.user_attrs["model"])

    return store.make(
        "tuning",
        build,
        code=__name__,
        parameters={"recipe": base.as_parameters(), "trials": len(study.trials)},
        inputs=[prepared],
    )


def _ended(trial: "FrozenTrial") -> bool:
    """Return whether a trial came to its end; one that was given up has the accuracy of its last epoch as its value."""
    return trial.state.name == "COMPLETE"


def _trial(trial: "FrozenTrial") -> Trial:
    return Trial(
        number=trial.number + 1,
        accuracy=trial.value if _ended(trial) else None,
        epochs=dict(sorted(trial.intermediate_values.items())),
        values=trial.params,
        seconds=trial.duration.total_seconds() if trial.duration else None,
        note=trial.user_attrs.get("ended", "" if _ended(trial) else "killed, and tried again"),
    )


tune_stage = stage(tune)
