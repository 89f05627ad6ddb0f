"""What a dataset has to be: expectations of Great Expectations on profiles of the data, a frame each.

A profile has a line for each row of the source (or for each class), so that a rule costs one column and not 784.
A rule that is broken stops the run if it is critical; else the report says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.data.digits import CLASSES, PIXEL_COLUMNS
from tasks.data.tables import RULES
from tasks.words import counted, percent

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

READABLE = "none"  # the value of column `fault` for a row that could be read


@dataclass(frozen=True)
class Limits:
    """Limits to what data may be like.

    bad_rows: the largest share of the training rows that may be set aside.
    class_share, class_images: the least of each class.
    """

    bad_rows: float = 0.001
    class_share: float = 0.02
    class_images: int = 5


@dataclass(frozen=True)
class Check:
    """One expectation, and whether it was met.

    profile: the frame it is about: header, train, test or classes. says: the rule in words.
    unexpected: number of lines that break it. observed: what the frame has, where the rule is about all of it.
    """

    profile: str
    says: str
    critical: bool
    passed: bool
    unexpected: int
    observed: str

    @property
    def seen(self) -> str:
        return counted(self.unexpected, "row") if self.unexpected else f"found {self.observed[:80] or 'otherwise'}"


def header() -> "list[Expectation]":
    """Return what is expected of a frame with the columns of the source and no rows."""
    import great_expectations.expectations as gxe

    # Any order is read right, by name; another order than Kaggle's is still worth a warning.
    return [
        gxe.ExpectTableColumnsToMatchOrderedList(
            column_list=["label", *PIXEL_COLUMNS], severity="warning", notes="columns are label, pixel0 … pixel783"
        )
    ]


def rows(labelled: bool, count: int, limits: Limits, training: bool) -> "list[Expectation]":
    """Return what is expected of a frame as in `tasks.validate.Profile`.

    count: rows that ingest has counted. training: rows can be set aside; a row to score cannot.
    """
    import great_expectations.expectations as gxe

    mostly = 1 - limits.bad_rows if training else 1.0
    expectations: list[Expectation] = [
        gxe.ExpectTableRowCountToEqual(value=count, notes="every row of the source is there"),
        gxe.ExpectTableRowCountToBeBetween(min_value=1, notes="there are rows"),
        *(
            gxe.ExpectColumnValuesToNotBeInSet(column="fault", value_set=[rule], mostly=mostly, notes=f"no {rule}")
            for rule in RULES
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="ink",
            min_value=0,
            strict_min=True,
            mostly=mostly,
            severity="critical" if training else "warning",
            notes="no blank image",
        ),
        gxe.ExpectColumnValuesToBeUnique(column="image", severity="warning", notes="no exact duplicate"),
    ]
    if labelled:
        expectations += [
            gxe.ExpectColumnValuesToNotBeNull(column="label", mostly=mostly, notes="every row has a label"),
            gxe.ExpectColumnValuesToBeInSet(
                column="label", value_set=list(range(CLASSES)), mostly=mostly, notes="labels are 0–9"
            ),
        ]
    if training:
        expectations += [
            gxe.ExpectColumnValuesToBeInSet(
                column="copied", value_set=[False], mostly=mostly, notes="no image of the test part (leak)"
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="usable", value_set=[True], mostly=mostly, notes="few rows to set aside, all rules together"
            ),
        ]
    return expectations


def classes(limits: Limits) -> "list[Expectation]":
    """Return what is expected of a frame with a line for each class: label, images, share."""
    import great_expectations.expectations as gxe

    return [
        gxe.ExpectTableRowCountToEqual(value=CLASSES, notes="ten classes"),
        gxe.ExpectColumnValuesToBeBetween(
            column="images",
            min_value=limits.class_images,
            notes=f"at least {limits.class_images} images of every class",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="share",
            min_value=limits.class_share,
            notes=f"every class has a share of {percent(limits.class_share, 0)}",
        ),
    ]


def check(profiles: "Sequence[tuple[str, pd.DataFrame, list[Expectation]]]", docs: Path) -> list[Check]:
    """Run the expectations of each profile (name, frame, expectations); Data Docs go into the folder `docs`."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    # The site that an ephemeral context starts with lies in a temporary folder.
    context.delete_data_docs_site("local_site")
    context.add_data_docs_site(
        "docs",
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)},
        },
    )
    source = context.data_sources.add_pandas("digits")
    checks = []
    for name, frame, expectations in profiles:
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("rows")
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
        checkpoint = context.checkpoints.add(gx.Checkpoint(name=name, validation_definitions=[definition]))
        outcome = checkpoint.run(batch_parameters={"dataframe": frame})
        for result in outcome.run_results.values():
            checks += [_check(name, expectation) for expectation in result.results]
    context.build_data_docs()
    return checks


def _check(profile: str, outcome: Any) -> Check:
    config = outcome.expectation_config
    return Check(
        profile=profile,
        says=str(config.notes),
        critical=str(config.severity).lower().endswith("critical"),
        passed=bool(outcome.success),
        unexpected=int(outcome.result.get("unexpected_count", 0)),
        observed=str(outcome.result.get("observed_value", "")),
    )
