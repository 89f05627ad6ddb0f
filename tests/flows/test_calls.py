"""The call on a page makes its result again."""

from flows.calls import call


def test_a_call_has_its_options_the_changes_and_the_limit_where_it_is_another() -> None:
    assert call("compare", "sample", "--refit", changes=None, max_bad_rows=0.001) == (
        "digits compare --data sample --refit"
    )
    assert call("tune", "my digits.csv", "--trials", "3", changes=["epochs=2", "seed=1"], max_bad_rows=0.01) == (
        "digits tune --data 'my digits.csv' --trials 3 --set epochs=2 --set seed=1 --max-bad-rows 0.01"
    )
