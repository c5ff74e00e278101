"""Words in, tables or JSON out. Parses, calls one operation, renders one value; decides nothing."""
