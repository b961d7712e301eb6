"""Parts of the documentation that are made from the code, and the command that writes them.

    python -m docs._generate           write every generated part into its page
    python -m docs._generate --check   list the files that are out of date (exit code 1 if any)

A page has generated parts between two comments, `<!-- generated: NAME -->` and `<!-- end of NAME -->`; a few files are generated as a
whole. Edit the code or the module below, never the text between the comments.

| module | makes | from |
|---|---|---|
| `pages` | the list of parts and files; reads and writes them | the modules below |
| `moves`, `moves_svg` | the table and the drawing of all moves | `taskq.channel.MOVES` |
| `keys` | the table of Redis keys | `taskq.channel.Keys` |
| `errors` | the trees of exceptions | `taskq.errors` |
| `events` | the table of events | `taskq.events` |
| `settings` | the tables of settings and of environment variables | `taskq.config.field_docs()` |
| `commands` | the command-line reference | the click commands of `taskq.cli` |
| `architecture` | the drawing of the floors and of a message's walks | import-linter's contract, docstrings, a list of functions |
| `guarantees` | the page of tests behind each guarantee | its own list, and the names of the tests |
"""
