"""How each kind of run becomes a program that a keeper can start. One file a kind."""
