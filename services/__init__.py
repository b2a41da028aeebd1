"""Who is asking: HTTP, command line, importers; and the one list of all that exists."""
