"""The commands of the command line, a topic a file; __main__.py puts them together."""
