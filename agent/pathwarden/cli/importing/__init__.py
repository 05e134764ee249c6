"""What `pathwarden import` takes in, and where it is kept."""
