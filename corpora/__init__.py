"""What the model reads: records, the catalogue of public datasets, and the bundled medical knowledge."""
