"""What `pathwarden doctor` looks at. Each check gives findings in words; it sends nothing but what its docstring says."""
