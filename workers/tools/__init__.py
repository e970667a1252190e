"""What is done from files at the command line: train, evaluate, explain, export, styles."""
