"""What a shop sells and asks for: products, goals and search, built once and kept."""
