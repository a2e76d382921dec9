"""Control state: what people make and what must survive, apart from events. One module per noun."""
