"""How products are used: funnels, retention, paths; read from timelines and active days."""
