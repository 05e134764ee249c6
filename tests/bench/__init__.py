"""What Pathwarden costs beside the other tools of the trade: `make bench`. Figures are printed, never asserted."""
