"""What `pathwarden trace` is made of."""
