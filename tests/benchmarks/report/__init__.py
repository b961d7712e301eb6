"""The page of the documentation, made from the file of a run."""
