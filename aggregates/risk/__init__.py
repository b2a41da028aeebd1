"""Part five: credit, receivables, the law, and what may go wrong."""
