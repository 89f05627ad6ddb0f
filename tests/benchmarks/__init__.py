"""What the pipeline costs, beside a plain script in the same run: `make bench BENCH=path/to/digit-recognizer.zip`."""
