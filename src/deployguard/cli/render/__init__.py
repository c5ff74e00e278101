"""Views: each from the value that `--output json` prints, so that they cannot disagree.

`Page` holds the rules of the terminal (width, symbols, colours, wrapping); a view is a function from a value to lines
on a page. Standard output gets the result, standard error the words around it.
"""
