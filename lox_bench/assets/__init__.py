"""The data that ships: tasks, judges and results, which lie in folders of their own."""
