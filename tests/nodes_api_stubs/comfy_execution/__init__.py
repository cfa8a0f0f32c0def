"""What runs a prompt."""
