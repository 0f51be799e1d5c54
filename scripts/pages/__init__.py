"""What the pages of docs/ take from the code: reference tables, the map, outputs of commands.

blocks         the fenced blocks of a page, the commands in them, and marked regions
commands       docs/reference/commands.md, from the command line itself
configuration  docs/reference/configuration.md, from the schema and conf/
metrics        the tables in docs/reference/metrics.md, from the registries
package_map    the map in docs/architecture.md, from the modules' docstrings
sessions       commands shown with their output, run again
"""
