"""Steps that make a corpus fit to train on. Each is a pure step over a stream of records, usable alone."""
