"""Quality gates on renditions, and reviews of the renditions that fail them."""
