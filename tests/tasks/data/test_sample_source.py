"""The embedded sample: which digits are train and which are test, always the same."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.data.digits import Digits
from tests.tasks.data.reading import digits_of, source


@pytest.fixture(scope="module")
def sample() -> dict[str, Digits]:
    return {name: digits_of(table) for name, table in source("sample").tables.items()}


def test_sample_has_50_digits_a_class_set_apart_as_test_part(sample: dict[str, Digits]) -> None:
    assert list(np.bincount(sample["train"].known_labels)) == [450] * 10
    assert list(np.bincount(sample["test"].known_labels)) == [50] * 10
    assert source("sample").kind == "sample"
    assert source("sample").tables["test"].file == "sample (mnist_5k.csv.gz)"


def test_no_digit_of_the_sample_is_in_both_parts(sample: dict[str, Digits]) -> None:
    images = [{image.tobytes() for image in table.images} for table in sample.values()]
    assert len(images[0] | images[1]) == 5_000


def test_sample_is_shuffled_and_always_the_same(sample: dict[str, Digits]) -> None:
    assert len(set(sample["train"].known_labels[:20].tolist())) > 5
    assert list(sample["train"].ids[[0, -1]]) == [1, 4_500]
    digest = hashlib.sha256(sample["train"].images.tobytes() + sample["test"].images.tobytes()).hexdigest()
    assert digest == "f7260ebb2036306319f281255bbc1dc493528156ab9ca6c4891c555e19ded01b"


def test_sample_does_not_import_what_it_does_not_need() -> None:
    program = (
        "import sys; from pathlib import Path; from tasks import settings; from tasks.data import sources;"
        "list(sources.recognise('sample', settings.Settings(Path())).tables['train'].read());"
        "print(*{'mlxtend', 'pandas', 'scipy', 'sklearn', 'httpx', 'kaggle', 'prefect'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    assert run.stdout.split() == []
