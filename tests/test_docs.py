"""The README and the pages in docs/: complete, their links lead somewhere, and their commands can be typed."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer

from flows.cli.app import app
from tests.command import ROOT
from tests.test_architecture import FLOORS

ENTRY_PAGES = (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "artifacts/README.md", "data/README.md"))
PAGES = [*ENTRY_PAGES, *sorted(ROOT.glob("docs/**/*.md"))]
COMMANDS = typer.main.get_command(app).commands
TARGETS = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def shell_commands(page: Path) -> Iterator[list[str]]:
    """The words of each command in a page's shell blocks; pipes, `&&` and redirections part one from the next."""
    for block in re.findall(r"^```sh\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
            lexer.whitespace_split = True
            words: list[str] = []
            for word in lexer:
                if set(word) <= set("|&;<>"):
                    yield words
                    words = []
                elif words or not re.match(r"[A-Z_]+=", word):  # a variable before the command
                    words.append(word)
            yield words


def anchors(page: Path) -> set[str]:
    """The names by which a link leads to a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_command_and_option_is_in_the_pages() -> None:
    text = "".join(map(text_of, PAGES))
    options = {
        option
        for command in COMMANDS.values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert {name for name in COMMANDS if f"digits {name}" not in text} == set()
    assert {option for option in options if not re.search(rf"{option}\b", text)} == set()


def test_help_is_in_whole_sentences() -> None:
    texts = [command.help or "" for command in COMMANDS.values()]
    texts += [getattr(parameter, "help", None) or "" for command in COMMANDS.values() for parameter in command.params]
    assert [text for text in texts if not re.fullmatch(r"(?s)(?:[A-Z]|…).*[.…]", text)] == []


@each_page
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        if "://" not in link:
            file, _, heading = link.partition("#")
            target = page.parent / file if file else page
            assert target.exists(), link
            assert not heading or heading in anchors(target), link


@each_page
def test_commands_can_be_parsed(page: Path) -> None:
    for words in shell_commands(page):
        if words and Path(words[0]).name == "digits":
            COMMANDS[words[1]].make_context(words[1], words[2:]).close()  # raises UsageError
        if words and words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= set(TARGETS), words


@each_page
def test_names_of_commands_in_sentences_exist(page: Path) -> None:
    assert set(re.findall(r"`(?:\S+ )?digits ([a-z][a-z-]*)", text_of(page))) <= set(COMMANDS)
    assert set(re.findall(r"`(?:\S+ )?make ([a-z]+)", text_of(page))) <= set(TARGETS)


def test_the_design_names_every_room_and_stage() -> None:
    design = text_of(ROOT / "docs" / "design.md")
    names = {module.rpartition(".")[2] for floor in FLOORS for module in floor}
    assert {name for name in names if not re.search(rf"\b{name}\b", design)} == set()


def test_the_page_on_artifacts_names_every_kind() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tasks/**/*.py"))
    kinds = set(re.findall(r"store\.make\(\s*\"(\w+)\"", code))
    assert {"dataset", "scores"} <= kinds
    page = text_of(ROOT / "artifacts" / "README.md")
    assert {kind for kind in kinds if f"`{kind}`" not in page} == set()
