"""What a merchant gets back: folders of renditions, results, summaries."""
