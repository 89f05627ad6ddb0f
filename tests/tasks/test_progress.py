"""A person at a terminal sees a bar, a log gets a line an epoch."""

import logging

import pytest

from tasks.progress import progress

LOGS = {"val_accuracy": 0.9912, "val_cross_entropy": 0.0345}


def test_a_log_gets_a_line_an_epoch(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tasks")
    with progress(epochs=2, steps=10) as callback:
        callback.on_epoch_end(0, LOGS)
    assert caplog.messages == ["epoch 1 of 2: validation accuracy 99.12%, loss 0.0345"]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress(epochs=2, steps=1) as callback:
        for epoch in (0, 1):
            callback.on_epoch_begin(epoch, {})
            callback.on_train_batch_end(0, {})
            callback.on_epoch_end(epoch, LOGS)
    shown = capfd.readouterr().err
    assert "epoch 2 of 2" in shown
    assert "validation accuracy 99.12%, loss 0.0345" in shown
    assert "━" in shown
