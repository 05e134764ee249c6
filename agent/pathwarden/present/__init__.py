"""The one serialiser: values to JSON-ready dictionaries and sentences."""
