"""How an exported page and `digits draw` agree with the champion, in Chromium, and how fast they are.

    DIGITS_HOME=… python -m tests.benchmarks.drawing [FOLDER …]

On 1,000 validation images of the champion's own data, on 200 drawings, on ten digits drawn by the mouse, and on
pictures in folders, whose names begin with the digit.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from flows.drawing import pages
from tasks import registry, settings
from tasks.data import digits
from tasks.scoring.reader import Reader
from tasks.store import Store
from tests.command import PROGRAM, environment
from tests.flows.browsing import browser
from tests.flows.drawing import agreement, person
from tests.flows.operating import eventually


def main() -> None:
    here = settings.load()
    store = Store(here.artifacts)
    package = registry.package_of(store, "champion")
    prepared = store.get(package.manifest().inputs[1])
    images = digits.read(prepared.file("validation.parquet")).images[:1000]
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as chromium:
        page = Path(folder) / "reader.html"
        page.write_text(pages.standalone(package, package.name), encoding="utf-8")
        chromium.get(page.as_uri())
        print(f"{package.name}: {page.stat().st_size / 1e6:.2f} MB")
        print(agreement.answers(chromium, Reader(package), images))
        apart, milliseconds = agreement.forms(chromium, 200)
        print(f"drawings: {(apart == 0).sum()} alike, {(apart <= 1).sum()} within 1 of 255, {milliseconds:.1f} ms each")
        print("by mouse, exported", read_by_mouse(chromium))
        for pictures in map(Path, sys.argv[1:]):
            print(pictures.name, agreement.pictures(chromium, Reader(package), sorted(pictures.iterdir())))
        command = [sys.executable, "-c", PROGRAM, "draw"]
        variables = environment(here.home)
        with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            chromium.get(next(line.split()[1] for line in process.stdout if line.startswith("open")))
            print("by mouse, digits draw", read_by_mouse(chromium))
            process.kill()


def read_by_mouse(chromium: Any) -> list[str]:
    """Draw each digit once, and return the answers."""
    answers = []
    for digit in person.DIGITS:
        chromium.execute_script("clear()")
        person.draw(chromium, digit)
        eventually(lambda: not chromium.execute_script("return busy"))
        answers.append(person.text(chromium, "answer"))
    return answers


if __name__ == "__main__":
    main()
