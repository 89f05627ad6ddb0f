"""How good a model is: statistics, calibration, drift, robustness, overfitting, label errors, comparison."""
