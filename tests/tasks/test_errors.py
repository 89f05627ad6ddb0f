"""What a person reads when something is wrong."""

from tasks.errors import DataError


def test_a_message_names_what_where_expected_received_and_remedy_on_one_line() -> None:
    error = DataError(
        "pixel out of range",
        file="train.csv",
        row=1234,
        column="pixel5",
        expected="a whole number from 0 to 255",
        received="'2\n56'",
        remedy="correct it",
    )
    assert str(error) == (
        "train.csv, row 1,234, column pixel5: pixel out of range; expected a whole number from 0 to 255; "
        "received '2 56'; to go on, correct it"
    )


def test_what_is_not_known_is_left_out() -> None:
    assert str(DataError("no rows", file="a.csv")) == "a.csv: no rows"
