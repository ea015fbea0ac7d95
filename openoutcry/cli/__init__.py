"""Give the `outcry` command: arguments in, words out, one file a subcommand."""
