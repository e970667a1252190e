"""Work: batches, chunks and jobs, their results, and the workers that do them."""
