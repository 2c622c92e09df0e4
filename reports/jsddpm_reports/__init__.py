"""Renders results for people: terminal, figures, HTML page. Computes nothing and never reaches torch."""
