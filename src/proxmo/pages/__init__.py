"""What reports are made of: tables, figures, and a page that needs nothing else."""
