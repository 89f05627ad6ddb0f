import math

import pytest

from tasks.judging.overfitting import judge
from tasks.judging.statistics import Accuracy


def about(accuracy: float, half: float = 0.003) -> Accuracy:
    return Accuracy(4000, accuracy, (accuracy - half, accuracy + half))


def epoch(number: int, **changed: float) -> dict[str, float]:
    return {"epoch": number, "loss": 0.5, "accuracy": 0.9, "val_loss": 0.2, "val_accuracy": 0.95} | changed


def losses(*val_losses: float) -> list[dict[str, float]]:
    return [epoch(number, val_loss=loss) for number, loss in enumerate(val_losses, start=1)]


@pytest.mark.parametrize(
    ("training", "validation", "verdict"),
    [
        (0.980, 0.990, "none"),
        (0.993, 0.990, "none"),
        (0.998, 0.990, "slight"),
        (1.000, 0.970, "clear"),
    ],
)
def test_the_gap_is_judged_beside_the_noise_of_both(training: float, validation: float, verdict: str) -> None:
    found = judge(about(training), about(validation), 0.1, [])
    assert found.verdict == verdict
    assert found.gap == pytest.approx(training - validation)
    assert found.noise == pytest.approx(0.003 * math.sqrt(2))


def test_the_noise_is_that_of_newcombes_interval() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, (a): 56/70 less 48/80, 95 % from 0.0524.
    training, validation = Accuracy(70, 56 / 70, (0.6918, 0.8770)), Accuracy(80, 48 / 80, (0.4904, 0.7004))
    found = judge(training, validation, 0.1, [])
    assert found.gap - found.noise == pytest.approx(0.0524, abs=2e-4)


def test_it_begins_where_validation_loss_leaves_its_lowest_for_good() -> None:
    found = judge(about(1.0), about(0.97), 0.2, losses(0.9, 0.1, 0.13, 0.105, 0.12, 0.2))
    assert (found.risen_from, found.begins) == (5, 5), "at epoch 4 it was back"


def test_a_loss_that_wobbles_has_not_risen() -> None:
    assert judge(about(1.0), about(0.97), 0.1, losses(0.5, 0.1, 0.109)).begins is None


def test_it_begins_where_the_accuracies_part_for_good() -> None:
    accuracies = [(0.9, 0.95), (0.97, 0.96), (0.96, 0.96), (0.98, 0.97), (0.99, 0.97)]
    history = [epoch(number, accuracy=one, val_accuracy=other) for number, (one, other) in enumerate(accuracies, 1)]
    found = judge(about(1.0), about(0.97), 0.2, history)
    assert (found.risen_from, found.apart_from, found.begins) == (None, 4, 4)


def test_the_earlier_of_the_two_signs_counts() -> None:
    history = losses(0.1, 0.2, 0.3)
    history[2] |= {"accuracy": 1.0}
    found = judge(about(1.0), about(0.97), 0.2, history)
    assert (found.risen_from, found.apart_from, found.begins) == (2, 3, 2)


def test_loss_before_its_lowest_is_no_sign_though_the_accuracies_are_apart_all_the_time() -> None:
    history = [one | {"accuracy": 1.0} for one in losses(0.5, 0.1, 0.2)]
    assert judge(about(1.0), about(0.97), 0.2, history).risen_from == 3


def test_a_model_that_is_surer_than_it_may_be_overfits_though_as_many_are_right() -> None:
    history = losses(0.1, 0.2)
    assert judge(about(0.98), about(0.98), loss=0.2, history=history).verdict == "slight"
    assert judge(about(0.98), about(0.98), loss=0.1, history=history).verdict == "none", "the best epoch was kept"


def test_without_a_history_the_gap_is_told_all_the_same() -> None:
    found = judge(about(0.998), about(0.99), 0.1, [])
    assert (found.verdict, found.begins) == ("slight", None)


def test_epochs_that_were_not_judged_tell_nothing() -> None:
    history = [{"epoch": 1, "loss": 0.5, "accuracy": 0.9}]
    assert judge(about(0.998), about(0.99), 0.1, history).begins is None


def test_what_is_not_a_number_is_no_sign() -> None:
    history = [epoch(1), epoch(2, val_loss=math.nan, accuracy=math.nan)]
    assert judge(about(0.98), about(0.98), math.nan, history).begins is None
