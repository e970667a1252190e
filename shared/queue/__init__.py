"""The work: batches, chunks and jobs, what becomes of them, and who does them."""
