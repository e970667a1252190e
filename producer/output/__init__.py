"""Output for merchants: folders of renditions, results, a gallery, summaries."""
