"""Feed the readers what nobody writes on purpose: `python -m tests.fuzz [SEED] [COUNT] [KIND,…] [FIRST]`.

A case is a valid input of a kind of `odd_inputs`, mutated or written in an unusual way, that follows from seed, kind
and number alone. Cases run in a process of their own, which a crash of a library ends, and nothing else. Counted as a
failure is:

- any error but a DigitsError, a crash, more than 20 s, more than 1.5 GB;
- a value that is read as another, a whole input that is refused, a broken one that is read;
- a file left behind; an artifact that `verify` finds damaged, and that is used all the same.
"""

import json
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random

from tasks import registry
from tasks.errors import DigitsError
from tasks.store import Artifact, Store
from tests.command import environment
from tests.odd_inputs import KINDS, Case
from tests.tasks.trained import trained

SECONDS, BYTES = 20, 1_500_000_000  # of a case; of the process at its highest
ADDRESS_SPACE = 8 << 30  # so that a bomb ends the process and not the machine
FULL_MEMORY = 3  # exit code


def run(seed: int, plan: list[tuple[str, int, int]], package: Path) -> tuple[Counter[str], list[str]]:
    """Run cases; return how many were read and refused, and the failures, a line each.

    plan: kinds, each with the numbers of the first case and of the one after the last. package: folder of one.
    """
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        home, report = Path(folder), Path(folder) / "report.txt"
        (home / "tmp").mkdir()
        while plan:
            report.write_text("")
            call = json.dumps([seed, plan, str(package), folder])
            command = [sys.executable, "-c", "from tests.fuzz import run_here; run_here()", call]
            variables = environment(home) | {"TMPDIR": str(home / "tmp")}
            with (home / "words.txt").open("wb") as words:
                code = subprocess.run(command, env=variables, stdout=words, stderr=words).returncode
            lines = [line.split(" ", 2) for line in report.read_text().splitlines()]
            if not lines:
                raise RuntimeError((home / "words.txt").read_text())
            counts.update(outcome for _, _, outcome in lines if outcome in ("read", "refused"))
            failures += [" ".join(line) for line in lines if line[2] not in ("begun", "read", "refused")]
            kind, number = lines[-1][0], int(lines[-1][1])
            if code:
                why = f"more than {BYTES:,} bytes" if code == FULL_MEMORY else f"ended by {signal.Signals(-code).name}"
                failures.append(f"{kind} {number} {why}")
            kinds = [other for other, _, _ in plan]
            later = plan[kinds.index(kind) :]
            rest = [(kind, number + 1, later[0][2])] if number + 1 < later[0][2] else []
            plan = rest + later[1:] if code else []
    return counts, failures


def run_here() -> None:
    """Run cases in this process, as the argument says; report each before and after it."""
    seed, plan, package, folder = json.loads(sys.argv[1])
    home = Path(folder)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    shutil.rmtree(home / "artifacts", ignore_errors=True)
    artifact = Artifact.at(home / "artifacts" / "package" / Path(package).name)
    shutil.copytree(package, artifact.path)
    shutil.rmtree(home / "small", ignore_errors=True)
    small = Store(home / "small")
    registry.appoint(small, trained(small).package)
    with (home / "report.txt").open("a", buffering=1) as report:
        for kind, first, end in plan:
            for number in range(first, end):
                report.write(f"{kind} {number} begun\n")
                shutil.rmtree(home / "in", ignore_errors=True)
                (home / "in").mkdir()
                case = Case(Random(f"{seed} {kind} {number}"), home / "in", small, Store(home / "artifacts"), artifact)
                report.write(f"{kind} {number} {outcome(kind, case)}\n")
                if _peak() > BYTES:
                    raise SystemExit(FULL_MEMORY)


def _peak() -> int:
    """Return the most memory that this process has had, in bytes; `ru_maxrss` would count its parent's, too."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def outcome(kind: str, case: Case) -> str:
    """Run a case; return in a line what came of it."""
    signal.alarm(SECONDS)
    try:
        KINDS[kind](case)
    except DigitsError:
        result = "refused"
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        result = " ".join(f"{type(error).__name__}: {error} ({place.name})".split())
    else:
        result = "read"
    signal.alarm(0)
    left = [*(case.folder.parent / "tmp").iterdir(), *(set(case.folder.rglob("*")) - case.written)]
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return f"left behind: {left}" if left else result


def main() -> None:
    seed, count, kinds, first = (sys.argv[1:] + ["0", "10000", ",".join(KINDS), "0"][len(sys.argv) - 1 :])[:4]
    from tests.conftest import made_chain  # which makes a home

    with tempfile.TemporaryDirectory() as folder:
        package = made_chain(Path(folder)).package.path
        failed = False
        for kind in kinds.split(","):
            start = time.monotonic()
            counts, failures = run(int(seed), [(kind, int(first), int(first) + int(count))], package)
            seconds = time.monotonic() - start
            read_refused = f"{counts['read']:,} read, {counts['refused']:,} refused"
            print(f"{kind}: {read_refused}, {len(failures)} failures, {seconds:.0f} s")
            print(*failures[:50], sep="\n", end="\n" if failures else "", flush=True)
            failed = failed or bool(failures)
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
