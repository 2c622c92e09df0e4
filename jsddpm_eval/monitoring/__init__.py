"""Samples judged while a network trains: few scores, cheap ones, against validation patients."""
