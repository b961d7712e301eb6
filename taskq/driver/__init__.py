"""The store: moves as commands (`base`, `redis`, `scripts`), connections (`connect`), and the embedded server (`embedded`)."""
