"""Write a feed again with other addresses for its pictures, and every other byte as it was."""
