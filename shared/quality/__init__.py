"""What a merchant's renditions must be like, and the reviews of those that are not."""
