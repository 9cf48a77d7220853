"""The online server: reads a bundle's files and answers predictions; stands on its own small lock."""
