"""What measures: sweep, records, frontier, verdict, figures, and the command line."""
