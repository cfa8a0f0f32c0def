"""What happens to a picture or a clip: colorize, merge, video, measures."""
