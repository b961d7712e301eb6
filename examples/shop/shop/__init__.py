"""A shop: a web application, its jobs, and their tests. README.md says how to run it."""
