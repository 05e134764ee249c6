"""Values to fill a history with, and a writer that can be killed."""
