"""Pictures of a digit: files, ink on paper, MNIST's form."""
