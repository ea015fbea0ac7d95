"""Translate the MySQL dialect to those of DuckDB and PostgreSQL, without a float on the way.

sqlglot translates; this module first rewrites what sqlglot would change.  A quotient under ROUND
becomes ``exact_ratio`` (DuckDB divides decimals as doubles, and so would PostgreSQL after sqlglot).
TIMESTAMPDIFF becomes ``seconds_between``, NOW() a literal, CAST AS CHAR a text of any length, an
ENUM a text.  An integer that is compared or united with a text is made a text explicitly.  The
module ``engines`` makes both functions."""

from datetime import datetime
from pathlib import Path
from typing import Any

from openoutcry.wire.errors import QuestionsError

Tree = Any
"""An expression of sqlglot, whose base class has another name in each of its versions."""
Schema = dict[str, dict[str, str]]
"""The columns of each table, and the type of each in the MySQL dialect."""


def statements(path: Path) -> list[Tree]:
    """Return the statements in a file of the MySQL dialect.

    Raises ``QuestionsError`` naming the file, where it is missing or is not SQL."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        parsed = sqlglot.parse(path.read_text(encoding="utf-8"), read="mysql")
    except SqlglotError as error:
        raise QuestionsError(f"{path}: cannot parse the SQL: {_first_line(error)}") from None
    except UnicodeDecodeError as error:
        raise QuestionsError(f"{path}: not UTF-8 at byte {error.start}") from None
    return [tree for tree in parsed if tree is not None and not isinstance(tree, exp.Semicolon)]


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0].replace("\x1b[4m", "").replace("\x1b[0m", "")


def table_statements(path: Path) -> tuple[list[Tree], Schema]:
    """The statements of a file that makes tables and fills them, and the tables' columns.

    Raises ``QuestionsError`` where it would do anything else.
    """
    parsed = statements(path)
    return parsed, _columns_of(path, parsed)


def schema_of(text: str) -> Schema:
    """The tables' columns by CREATE TABLE statements of the MySQL dialect."""
    import sqlglot

    parsed = [tree for tree in sqlglot.parse(text, read="mysql") if tree is not None]
    return _columns_of(Path("the tables"), parsed)


def _columns_of(path: Path, parsed: list[Tree]) -> Schema:
    from sqlglot import exp

    schema = Schema()
    for tree in parsed:
        if (
            isinstance(tree, exp.Create)
            and tree.kind == "TABLE"
            and isinstance(tree.this, exp.Schema)
        ):
            columns = tree.this.find_all(exp.ColumnDef)
            schema[tree.this.this.name] = {
                column.name: column.kind.sql("mysql") if column.kind else "" for column in columns
            }
        elif not isinstance(tree, exp.Insert):
            raise QuestionsError(
                f"{path}: only CREATE TABLE and INSERT are allowed, not {tree.sql('mysql')[:60]}"
            )
    return schema


def question(path: Path) -> Tree:
    """The one SELECT of a file.  Raises ``QuestionsError`` where there is anything else."""
    from sqlglot import exp

    parsed = statements(path)
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
        raise QuestionsError(f"{path}: must be one SELECT")
    return parsed[0]


def translated_question(path: Path, dialect: str, as_of: datetime, schema: Schema) -> str:
    """The question of a file in another dialect; ``QuestionsError`` names the file."""
    try:
        return translated(question(path), dialect, as_of, schema)
    except QuestionsError as error:
        text = str(error)
        raise QuestionsError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def translated(
    tree: Tree, dialect: str, as_of: datetime | None, schema: Schema | None = None
) -> str:
    """A statement of the MySQL dialect in another: ``duckdb`` or ``postgres``.

    as_of: what NOW() says (UTC, naive); None leaves it to the database.
    schema: of the tables a question asks, so that the types of what it compares are known.
    Raises ``QuestionsError`` for a quotient that is not under ROUND: MySQL's number of decimals
    there has no counterpart.
    """
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.annotate_types import annotate_types
    from sqlglot.optimizer.qualify import qualify

    if isinstance(tree, exp.Insert):
        return tree.sql(dialect)
    tree = tree.copy()
    if isinstance(tree, exp.Query) and schema is not None:
        try:
            tree = annotate_types(
                qualify(tree, schema=dict(schema), dialect="mysql", quote_identifiers=False),
                schema=dict(schema),
                dialect="mysql",
            )
        except SqlglotError as error:
            raise QuestionsError(f"no table or column like this: {_first_line(error)}") from None
        _texts_where_texts_are_meant(tree)
    tree = tree.transform(_rewritten, as_of)
    quotient = tree.find(exp.Div)
    if quotient is not None:
        raise QuestionsError(f"a quotient needs ROUND(…, n) to be exact: {quotient.sql('mysql')}")
    return tree.sql(dialect)


def _rewritten(node: Tree, as_of: datetime | None) -> Tree:
    from sqlglot import exp

    if isinstance(node, exp.Round) and isinstance(node.this, exp.Div):
        places = node.args.get("decimals") or exp.Literal.number(0)
        ratio = node.this
        return exp.Anonymous(
            this="exact_ratio",
            expressions=[
                *(part.transform(_rewritten, as_of) for part in (ratio.this, ratio.expression)),
                places,
            ],
        )
    if isinstance(node, exp.TimestampDiff | exp.DateDiff) and node.text("unit").upper() == "SECOND":
        return exp.Anonymous(this="seconds_between", expressions=[node.expression, node.this])
    if as_of is not None and (
        isinstance(node, exp.CurrentTimestamp | exp.Localtimestamp)
        or (isinstance(node, exp.Anonymous) and node.name.upper() == "NOW")
    ):
        return exp.cast(exp.Literal.string(as_of.isoformat(" ")), "TIMESTAMP")
    if isinstance(node, exp.DataType) and node.this == exp.DataType.Type.ENUM:
        return exp.DataType.build("VARCHAR(32)")
    if isinstance(node, exp.Cast) and node.to.this == exp.DataType.Type.CHAR:
        return exp.cast(node.this, "TEXT")
    return node


def _texts_where_texts_are_meant(tree: Tree) -> None:
    """MySQL compares and unites texts and integers by itself, the others only explicitly."""
    from sqlglot import exp

    for node in list(tree.find_all(exp.EQ, exp.NEQ)):
        _cast_the_integer(node, "this", "expression")
    for union in list(tree.find_all(exp.SetOperation)):
        left, right = union.left.selects, union.right.selects
        for one, other in zip(left, right, strict=True):
            _cast_beside(one, other)
            _cast_beside(other, one)


def _cast_the_integer(node: Tree, *sides: str) -> None:
    from sqlglot import exp

    one, other = (node.args[side] for side in sides)
    if one.is_type(*exp.DataType.TEXT_TYPES) and other.is_type(*exp.DataType.INTEGER_TYPES):
        node.set(sides[1], exp.cast(other.copy(), "TEXT"))
    elif other.is_type(*exp.DataType.TEXT_TYPES) and one.is_type(*exp.DataType.INTEGER_TYPES):
        node.set(sides[0], exp.cast(one.copy(), "TEXT"))


def _cast_beside(one: Tree, other: Tree) -> None:
    from sqlglot import exp

    inner = one.this if isinstance(one, exp.Alias) else one
    if other.is_type(*exp.DataType.TEXT_TYPES) and inner.is_type(*exp.DataType.INTEGER_TYPES):
        inner.replace(exp.cast(inner.copy(), "TEXT"))
