"""A visit to the shop: its pages, its actions, and what a purchase is worth."""
