"""What the pipeline costs, beside a plain script in the same run: `make bench`, `make bench BENCH=digit-recognizer.zip`."""
