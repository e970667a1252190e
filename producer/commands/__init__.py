"""Commands of ``atelier``, one file per group: parse, call an action, print."""
