"""ColorHouse: palettes and light for pictures in colour."""
