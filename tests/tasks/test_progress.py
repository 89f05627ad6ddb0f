"""A person at a terminal sees a bar, a log gets a line an epoch."""

import logging

import pytest

from tasks.progress import fit_progress, reported_to, rows_in_lines

LOGS = {"val_accuracy": 0.9912, "val_cross_entropy": 0.0345}


def test_a_log_gets_a_line_an_epoch(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tasks")
    with fit_progress(epochs=2, steps=10) as callback:
        callback.on_epoch_end(0, LOGS)
    assert caplog.messages == ["epoch 1 of 2: validation accuracy 99.12\u00a0%, loss 0.0345"]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with fit_progress(epochs=2, steps=1) as callback:
        for epoch in (0, 1):
            callback.on_epoch_begin(epoch, {})
            callback.on_train_batch_end(0, {})
            callback.on_epoch_end(epoch, LOGS)
    shown = capfd.readouterr().err
    assert "epoch 2 of 2" in shown
    assert "validation accuracy 99.12\u00a0%, loss 0.0345" in shown
    assert "━" in shown


def test_a_listener_hears_the_share_of_a_fit_and_of_rows_that_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.progress.EVERY", 0)
    heard: list[float] = []
    with reported_to(heard.append):
        with fit_progress(epochs=4, steps=1) as callback:
            callback.on_epoch_end(0, LOGS)
        rows = rows_in_lines(200)
    rows(100)
    rows(150)  # the size was a guess
    assert heard == [0.25, 0.5, 1.0]
