"""Invented products and instructions, in the fields of WebShop's own files."""
