"""What a measurement saw, in the file formats of other programs."""
