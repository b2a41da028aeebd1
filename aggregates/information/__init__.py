"""Information: regulation part six."""
