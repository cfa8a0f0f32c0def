"""The recipes that made the shipped weights: data, losses, loops."""
