"""Work on files from the command line: train, evaluate, explain, export, manage styles."""
