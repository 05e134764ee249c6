"""Configuration: UCI text in, settings out."""
