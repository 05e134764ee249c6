"""What the commands that draw share."""
